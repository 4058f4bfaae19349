// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"time"

	"github.com/ingress-auth/conformance/suites/platform/local"
)

// fronts are reverse proxies between the browser and the gateways, one for each gateway and scheme, where a negative
// control makes the gateway seem to deviate. Without a control there are none.
type fronts struct{ addrs map[[2]string]string }

func (f *fronts) addr(gateway, scheme string) (string, bool) {
	addr, ok := f.addrs[[2]string{gateway, scheme}]
	return addr, ok
}

func (s *localSubject) startFronts(ctx context.Context, wrap func(http.Handler) http.Handler) (*fronts, error) {
	certificate, err := s.material.certificate()
	if err != nil {
		return nil, err
	}
	f := &fronts{addrs: map[[2]string]string{}}
	for _, gateway := range s.options.Gateways {
		for _, scheme := range []string{"http", "https"} {
			l, err := local.Listen(ctx)
			if err != nil {
				return nil, err
			}
			s.onClose(func(context.Context) error { return closeListener(l) })
			f.addrs[[2]string{gateway.Name, scheme}] = l.Addr().String()
			if scheme == "https" {
				l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
			}
			server := &http.Server{Handler: wrap(s.passOn(gateway.Name, scheme)), ReadHeaderTimeout: 10 * time.Second}
			s.start("the front of gateway "+gateway.Name, server, func() error { return server.Serve(l) })
		}
	}
	return f, nil
}

// passOn hands a request to the gateway as it came: header fields, path and query are not touched.
func (s *localSubject) passOn(gateway, scheme string) http.Handler {
	transport := &http.Transport{
		TLSClientConfig:    tlsConfig(s.material.authority.Pool()),
		DisableCompression: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialAddr(ctx, network, s.nginx, gateway, scheme)
		},
	}
	s.onClose(func(context.Context) error { transport.CloseIdleConnections(); return nil })
	return &httputil.ReverseProxy{
		Transport:     transport,
		FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = scheme, r.In.Host, r.In.Host
			r.Out.URL.RawQuery = r.In.URL.RawQuery
			// What net/url would escape goes on as it came. Two slashes in front would be taken for a host.
			if path, _, _ := strings.Cut(r.In.RequestURI, "?"); strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "//") && path != r.In.URL.EscapedPath() {
				r.Out.URL.Opaque = path
			}
			// The reverse proxy takes these away, so that its Rewrite can set them.
			for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
				if values, sent := r.In.Header[name]; sent {
					r.Out.Header[name] = values
				}
			}
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
}

// dialGateway connects to where a host is served, whatever its name says.
func dialGateway(n *Nginx) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		scheme := "http"
		if port == "443" {
			scheme = "https"
		}
		return dialAddr(ctx, network, n, n.gatewayOf(host), scheme)
	}
}

func dialAddr(ctx context.Context, network string, n *Nginx, gateway, scheme string) (net.Conn, error) {
	addr, ok := n.Addr(gateway, scheme)
	if !ok {
		return nil, fmt.Errorf("gateway %q does not run: it has no routes", gateway)
	}
	var d net.Dialer
	return d.DialContext(ctx, network, addr)
}
