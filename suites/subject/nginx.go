// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/ingress-auth/conformance/suites/exchange"
	"github.com/ingress-auth/conformance/suites/platform/local"
)

// NginxOptions describe the gateways and what they can reach.
type NginxOptions struct {
	// Nginx is the program.
	Nginx local.Nginx
	// Dir is an empty folder for configurations, sockets and temporary files; the caller removes it.
	Dir string
	// Gateways are the instances; one of them is MainGateway.
	Gateways []GatewayConfig
	// CertPEM and KeyPEM serve all hosts.
	CertPEM, KeyPEM []byte
	// Placeholders are what stands in routes, without braces, and what the gateway can reach.
	Placeholders map[string]string
	// Backends are base URLs by Route.Backend. Pages are base URLs by GatewayConfig.DefaultBackend.
	Backends, Pages map[string]string
	// Logger is told what happens; nil is silence.
	Logger *slog.Logger
}

var (
	_ Gateway       = (*Nginx)(nil)
	_ ReloadWatcher = (*Nginx)(nil)
	_ Reconfigurer  = (*Nginx)(nil)
)

// Nginx is plain nginx as a gateway: each GatewayConfig is a process with its own http block, each host a server, each
// route a location with auth_request, written as a careful administrator would by hand.
type Nginx struct {
	instances map[string]*nginxInstance
	log       *slog.Logger

	mu    sync.Mutex
	hosts map[string]string // host name → gateway name
}

// NewNginx prepares the gateways. Each starts with its first route and ends with ctx or Close.
func NewNginx(ctx context.Context, o NginxOptions) (*Nginx, error) {
	n := &Nginx{instances: map[string]*nginxInstance{}, hosts: map[string]string{}, log: o.Logger}
	if n.log == nil {
		n.log = slog.New(slog.DiscardHandler)
	}
	certificate, key := filepath.Join(o.Dir, "gateway.crt"), filepath.Join(o.Dir, "gateway.key")
	for file, contents := range map[string][]byte{certificate: o.CertPEM, key: o.KeyPEM} {
		if err := os.WriteFile(file, contents, 0o600); err != nil {
			return nil, fmt.Errorf("write the gateway's certificate: %w", err)
		}
	}
	// All at once: asked for one after the other, the same port could be free twice.
	addrs, err := local.FreeAddrs(ctx, 2*len(o.Gateways))
	if err != nil {
		return nil, err
	}
	for at, config := range o.Gateways {
		if n.instances[config.Name] != nil {
			return nil, fmt.Errorf("two gateways are named %q", config.Name)
		}
		dir := filepath.Join(o.Dir, config.Name)
		if err := os.Mkdir(dir, 0o711); err != nil {
			return nil, fmt.Errorf("make a folder for gateway %q: %w", config.Name, err)
		}
		process, err := local.NewInstance(o.Nginx, dir)
		if err != nil {
			return nil, fmt.Errorf("gateway %q: %w", config.Name, err)
		}
		n.instances[config.Name] = &nginxInstance{
			lifetime: ctx, process: process,
			site: nginxSite{
				config: config, cacheDir: filepath.Join(dir, "kept-answers"), httpAddr: addrs[2*at], httpsAddr: addrs[2*at+1], certificate: certificate, key: key, http2: o.Nginx.HTTP2,
				expand: newPlaceholders(o.Placeholders), backends: o.Backends, pages: o.Pages,
			},
		}
	}
	if n.instances[MainGateway] == nil {
		return nil, fmt.Errorf("no gateway is named %q", MainGateway)
	}
	return n, nil
}

// Supports returns why plain nginx cannot serve a route as it is asked for, nil when it can.
func (n *Nginx) Supports(r Route) error {
	known := nginxAnnotations()
	for name := range r.Annotations {
		// With a slash it is not an annotation for the gateway.
		if !strings.Contains(name, "/") && !slices.Contains(known, name) {
			return fmt.Errorf("route %q: plain nginx has no counterpart of the annotation %s", r.Name, name)
		}
	}
	if n.instances[r.GatewayName()] == nil {
		return fmt.Errorf("route %q: there is no gateway %q", r.Name, r.GatewayName())
	}
	return nil
}

// Apply implements Gateway. The admission control of plain nginx is nginx -t: a configuration that it refuses is an
// *AdmissionError without an HTTP status. Where the gateway or the route goes without admission the configuration is
// handed over untested: nginx keeps the one it has until the mistake is taken out.
func (n *Nginx) Apply(ctx context.Context, r Route) error {
	if err := n.Supports(r); err != nil {
		return err
	}
	i := n.instances[r.GatewayName()]
	i.mu.Lock()
	defer i.mu.Unlock()
	if err := i.start(ctx); err != nil {
		return err
	}
	routes := withRoute(i.routes, r)
	block, err := i.site.render(routes)
	if err != nil {
		return err
	}
	if !i.site.config.NoAdmission && !r.SkipAdmission {
		if err := i.admit(ctx, r, block); err != nil {
			return err
		}
	}
	n.remember(r)
	i.routes = routes
	return i.process.Load(i.lifetime, block)
}

// Withdraw implements Gateway.
func (n *Nginx) Withdraw(_ context.Context, r Route) error {
	i := n.instances[r.GatewayName()]
	if i == nil {
		return nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	routes := slices.DeleteFunc(slices.Clone(i.routes), func(other Route) bool { return other.Name == r.Name })
	if len(routes) == len(i.routes) {
		return nil
	}
	block, err := i.site.render(routes)
	if err != nil {
		return err
	}
	i.routes = routes
	return i.process.Load(i.lifetime, block)
}

// Expose implements Gateway. All routes of one gateway are one start or one reload; gateways are handled side by side.
func (n *Nginx) Expose(ctx context.Context, routes []Route) error {
	byGateway := map[string][]Route{}
	for _, r := range routes {
		if err := n.Supports(r); err != nil {
			return err
		}
		byGateway[r.GatewayName()] = append(byGateway[r.GatewayName()], r)
	}
	var wg sync.WaitGroup
	errs := make(chan error, len(byGateway))
	for name, routes := range byGateway {
		wg.Go(func() {
			if err := n.instances[name].expose(ctx, routes); err != nil {
				errs <- fmt.Errorf("expose routes on gateway %q: %w", name, err)
			}
		})
	}
	wg.Wait()
	close(errs)
	var all error
	for err := range errs {
		all = errors.Join(all, err)
	}
	if all != nil {
		return all
	}
	for _, r := range routes {
		n.remember(r)
	}
	n.log.DebugContext(ctx, "Routes are served", "routes", len(routes), "gateways", len(byGateway))
	return nil
}

// AwaitReloadFailure implements ReloadWatcher.
func (n *Nginx) AwaitReloadFailure(ctx context.Context, gateway string) error {
	i := n.instances[gateway]
	if i == nil {
		return fmt.Errorf("there is no gateway %q", gateway)
	}
	_, err := i.process.AwaitRefusal(ctx)
	return err
}

// Reconfigure implements Reconfigurer.
func (n *Nginx) Reconfigure(ctx context.Context, g GatewayConfig) (restore func(context.Context) error, err error) {
	i := n.instances[g.Name]
	if i == nil {
		return nil, fmt.Errorf("there is no gateway %q", g.Name)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if err := i.start(ctx); err != nil {
		return nil, err
	}
	before := i.site.config
	i.site.config = g
	block, err := i.site.render(i.routes)
	if err == nil {
		err = i.process.Load(i.lifetime, block)
	}
	if err != nil {
		i.site.config = before
		return nil, err
	}
	return func(ctx context.Context) error {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.site.config = before
		return i.serve(ctx)
	}, nil
}

func (n *Nginx) remember(r Route) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts[r.HostLabel()+"."+Domain] = r.GatewayName()
}

// gatewayOf names the gateway of a host; hosts nobody asked for are MainGateway's.
func (n *Nginx) gatewayOf(host string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if name, ok := n.hosts[host]; ok {
		return name
	}
	return MainGateway
}

// Addr tells where a gateway listens for a scheme. It is false while the gateway does not run.
func (n *Nginx) Addr(gateway, scheme string) (string, bool) {
	i := n.instances[gateway]
	if i == nil {
		return "", false
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case !i.running:
		return "", false
	case scheme == "http":
		return i.site.httpAddr, true
	case scheme == "https":
		return i.site.httpsAddr, true
	}
	return "", false
}

// Evidence writes below dir, redacted: nginx/<gateway>.conf and logs/nginx-<gateway>.log.
func (n *Nginx) Evidence(dir string, redactor *exchange.Redactor) error {
	for _, sub := range []string{"nginx", "logs"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return fmt.Errorf("keep evidence: %w", err)
		}
	}
	var errs []error
	for name, i := range n.instances {
		config := i.process.Config()
		if config == "" {
			continue
		}
		texts := map[string]string{
			filepath.Join("nginx", name+".conf"):        config,
			filepath.Join("logs", "nginx-"+name+".log"): i.process.Log().String(),
		}
		for file, text := range texts {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(redactor.Text(text)), 0o644); err != nil {
				errs = append(errs, fmt.Errorf("keep evidence: %w", err))
			}
		}
	}
	return errors.Join(errs...)
}

// Close ends all gateways.
func (n *Nginx) Close(ctx context.Context) error {
	var wg sync.WaitGroup
	errs := make(chan error, len(n.instances))
	for _, i := range n.instances {
		wg.Go(func() { errs <- i.process.Close(ctx) })
	}
	wg.Wait()
	close(errs)
	var all error
	for err := range errs {
		all = errors.Join(all, err)
	}
	return all
}

// nginxMissing is what plain nginx lacks, and why.
func nginxMissing() map[Feature]string {
	return map[Feature]string{
		FeatureAdmission:            "plain nginx has no admission control of routes: its administrator tests the whole configuration with nginx -t",
		FeatureCanary:               "this adapter writes one backend per location; plain nginx has no canary annotation",
		FeatureGRPC:                 "this adapter writes proxy_pass only, not grpc_pass",
		FeatureClientCertificates:   "this adapter configures no client certificates",
		FeatureManifests:            "routes of plain nginx are configuration text, not Kubernetes manifests",
		FeatureOldestSnippetWins:    "one administrator writes a server block once; there is no oldest snippet to win",
		FeatureAnnotations:          "this adapter knows the annotations of ingress-nginx that plain nginx has a counterpart of",
		FeatureConfigMap:            "plain nginx has no ConfigMap",
		FeatureInheritedErrorBypass: "the auth request's location has error pages of its own, so that it inherits none",
	}
}
