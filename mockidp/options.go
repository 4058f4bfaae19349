// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"crypto"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Option changes how a Provider works, as opposed to what it is configured to serve.
type Option func(*Provider)

// Clock tells the time. Implementations are safe for concurrent use.
type Clock interface{ Now() time.Time }

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

// WithClock sets the clock behind every lifetime and every time claim. Each tenant moves on its own from there. Default: the
// system's.
func WithClock(c Clock) Option {
	return func(p *Provider) { p.clock = &movableClock{base: c} }
}

// WithLogger sets where events go. No code, token, state, cookie or secret is logged. Default: nowhere.
func WithLogger(l *slog.Logger) Option { return func(p *Provider) { p.log = l } }

// WithRand sets the source of codes, tokens and identifiers, for tests that need to repeat them. A read that fails ends
// the request with a panic. Keys and signatures use crypto/rand whatever is given here. Default: crypto/rand.
func WithRand(r io.Reader) Option {
	shared := &randomSource{reader: r}
	return func(p *Provider) { p.random = shared }
}

// WithHTTPClient sets what relying parties are called with, for instance to trust a certificate of a test: for back-channel logout, and
// for the documents that clients register, where no redirect is followed. Default: a client that follows none.
func WithHTTPClient(c *http.Client) Option { return func(p *Provider) { p.outbound = c } }

// WithClientCertificates says that the TLS server before the handler requests certificates of clients (tls.RequestClientCert), so
// that discovery may promise mutual TLS (RFC 8705). ServeTLS does so without it.
func WithClientCertificates() Option { return func(p *Provider) { p.mutualTLS.requested.Store(true) } }

func newOutboundClient() *http.Client {
	return &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// SigningKey is a private key of the provider. The first key of an algorithm signs; all are published in the JWKS.
type SigningKey struct {
	// ID is the kid; empty means the key's RFC 7638 thumbprint.
	ID string
	// Algorithm is RS256, RS384, RS512, PS256, PS384 or PS512 with an *rsa.PrivateKey of at least 2048 bits; ES256, ES384 or
	// ES512 with an *ecdsa.PrivateKey on P-256, P-384 or P-521; or EdDSA with an ed25519.PrivateKey.
	Algorithm jose.SignatureAlgorithm
	Key       crypto.Signer
}

// WithSigningKeys sets the keys. Where none is given for an algorithm in use (Config.SigningAlgs), New generates one.
func WithSigningKeys(keys ...SigningKey) Option {
	return func(p *Provider) { p.givenKeys = append(p.givenKeys, keys...) }
}

// randomSource hands out unguessable strings. The lock is for injected readers, which seldom are safe to share.
type randomSource struct {
	mu     sync.Mutex
	reader io.Reader
}

func newRandomSource() *randomSource { return &randomSource{reader: rand.Reader} }

// token returns 256 random bits in base64url.
func (s *randomSource) token() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b [32]byte
	if _, err := io.ReadFull(s.reader, b[:]); err != nil {
		panic(fmt.Sprintf("mockidp: the source of randomness failed: %v", err))
	}
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// id returns 128 random bits in base64url, for what is unique and no secret.
func (s *randomSource) id() string { return strings.Clone(s.token()[:22]) }

// userCode returns a code for people to type (RFC 8628 section 6.1).
func (s *randomSource) userCode() string {
	var code []byte
	for len(code) < userCodeLength {
		raw, _ := base64.RawURLEncoding.DecodeString(s.token())
		// A byte above the last whole multiple would make some letters likelier than others.
		fair := slices.DeleteFunc(raw, func(b byte) bool { return int(b) >= 256/len(userCodeAlphabet)*len(userCodeAlphabet) })
		for _, b := range fair {
			code = append(code, userCodeAlphabet[int(b)%len(userCodeAlphabet)])
		}
	}
	return string(code[:userCodeLength])
}
