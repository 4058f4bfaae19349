// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// distinguishedName is the name of a certificate's subject: its parts, the least significant first as RFC 4514 writes them, and the
// attributes of each part, sorted.
type distinguishedName [][]nameAttribute

type nameAttribute struct {
	oid   string
	value string // folded: case and extra spaces do not count (RFC 4517 section 4.2.11)
}

// attributeTypes are the names of RFC 4514 section 3, and those that certificates have besides.
func attributeTypes() map[string]string {
	return map[string]string{
		"CN": "2.5.4.3", "L": "2.5.4.7", "ST": "2.5.4.8", "O": "2.5.4.10", "OU": "2.5.4.11", "C": "2.5.4.6", "STREET": "2.5.4.9",
		"DC": "0.9.2342.19200300.100.1.25", "UID": "0.9.2342.19200300.100.1.1",
		"SERIALNUMBER": "2.5.4.5", "POSTALCODE": "2.5.4.17", "EMAILADDRESS": "1.2.840.113549.1.9.1",
	}
}

// parseDistinguishedName reads the form of RFC 4514, such as "CN=app,O=Example".
func parseDistinguishedName(text string) (distinguishedName, error) {
	var name distinguishedName
	var part []nameAttribute
	for rest := text; ; {
		attribute, after, err := parseAttribute(rest)
		if err != nil {
			return nil, fmt.Errorf("%q is not a distinguished name such as CN=app,O=Example (RFC 4514): %w", text, err)
		}
		part = append(part, attribute)
		if after == "" || after[0] == ',' {
			slices.SortFunc(part, compareAttributes)
			name, part = append(name, part), nil
		}
		if after == "" {
			return name, nil
		}
		rest = after[1:]
	}
}

func compareAttributes(a, b nameAttribute) int {
	return strings.Compare(a.oid+"\x00"+a.value, b.oid+"\x00"+b.value)
}

// parseAttribute reads type=value; rest begins with the comma or plus after it.
func parseAttribute(text string) (found nameAttribute, rest string, err error) {
	typ, text, ok := strings.Cut(text, "=")
	typ = strings.ToUpper(strings.TrimSpace(typ))
	found.oid = attributeTypes()[typ]
	switch {
	case !ok:
		return found, "", errors.New("there is no = in a part of it")
	case found.oid == "" && isOID(typ):
		found.oid = typ
	case found.oid == "":
		return found, "", fmt.Errorf("the attribute %q is not known; write its OID", typ)
	}
	value, rest, err := parseAttributeValue(strings.TrimLeft(text, " "))
	if err == nil && value == "" {
		err = fmt.Errorf("the attribute %s has no value", typ)
	}
	found.value = folded(value)
	return found, rest, err
}

func isOID(text string) bool {
	digits := strings.Split(text, ".")
	return len(digits) > 1 && !slices.ContainsFunc(digits, func(d string) bool { return d == "" || strings.Trim(d, "0123456789") != "" })
}

// folded is what counts of a value.
func folded(value string) string { return strings.ToLower(strings.Join(strings.Fields(value), " ")) }

// parseAttributeValue takes escapes back, or the BER after # (RFC 4514 section 2.4).
func parseAttributeValue(text string) (value, rest string, err error) {
	var raw []byte
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case ',', '+':
			return decodeValue(raw, text[:i], text[i:])
		case '"', ';', '<', '>', 0:
			return "", "", fmt.Errorf("%q must be escaped by a backslash", c)
		case '\\':
			if i+1 < len(text) && strings.IndexByte(` "#+,;<=>\`, text[i+1]) >= 0 {
				raw = append(raw, text[i+1])
				i++
				continue
			}
			if i+2 >= len(text) {
				return "", "", errors.New("it ends within an escape")
			}
			octet, err := hex.DecodeString(text[i+1 : i+3])
			if err != nil {
				return "", "", errors.New("a backslash stands before what needs none")
			}
			raw = append(raw, octet...)
			i += 2
		default:
			raw = append(raw, c)
		}
	}
	return decodeValue(raw, text, "")
}

func decodeValue(raw []byte, written, rest string) (string, string, error) {
	if encoded, ok := strings.CutPrefix(strings.TrimSpace(written), "#"); ok {
		ber, err := hex.DecodeString(encoded)
		if err != nil {
			return "", "", errors.New("what follows # must be hexadecimal")
		}
		var text string
		if after, err := asn1.Unmarshal(ber, &text); err != nil || len(after) > 0 {
			return "", "", errors.New("what follows # must be the BER of one string")
		}
		return text, rest, nil
	}
	if !utf8.Valid(raw) {
		return "", "", errors.New("it is not UTF-8")
	}
	return string(raw), rest, nil
}

// isSubjectOf compares part by part, in order (RFC 4517 section 4.2.15). The certificate has them the other way round.
func (n distinguishedName) isSubjectOf(certificate *x509.Certificate) bool {
	var sequence pkix.RDNSequence
	if rest, err := asn1.Unmarshal(certificate.RawSubject, &sequence); err != nil || len(rest) > 0 {
		return false
	}
	var subject distinguishedName
	for _, set := range slices.Backward(sequence) {
		var part []nameAttribute
		for _, attribute := range set {
			value, ok := attribute.Value.(string)
			if !ok {
				return false
			}
			part = append(part, nameAttribute{oid: attribute.Type.String(), value: folded(value)})
		}
		slices.SortFunc(part, compareAttributes)
		subject = append(subject, part)
	}
	return slices.EqualFunc(n, subject, slices.Equal)
}
