// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"bytes"
	"compress/flate"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
)

const (
	// compressAbove is the length in bytes from which a plaintext is worth compressing: long group lists and URLs.
	compressAbove = 512
	// maxPlaintext bounds what a cookie may decompress to. Only our own plaintexts get that far.
	maxPlaintext = 256 << 10
	// minDistinctBytes refuses secrets such as "aaaaaaaaaaaaaaaa".
	minDistinctBytes = 6
)

var errNotAuthentic = errors.New("the cookie was not made by this proxy, was altered, or the cookie secret has changed")

// sealer encrypts and authenticates cookie values with AES-256-GCM. The purpose has a key of its own; the cookie's name
// is authenticated too, so that a value is worth nothing under another name.
type sealer struct {
	aeads []cipher.AEAD // the first seals, all open
	// compressors are *flate.Writer. Each has almost a megabyte of tables; anyone can ask for one by a long rd.
	compressors sync.Pool
}

// newSealer seals with the first secret and opens with any.
func newSealer(purpose string, secrets ...[]byte) (*sealer, error) {
	var aeads []cipher.AEAD
	for _, secret := range secrets {
		key, err := deriveKey(secret, purpose)
		if err != nil {
			return nil, err
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("make the cipher for the %s cookie: %w", purpose, err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("make the cipher for the %s cookie: %w", purpose, err)
		}
		aeads = append(aeads, aead)
	}
	return &sealer{aeads: aeads, compressors: sync.Pool{New: func() any {
		w, _ := flate.NewWriter(io.Discard, flate.DefaultCompression) // fails for unknown levels only
		return w
	}}}, nil
}

// deriveKey makes of a cookie secret a key for one purpose.
func deriveKey(secret []byte, purpose string) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, "ingress-auth proxy cookie v1: "+purpose, 32)
	if err != nil {
		return nil, fmt.Errorf("derive the %s key from the cookie secret: %w", purpose, err)
	}
	return key, nil
}

// The first plaintext byte says how the rest is stored.
const (
	storedPlain byte = iota
	storedDeflated
)

// seal returns plaintext encrypted and in the base64url alphabet.
func (s *sealer) seal(name string, plaintext []byte) string {
	sealed := s.aeads[0].Seal(nil, nil, s.pack(plaintext), []byte(name))
	return base64.RawURLEncoding.EncodeToString(sealed)
}

// open returns the plaintext of a value that seal made for name.
func (s *sealer) open(name, value string) ([]byte, error) {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(value)
	if err != nil {
		return nil, errNotAuthentic
	}
	for i, aead := range s.aeads {
		into := sealed[:0] // the last try may write where it reads
		if i < len(s.aeads)-1 {
			into = nil
		}
		if packed, err := aead.Open(into, nil, sealed, []byte(name)); err == nil {
			return unpack(packed)
		}
	}
	return nil, errNotAuthentic
}

func (s *sealer) pack(plaintext []byte) []byte {
	if len(plaintext) > compressAbove {
		var b bytes.Buffer
		b.WriteByte(storedDeflated)
		w := s.compressors.Get().(*flate.Writer)
		w.Reset(&b)
		// Neither can fail: the buffer only grows.
		_, _ = w.Write(plaintext)
		_ = w.Close()
		s.compressors.Put(w)
		if b.Len() <= len(plaintext) {
			return b.Bytes()
		}
	}
	return append([]byte{storedPlain}, plaintext...)
}

func unpack(packed []byte) ([]byte, error) {
	if len(packed) == 0 {
		return nil, errNotAuthentic
	}
	switch packed[0] {
	case storedPlain:
		return packed[1:], nil
	case storedDeflated:
		r := flate.NewReader(bytes.NewReader(packed[1:]))
		plaintext, err := io.ReadAll(io.LimitReader(r, maxPlaintext+1))
		if err != nil || len(plaintext) > maxPlaintext {
			return nil, errNotAuthentic
		}
		return plaintext, nil
	}
	return nil, errNotAuthentic
}

// cookieSecrets reads the secrets from where the configuration says they are: the one in use, then those before it.
func (c Config) cookieSecrets() ([][]byte, error) {
	secret, err := c.cookieSecret()
	if err != nil {
		return nil, err
	}
	secrets := [][]byte{secret}
	for _, file := range c.PreviousCookieSecretFiles {
		secret, err := readSecret("--cookie-secret-previous-file", file)
		if err != nil {
			return nil, err
		}
		secrets = append(secrets, secret)
	}
	return secrets, nil
}

func (c Config) cookieSecret() ([]byte, error) {
	if c.CookieSecretFile == "" {
		return decodeSecret(c.CookieSecret)
	}
	return readSecret("--cookie-secret-file", c.CookieSecretFile)
}

func readSecret(flag, file string) ([]byte, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", flag, err)
	}
	secret, err := decodeSecret(string(b))
	if err != nil {
		// Editors end a file with a line end that is not part of the secret.
		secret, err = decodeSecret(strings.TrimRight(string(b), "\r\n"))
	}
	if err != nil {
		return nil, fmt.Errorf("the secret in %s=%s %w", flag, file, err)
	}
	return secret, nil
}

// decodeSecret accepts 16, 24 or 32 bytes, raw or in base64 of either alphabet, padded or not. Base64 is tried first, as
// oauth2-proxy does. The error continues a sentence that began with the setting's name and never quotes the secret.
func decodeSecret(s string) ([]byte, error) {
	secret := []byte(s)
	unpadded := strings.TrimRight(s, "=")
	for _, enc := range []*base64.Encoding{base64.RawURLEncoding, base64.RawStdEncoding} {
		if b, err := enc.DecodeString(unpadded); err == nil && isKeyLength(len(b)) {
			secret = b
			break
		}
	}
	if !isKeyLength(len(secret)) {
		return nil, fmt.Errorf("has %d bytes: give 16, 24 or 32 random bytes, or their base64 (openssl rand -base64 32)", len(s))
	}
	distinct := map[byte]bool{}
	for _, b := range secret {
		distinct[b] = true
	}
	if len(distinct) < minDistinctBytes {
		return nil, errors.New("repeats so few characters that it can be guessed: make a random one (openssl rand -base64 32)")
	}
	return secret, nil
}

func isKeyLength(n int) bool { return n == 16 || n == 24 || n == 32 }
