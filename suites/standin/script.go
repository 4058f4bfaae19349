// SPDX-License-Identifier: Apache-2.0

package standin

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/ingress-auth/conformance/suites/exchange"
)

// The cookies that carry scripts. Their values are base64url (RFC 4648 §5, without padding) of the script as JSON.
const (
	AuthCookie    = exchange.ReadableCookiePrefix + "auth"
	BackendCookie = exchange.ReadableCookiePrefix + "backend"
)

// LargestScript is the longest encoded script in bytes: browsers refuse cookies above 4096 bytes with their name.
const LargestScript = 4000

// longestDelay bounds DelayMS; an answer that never comes is Hang.
const longestDelay = 5 * time.Minute

// AuthScript says what the auth service stand-in answers to one request.
type AuthScript struct {
	// Status is the final status, 200 to 599.
	Status int `json:"status,omitempty"`
	// Headers are name and value pairs, sent in this order per name; names may repeat.
	Headers [][2]string `json:"headers,omitempty"`
	// Body is the response body. Without a Content-Type among Headers none is sent.
	Body string `json:"body,omitempty"`
	// Padding is the length in bytes of a header X-Standin-Padding, for answers that are too large to be written out here.
	Padding int `json:"padding,omitempty"`
	// DelayMS is how many milliseconds the answer waits.
	DelayMS int `json:"delayMs,omitempty"`
	// Hang never answers, until the caller gives up. Close closes the connection without an answer.
	Hang  bool `json:"hang,omitempty"`
	Close bool `json:"close,omitempty"`
}

// BackendScript says what the backend stand-in answers to one request.
type BackendScript struct {
	// Status is the final status, 200 to 599; 0 means 200.
	Status int `json:"status,omitempty"`
	// Headers are name and value pairs, sent in this order per name; names may repeat.
	Headers [][2]string `json:"headers,omitempty"`
	// Body is the response body, unless Echo asks for the echo document in its place.
	Body string `json:"body,omitempty"`
	Echo bool   `json:"echo,omitempty"`
	// Padding is as in AuthScript.
	Padding int `json:"padding,omitempty"`
}

// Cookie returns the cookie that carries the script.
func (s AuthScript) Cookie() *http.Cookie {
	return &http.Cookie{Name: AuthCookie, Value: s.Encode(), Path: "/"}
}

// Encode returns the script as it stands in the cookie and in the path /script/<script>.
func (s AuthScript) Encode() string { return encode(s) }

// Cookie returns the cookie that carries the script.
func (s BackendScript) Cookie() *http.Cookie {
	return &http.Cookie{Name: BackendCookie, Value: encode(s), Path: "/"}
}

func encode(script any) string {
	b, _ := json.Marshal(script) // strings, numbers and booleans only: cannot fail
	return base64.RawURLEncoding.EncodeToString(b)
}

// ParseAuthScript decodes and validates an encoded AuthScript.
func ParseAuthScript(encoded string) (AuthScript, error) {
	var s AuthScript
	if err := decode(encoded, &s); err != nil {
		return AuthScript{}, err
	}
	if s.Hang && s.Close {
		return AuthScript{}, fmt.Errorf("the script asks for both hang and close; choose one")
	}
	if d := time.Duration(s.DelayMS) * time.Millisecond; s.DelayMS < 0 || d > longestDelay {
		return AuthScript{}, fmt.Errorf("delayMs is %d; it must be between 0 and %d", s.DelayMS, longestDelay.Milliseconds())
	}
	if s.Hang || s.Close {
		return s, nil
	}
	if err := pad(&s.Headers, s.Padding); err != nil {
		return s, err
	}
	return s, validAnswer(s.Status, s.Headers)
}

// PaddingHeader is the header that Padding adds; largestPadding bounds it.
const (
	PaddingHeader  = "X-Standin-Padding"
	largestPadding = 1 << 20
)

func pad(headers *[][2]string, length int) error {
	if length < 0 || length > largestPadding {
		return fmt.Errorf("padding is %d; it must be between 0 and %d", length, largestPadding)
	}
	if length > 0 {
		*headers = append(*headers, [2]string{PaddingHeader, strings.Repeat("p", length)})
	}
	return nil
}

// ParseBackendScript decodes and validates an encoded BackendScript. Status 0 becomes 200.
func ParseBackendScript(encoded string) (BackendScript, error) {
	var s BackendScript
	if err := decode(encoded, &s); err != nil {
		return BackendScript{}, err
	}
	if s.Status == 0 {
		s.Status = http.StatusOK
	}
	if err := pad(&s.Headers, s.Padding); err != nil {
		return s, err
	}
	return s, validAnswer(s.Status, s.Headers)
}

func decode(encoded string, into any) error {
	if len(encoded) > LargestScript {
		return fmt.Errorf("the script is %d bytes long; at most %d fit into a cookie", len(encoded), LargestScript)
	}
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(encoded, "="))
	if err != nil {
		return fmt.Errorf("the script is not base64url: %w", err)
	}
	dec := json.NewDecoder(strings.NewReader(string(b)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("the script is not the JSON expected: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("the script has something after its JSON object")
	}
	return nil
}

func validAnswer(status int, headers [][2]string) error {
	if status < 200 || status > 599 {
		return fmt.Errorf("status is %d; it must be between 200 and 599", status)
	}
	for _, h := range headers {
		if !httpguts.ValidHeaderFieldName(h[0]) || !httpguts.ValidHeaderFieldValue(h[1]) {
			return fmt.Errorf("%q is not a valid header", h[0])
		}
		switch http.CanonicalHeaderKey(h[0]) {
		case "Content-Length", "Transfer-Encoding":
			return fmt.Errorf("%s is set by the server and cannot be scripted", h[0])
		}
	}
	return nil
}
