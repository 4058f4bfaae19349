// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"
)

const (
	providerTimeout = 10 * time.Second
	// maxProviderBody is the most bytes read from any answer of the identity provider.
	maxProviderBody = 1 << 20
)

// newProviderClient returns the client for all requests to the identity provider: bounded in time and size, never
// following a redirect (which could carry the client secret elsewhere).
func newProviderClient(base *http.Client, caFiles []string) (*http.Client, error) {
	client := &http.Client{}
	if base != nil {
		*client = *base
	}
	if client.Timeout == 0 {
		client.Timeout = providerTimeout
	}
	if len(caFiles) > 0 {
		transport, err := transportTrusting(client.Transport, caFiles)
		if err != nil {
			return nil, err
		}
		client.Transport = transport
	}
	if client.Transport == nil {
		client.Transport = http.DefaultTransport
	}
	client.Transport = identifiedTransport{boundedTransport{client.Transport}}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return client, nil
}

func transportTrusting(base http.RoundTripper, caFiles []string) (http.RoundTripper, error) {
	if base == nil {
		base = http.DefaultTransport
	}
	transport, ok := base.(*http.Transport)
	if !ok {
		return nil, errors.New("--provider-ca-file cannot be combined with an HTTP client that has a transport of its own kind")
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	for _, file := range caFiles {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read --provider-ca-file: %w", err)
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--provider-ca-file=%s holds no PEM certificate", file)
		}
	}
	transport = transport.Clone()
	if transport.TLSClientConfig == nil {
		transport.TLSClientConfig = &tls.Config{}
	}
	transport.TLSClientConfig.RootCAs = pool
	transport.TLSClientConfig.MinVersion = max(transport.TLSClientConfig.MinVersion, tls.VersionTLS12)
	return transport, nil
}

// identifiedTransport sends the ID of the request on whose behalf the identity provider is asked, so that the logs of both
// can be read together.
type identifiedTransport struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t identifiedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if id, ok := r.Context().Value(requestIDKey{}).(string); ok {
		r = r.Clone(r.Context()) // a RoundTripper leaves its request alone
		r.Header.Set(requestIDHeader, id)
	}
	return t.next.RoundTrip(r)
}

// boundedTransport fails the reading of bodies that are longer than maxProviderBody.
type boundedTransport struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t boundedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = &boundedBody{ReadCloser: resp.Body, left: maxProviderBody}
	return resp, nil
}

type boundedBody struct {
	io.ReadCloser
	left int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, fmt.Errorf("the identity provider's answer is longer than %d bytes", maxProviderBody)
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	return n, err
}

// withoutURL drops the URL from a client error: it may hold a token in its query.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
