// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/rest"

	"github.com/ingress-auth/conformance/suites/exchange"
	"github.com/ingress-auth/conformance/suites/platform"
	"github.com/ingress-auth/conformance/suites/platform/kube"
	"github.com/ingress-auth/conformance/suites/standin"
)

// ExistingOptions say what NewExisting assembles, and where.
type ExistingOptions struct {
	// RESTConfig reaches the cluster's API server.
	RESTConfig *rest.Config
	// IngressClass is the class of the gateway under test.
	IngressClass string
	// Namespace gets the parts and the routes. "" makes one with a name of its own; one that is there already is used and
	// left, without what the run put into it.
	Namespace string
	// Addresses is where the gateway listens, as host:port by scheme ("http", "https"). What is missing is found out.
	Addresses map[string]string
	// GatewayVersion is the version of the controller; "" asks it.
	GatewayVersion string
	// Images are the parts' images, as the cluster can pull them or has them. Node and IngressNginx are not used.
	Images KindImages
	// Manifests is the fixtures folder (fixtures.FS).
	Manifests fs.FS
	// Redactor hides secrets in what Evidence writes, and learns the secrets of this run.
	Redactor *exchange.Redactor
	// Progress is told what was done, in a few words; nil is silence.
	Progress func(what string)
	// Now tells the time; nil is time.Now.
	Now func() time.Time
	// Patience bounds the wait for the parts to be up; 0 is three minutes.
	Patience time.Duration
}

// labelRun marks whatever a run brings into a cluster that it does not own; its value tells runs apart.
const labelRun = "ingress-auth.test/run"

// certificateSecret holds the certificate of the hosts of a run.
const certificateSecret = "hosts"

// existingSubject is a subject whose gateway is the user's.
type existingSubject struct {
	options    ExistingOptions
	kube       *kube.Client
	namespace  existingNamespace
	manifests  kindManifests
	controller controller
	gateway    *existingGateway
}

// NewExisting assembles the subject around a gateway that is there: the reference proxy, the mock identity provider and
// the stand-ins go into one namespace, and routes of the user's IngressClass lead to them. Nothing outside that namespace
// is changed. Close, and a failure, removes what was brought.
func NewExisting(ctx context.Context, o ExistingOptions) (_ *Subject, err error) {
	s, err := newExisting(o)
	if err != nil {
		return nil, err
	}
	if err := s.look(ctx); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close(context.WithoutCancel(ctx)))
		}
	}()
	if err := s.deploy(ctx); err != nil {
		return nil, err
	}
	if err := s.gateway.Expose(ctx, publicRoutes()); err != nil {
		return nil, err
	}
	s.options.Progress("the gateway serves the sign-in pages")
	missing, err := s.missing(ctx)
	if err != nil {
		return nil, err
	}
	return s.subject(ctx, missing)
}

func newExisting(o ExistingOptions) (*existingSubject, error) {
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
	client, err := kube.New(o.RESTConfig)
	if err != nil {
		return nil, err
	}
	return &existingSubject{options: o, kube: client, namespace: newExistingNamespace(client, o.Namespace)}, nil
}

// look finds the controller and its addresses, and refuses a cluster on which the run would meet another. It changes
// nothing.
func (s *existingSubject) look(ctx context.Context) error {
	if err := s.kube.Ready(ctx); err != nil {
		return &platform.NotReadyError{What: "the cluster does not answer", Err: err, Do: "check --kubeconfig and --context"}
	}
	var err error
	if s.controller, err = findController(ctx, s.kube, s.options.IngressClass); err != nil {
		return err
	}
	if s.options.GatewayVersion != "" {
		s.controller.version = strings.TrimPrefix(s.options.GatewayVersion, "v")
	}
	if err := s.controller.reach(ctx, s.options.Addresses); err != nil {
		return err
	}
	s.options.Progress(fmt.Sprintf("%s %s serves class %s at %s and %s", s.controller.name, s.controller.version,
		s.options.IngressClass, s.controller.addresses["http"], s.controller.addresses["https"]))
	return s.refuseNeighbours(ctx)
}

// refuseNeighbours looks for Ingresses of another run: two of them would share host names.
func (s *existingSubject) refuseNeighbours(ctx context.Context) error {
	all, err := s.kube.List(ctx, kube.Ingress, "", "")
	if kube.IsForbidden(err) {
		return nil // admission or the routes themselves will tell
	}
	if err != nil {
		return fmt.Errorf("look for another run: %w", err)
	}
	for i := range all {
		inClass := classOf(&all[i]) == s.options.IngressClass
		for _, host := range hostsOf(&all[i]) {
			if inClass && strings.HasSuffix(host, "."+Domain) {
				return &platform.NotReadyError{
					What: "the gateway serves hosts of another run already",
					Why:  fmt.Sprintf("the Ingress %s/%s has the host %s", all[i].GetNamespace(), all[i].GetName(), host),
					Do:   "wait for that run to end, or remove what it left with: ingress-auth down --platform existing",
				}
			}
		}
	}
	return nil
}

// deploy brings the parts and waits until they are up: what needs nobody first, then the auth services, which look for
// the identity provider when they start.
func (s *existingSubject) deploy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.options.Patience)
	defer cancel()
	if err := s.prepare(ctx); err != nil {
		return err
	}
	objects, err := s.objects()
	if err != nil {
		return err
	}
	var first, authServices []*kube.Object
	var names []string
	for _, o := range objects {
		isAuthService := slices.ContainsFunc(AuthServices(), func(a AuthService) bool { return a.Name == o.GetName() })
		switch {
		case o.GroupVersionKind() == kube.Deployment && isAuthService:
			authServices = append(authServices, o)
		case o.GroupVersionKind() == kube.Deployment:
			names = append(names, o.GetName())
			fallthrough
		default:
			first = append(first, o)
		}
	}
	for _, wave := range [][]*kube.Object{first, authServices} {
		if _, err := s.kube.Apply(ctx, wave, kube.ApplyOptions{}); err != nil {
			return fmt.Errorf("deploy the parts into namespace %s: %w", s.namespace.name, err)
		}
		if err := s.awaitParts(ctx, names); err != nil {
			return err
		}
		for _, o := range authServices {
			names = append(names, o.GetName())
		}
	}
	s.options.Progress(fmt.Sprintf("the parts are up in namespace %s", s.namespace.name))
	return nil
}

// prepare makes the namespace and the secrets of the run.
func (s *existingSubject) prepare(ctx context.Context) error {
	m, err := newMaterial(s.options.Now)
	if err != nil {
		return err
	}
	s.options.Redactor.Hide("client-secret", m.clientSecret)
	s.options.Redactor.Hide("cookie-secret", m.cookieSecret)
	if err := s.namespace.ensure(ctx); err != nil {
		return err
	}
	expand := clusterPlaceholders(s.namespace.name, s.options.IngressClass)
	s.manifests = kindManifests{files: s.options.Manifests, images: s.options.Images, material: m, expand: expand, namespace: s.namespace.name}
	s.gateway = newExistingGateway(s.kube, s.namespace, s.options.IngressClass, expand, s.controller.addresses, m.authority.Pool())
	return nil
}

// objects are everything but the routes, marked as this run's.
func (s *existingSubject) objects() ([]*kube.Object, error) {
	objects, err := s.manifests.parts()
	if err != nil {
		return nil, err
	}
	m := s.manifests.material
	objects = append(objects,
		secretObject(certificateSecret, "kubernetes.io/tls", map[string]any{"tls.crt": m.wildcardCert, "tls.key": m.wildcardKey}),
		secretObject("client-ca", "Opaque", map[string]any{"ca.crt": m.authorityCert}))
	for _, o := range objects {
		s.namespace.mark(o)
		if o.GroupVersionKind() == kube.Deployment {
			admitByRestricted(o)
		}
	}
	return objects, nil
}

func secretObject(name, kind string, content map[string]any) *kube.Object {
	return &kube.Object{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": map[string]any{"name": name}, "stringData": content,
	}}
}

// admitByRestricted gives a Deployment what the Pod Security Standard "restricted" asks for beyond what our manifests say.
func admitByRestricted(deployment *kube.Object) {
	spec, _ := deployment.Object["spec"].(map[string]any)
	template, _ := spec["template"].(map[string]any)
	if pod, ok := template["spec"].(map[string]any); ok {
		pod["securityContext"] = map[string]any{"seccompProfile": map[string]any{"type": "RuntimeDefault"}}
	}
}

// awaitParts waits until the Deployments are available. An image that cannot be had ends the wait.
func (s *existingSubject) awaitParts(ctx context.Context, names []string) error {
	return kube.WaitFor(ctx, "the parts in namespace "+s.namespace.name, func(ctx context.Context) (bool, string, error) {
		deployments, err := s.kube.List(ctx, kube.Deployment, s.namespace.name, "")
		if err != nil {
			return false, err.Error(), nil
		}
		waiting := slices.Clone(names)
		for i := range deployments {
			if isAvailable(&deployments[i]) {
				waiting = slices.DeleteFunc(waiting, func(name string) bool { return name == deployments[i].GetName() })
			}
		}
		if len(waiting) == 0 {
			return true, "", nil
		}
		pods, err := s.kube.List(ctx, kube.Pod, s.namespace.name, labelRun+"="+s.namespace.run)
		if err != nil {
			return false, err.Error(), nil
		}
		for i := range pods {
			if state := stateOf(&pods[i]); slices.Contains([]string{"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}, state) {
				return false, "", s.noImage(&pods[i], state)
			}
		}
		return false, "not ready: " + strings.Join(waiting, ", "), nil
	})
}

func (s *existingSubject) noImage(pod *kube.Object, state string) error {
	i := s.options.Images
	return &platform.NotReadyError{
		What: "the cluster cannot get the images of the parts",
		Why:  fmt.Sprintf("pod %s/%s: %s", pod.GetNamespace(), pod.GetName(), state),
		Do: fmt.Sprintf("push %s, %s, %s and %s to a registry that the cluster can reach and name it with --image-registry, or load them into its nodes (docs/bring-your-own.md)",
			i.Standin.Ref, i.MockIdP.Ref, i.Proxy.Ref, i.Redis.Ref),
	}
}

func (s *existingSubject) subject(ctx context.Context, missing map[Feature]string) (*Subject, error) {
	kubernetes, err := s.kube.Version(ctx)
	if err != nil {
		return nil, err
	}
	control := standin.Client{BaseURL: "http://standin-control", Transport: s.kube.ServiceTransport(s.namespace.name, "standin-control", "http")}
	if err := control.Healthy(ctx); err != nil {
		return nil, &platform.NotReadyError{
			What: "the stand-ins' record cannot be read through the API server", Err: err,
			Do: "use an account that may use services/proxy in the namespace " + s.namespace.name,
		}
	}
	i := s.options.Images
	s.gateway.missing = missing
	return &Subject{
		Platform:       "existing",
		Gateway:        s.gateway,
		GatewayName:    s.controller.name,
		GatewayVersion: s.controller.version,
		Declines:       s.gateway.declines,
		Missing:        missing,
		Resolve:        s.gateway.resolve,
		Roots:          s.manifests.material.authority.Pool(),
		Recorder:       control,
		Parts: []Part{
			{Role: RoleGateway, Name: s.controller.name, Version: s.controller.version, Origin: s.controller.origin},
			{Role: RoleAuthService, Name: "proxy", Version: tagOf(i.Proxy), Origin: i.Proxy.Ref},
			{Role: RoleIdP, Name: "mockidp", Version: tagOf(i.MockIdP), Origin: i.MockIdP.Ref},
			{Role: RoleBackend, Name: "standin", Version: tagOf(i.Standin), Origin: i.Standin.Ref, StandIn: true},
			{Role: roleSessionStore, Name: "redis", Version: tagOf(i.Redis), Origin: i.Redis.Ref},
			{Role: "platform", Name: "Kubernetes", Version: kubernetes, Origin: "the user's cluster"},
		},
		Mint: func(ctx context.Context, user string, expiresIn time.Duration, audience string) (string, error) {
			return mintThrough(ctx, s.kube.ServiceTransport(s.namespace.name, origin(idpService), "http"), user, expiresIn, audience)
		},
		Evidence: s.evidence,
		Close:    s.close,
	}, nil
}

// evidence implements Subject.Evidence: the run's own pods, their logs and its routes, nothing of the user's.
func (s *existingSubject) evidence(ctx context.Context, dir string) error {
	e := evidenceWriter{dir: dir, subject: &kindSubject{kube: s.kube, options: KindOptions{Redactor: s.options.Redactor}}}
	if err := e.folders("logs"); err != nil {
		return err
	}
	routes, err := s.kube.List(ctx, kube.Ingress, s.namespace.name, labelRun+"="+s.namespace.run)
	if err == nil {
		err = e.writeYAML("routes.yaml", routes)
	}
	return errors.Join(err, e.podsOf(ctx, s.namespace.name, labelRun+"="+s.namespace.run))
}

// close removes what the run brought.
func (s *existingSubject) close(ctx context.Context) error {
	s.options.Progress("removing what the run brought into namespace " + s.namespace.name)
	return s.namespace.remove(ctx)
}
