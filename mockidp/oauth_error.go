// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// Error codes of RFC 6749 sections 4.1.2.1 and 5.2, RFC 6750 section 3.1 and Core 1.0 section 3.1.2.6.
const (
	errInvalidRequest           = "invalid_request"
	errInvalidClient            = "invalid_client"
	errInvalidGrant             = "invalid_grant"
	errInvalidScope             = "invalid_scope"
	errInvalidToken             = "invalid_token"
	errInsufficientScope        = "insufficient_scope"
	errUnsupportedGrantType     = "unsupported_grant_type"
	errUnsupportedResponseType  = "unsupported_response_type"
	errUnauthorizedClient       = "unauthorized_client"
	errUnmetAuthentication      = "unmet_authentication_requirements" // OpenID Connect Core Error Code UNMET_AUTHENTICATION_REQUIREMENTS
	errAccessDenied             = "access_denied"
	errInvalidRedirectURI       = "invalid_redirect_uri" // RFC 7591 section 3.2.2, with the one below
	errInvalidClientMetadata    = "invalid_client_metadata"
	errUnsupportedTokenType     = "unsupported_token_type" // RFC 7009 section 2.2.1
	errInvalidTarget            = "invalid_target"         // RFC 8707 section 2
	errAuthorizationPending     = "authorization_pending"  // RFC 8628 section 3.5, with the two below
	errSlowDown                 = "slow_down"
	errExpiredToken             = "expired_token"
	errServerError              = "server_error"
	errConsentRequired          = "consent_required"
	errLoginRequired            = "login_required"
	errInvalidRequestObject     = "invalid_request_object" // RFC 9101 section 6.2, with the one below
	errInvalidRequestURI        = "invalid_request_uri"
	errInvalidDPoPProof         = "invalid_dpop_proof" // RFC 9449 sections 5 and 8
	errUseDPoPNonce             = "use_dpop_nonce"
	errRegistrationNotSupported = "registration_not_supported"
)

// oauthError is an error the protocol has a code for.
type oauthError struct {
	code        string
	description string
}

func (e *oauthError) Error() string { return e.code + ": " + e.description }

// failure makes an oauthError.
func failure(code, format string, args ...any) *oauthError {
	return &oauthError{code, describable(fmt.Sprintf(format, args...))}
}

// describable keeps to the characters an error_description may have: %x20-21 / %x23-5B / %x5D-7E.
func describable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '"':
			return '\''
		case r < 0x20 || r > 0x7e || r == '\\':
			return '?'
		}
		return r
	}, s)
}

// writeError answers as RFC 6749 section 5.2: 400, or 401 with a challenge for a client that could not be authenticated.
func writeError(w http.ResponseWriter, e *oauthError) {
	status := statusOf(e)
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="mockidp"`)
	}
	writeJSON(w, status, map[string]string{"error": e.code, "error_description": e.description})
}

func statusOf(e *oauthError) int {
	switch e.code {
	case errInvalidClient:
		return http.StatusUnauthorized
	case errServerError:
		return http.StatusInternalServerError
	}
	return http.StatusBadRequest
}

// writeJSON writes an answer that must not be kept (RFC 6749 section 5.1).
func writeJSON(w http.ResponseWriter, status int, body any) {
	encoded, err := json.Marshal(body)
	if err != nil {
		status, encoded = http.StatusInternalServerError, []byte(`{"error":"server_error"}`)
	}
	noStore(w)
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	_, _ = w.Write(encoded)
}

func noStore(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
}
