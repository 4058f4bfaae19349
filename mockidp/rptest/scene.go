// SPDX-License-Identifier: Apache-2.0

package rptest

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/ingress-auth/conformance/mockidp"
)

// stand is what all scenes of a run share: making keys takes long.
type stand struct {
	keys      []mockidp.SigningKey
	authority *mockidp.Authority
	caFile    string
	// What the relying party does when nothing is wrong, without which some faults say nothing.
	usesUserinfo, keepsOnRefresh bool
}

func newStand() (*stand, error) {
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	authority, err := mockidp.NewAuthority()
	if err != nil {
		return nil, err
	}
	file, err := os.CreateTemp("", "rptest-ca-*.pem")
	if err != nil {
		return nil, fmt.Errorf("keeping the authority's certificate: %w", err)
	}
	if _, err := file.Write(authority.RootPEM()); err != nil {
		return nil, fmt.Errorf("keeping the authority's certificate: %w", err)
	}
	return &stand{
		keys:      []mockidp.SigningKey{{Algorithm: jose.RS256, Key: crypto.Signer(r)}, {Algorithm: jose.ES256, Key: e}},
		authority: authority, caFile: file.Name(),
	}, file.Close()
}

func (s *stand) close() { _ = os.Remove(s.caFile) }

// scene is a provider, an attacker's host and a relying party for one fault.
type scene struct {
	Driver
	fault    mockidp.Fault
	idp      *mockidp.Provider
	arrivals *arrivals
	attacker *attacker
	setting  Setting
	rp       *RelyingParty
	rule     int // the fault's
}

// open starts a provider. stop ends it and the relying party.
func (d Driver) open(ctx context.Context, stand *stand, f mockidp.Fault) (s *scene, stop func(), err error) {
	listener, err := d.listen(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("no port for the provider: %w", err)
	}
	evil, err := newAttacker(ctx)
	if err != nil {
		_ = listener.Close()
		return nil, nil, err
	}
	s = &scene{Driver: d, fault: f, attacker: evil, arrivals: &arrivals{}}
	client := mockidp.DefaultClients()[0]
	client.IssueRefreshToken = "always"
	if f.Judge == mockidp.JudgeSecret {
		client.ClientSecret = awkwardSecret
	}
	if d.BackchannelLogoutPath != "" && f.Endpoint != mockidp.EndpointEndSession { // where it would do what sign-out should
		client.BackchannelLogoutURI = "http://relying-party.invalid" + d.BackchannelLogoutPath
	}
	scheme := "http"
	if f.Endpoint == mockidp.EndpointConnection {
		scheme = "https"
		s.setting.CAFile = stand.caFile
	}
	s.setting.Issuer = scheme + "://" + listener.Addr().String()
	s.setting.ClientID, s.setting.ClientSecret = client.ClientID, client.ClientSecret
	s.setting.Refreshes, s.setting.Logout = refreshes(f), logsOut(f)
	mallory := mockidp.DefaultUsers()[0]
	mallory.Username, mallory.Sub, mallory.Email = "mallory", "mallory", "mallory@example.com"
	s.idp, err = mockidp.New(mockidp.Config{
		Issuer: s.setting.Issuer, AutoLogin: mockidp.DefaultUsername, Clients: []mockidp.Client{client},
		Users: append(mockidp.DefaultUsers(), mallory), // whom the attacker logs in as
	}, mockidp.WithSigningKeys(stand.keys...), mockidp.WithForeignHost(evil.url),
		mockidp.WithHTTPClient(&http.Client{Transport: toRelyingParty{s}}))
	if err != nil {
		_ = listener.Close()
		evil.close()
		return nil, nil, fmt.Errorf("no provider: %w", err)
	}
	if f.Endpoint == mockidp.EndpointUserinfo {
		if err := s.needsUserinfo(); err != nil {
			_ = listener.Close()
			evil.close()
			return nil, nil, err
		}
	}
	server := &http.Server{Handler: s.arrivals.before(s.idp), ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	if s.setting.CAFile != "" {
		go func() { _ = s.idp.ServeTLS(server, listener, stand.authority) }() // ends with Close
	} else {
		go func() { _ = server.Serve(listener) }() // ends with Close
	}
	return s, func() {
		if s.rp != nil {
			s.rp.Close()
		}
		_ = server.Close()
		evil.close()
	}, nil
}

// toRelyingParty sends logout tokens to where the relying party is, which the provider cannot know before it starts.
type toRelyingParty struct{ *scene }

// RoundTrip implements http.RoundTripper.
func (t toRelyingParty) RoundTrip(r *http.Request) (*http.Response, error) {
	target, err := url.Parse(t.rp.URL + r.URL.Path)
	if err != nil {
		return nil, err
	}
	out := r.Clone(r.Context())
	out.URL, out.Host = target, target.Host
	return http.DefaultTransport.RoundTrip(out)
}

func (d Driver) listen(ctx context.Context) (net.Listener, error) {
	address := d.Listen
	if address == "" {
		address = "127.0.0.1:0"
	}
	return (&net.ListenConfig{}).Listen(ctx, "tcp", address)
}

func (s *scene) start(ctx context.Context) (err error) {
	s.rp, err = s.Start(ctx, s.setting)
	if err != nil {
		s.rp = nil
	}
	return err
}

func (s *scene) stage() error {
	times := mockidp.FaultForever
	if s.fault.Times > 0 {
		times = s.fault.Times
	}
	active, err := s.idp.AddFault(mockidp.FaultRule{Fault: s.fault.ID, Times: times})
	s.rule = active.ID
	return err
}

func (s *scene) fired() bool {
	return slices.ContainsFunc(s.idp.ActiveFaults(), func(f mockidp.ActiveFault) bool { return f.ID == s.rule && f.Fired > 0 })
}

func (s *scene) endFault() { s.idp.RemoveFault(s.rule) }

// needsUserinfo keeps out of the ID token what a relying party then has to ask userinfo for, as Core 1.0 section 5.4 allows.
func (s *scene) needsUserinfo() error {
	_, err := s.idp.AddFault(mockidp.FaultRule{Endpoint: mockidp.EndpointToken, Times: mockidp.FaultForever,
		Deviation: &mockidp.Deviation{Claims: &mockidp.JSONEdit{Remove: []string{"email", "email_verified", "groups", "name", "preferred_username"}}}})
	return err
}

// logsOut says whether the fault is one of logging out.
func logsOut(f mockidp.Fault) bool {
	return f.Endpoint == mockidp.EndpointLogoutToken || f.Endpoint == mockidp.EndpointEndSession
}

// refreshes says whether the fault is one of refreshing.
func refreshes(f mockidp.Fault) bool {
	return f.Judge == mockidp.JudgeRefreshTwice || (f.Deviation != nil && f.Deviation.Grant == "refresh_token")
}
