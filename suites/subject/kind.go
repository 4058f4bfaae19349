// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/rest"

	"github.com/ingress-auth/conformance/suites/exchange"
	"github.com/ingress-auth/conformance/suites/platform"
	"github.com/ingress-auth/conformance/suites/platform/images"
	"github.com/ingress-auth/conformance/suites/platform/kube"
	"github.com/ingress-auth/conformance/suites/standin"
)

// KindImages are the images of the parts, as the node knows them.
type KindImages struct {
	// Node is the Kubernetes node, for the report only.
	Node images.Built
	// The others are deployed.
	IngressNginx, Proxy, MockIdP, Redis, Standin images.Built
}

// KindOptions say what NewKind assembles, and where.
type KindOptions struct {
	// RESTConfig reaches the cluster's API server.
	RESTConfig *rest.Config
	// Ports tells where the ports of KindPorts are published on loopback, by their names.
	Ports map[string]string
	// Images are in the node already.
	Images KindImages
	// Gateways are the controllers to deploy; one is called MainGateway. Their order gives them their ports.
	Gateways []GatewayConfig
	// Manifests is the fixtures folder (fixtures.FS).
	Manifests fs.FS
	// Redactor hides secrets in what Evidence writes, and learns the secrets of this cluster.
	Redactor *exchange.Redactor
	// Progress is told what was done, in a few words; nil is silence. It may be called from several goroutines.
	Progress func(what string)
	// Now tells the time; nil is time.Now.
	Now func() time.Time
	// Patience bounds the wait for everything to be up; 0 is three minutes.
	Patience time.Duration
}

// kindSubject is a subject in a cluster.
type kindSubject struct {
	options   KindOptions
	kube      *kube.Client
	gateway   *IngressNginx
	manifests kindManifests
	started   time.Time
}

// NewKind assembles the subject in a cluster: ingress-nginx, the reference proxy, the mock identity provider and the
// stand-ins. What the cluster has already with the same content is left alone, so that a second call is quick. It returns
// when the identity provider answers through the gateway, every proxy has found it, and the stand-ins answer.
func NewKind(ctx context.Context, o KindOptions) (*Subject, error) {
	s, err := newKindSubject(o)
	if err != nil {
		return nil, err
	}
	if err := s.assemble(ctx); err != nil {
		return nil, err
	}
	return s.subject(ctx)
}

func newKindSubject(o KindOptions) (*kindSubject, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if o.Redactor == nil {
		o.Redactor = exchange.NewRedactor()
	}
	if o.Patience == 0 {
		o.Patience = 3 * time.Minute
	}
	configs := map[string]GatewayConfig{}
	for _, g := range o.Gateways {
		if _, twice := configs[g.Name]; twice {
			return nil, fmt.Errorf("two gateways are named %q", g.Name)
		}
		configs[g.Name] = g
	}
	if main, ok := configs[MainGateway]; !ok || !main.TLS {
		return nil, fmt.Errorf("a gateway named %q with TLS is needed: it serves the sign-in pages", MainGateway)
	}
	for _, port := range KindPorts(o.Gateways) {
		if o.Ports[port.Name] == "" {
			return nil, &platform.NotReadyError{
				What: "the cluster was created for other gateways",
				Why:  fmt.Sprintf("it does not publish %s (port %d of its node)", port.Name, port.NodePort),
				Do:   "delete it with make down and run again",
			}
		}
	}
	client, err := kube.New(o.RESTConfig)
	if err != nil {
		return nil, err
	}
	return &kindSubject{
		options: o, kube: client, started: o.Now(),
		gateway: &IngressNginx{
			kube: client, placeholders: kindPlaceholders(), gateways: configs, warm: warmServices(), balancerPatience: balancerPatience,
			addr: func(gateway, scheme string) (string, bool) {
				addr, ok := o.Ports[portName(gateway, scheme)]
				return addr, ok
			},
			hosts: map[string]string{}, changed: map[string]time.Time{},
		},
		manifests: kindManifests{files: o.Manifests, images: o.Images, expand: kindPlaceholders()},
	}, nil
}

func (s *kindSubject) progress(format string, args ...any) {
	elapsed := s.options.Now().Sub(s.started).Round(100 * time.Millisecond)
	s.options.Progress(fmt.Sprintf(format, args...) + fmt.Sprintf(" (%s)", elapsed))
}

// assemble deploys everything and waits until it is observed to work.
func (s *kindSubject) assemble(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.options.Patience)
	defer cancel()
	if err := s.loadMaterial(ctx); err != nil {
		return err
	}
	if err := s.deploy(ctx); err != nil {
		return err
	}
	if err := s.clearDisposable(ctx); err != nil {
		return err
	}
	return s.observe(ctx)
}

func (s *kindSubject) loadMaterial(ctx context.Context) error {
	namespaces, err := s.manifests.namespaces()
	if err != nil {
		return err
	}
	if _, err := s.kube.Apply(ctx, namespaces, kube.ApplyOptions{SkipUnchanged: true}); err != nil {
		return fmt.Errorf("make namespaces: %w", err)
	}
	m, err := loadMaterial(ctx, s.kube, s.options.Now)
	if err != nil {
		return err
	}
	s.manifests.material = m
	s.options.Redactor.Hide("client-secret", m.clientSecret)
	s.options.Redactor.Hide("cookie-secret", m.cookieSecret)
	return nil
}

// deploy applies all manifests, in the order in which nothing has to be tried twice: what Deployments mount and ask for,
// then, as soon as Services work, those that need no DNS, then the auth services, which look for the identity provider
// by name when they start.
func (s *kindSubject) deploy(ctx context.Context) error {
	parts, err := s.manifests.parts()
	if err != nil {
		return err
	}
	gateways, err := s.manifests.gateways(s.options.Gateways)
	if err != nil {
		return err
	}
	var settings, workloads, authServices []*kube.Object
	for _, object := range append(parts, gateways...) {
		switch {
		case object.GroupVersionKind() != kube.Deployment:
			settings = append(settings, object)
		case isAuthService(object):
			authServices = append(authServices, object)
		default:
			workloads = append(workloads, object)
		}
	}
	changed := 0
	apply := func(objects []*kube.Object) error {
		applied, err := s.kube.Apply(ctx, objects, kube.ApplyOptions{SkipUnchanged: true})
		if err != nil {
			return fmt.Errorf("deploy the subject: %w", err)
		}
		for _, a := range applied {
			if a.Changed {
				changed++
			}
		}
		return nil
	}
	if err := apply(settings); err != nil {
		return err
	}
	waited, err := s.awaitServices(ctx)
	if err != nil {
		return err
	}
	if err := apply(workloads); err != nil {
		return err
	}
	if err := s.awaitDNS(ctx, waited); err != nil {
		return err
	}
	if err := s.awaitDeployments(ctx, RouteNamespace, []string{"mockidp", "standin"}); err != nil {
		return err
	}
	if err := apply(authServices); err != nil {
		return err
	}
	s.progress("%d of %d objects applied", changed, len(parts)+len(gateways))
	return nil
}

func isAuthService(deployment *kube.Object) bool {
	return slices.ContainsFunc(AuthServices(), func(a AuthService) bool {
		return deployment.GetNamespace() == RouteNamespace && deployment.GetName() == a.Name
	})
}

// clearDisposable removes what an interrupted run may have left on the gateways that checks break.
func (s *kindSubject) clearDisposable(ctx context.Context) error {
	present, err := s.gateway.present(ctx)
	if err != nil {
		return err
	}
	for name, object := range present {
		for _, g := range s.options.Gateways {
			if g.Disposable && classOf(object) == ingressClass(g.Name) && object.GetLabels()[labelWitness] == "" {
				if err := s.kube.Delete(ctx, kube.Ingress, RouteNamespace, name); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// browser is a client that resolves hosts as the checks' browser does.
func (s *kindSubject) browser() *http.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	transport := &http.Transport{
		TLSClientConfig: tlsConfig(s.manifests.material.authority.Pool()),
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			host, _, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			addr, ok := s.resolve("https", host)
			if !ok {
				return nil, fmt.Errorf("no gateway serves %s", host)
			}
			return dialer.DialContext(ctx, network, addr)
		},
		DisableKeepAlives: true,
	}
	return &http.Client{
		Transport: transport, Timeout: 10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (s *kindSubject) recorder() standin.Client {
	return standin.Client{BaseURL: "http://standin-control", Transport: s.kube.ServiceTransport(RouteNamespace, "standin-control", "http")}
}

// resolveTimeout bounds the look into the cluster for a host that nobody announced.
const resolveTimeout = 5 * time.Second

// resolve implements Subject.Resolve.
func (s *kindSubject) resolve(scheme, host string) (string, bool) {
	gateway, ok := s.gateway.GatewayOf(host)
	if !ok {
		// Perhaps a manifest brought it, or another process of this run.
		ctx, cancel := context.WithTimeout(context.Background(), resolveTimeout)
		defer cancel()
		if err := s.gateway.learn(ctx); err != nil {
			return "", false
		}
		if gateway, ok = s.gateway.GatewayOf(host); !ok {
			return "", false
		}
	}
	return s.gateway.addr(gateway, scheme)
}

func (s *kindSubject) subject(ctx context.Context) (*Subject, error) {
	controller, err := s.controllerVersions(ctx)
	if err != nil {
		return nil, err
	}
	kubernetes, err := s.kube.Version(ctx)
	if err != nil {
		return nil, err
	}
	return &Subject{
		Platform:       "kind",
		Gateway:        s.gateway,
		GatewayName:    "ingress-nginx",
		GatewayVersion: strings.TrimPrefix(controller.release, "v"),
		Missing:        ingressNginxMissing(controller.release),
		Resolve:        s.resolve,
		Roots:          s.manifests.material.authority.Pool(),
		Recorder:       s.recorder(),
		Parts:          s.parts(controller, kubernetes),
		Mint:           s.mint,
		Evidence:       s.evidence,
		Close:          func(context.Context) error { return nil }, // the cluster is its creator's
	}, nil
}

// mint implements Subject.Mint by the identity provider's test endpoint.
func (s *kindSubject) mint(ctx context.Context, user string, expiresIn time.Duration, audience string) (string, error) {
	return mintThrough(ctx, s.kube.ServiceTransport(RouteNamespace, origin(idpService), "http"), user, expiresIn, audience)
}

// mintThrough asks an identity provider that is reached by transport.
func mintThrough(ctx context.Context, transport http.RoundTripper, user string, expiresIn time.Duration, audience string) (string, error) {
	body, err := json.Marshal(map[string]any{
		"user": user, "client_id": oidcClient, "expires_in": int64(expiresIn / time.Second), "audience": audience,
	})
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://mockidp/test/mint", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := transport.RoundTrip(request)
	if err != nil {
		return "", fmt.Errorf("mint an ID token for %s: %w", user, err)
	}
	defer response.Body.Close()
	var answer struct {
		IDToken string `json:"id_token"`
	}
	err = json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&answer)
	if response.StatusCode != http.StatusOK || err != nil || answer.IDToken == "" {
		return "", fmt.Errorf("mint an ID token for %s: the identity provider answered %s", user, response.Status)
	}
	return answer.IDToken, nil
}
