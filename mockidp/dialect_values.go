// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"
	"regexp"
	"strings"
	"sync"
)

// dialectValues are what ${name} stands for in dialects.yaml.
type dialectValues map[string]any

var placeholder = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\$\{([a-z0-9_]+)\}`) })

// expand replaces placeholders in a value of JSON. A string that is one placeholder becomes its value, of any type. What has no
// value is left out: ok is false.
func (v dialectValues) expand(template any) (value any, ok bool) {
	switch t := template.(type) {
	case string:
		return v.expandString(t)
	case []any:
		list := []any{}
		for _, item := range t {
			if one, ok := v.expand(item); ok {
				list = append(list, one)
			}
		}
		return list, true
	case map[string]any:
		return v.expandMap(t), true
	default:
		return template, true
	}
}

func (v dialectValues) expandMap(template map[string]any) map[string]any {
	out := map[string]any{}
	for name, item := range template {
		if one, ok := v.expand(item); ok {
			out[name] = one
		}
	}
	return out
}

func (v dialectValues) expandString(template string) (any, bool) {
	if m := placeholder().FindStringSubmatch(template); m != nil && m[0] == template {
		value := v[m[1]]
		return value, value != nil && value != ""
	}
	complete := true
	text := placeholder().ReplaceAllStringFunc(template, func(name string) string {
		value := v[name[2:len(name)-1]]
		if value == nil || value == "" {
			complete = false
		}
		return fmt.Sprint(value)
	})
	return text, complete
}

// userValues are the values that a user has in every token. A user without an email address has a user principal name all
// the same.
func userValues(u *User) dialectValues {
	// Claims override the fields, as in User.claims.
	claims := u.claims(userScopes())
	email, _ := claims["email"].(string)
	_, domain, _ := strings.Cut(email, "@")
	upn := email
	if upn == "" {
		upn = u.Username + "@mockidp.example"
	}
	workspace := domain
	if domain == "gmail.com" {
		workspace = ""
	}
	values := identifiers(u.Username)
	for name, value := range map[string]any{
		"username": u.Username, "sub": u.Sub, "upn": upn, "email": email, "workspace_domain": workspace,
		"email_verified": claims["email_verified"], "name": claims["name"], "preferred_username": claims["preferred_username"],
	} {
		values[name] = value
	}
	return values
}

// identifiers are made of a name, the same ones each time.
func identifiers(name string) dialectValues {
	hash := sha256.Sum256([]byte("mockidp " + name))
	number := new(big.Int).SetBytes(hash[:])
	digits := new(big.Int).Mod(number, new(big.Int).Exp(big.NewInt(10), big.NewInt(20), nil))
	return dialectValues{
		"uuid": uuidOf(name), "digits": fmt.Sprintf("1%020d", digits), "opaque": base64.RawURLEncoding.EncodeToString(hash[:]),
		"hex24": hex.EncodeToString(hash[:12]), "okta_id": "00u" + number.Text(62)[:17], "dex_sub": dexSub(name, "local"),
	}
}

// uuidOf has the form of RFC 9562 version 8, which leaves the content to whoever makes it.
func uuidOf(name string) string {
	h := sha256.Sum256([]byte("mockidp uuid " + name))
	h[6], h[8] = h[6]&0x0f|0x80, h[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

// dexSub is the protocol buffer {1: user, 2: connector} in base64url. Both are shorter than 128 bytes, or cut.
func dexSub(user, connector string) string {
	var b []byte
	for i, field := range []string{user, connector} {
		field = field[:min(len(field), 127)]
		b = append(b, byte(i+1)<<3|2, byte(len(field)))
		b = append(b, field...)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}
