// SPDX-License-Identifier: Apache-2.0

package mockidp_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ingress-auth/conformance/mockidp"
)

// tlsLab is a provider behind TLS. Its issuer has a name, and every name leads to it.
type tlsLab struct {
	*mockidp.Provider
	t         *testing.T
	authority *mockidp.Authority
	issuer    string
	address   string
}

func newTLSLab(t *testing.T) *tlsLab {
	t.Helper()
	authority, err := mockidp.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &tlsLab{t: t, authority: authority, address: listener.Addr().String()}
	_, port, _ := net.SplitHostPort(l.address)
	cfg := testConfig()
	l.issuer = "https://idp.example:" + port
	cfg.Issuer = l.issuer
	if l.Provider, err = mockidp.New(cfg, mockidp.WithSigningKeys(testKeys()...)); err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: l.Provider, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
	serving := make(chan struct{})
	go func() {
		close(serving)
		_ = l.ServeTLS(server, listener, authority) // ends with Close
	}()
	<-serving
	t.Cleanup(func() { _ = server.Close() })
	return l
}

// client trusts the authority, speaks HTTP/2 where it can, and uses a connection once.
func (l *tlsLab) client() *http.Client {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(l.authority.RootPEM())
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", l.address)
		},
	}
	l.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func (l *tlsLab) get(client *http.Client, ctx context.Context, rawURL string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, rawURL, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	response, err := client.Do(request)
	if err == nil {
		response.Body.Close()
	}
	return response, err
}

// wantError is what Go says of each connection; "" where it goes well.
func wantError() map[string]string {
	return map[string]string{
		"expired": "expired", "not-yet-valid": "not yet valid", "wrong-host": "not idp.example", "nameless": "legacy Common Name", "for-clients": "incompatible key usage",
		"self-signed": "unknown authority", "untrusted": "unknown authority", "no-chain": "unknown authority", "sha1": "insecure algorithm", "weak-key": "", "renewed": "",
		"tls-1.1": "protocol version", "old-cipher": "handshake failure", "alpn": "no application protocol", "client-certificate": ": ", // in TLS 1.3 the client may write before it is told, so any error

		"reset": "reset", "hang": "context canceled", "plain-http": "HTTP response to HTTPS", "goaway": "", "rst-stream": "INTERNAL_ERROR", "refused-stream": "",
	}
}

func TestConnectionFaults_EachIsOnTheWire(t *testing.T) {
	l := newTLSLab(t)
	if response, err := l.get(l.client(), t.Context(), l.issuer+"/healthz"); err != nil || response.ProtoMajor != 2 {
		t.Fatalf("without a fault: %v, %v", response, err)
	}
	faults, err := mockidp.Faults()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, f := range faults {
		if f.Endpoint != mockidp.EndpointConnection || !f.Staged() {
			continue
		}
		t.Run(f.ID, func(t *testing.T) {
			how := f.Deviation.Connection
			seen[how] = true
			rule, err := l.AddFault(mockidp.FaultRule{Fault: f.ID})
			if err != nil {
				t.Fatal(err)
			}
			defer l.ClearFaults()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if how == "hang" {
				// It gives up when the handshake has begun: then the fault has happened, or never will.
				go func() {
					tick := time.NewTicker(time.Millisecond)
					defer tick.Stop()
					for l.ActiveFaults()[0].Fired == 0 {
						select {
						case <-tick.C:
						case <-ctx.Done():
							return
						}
					}
					cancel()
				}()
			}
			_, err = l.get(l.client(), ctx, l.issuer+"/healthz")
			if want := wantError()[how]; (err == nil) != (want == "") || (err != nil && !strings.Contains(err.Error(), want)) {
				t.Errorf("%v, want %q", err, want)
			}
			if list := l.ActiveFaults(); len(list) != 1 || list[0].ID != rule.ID || list[0].Fired != 1 {
				t.Errorf("the rules are %+v", list)
			}
			if _, err := l.get(l.client(), t.Context(), l.issuer+"/healthz"); err != nil {
				t.Errorf("when the fault is over: %v", err)
			}
		})
	}
	for _, how := range mockidp.Connections() {
		if !seen[how] {
			t.Errorf("no row of the catalogue has the connection %s", how)
		}
	}
}

// A renewed certificate is another one; without the fault it stays.
func TestConnectionFaults_RenewTheCertificate(t *testing.T) {
	l := newTLSLab(t)
	serial := func() string {
		response, err := l.get(l.client(), t.Context(), l.issuer+"/healthz")
		if err != nil {
			t.Fatal(err)
		}
		return response.TLS.PeerCertificates[0].SerialNumber.String()
	}
	first := serial()
	if serial() != first {
		t.Error("without a fault the certificate changes")
	}
	if _, err := l.AddFault(mockidp.FaultRule{Fault: "H-TLS-ROTATE", Times: mockidp.FaultForever}); err != nil {
		t.Fatal(err)
	}
	if second := serial(); second == first || second == serial() {
		t.Error("the certificate is not renewed")
	}
}

// The weak certificate is one.
func TestConnectionFaults_WeakKeyIsWeak(t *testing.T) {
	l := newTLSLab(t)
	if _, err := l.AddFault(mockidp.FaultRule{Fault: "H-TLS-WEAK-KEY"}); err != nil {
		t.Fatal(err)
	}
	response, err := l.get(l.client(), t.Context(), l.issuer+"/healthz")
	if err != nil || response.TLS.PeerCertificates[0].PublicKeyAlgorithm != x509.RSA {
		t.Errorf("%v", err)
	}
}

// A relying party in a cluster chooses by the host of the issuer, without a control channel; others are left alone.
func TestFaultIssuer_OfAConnectionIsChosenByItsHost(t *testing.T) {
	l := newTLSLab(t)
	issuer, err := l.FaultIssuer("H-TLS-EXPIRED")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(issuer)
	if err != nil || !strings.HasPrefix(u.Host, "h-tls-expired.idp.example:") {
		t.Fatalf("%s, %v", issuer, err)
	}
	for range 2 {
		if _, err := l.get(l.client(), t.Context(), issuer+"/.well-known/openid-configuration"); err == nil || !strings.Contains(err.Error(), "expired") {
			t.Errorf("%v", err)
		}
	}
	// HTTP/2 is right again after the first time, and so is the issuer in the document.
	if issuer, err = l.FaultIssuer("H-HTTP2-RST_STREAM"); err != nil {
		t.Fatal(err)
	}
	discovery := issuer + "/.well-known/openid-configuration"
	if _, err := l.get(l.client(), t.Context(), discovery); err == nil {
		t.Error("the first request is not reset")
	}
	if response, err := l.get(l.client(), t.Context(), discovery); err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("the second: %v, %v", response, err)
	}
	if _, err := l.get(l.client(), t.Context(), l.issuer+"/healthz"); err != nil {
		t.Errorf("the issuer without a fault: %v", err)
	}
}

func TestFaultIssuer_OfAConnectionNeedsTLSAndAName(t *testing.T) {
	if _, err := newLab(t).FaultIssuer("H-TLS-EXPIRED"); err == nil || !strings.Contains(err.Error(), "https") {
		t.Errorf("%v", err)
	}
}
