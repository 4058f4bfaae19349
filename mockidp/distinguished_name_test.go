// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"
)

func subjectOfNames(t *testing.T, sequence pkix.RDNSequence) *x509.Certificate {
	t.Helper()
	return &x509.Certificate{RawSubject: must(asn1.Marshal(sequence))}
}

func TestDistinguishedName_RFC4514(t *testing.T) {
	attribute := func(oid asn1.ObjectIdentifier, value string) pkix.AttributeTypeAndValue {
		return pkix.AttributeTypeAndValue{Type: oid, Value: value}
	}
	cn, o, ou := asn1.ObjectIdentifier{2, 5, 4, 3}, asn1.ObjectIdentifier{2, 5, 4, 10}, asn1.ObjectIdentifier{2, 5, 4, 11}
	subject := subjectOfNames(t, pkix.RDNSequence{{attribute(o, "Example, Inc.")}, {attribute(ou, "a+b"), attribute(cn, "The  App")}})
	for text, want := range map[string]bool{
		`CN=The App+OU=a\+b,O=Example\, Inc.`:                   true,
		`OU=a\+b+CN=The App,O=Example\, Inc.`:                   true, // the order within a part does not count
		`cn = the app + ou = A\2bB , o = EXAMPLE\, inc.`:        true,
		`2.5.4.3=The App+OU=a\+b,O=Example\, Inc.`:              true,
		`2.5.4.3=#0C0754686520417070+OU=a\+b,O=Example\2C Inc.`: true,
		`O=Example\, Inc.,CN=The App+OU=a\+b`:                   false, // that of parts does
		`CN=The App+OU=a\+b`:                                    false,
		`CN=The App,OU=a\+b,O=Example\, Inc.`:                   false,
		`CN=Another+OU=a\+b,O=Example\, Inc.`:                   false,
		`CN=TheApp+OU=a\+b,O=Example\, Inc.`:                    false,
	} {
		name, err := parseDistinguishedName(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := name.isSubjectOf(subject); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
	for _, text := range []string{"", "x", "CN", "CN=", "=x", "CN=a,", "CN=a,,O=b", "CN=a+", "XX=a", "1=a", "2..5=a", `CN=a\`, `CN=a\2`, `CN=a\zz`, `CN=a\ff`,
		`CN="a"`, "CN=a;O=b", "CN=<a", "CN=#zz", "CN=#0203", "CN=#0C0161FF", "CN=a\x00"} {
		if name, err := parseDistinguishedName(text); err == nil {
			t.Errorf("%q is taken as %v", text, name)
		}
	}
}

// FuzzParseDistinguishedName: never a panic, and what is written by Go's own library for a name is a name.
func FuzzParseDistinguishedName(f *testing.F) {
	f.Add(`CN=app,O=Example\, Inc.`)
	f.Add(`2.5.4.3=#0C0161+OU=\2b`)
	f.Add(" #x\\\"")
	f.Fuzz(func(t *testing.T, text string) {
		if name, err := parseDistinguishedName(text); err == nil && (len(name) == 0 || len(name[0]) == 0) {
			t.Errorf("%q is nobody", text)
		}
		value := pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: text}
		encoded, err := asn1.Marshal(pkix.RDNSequence{{value}})
		var sequence pkix.RDNSequence
		if err != nil || text == "" || folded(text) == "" {
			return
		}
		if _, err := asn1.Unmarshal(encoded, &sequence); err != nil {
			return
		}
		written := sequence.String()
		if name, err := parseDistinguishedName(written); err == nil && !name.isSubjectOf(&x509.Certificate{RawSubject: encoded}) {
			t.Errorf("%q is not the subject that it was written from", written)
		}
	})
}
