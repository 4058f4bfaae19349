// SPDX-License-Identifier: Apache-2.0

package standin

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/websocket"

	"github.com/ingress-auth/conformance/suites/exchange"
)

// Echo is what a backend stand-in saw of a request, and what it answers with unless a script says otherwise.
type Echo struct {
	// Name is the instance that answered.
	Name   string `json:"name"`
	Method string `json:"method"`
	Host   string `json:"host"`
	// RequestTarget is the request target byte for byte (RFC 9112 §3.2).
	RequestTarget string `json:"requestTarget"`
	Proto         string `json:"proto"`
	// Headers are sorted by canonical name; values of one name are in the order received. Host is not among them.
	Headers [][2]string `json:"headers"`
	// BodyBytes and BodySHA256 (hexadecimal) describe the request body.
	BodyBytes  int64  `json:"bodyBytes"`
	BodySHA256 string `json:"bodySha256"`
}

// Values returns the values of a header in the order received.
func (e Echo) Values(name string) []string {
	var values []string
	for _, h := range e.Headers {
		if strings.EqualFold(h[0], name) {
			values = append(values, h[1])
		}
	}
	return values
}

// ParseEcho decodes the answer of a backend stand-in.
func ParseEcho(body []byte) (Echo, error) {
	var e Echo
	err := json.Unmarshal(body, &e)
	return e, err
}

// NewBackend returns a backend stand-in. It answers 200 with an Echo as JSON, or what the BackendScript in the cookie
// standin-backend says. /ws echoes WebSocket messages. The name tells several backends apart.
func NewBackend(rec *Recorder, name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path, _, _ := strings.Cut(r.RequestURI, "?"); path == "/ws" && strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
			e := received(r, exchange.Backend, name, io.Discard)
			e.Status = http.StatusSwitchingProtocols
			rec.Add(e)
			websocket.Server{Handler: func(ws *websocket.Conn) { io.Copy(ws, ws) }}.ServeHTTP(w, r)
			return
		}
		sum := sha256.New()
		e := received(r, exchange.Backend, name, sum)
		s, err := backendScriptOf(r)
		if err != nil {
			malformed(rec, w, r, e, err)
			return
		}
		if s.Echo {
			s.Body = echo(r, name, e.RequestBodyBytes, hex.EncodeToString(sum.Sum(nil)))
			if !slices.ContainsFunc(s.Headers, func(h [2]string) bool { return strings.EqualFold(h[0], "Content-Type") }) {
				s.Headers = append(s.Headers, [2]string{"Content-Type", "application/json"})
			}
		}
		answer(rec, w, r, e, s.Status, s.Headers, s.Body)
	})
}

// NewUpstream is NewBackend for an auth service that passes requests on to it by itself.
func NewUpstream(rec *Recorder, name string) http.Handler {
	return from(exchange.AuthService, NewBackend(rec, name))
}

func backendScriptOf(r *http.Request) (BackendScript, error) {
	c, err := r.Cookie(BackendCookie)
	if err != nil {
		return BackendScript{Status: http.StatusOK, Echo: true}, nil
	}
	return ParseBackendScript(c.Value)
}

func echo(r *http.Request, name string, bodyBytes int64, bodySHA256 string) string {
	doc := Echo{
		Name: name, Method: r.Method, Host: r.Host, RequestTarget: r.RequestURI, Proto: r.Proto,
		Headers: [][2]string{}, BodyBytes: bodyBytes, BodySHA256: bodySHA256,
	}
	for n, values := range r.Header {
		for _, v := range values {
			doc.Headers = append(doc.Headers, [2]string{n, v})
		}
	}
	slices.SortStableFunc(doc.Headers, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	b, _ := json.Marshal(doc) // strings and numbers only: cannot fail
	return string(b) + "\n"
}
