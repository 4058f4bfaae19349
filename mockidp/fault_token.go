// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// JOSEEdit changes header, signature and form of the ID token.
type JOSEEdit struct {
	Header *JSONEdit `json:"header,omitempty"`
	// Sign says how: see Signings. Empty signs as always, over what was changed.
	Sign string `json:"sign,omitempty"`
	// Form says how the parts are put together: see TokenForms. Empty is the compact serialization.
	Form string `json:"form,omitempty"`
}

const (
	signRight     = "right"
	signSpare     = "spare" // another RSA key; kid as the header says
	signWeak      = "weak"  // an RSA key of 1024 bits
	signKeep      = "keep"  // the signature over the original
	signEmpty     = "empty"
	signFlipped   = "flipped" // the right one, one bit changed
	signPS256     = "ps256"
	signES256     = "es256"
	signES256Bad  = "es256-flipped"
	signES256DER  = "es256-der"
	signES256Zero = "es256-zero"
	signHMACKey   = "hmac-public-key" // keyed with the RSA public key in PEM
	signHMACName  = "hmac-secret"     // keyed with the client secret
	signHMACOct   = "hmac-published"  // keyed with what the JWKS publishes as an oct key
	signHuge      = "huge"            // a megabyte
)

// publishedOct is the symmetric key that the data publishes, in base64url.
const publishedOct = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"

// Signings lists the ways to sign.
func Signings() []string {
	return []string{signRight, signSpare, signWeak, signKeep, signEmpty, signFlipped, signPS256, signES256, signES256Bad, signES256DER,
		signES256Zero, signHMACKey, signHMACName, signHMACOct, signHuge}
}

// tokenForms puts header, payload and signature together, all in base64url.
func tokenForms() map[string]func(h, p, s string) string {
	return map[string]func(h, p, s string) string{
		"":           func(h, p, s string) string { return h + "." + p + "." + s },
		formJWE:      func(h, p, s string) string { return h + "." + p + "." + s },
		"padded":     func(h, p, s string) string { return pad(h) + "." + pad(p) + "." + pad(s) },
		"spaces":     func(h, p, s string) string { return h + " . " + p + " . " + s },
		"one-part":   func(_, p, _ string) string { return p },
		"two-parts":  func(h, p, _ string) string { return h + "." + p },
		"five-parts": func(h, p, s string) string { return h + "." + p + "." + s + "." + s + "." + s },
		"no-payload": func(h, _, s string) string { return h + ".." + s },
		"json": func(h, p, s string) string {
			text, _ := json.Marshal(map[string]any{"payload": p, "signatures": []any{
				map[string]string{"protected": h, "signature": s}, map[string]string{"protected": h, "signature": s}}})
			return string(text)
		},
	}
}

// formJWE encrypts the token for a key that the relying party does not have.
const formJWE = "jwe"

func (s *stage) encrypt(token string) (string, error) {
	key, err := s.provider.faults.spares.private(signSpare)
	if err != nil {
		return "", err
	}
	encrypter, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.RSA_OAEP, Key: &key.PublicKey}, (&jose.EncrypterOptions{}).WithContentType("JWT"))
	if err != nil {
		return "", err
	}
	encrypted, err := encrypter.Encrypt([]byte(token))
	if err != nil {
		return "", err
	}
	return encrypted.CompactSerialize()
}

func pad(s string) string { return s + strings.Repeat("=", (4-len(s)%4)%4) + "=" }

func (e *JOSEEdit) validate() error {
	if e == nil {
		return nil
	}
	if e.Sign != "" && !slices.Contains(Signings(), e.Sign) {
		return fmt.Errorf("jose.sign: %q must be one of %s", e.Sign, strings.Join(Signings(), ", "))
	}
	if _, ok := tokenForms()[e.Form]; !ok {
		return fmt.Errorf("jose.form: %q is not known", e.Form)
	}
	return e.Header.validate()
}

// editToken changes a compact ID token.
func (d *Deviation) editToken(s *stage, token string) (string, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", errors.New("not a compact JWS")
	}
	var raw [3][]byte
	for i, part := range parts {
		decoded, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil {
			return "", fmt.Errorf("part %d is not base64url: %w", i+1, err)
		}
		raw[i] = decoded
	}
	edit := d.JOSE
	if edit == nil {
		edit = &JOSEEdit{}
	}
	original, err := decodeObject(raw[0])
	if err != nil {
		return "", err
	}
	header, payload := raw[0], raw[1]
	if h := edit.signedHeader(original, s); h != nil {
		if header, err = h.apply(s, header); err != nil {
			return "", err
		}
	}
	if d.Claims != nil {
		if payload, err = d.Claims.apply(s, payload); err != nil {
			return "", err
		}
	}
	encode := base64.RawURLEncoding.EncodeToString
	input := encode(header) + "." + encode(payload)
	signature, err := s.sign(edit.Sign, original, []byte(input), raw[2])
	if err != nil {
		return "", err
	}
	compact := tokenForms()[edit.Form](encode(header), encode(payload), encode(signature))
	if edit.Form == formJWE {
		return s.encrypt(compact)
	}
	return compact, nil
}

// signedHeader is the header edit, with alg and kid of the signing unless the data sets them.
func (e *JOSEEdit) signedHeader(original map[string]any, s *stage) *JSONEdit {
	set := map[string]any{}
	switch e.Sign {
	case signPS256:
		set["alg"] = "PS256"
	case signES256, signES256Bad, signES256DER, signES256Zero:
		set["alg"] = "ES256"
		if key, ok := s.provider.ecKey(); ok {
			set["kid"] = key.kid
		}
	case signHMACKey, signHMACName, signHMACOct:
		set["alg"] = "HS256"
	}
	if e.Header == nil && len(set) == 0 {
		return nil
	}
	out := JSONEdit{}
	if e.Header != nil {
		out = *e.Header
		for name, value := range e.Header.Set {
			set[name] = value
			if value == "${kid}" {
				set[name] = original["kid"]
			}
		}
	}
	out.Set = set
	return &out
}

type namedECKey struct {
	kid string
	key *ecdsa.PrivateKey
}

// ecKey finds the provider's P-256 key.
func (p *Provider) ecKey() (namedECKey, bool) {
	for _, public := range p.keys.public().Keys {
		if public.Algorithm != "ES256" {
			continue
		}
		if key := p.privateKey(public.KeyID); key != nil {
			if private, ok := key.Key.(*ecdsa.PrivateKey); ok {
				return namedECKey{public.KeyID, private}, true
			}
		}
	}
	return namedECKey{}, false
}

// privateKey returns the signing key with this kid, or nil.
func (p *Provider) privateKey(kid string) *jose.JSONWebKey {
	keys := p.keys.current()
	for i := range keys {
		if keys[i].KeyID == kid {
			return &keys[i]
		}
	}
	return nil
}

// sign makes the signature over input. The right key is that of the token as it was.
func (s *stage) sign(how string, original map[string]any, input, kept []byte) ([]byte, error) {
	switch how {
	case signKeep:
		return kept, nil
	case signEmpty:
		return nil, nil
	case signHuge:
		return make([]byte, 1<<20), nil
	case signSpare, signWeak:
		key, err := s.provider.faults.spares.private(how)
		if err != nil {
			return nil, err
		}
		return signRaw("RS256", key, input)
	case signHMACName:
		client := s.provider.directory.client(s.clientID)
		if client == nil {
			return nil, errors.New("the client is not known")
		}
		return signHMAC([]byte(client.ClientSecret), input), nil
	case signHMACOct:
		secret, err := base64.RawURLEncoding.DecodeString(publishedOct)
		return signHMAC(secret, input), err
	case signES256, signES256Bad, signES256DER, signES256Zero:
		return s.signEC(how, input)
	}
	return s.signAsAlways(how, original, input)
}

func (s *stage) signAsAlways(how string, original map[string]any, input []byte) ([]byte, error) {
	kid, _ := original["kid"].(string)
	alg, _ := original["alg"].(string)
	jwk := s.provider.privateKey(kid)
	if jwk == nil {
		return nil, fmt.Errorf("the key %q is no longer there", kid)
	}
	if how == signPS256 {
		alg = "PS256"
	}
	if how == signHMACKey {
		der, err := x509.MarshalPKIXPublicKey(jwk.Public().Key)
		if err != nil {
			return nil, err
		}
		return signHMAC(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), input), nil
	}
	signature, err := signRaw(alg, jwk.Key, input)
	return flippedIf(how == signFlipped, signature), err
}

func (s *stage) signEC(how string, input []byte) ([]byte, error) {
	named, ok := s.provider.ecKey()
	if !ok {
		return nil, errors.New("there is no P-256 key")
	}
	switch how {
	case signES256DER:
		hash := sha256.Sum256(input)
		return ecdsa.SignASN1(rand.Reader, named.key, hash[:])
	case signES256Zero:
		return make([]byte, 64), nil
	}
	signature, err := signRaw("ES256", named.key, input)
	return flippedIf(how == signES256Bad, signature), err
}

func flippedIf(yes bool, signature []byte) []byte {
	if yes && len(signature) > 0 {
		signature[len(signature)/2] ^= 1
	}
	return signature
}

// signRaw makes the signature value of a JWS (RFC 7518 section 3, RFC 8037). go-jose signs only headers that are right.
func signRaw(alg string, key any, input []byte) ([]byte, error) {
	hash, ok := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[strings.TrimLeft(alg, "RPES")]
	if !ok && alg != "EdDSA" {
		return nil, fmt.Errorf("there is no signing with %q", alg)
	}
	digest := input
	if ok {
		h := hash.New()
		h.Write(input)
		digest = h.Sum(nil)
	}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		if strings.HasPrefix(alg, "PS") {
			return rsa.SignPSS(rand.Reader, key, hash, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		}
		return rsa.SignPKCS1v15(rand.Reader, key, hash, digest)
	case *ecdsa.PrivateKey:
		return signPoint(key, digest)
	case ed25519.PrivateKey:
		return ed25519.Sign(key, input), nil
	}
	return nil, fmt.Errorf("a %T does not sign", key)
}

// signPoint is RFC 7518 section 3.4: R and S side by side.
func signPoint(key *ecdsa.PrivateKey, digest []byte) ([]byte, error) {
	r, s, err := ecdsa.Sign(rand.Reader, key, digest)
	if err != nil {
		return nil, err
	}
	size := (key.Curve.Params().BitSize + 7) / 8
	out := make([]byte, 2*size)
	r.FillBytes(out[:size])
	s.FillBytes(out[size:])
	return out, nil
}

func signHMAC(key, input []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(input)
	return mac.Sum(nil)
}
