// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
)

func testSealer(t testing.TB, secret, purpose string) *sealer {
	t.Helper()
	s, err := newSealer(purpose, []byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSealedValueOpensOnlyAsItWas(t *testing.T) {
	s := testSealer(t, testSecret, "session")
	for _, plaintext := range []string{"", "x", strings.Repeat("group,", 1000), strings.Repeat("€", compressAbove)} {
		value := s.seal("name", []byte(plaintext))
		got, err := s.open("name", value)
		if err != nil || string(got) != plaintext {
			t.Fatalf("round trip of %d bytes: %d bytes, %v", len(plaintext), len(got), err)
		}
		if other := s.seal("name", []byte(plaintext)); other == value {
			t.Error("sealing twice gives the same value")
		}
		for what, wrong := range map[string]func() ([]byte, error){
			"another name":    func() ([]byte, error) { return s.open("name_csrf", value) },
			"another purpose": func() ([]byte, error) { return testSealer(t, testSecret, "state").open("name", value) },
			"another secret": func() ([]byte, error) {
				return testSealer(t, strings.ToUpper(testSecret), "session").open("name", value)
			},
			"cut short":   func() ([]byte, error) { return s.open("name", value[:len(value)-4]) },
			"made longer": func() ([]byte, error) { return s.open("name", value+"AAAA") },
			"empty":       func() ([]byte, error) { return s.open("name", "") },
		} {
			if _, err := wrong(); err == nil {
				t.Errorf("%s: opened", what)
			}
		}
	}
}

func TestEveryAlteredByteIsNoticed(t *testing.T) {
	s := testSealer(t, testSecret, "session")
	sealed, _ := base64.RawURLEncoding.DecodeString(s.seal("n", []byte("hello")))
	for i := range sealed {
		altered := bytes.Clone(sealed)
		altered[i] ^= 1
		if _, err := s.open("n", base64.RawURLEncoding.EncodeToString(altered)); err == nil {
			t.Errorf("byte %d can be altered", i)
		}
	}
}

func TestLongListsAreCompressed(t *testing.T) {
	s := testSealer(t, testSecret, "session")
	plaintext := []byte(strings.Repeat(`"/organisation/department/team-name",`, 200))
	if value := s.seal("n", plaintext); len(value) > len(plaintext)/10 {
		t.Errorf("%d bytes became %d characters", len(plaintext), len(value))
	}
}

func TestDecompressionIsBounded(t *testing.T) {
	s := testSealer(t, testSecret, "session")
	if _, err := s.open("n", s.seal("n", make([]byte, maxPlaintext+1))); err == nil {
		t.Error("a plaintext beyond the bound was opened")
	}
}

func TestCookieSecret(t *testing.T) {
	raw := "\x01\x02\x03\x04\x05\x06\x07\x08\x09\xfa\xfb\xfc\xfd\xfe\xff\x10"
	for _, tc := range []struct {
		name, secret string
		want         string
		ok           bool
	}{
		{"32 raw bytes", "!" + testSecret[1:], "!" + testSecret[1:], true},
		{"32 letters are base64 of 24 bytes", strings.Repeat("abcdefgh", 4), "i\xb7\x1dy\xf8!i\xb7\x1dy\xf8!i\xb7\x1dy\xf8!i\xb7\x1dy\xf8!", true},
		{"16 raw bytes", "abcdefghijklmno!", "abcdefghijklmno!", true},
		{"base64", base64.StdEncoding.EncodeToString([]byte(raw)), raw, true},
		{"base64 without padding", base64.RawStdEncoding.EncodeToString([]byte(raw)), raw, true},
		{"base64url", base64.URLEncoding.EncodeToString([]byte(raw)), raw, true},
		{"17 bytes", testSecret[:17], "", false},
		{"short", "secret", "", false},
		{"one character repeated", strings.Repeat("a", 32), "", false},
		{"base64 of zeros", base64.StdEncoding.EncodeToString(make([]byte, 32)), "", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := decodeSecret(tc.secret)
			if (err == nil) != tc.ok || string(got) != tc.want {
				t.Errorf("got %q, %v", got, err)
			}
			if err != nil && strings.Contains(err.Error(), tc.secret) {
				t.Errorf("the error quotes the secret: %v", err)
			}
		})
	}
}

func FuzzOpen(f *testing.F) {
	s, _ := newSealer("session", []byte(testSecret))
	genuine := s.seal("n", []byte("genuine"))
	f.Add("")
	f.Add("AAAA")
	f.Add(genuine)
	f.Add(genuine[:20])
	f.Fuzz(func(t *testing.T, value string) {
		if got, err := s.open("n", value); err == nil && string(got) != "genuine" {
			t.Errorf("%q opened", value)
		}
	})
}

func FuzzPack(f *testing.F) {
	s, _ := newSealer("session", []byte(testSecret))
	f.Add([]byte("x"))
	f.Add(bytes.Repeat([]byte("ab"), compressAbove))
	f.Fuzz(func(t *testing.T, plaintext []byte) {
		got, err := unpack(s.pack(plaintext))
		if err != nil || !bytes.Equal(got, plaintext) {
			t.Errorf("%d bytes became %d: %v", len(plaintext), len(got), err)
		}
		_, _ = unpack(plaintext) // must not panic
	})
}
