// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http2"
)

// What can be wrong with a connection, below HTTP.
const (
	connectionExpired     = "expired"
	connectionNotYetValid = "not-yet-valid"
	connectionWrongHost   = "wrong-host"
	connectionNameless    = "nameless"    // the name only in the subject, which nobody reads any more
	connectionForClients  = "for-clients" // not for servers
	connectionSelfSigned  = "self-signed"
	connectionUntrusted   = "untrusted"
	connectionNoChain     = "no-chain" // without the intermediate certificate
	connectionSHA1        = "sha1"
	connectionWeakKey     = "weak-key" // RSA of 1024 bits
	connectionRenewed     = "renewed"  // another, good certificate each time

	connectionTLS11      = "tls-1.1"
	connectionOldCipher  = "old-cipher" // RC4
	connectionALPN       = "alpn"       // a protocol nobody asked for
	connectionClientCert = "client-certificate"
	connectionReset      = "reset"      // RST in the handshake
	connectionHang       = "hang"       // the handshake never ends
	connectionPlain      = "plain-http" // an HTTP answer to the handshake

	connectionGoAway  = "goaway"         // to the first request
	connectionRST     = "rst-stream"     // INTERNAL_ERROR for the first request
	connectionRefused = "refused-stream" // REFUSED_STREAM for the first request
)

func certificateFaults() []string {
	return []string{connectionExpired, connectionNotYetValid, connectionWrongHost, connectionNameless, connectionForClients, connectionSelfSigned,
		connectionUntrusted, connectionNoChain, connectionSHA1, connectionWeakKey, connectionRenewed}
}

func http2Faults() []string { return []string{connectionGoAway, connectionRST, connectionRefused} }

// Connections lists what Deviation.Connection may be.
func Connections() []string {
	return slices.Concat(certificateFaults(), []string{connectionTLS11, connectionOldCipher, connectionALPN, connectionClientCert,
		connectionReset, connectionHang, connectionPlain}, http2Faults())
}

// ServeTLS serves https with certificates of the authority, by HTTP/1.1 and HTTP/2, until the server is closed, and stages
// the faults of connections: those that were added, and those that the first label of the name in the handshake stands for
// (SNI): whoever asks for h-tls-expired.idp.example gets an expired certificate. Clients may show certificates (RFC
// 8705), and those of the authority are believed. It always returns an error, as
// http.Server.ServeTLS does.
func (p *Provider) ServeTLS(server *http.Server, listener net.Listener, authority *Authority) error {
	c := &connections{provider: p, authority: authority, broken: map[net.Conn]string{}}
	server.TLSConfig = &tls.Config{NextProtos: []string{http2.NextProtoTLS, "http/1.1"}, GetConfigForClient: c.configFor}
	if err := http2.ConfigureServer(server, nil); err != nil {
		return fmt.Errorf("setting up HTTP/2: %w", err)
	}
	right := server.TLSNextProto[http2.NextProtoTLS]
	server.TLSNextProto[http2.NextProtoTLS] = func(s *http.Server, connection *tls.Conn, handler http.Handler) {
		if how := c.taken(connection.NetConn()); how != "" {
			breakHTTP2(connection, how)
			return
		}
		right(s, connection, handler)
	}
	p.faults.connected.Store(true)
	p.mutualTLS.authority.Store(authority)
	p.mutualTLS.requested.Store(true)
	return server.ServeTLS(listener, "", "")
}

// connections decides what each connection gets.
type connections struct {
	provider  *Provider
	authority *Authority

	mu     sync.Mutex
	broken map[net.Conn]string // what to do when HTTP/2 begins
}

func (c *connections) taken(connection net.Conn) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	how := c.broken[connection]
	delete(c.broken, connection)
	return how
}

var errFaultyConnection = errors.New("a fault ended the connection")

func (c *connections) configFor(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	// Certificates of clients are requested and never demanded: who has none is served all the same.
	config := &tls.Config{NextProtos: []string{http2.NextProtoTLS, "http/1.1"}, ClientAuth: tls.RequestClientCert}
	host := hello.ServerName
	if host == "" {
		host, _, _ = net.SplitHostPort(hello.Conn.LocalAddr().String())
	}
	how := c.provider.connectionFault(hello)
	switch how {
	case connectionReset:
		_ = resetOnClose(hello.Conn)
		_ = hello.Conn.Close()
		return nil, errFaultyConnection
	case connectionHang:
		_ = hello.Conn.SetDeadline(time.Now().Add(maxFaultWait))
		_, _ = io.Copy(io.Discard, hello.Conn) // until the client gives up
		return nil, errFaultyConnection
	case connectionPlain:
		_, _ = io.WriteString(hello.Conn, "HTTP/1.0 400 Bad Request\r\n\r\nThis port speaks plain HTTP.\n")
		_ = hello.Conn.Close()
		return nil, errFaultyConnection
	case connectionTLS11:
		config.MinVersion, config.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	case connectionOldCipher:
		config.MaxVersion, config.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_RC4_128_SHA}
	case connectionALPN:
		config.NextProtos = []string{"smtp"}
	case connectionClientCert:
		config.ClientAuth = tls.RequireAnyClientCert
	case connectionGoAway, connectionRST, connectionRefused:
		c.mu.Lock()
		c.broken[hello.Conn] = how
		c.mu.Unlock()
	}
	var certificate *tls.Certificate
	var err error
	if slices.Contains(certificateFaults(), how) {
		certificate, err = c.authority.issue(host, how)
	} else {
		certificate, err = c.authority.leaf(host)
	}
	if err != nil {
		return nil, err
	}
	config.Certificates = []tls.Certificate{*certificate}
	return config, nil
}

// connectionFault chooses by the name in the handshake, else by what was added.
func (p *Provider) connectionFault(hello *tls.ClientHelloInfo) string {
	engine := p.faults
	if label, _, found := strings.Cut(hello.ServerName, "."); found {
		if named := engine.byLabel(label); named != nil {
			engine = named
		}
	}
	rule, d := engine.choose(asked{endpoint: EndpointConnection})
	if rule == nil {
		return ""
	}
	if slices.Contains(http2Faults(), d.Connection) && !slices.Contains(hello.SupportedProtos, http2.NextProtoTLS) {
		engine.giveBack(rule, EndpointConnection)
		return ""
	}
	p.log.Info("fault staged", "fault", rule.Fault, "endpoint", EndpointConnection)
	return d.Connection
}

// byLabel returns an engine with the one fault whose ID the label is, or nil.
func (f *faultEngine) byLabel(label string) *faultEngine {
	rule := FaultRule{Fault: label}
	if rule.resolve() != nil || rule.Endpoint != EndpointConnection {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if engine := f.labels[rule.Fault]; engine != nil {
		return engine
	}
	// What happens once in the catalogue, such as GOAWAY, does here too; all else for ever.
	if fault, err := FindFault(rule.Fault); err == nil && fault.Times == 0 {
		rule.Times = FaultForever
	}
	engine := newFaultEngine()
	if _, err := engine.add(rule); err != nil {
		return nil
	}
	f.labels[rule.Fault] = engine
	return engine
}

// connectionIssuer is the issuer whose host selects a fault of connections.
func (p *Provider) connectionIssuer(fault string) (string, error) {
	u, err := url.Parse(p.urls.base)
	if err != nil {
		return "", err
	}
	if u.Scheme != "https" || !p.faults.connected.Load() {
		return "", fmt.Errorf("%s needs an https issuer that this provider serves itself: ServeTLS, or mockidp --tls", fault)
	}
	if net.ParseIP(u.Hostname()) != nil {
		return "", fmt.Errorf("%s is selected by the name in the TLS handshake, but the issuer's host is the address %s: give the issuer a name", fault, u.Hostname())
	}
	u.Host = strings.ToLower(fault) + "." + u.Host
	return u.String() + pathFaults + fault + p.dialect.IssuerSuffix, nil
}

// breakHTTP2 speaks HTTP/2 until the first request and fails that, over and over for those that come meanwhile.
func breakHTTP2(connection *tls.Conn, how string) {
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(time.Minute))
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(connection, preface); err != nil || string(preface) != http2.ClientPreface {
		return
	}
	framer := http2.NewFramer(connection, connection)
	if framer.WriteSettings() != nil {
		return
	}
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() && framer.WriteSettingsAck() != nil {
				return
			}
		case *http2.HeadersFrame:
			if failStream(framer, frame.StreamID, how) != nil {
				return
			}
		}
	}
}

// failStream ends a request. In each case the client is told to make a new connection (RFC 9113 section 6.8).
func failStream(framer *http2.Framer, stream uint32, how string) error {
	switch how {
	case connectionGoAway:
		return framer.WriteGoAway(0, http2.ErrCodeNo, nil) // no stream was handled
	case connectionRST:
		return errors.Join(framer.WriteRSTStream(stream, http2.ErrCodeInternal), framer.WriteGoAway(stream, http2.ErrCodeNo, nil))
	default:
		return errors.Join(framer.WriteRSTStream(stream, http2.ErrCodeRefusedStream), framer.WriteGoAway(stream, http2.ErrCodeNo, nil))
	}
}
