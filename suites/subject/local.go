// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/ingress-auth/conformance/fixtures"
	"github.com/ingress-auth/conformance/mockidp"
	"github.com/ingress-auth/conformance/suites/exchange"
	"github.com/ingress-auth/conformance/suites/platform/local"
	"github.com/ingress-auth/conformance/suites/standin"
)

// LocalOptions say what NewLocal assembles.
type LocalOptions struct {
	// Gateways are the nginx processes; one is called MainGateway and has TLS.
	Gateways []GatewayConfig
	// Manifests is the fixtures folder: the identity provider's users are those of the cluster. Nil is fixtures.FS.
	Manifests fs.FS
	// Wrap puts a middleware around every handler of a part: "gateway" (between browser and gateway), "auth-request" and
	// "auth-service" (around stand-in and proxies, in this order), "backend", "idp". It is how negative controls get in.
	Wrap map[string]func(http.Handler) http.Handler
	// AuthService runs in place of this repository's proxy; nil is the proxy, in this process. The parts "auth-request" and
	// "auth-service" of Wrap then stand around the stand-in only.
	AuthService *AuthServiceProgram
	// IdP is one of IdPNames; "" is IdPMock.
	IdP string
	// Redactor hides secrets in what Evidence writes, and learns the secrets of this run.
	Redactor *exchange.Redactor
	// Logger is told what happens; nil is silence.
	Logger *slog.Logger
	// Now tells the time; nil is time.Now.
	Now func() time.Time
}

// localSubject is a subject of processes and servers on loopback.
type localSubject struct {
	options  LocalOptions
	dir      string
	material *material
	recorder *standin.Recorder
	servers  localServers
	redis    *miniredis.Miniredis
	idp      *mockidp.Provider
	nginx    *Nginx
	program  local.Nginx
	fronts   *fronts
	refused  *local.Refused
	programs []program

	closeOnce sync.Once
	closing   sync.Mutex // of closers: the auth services start side by side
	closers   []func(context.Context) error
	closeErr  error
}

// NewLocal assembles the subject without a cluster: proxies, identity provider and stand-ins in this process, behind a
// real nginx as child processes, everything on loopback. It returns when the sign-in pages answer through the gateway.
// The child processes end with ctx; Close takes everything down and removes the temporary folder in any case.
func NewLocal(ctx context.Context, o LocalOptions) (*Subject, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Manifests == nil {
		o.Manifests = fixtures.FS()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Redactor == nil {
		o.Redactor = exchange.NewRedactor()
	}
	s := &localSubject{options: o, recorder: standin.NewRecorder(0)}
	if err := s.assemble(ctx); err != nil {
		return nil, errors.Join(err, s.close(context.WithoutCancel(ctx)))
	}
	return s.subject(), nil
}

func (s *localSubject) assemble(ctx context.Context) error {
	program, err := local.FindNginx(ctx, s.options.Logger)
	if err != nil {
		return err
	}
	s.program = program
	if err := s.prepare(); err != nil {
		return err
	}
	if err := s.startServers(ctx); err != nil {
		return err
	}
	if err := s.startGateways(ctx); err != nil {
		return err
	}
	return s.observe(ctx)
}

// prepare makes what everything else needs: a folder, secrets and certificates, an address that refuses connections.
func (s *localSubject) prepare() error {
	dir, err := os.MkdirTemp("", "ingress-auth-")
	if err != nil {
		return fmt.Errorf("make a temporary folder: %w", err)
	}
	s.dir = dir
	s.onClose(func(context.Context) error { return os.RemoveAll(dir) })
	// nginx's worker drops root's rights and must still reach its own files in here.
	if err := os.Chmod(dir, 0o711); err != nil {
		return fmt.Errorf("open the temporary folder to nginx's worker: %w", err)
	}
	if s.refused, err = local.HoldRefused(); err != nil {
		return err
	}
	s.onClose(func(context.Context) error { return s.refused.Close() })
	if s.material, err = newMaterial(s.options.Now); err != nil {
		return err
	}
	s.options.Redactor.Hide("client-secret", s.material.clientSecret)
	s.options.Redactor.Hide("cookie-secret", s.material.cookieSecret)
	return nil
}

func (s *localSubject) onClose(f func(context.Context) error) {
	s.closing.Lock()
	defer s.closing.Unlock()
	s.closers = append(s.closers, f)
}

// close takes everything down, the last started first. Only the first call does something.
func (s *localSubject) close(ctx context.Context) error {
	s.closeOnce.Do(func() {
		for i := len(s.closers) - 1; i >= 0; i-- {
			s.closeErr = errors.Join(s.closeErr, s.closers[i](ctx))
		}
	})
	return s.closeErr
}

// startGateways prepares the nginx processes and serves the sign-in pages.
func (s *localSubject) startGateways(ctx context.Context) error {
	backends := map[string]string{"": s.servers.url(serverBackend), "standin": s.servers.url(serverAuth), "idp": s.servers.url(serverIdP)}
	for _, service := range AuthServices() {
		backends[service.Name] = s.servers.url(service.Name)
	}
	nginx, err := NewNginx(ctx, NginxOptions{
		Nginx: s.program, Dir: s.dir, Gateways: s.options.Gateways, Logger: s.options.Logger,
		CertPEM: []byte(s.material.wildcardCert), KeyPEM: []byte(s.material.wildcardKey),
		Placeholders: s.placeholders(), Backends: backends,
		Pages: map[string]string{
			string(standin.XCode):     s.servers.url(string(standin.XCode)),
			string(standin.Always200): s.servers.url(string(standin.Always200)),
			string(standin.NotFound):  s.servers.url(string(standin.NotFound)),
		},
	})
	if err != nil {
		return err
	}
	s.nginx = nginx
	s.onClose(nginx.Close)
	if wrap := s.options.Wrap[partGateway]; wrap != nil {
		if s.fronts, err = s.startFronts(ctx, wrap); err != nil {
			return err
		}
	}
	if err := nginx.Expose(ctx, publicRoutes()); err != nil {
		return fmt.Errorf("expose the sign-in pages: %w", err)
	}
	return nil
}

// placeholders are what routes may name, as nginx on this machine reaches it.
func (s *localSubject) placeholders() map[string]string {
	values := map[string]string{
		"standin": s.servers.url(serverAuth), "backend": s.servers.url(serverBackend),
		"refused":         "http://" + s.refused.Addr(),
		"unresolvable":    "http://unresolvable.invalid", // RFC 6761, section 6.4
		"auth":            publicURL(AuthServices()[0].Host),
		"domain":          Domain,
		"idp-backchannel": s.servers.url(serverBackchannel),
		"upstream":        s.servers.url(serverUpstream),
		"redis":           "redis://" + s.redis.Addr() + "/0",
		"redis-away":      s.refused.Addr(),
	}
	for _, service := range AuthServices() {
		values[service.Name] = s.servers.url(service.Name)
	}
	return values
}

// observe asks every sign-in page through its gateway, as a browser would. What a control breaks is not waited for.
func (s *localSubject) observe(ctx context.Context) error {
	transport := &http.Transport{TLSClientConfig: tlsConfig(s.material.authority.Pool()), DialContext: dialGateway(s.nginx)}
	defer transport.CloseIdleConnections()
	for _, route := range publicRoutes() {
		if s.options.AuthService != nil && s.isStoreAway(route.Backend) {
			continue
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, publicURL(route.HostLabel())+route.Probe, nil)
		if err != nil {
			return err
		}
		res, err := transport.RoundTrip(req)
		if err != nil {
			return fmt.Errorf("look at %s through the gateway: %w", req.URL, err)
		}
		if err := res.Body.Close(); err != nil {
			return fmt.Errorf("look at %s through the gateway: %w", req.URL, err)
		}
		if res.StatusCode != http.StatusOK && len(s.options.Wrap) == 0 {
			return fmt.Errorf("%s answers %s through the gateway, not 200", req.URL, res.Status)
		}
	}
	return nil
}

func (s *localSubject) subject() *Subject {
	return &Subject{
		Platform:       "local",
		Gateway:        s.nginx,
		GatewayName:    "nginx",
		GatewayVersion: s.program.Version,
		Missing:        s.missing(),
		Resolve:        s.resolve,
		Roots:          s.material.authority.Pool(),
		Recorder:       localRecorder{s.recorder},
		Parts:          s.parts(),
		Mint:           s.mint,
		Evidence:       s.evidence,
		Close:          s.close,
	}
}

// evidence implements Subject.Evidence.
func (s *localSubject) evidence(_ context.Context, dir string) error {
	return errors.Join(s.nginx.Evidence(dir, s.options.Redactor), s.programEvidence(dir))
}

// resolve implements Subject.Resolve.
func (s *localSubject) resolve(scheme, host string) (string, bool) {
	if host != Domain && !strings.HasSuffix(host, "."+Domain) {
		return "", false
	}
	gateway := s.nginx.gatewayOf(host)
	if s.fronts != nil {
		return s.fronts.addr(gateway, scheme)
	}
	return s.nginx.Addr(gateway, scheme)
}

// mint implements Subject.Mint. An empty audience is the proxies' client.
func (s *localSubject) mint(_ context.Context, user string, expiresIn time.Duration, audience string) (string, error) {
	edits := []mockidp.ClaimsEdit{mockidp.ExpiresIn(expiresIn)}
	if audience != "" {
		edits = append(edits, mockidp.Audience(audience))
	}
	return s.idp.MintIDToken(user, oidcClient, edits...)
}

func (s *localSubject) parts() []Part {
	const here = "this repository, in the harness's process"
	authService := Part{Role: RoleAuthService, Name: AuthServiceProxy, Origin: here}
	if p := s.options.AuthService; p != nil {
		authService = Part{Role: RoleAuthService, Name: p.Name, Version: p.Version, Origin: p.Origin}
	}
	parts := []Part{
		{Role: RoleGateway, Name: "nginx", Version: s.program.Version, Origin: s.program.Origin},
		authService,
		{Role: RoleIdP, Name: cmp.Or(s.options.IdP, IdPMock), Origin: here},
		{Role: RoleBackend, Name: "echo backend, programmable auth service, error pages", Origin: here, StandIn: true},
	}
	parts = append(parts, Part{Role: roleSessionStore, Name: "miniredis, in place of Redis", Origin: "Go module, in the harness's process", StandIn: true})
	for part := range s.options.Wrap {
		parts = append(parts, Part{Role: "control", Name: "negative control at " + part, Origin: here, StandIn: true})
	}
	return parts
}

// localRecorder implements Recorder by the one of stand-ins and relays, which is in this process and complete at any time.
type localRecorder struct{ recorder *standin.Recorder }

// Recorded implements Recorder.
func (r localRecorder) Recorded(_ context.Context, requestIDs ...string) ([]exchange.Exchange, error) {
	return r.recorder.Recorded(requestIDs...), nil
}

// certificate is what servers of this run show.
func (m *material) certificate() (tls.Certificate, error) {
	c, err := tls.X509KeyPair([]byte(m.wildcardCert), []byte(m.wildcardKey))
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("read back the run's certificate: %w", err)
	}
	return c, nil
}
