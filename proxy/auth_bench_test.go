// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"io"
	"log/slog"
	"net/http"
	"testing"
)

// BenchmarkAuth asks about one request as ingress-nginx does. proxy/bench measures the same over the network, beside others.
func BenchmarkAuth(b *testing.B) {
	f := newFixture(b, func(c *Config) { c.SetXAuthRequest, c.SkipJWTBearerTokens = true, true })
	f.login("/")
	f.proxy.log = slog.New(slog.NewJSONHandler(io.Discard, nil))
	cookie := http.Header{"Cookie": {"_oauth2_proxy=" + f.cookie("_oauth2_proxy")}}
	for _, bm := range []struct {
		name       string
		credential http.Header
		logged     bool
		want       int
	}{
		{"session", cookie, false, http.StatusAccepted},
		{"session-logged", cookie, true, http.StatusAccepted},
		{"none", nil, false, http.StatusUnauthorized},
		{"bearer", http.Header{"Authorization": {"Bearer " + f.op.sign(nil)}}, false, http.StatusAccepted},
	} {
		b.Run(bm.name, func(b *testing.B) {
			f.proxy.cfg.RequestLogging = bm.logged
			r := ingressRequest(bm.credential)
			b.ReportAllocs()
			for b.Loop() {
				w := &discardResponse{header: make(http.Header)}
				f.proxy.ServeHTTP(w, r)
				if w.status != bm.want {
					b.Fatal(w.status)
				}
			}
		})
	}
}

// ingressRequest is what ingress-nginx asks, with credential beside it.
func ingressRequest(credential http.Header) *http.Request {
	r := requestWith()
	r.URL.Path = "/oauth2/auth"
	r.Header = http.Header{
		"X-Request-Id": {"3f1b8e0c9a7d4e52b6c08f1d2a3e4b5c"}, "X-Original-Url": {"https://app.example.com/reports/2026?page=2"}, "X-Original-Method": {"GET"},
		"X-Sent-From": {"nginx-ingress-controller"}, "X-Real-Ip": {"192.0.2.17"}, "X-Forwarded-For": {"192.0.2.17"}, "X-Auth-Request-Redirect": {"/reports/2026?page=2"},
		"User-Agent": {"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"},
		"Accept":     {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, "Accept-Language": {"en-GB,en;q=0.9"}, "Accept-Encoding": {"gzip, deflate, br, zstd"},
	}
	for name, values := range credential {
		r.Header[name] = values
	}
	return r
}

type discardResponse struct {
	header http.Header
	status int
}

func (d *discardResponse) Header() http.Header         { return d.header }
func (d *discardResponse) Write(p []byte) (int, error) { return len(p), nil }
func (d *discardResponse) WriteHeader(status int)      { d.status = status }
