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

	"golang.org/x/sync/errgroup"
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
	IngressNginx, Proxy, MockIdP, Standin images.Built
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
	// Attach uses what another process of the same run has deployed, and changes nothing.
	Attach bool
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
	if s.options.Attach {
		return s.gateway.learn(ctx)
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
	if !s.options.Attach {
		if _, err := s.kube.Apply(ctx, namespaces, kube.ApplyOptions{SkipUnchanged: true}); err != nil {
			return fmt.Errorf("make namespaces: %w", err)
		}
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
	if err := s.awaitDeployments(ctx, RouteNamespace, []string{"mockidp"}); err != nil {
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

// observe waits until everything is seen to work. Parts that run are waited for together.
func (s *kindSubject) observe(ctx context.Context) error {
	workloads := []string{"standin", "mockidp"}
	for _, service := range AuthServices() {
		workloads = append(workloads, service.Name)
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := s.awaitDeployments(groupCtx, RouteNamespace, workloads); err != nil {
			return err
		}
		s.progress("stand-ins, identity provider and %d auth services ready", len(AuthServices()))
		return nil
	})
	group.Go(func() error {
		var names []string
		for _, g := range s.options.Gateways {
			names = append(names, g.Name)
		}
		if err := s.awaitDeployments(groupCtx, GatewayNamespace, names); err != nil {
			return err
		}
		s.progress("%d gateways ready", len(names))
		return nil
	})
	if err := group.Wait(); err != nil {
		return err
	}
	var all []string
	for _, g := range s.options.Gateways {
		all = append(all, g.Name)
	}
	if err := s.gateway.expose(ctx, publicRoutes(), all); err != nil {
		return err
	}
	s.progress("gateways serve")
	if err := s.probe(ctx); err != nil {
		return err
	}
	s.progress("sign-in pages answer through the gateway")
	return nil
}

// awaitDeployments waits until each Deployment's newest generation is available.
func (s *kindSubject) awaitDeployments(ctx context.Context, namespace string, names []string) error {
	return kube.WaitFor(ctx, "the deployments in namespace "+namespace, func(ctx context.Context) (bool, string, error) {
		items, err := s.kube.List(ctx, kube.Deployment, namespace, "")
		if err != nil {
			return false, err.Error(), nil
		}
		ready := map[string]bool{}
		for i := range items {
			ready[items[i].GetName()] = isAvailable(&items[i])
		}
		var waiting []string
		for _, name := range names {
			if !ready[name] {
				waiting = append(waiting, name)
			}
		}
		if len(waiting) == 0 {
			return true, "", nil
		}
		return false, s.describe(ctx, namespace, waiting), nil
	})
}

// describe tells what the pods of Deployments that are not ready are at.
func (s *kindSubject) describe(ctx context.Context, namespace string, deployments []string) string {
	pods, err := s.kube.List(ctx, kube.Pod, namespace, "")
	if err != nil {
		return err.Error()
	}
	var out []string
	for _, name := range deployments {
		state := "no pod"
		for i := range pods {
			if strings.HasPrefix(pods[i].GetName(), name+"-"+pods[i].GetLabels()["pod-template-hash"]+"-") {
				state = stateOf(&pods[i])
			}
		}
		out = append(out, name+" ("+state+")")
	}
	return "not ready: " + strings.Join(out, ", ")
}

// stateOf is why a pod's container waits, or else the pod's phase.
func stateOf(pod *kube.Object) string {
	status, _ := pod.Object["status"].(map[string]any)
	containers, _ := status["containerStatuses"].([]any)
	for _, c := range containers {
		container, _ := c.(map[string]any)
		state, _ := container["state"].(map[string]any)
		if waiting, ok := state["waiting"].(map[string]any); ok {
			if reason, _ := waiting["reason"].(string); reason != "" {
				return reason
			}
		}
	}
	phase, _ := status["phase"].(string)
	return phase
}

// isAvailable tells whether a pod of the newest generation serves and none of an older is left.
func isAvailable(deployment *kube.Object) bool {
	status, _ := deployment.Object["status"].(map[string]any)
	number := func(name string) int64 {
		n, _ := status[name].(int64)
		return n
	}
	return number("observedGeneration") >= deployment.GetGeneration() && number("availableReplicas") > 0 &&
		number("updatedReplicas") == number("replicas")
}

// probe asks, as the browser will, for what every check needs.
func (s *kindSubject) probe(ctx context.Context) error {
	client := s.browser()
	group, groupCtx := errgroup.WithContext(ctx)
	for _, r := range publicRoutes() {
		target := publicURL(r.HostLabel()) + r.Probe
		group.Go(func() error {
			return kube.WaitFor(groupCtx, "an answer from "+target, func(ctx context.Context) (bool, string, error) {
				request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
				if err != nil {
					return false, "", err
				}
				response, err := client.Do(request)
				if err != nil {
					return false, err.Error(), nil
				}
				defer response.Body.Close()
				return response.StatusCode == http.StatusOK, "HTTP " + response.Status, nil
			})
		})
	}
	group.Go(func() error {
		control := s.recorder()
		return kube.WaitFor(groupCtx, "the stand-ins' control endpoint", func(ctx context.Context) (bool, string, error) {
			if err := control.Healthy(ctx); err != nil {
				return false, err.Error(), nil
			}
			return true, "", nil
		})
	})
	return group.Wait()
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
	response, err := s.kube.ServiceTransport(RouteNamespace, "mockidp", "http").RoundTrip(request)
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
