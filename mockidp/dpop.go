// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"crypto"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	headerDPoP      = "DPoP"
	headerDPoPNonce = "DPoP-Nonce"
	typDPoP         = "dpop+jwt" // RFC 9449 section 4.2
	tokenTypeDPoP   = "DPoP"

	// dpopNonceLife is how long a nonce serves, at most twice as long.
	dpopNonceLife = 5 * time.Minute
)

// proofClaims are those of RFC 9449 section 4.2.
type proofClaims struct {
	Method   string   `json:"htm"`
	URL      string   `json:"htu"`
	IssuedAt *float64 `json:"iat"`
	ID       string   `json:"jti"`
	Token    string   `json:"ath"`
	Nonce    string   `json:"nonce"`
}

// proveKey checks the DPoP proof of a request (RFC 9449 section 4.3) and returns the thumbprint of its key, or "" if there is no
// proof. accessToken is what the proof has to be about, or "" at the token endpoint.
func (p *Provider) proveKey(w http.ResponseWriter, r *http.Request, accessToken string) (jkt string, e *oauthError) {
	proofs := r.Header.Values(headerDPoP)
	switch len(proofs) {
	case 0:
		return "", nil
	case 1:
	default:
		return "", failure(errInvalidDPoPProof, "there is more than one DPoP header")
	}
	signed, err := jose.ParseSignedCompact(proofs[0], algorithmNames())
	if err != nil {
		return "", failure(errInvalidDPoPProof, "the proof is not a JWT signed with a key pair")
	}
	header := signed.Signatures[0].Header
	typ, _ := header.ExtraHeaders[jose.HeaderType].(string)
	if typ != typDPoP || header.JSONWebKey == nil || !header.JSONWebKey.Valid() || !header.JSONWebKey.IsPublic() {
		return "", failure(errInvalidDPoPProof, "the header of the proof must have typ %s and a public jwk", typDPoP)
	}
	payload, err := signed.Verify(header.JSONWebKey)
	if err != nil {
		return "", failure(errInvalidDPoPProof, "the signature of the proof does not fit its jwk")
	}
	var claims proofClaims
	if err := json.Unmarshal(payload, &claims); err != nil {
		return "", failure(errInvalidDPoPProof, "the claims of the proof are not well formed")
	}
	if e := p.checkProof(w, r, claims, accessToken); e != nil {
		return "", e
	}
	thumbprint, err := header.JSONWebKey.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", failure(errInvalidDPoPProof, "the jwk of the proof has no thumbprint")
	}
	return base64.RawURLEncoding.EncodeToString(thumbprint), nil
}

func (p *Provider) checkProof(w http.ResponseWriter, r *http.Request, c proofClaims, accessToken string) *oauthError {
	now := p.now()
	target, _, _ := strings.Cut(c.URL, "?")
	target, _, _ = strings.Cut(target, "#")
	here := r.URL.Path[len(p.urls.root):]
	switch {
	case c.Method != r.Method:
		return failure(errInvalidDPoPProof, "htm must be the method of the request")
	case target != p.urls.base+here && target != p.urls.baseFor(r.Host)+here:
		return failure(errInvalidDPoPProof, "htu must be the URL of the request")
	case c.IssuedAt == nil || *c.IssuedAt < float64(now.Add(-clockSkew).Unix()) || *c.IssuedAt > float64(now.Add(clockSkew).Unix()):
		return failure(errInvalidDPoPProof, "iat must be now, a minute more or less")
	case accessToken != "" && c.Token != accessTokenHash(accessToken):
		return failure(errInvalidDPoPProof, "ath must be the hash of the access token")
	case c.ID == "":
		return failure(errInvalidDPoPProof, "jti is missing")
	case p.cfg.RequireDPoPNonce && !p.isNonce(c.Nonce):
		w.Header().Set(headerDPoPNonce, p.dpopNonce(now))
		return failure(errUseDPoPNonce, "the proof needs the nonce of the header DPoP-Nonce")
	case !p.store.useAssertion("\x00dpop", c.ID, now):
		return failure(errInvalidDPoPProof, "the jti of the proof was used before")
	}
	if p.cfg.RequireDPoPNonce {
		w.Header().Set(headerDPoPNonce, p.dpopNonce(now)) // RFC 9449 section 8.2
	}
	return nil
}

func accessTokenHash(token string) string {
	hash := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(hash[:])
}

// dpopNonce is the same for a while; nothing has to be remembered for it.
func (p *Provider) dpopNonce(at time.Time) string {
	var window [8]byte
	binary.BigEndian.PutUint64(window[:], uint64(at.UnixNano()/int64(dpopNonceLife)))
	mac := hmac.New(sha256.New, p.nonceKey[:])
	mac.Write(window[:])
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

func (p *Provider) isNonce(value string) bool {
	now := p.now()
	return slices.Contains([]string{p.dpopNonce(now), p.dpopNonce(now.Add(-dpopNonceLife))}, value)
}

// proveForToken is proveKey at the token endpoint, for a client that may have to.
func (p *Provider) proveForToken(w http.ResponseWriter, r *http.Request, client *Client) (string, *oauthError) {
	jkt, e := p.proveKey(w, r, "")
	if e == nil && jkt == "" && client.DPoPBoundAccessTokens {
		e = failure(errInvalidDPoPProof, "this client must send a DPoP proof")
	}
	return jkt, e
}

// checkBinding compares what a token is bound to with what the request shows, at a protected resource (RFC 9449 section 7.1,
// RFC 8705 section 3).
func (p *Provider) checkBinding(w http.ResponseWriter, r *http.Request, scheme, token string, access *accessToken) *oauthError {
	if !access.bound().shownBy(r) {
		return failure(errInvalidToken, "the access token is bound to a certificate, and the connection has it not")
	}
	bound := access.bound().jkt
	if strings.EqualFold(scheme, tokenTypeDPoP) != (bound != "") {
		return failure(errInvalidToken, "a token that is bound to a key is sent by the scheme DPoP, any other by Bearer")
	}
	if bound == "" {
		return nil
	}
	jkt, e := p.proveKey(w, r, token)
	switch {
	case e != nil:
		return e
	case jkt == "":
		return failure(errInvalidDPoPProof, "the DPoP proof is missing")
	case jkt != bound:
		return failure(errInvalidToken, "the access token is bound to another key")
	}
	return nil
}
