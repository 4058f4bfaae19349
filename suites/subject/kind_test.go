// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/ingress-auth/conformance/fixtures"
	"github.com/ingress-auth/conformance/mockidp"
	"github.com/ingress-auth/conformance/proxy"
	"github.com/ingress-auth/conformance/suites/platform"
	"github.com/ingress-auth/conformance/suites/platform/images"
	"github.com/ingress-auth/conformance/suites/platform/kube"
)

func testManifests(t *testing.T) kindManifests {
	t.Helper()
	m, err := newMaterial(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	image := func(name string) images.Built { return images.Built{Ref: "images.test/" + name + ":1"} }
	return kindManifests{files: fixtures.FS(), material: m, expand: kindPlaceholders(), images: KindImages{
		IngressNginx: image("controller"), Proxy: image("proxy"), MockIdP: image("mockidp"), Standin: image("standin"),
	}}
}

func testGateways(t *testing.T) []GatewayConfig {
	t.Helper()
	content, err := fixtures.FS().Open("gateways.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	text, err := io.ReadAll(content)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Gateways []GatewayConfig `json:"gateways"`
	}
	if err := yaml.UnmarshalStrict(text, &file); err != nil {
		t.Fatal(err)
	}
	return file.Gateways
}

func find(t *testing.T, objects []*kube.Object, kind, name string) *kube.Object {
	t.Helper()
	i := slices.IndexFunc(objects, func(o *kube.Object) bool { return o.GetKind() == kind && o.GetName() == name })
	if i < 0 {
		t.Fatalf("no %s %s", kind, name)
	}
	return objects[i]
}

func textOf(t *testing.T, o *kube.Object) string {
	t.Helper()
	text, err := json.Marshal(o.Object)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestEveryManifestRendersAndNothingComesTwice(t *testing.T) {
	k := testManifests(t)
	parts, err := k.parts()
	if err != nil {
		t.Fatal(err)
	}
	gateways, err := k.gateways(testGateways(t))
	if err != nil {
		t.Fatal(err)
	}
	namespaces, err := k.namespaces()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, o := range slices.Concat(namespaces, parts, gateways) {
		key := o.GetKind() + " " + o.GetNamespace() + "/" + o.GetName()
		if seen[key] {
			t.Errorf("%s is there twice", key)
		}
		seen[key] = true
	}
	for _, service := range warmServices() {
		find(t, parts, "Service", service)
	}
}

func TestEachGatewayIsAControllerOfItsOwn(t *testing.T) {
	configs := testGateways(t)
	objects, err := testManifests(t).gateways(configs)
	if err != nil {
		t.Fatal(err)
	}
	for i, g := range configs {
		deployment := textOf(t, find(t, objects, "Deployment", g.Name))
		for _, want := range []string{"--ingress-class=" + ingressClass(g.Name), "--configmap=ingress-nginx/" + g.Name, "images.test/controller:1"} {
			if !strings.Contains(deployment, want) {
				t.Errorf("gateway %s lacks %s", g.Name, want)
			}
		}
		if strings.Contains(deployment, "--default-backend-service") != (g.DefaultBackend != "") {
			t.Errorf("gateway %s: default backend %q is not what the controller is told", g.Name, g.DefaultBackend)
		}
		if strings.Contains(deployment, "--validating-webhook=") == g.NoAdmission {
			t.Errorf("gateway %s: admission is not what was asked for", g.Name)
		}
		service := textOf(t, find(t, objects, "Service", g.Name))
		if !strings.Contains(service, `"nodePort":`+portText(firstHTTPNodePort+i)) || strings.Contains(service, `"nodePort":`+portText(firstHTTPSNodePort+i)) != g.TLS {
			t.Errorf("gateway %s: service %s", g.Name, service)
		}
		class := find(t, objects, "IngressClass", ingressClass(g.Name))
		controller := class.Object["spec"].(map[string]any)["controller"].(string)
		if !strings.Contains(deployment, "--controller-class="+controller+`"`) {
			t.Errorf("gateway %s does not own its class's controller %s", g.Name, controller)
		}
	}
	if n := slices.IndexFunc(objects, func(o *kube.Object) bool {
		return o.GetKind() == "ValidatingWebhookConfiguration" && o.GetName() == "scratch-admission"
	}); n >= 0 {
		t.Error("the gateway without admission has a webhook")
	}
}

func portText(n int) string {
	text, _ := json.Marshal(n)
	return string(text)
}

func TestAnIngressIsSentToOneWebhookOnly(t *testing.T) {
	configs := testGateways(t)
	objects, err := testManifests(t).gateways(configs)
	if err != nil {
		t.Fatal(err)
	}
	asked := func(labels map[string]string) (gateways []string) {
		for _, g := range configs {
			if g.NoAdmission {
				continue
			}
			webhook := find(t, objects, "ValidatingWebhookConfiguration", g.Name+"-admission").Object["webhooks"].([]any)[0].(map[string]any)
			if matches(webhook["objectSelector"].(map[string]any)["matchExpressions"].([]any), labels) {
				gateways = append(gateways, g.Name)
			}
		}
		return gateways
	}
	cases := []struct {
		rule   string
		labels map[string]string
		want   []string
	}{
		{"a route of the main gateway", renderRoute(Route{Name: "a"}, kindPlaceholders()).GetLabels(), []string{"main"}},
		{"a route of another", renderRoute(Route{Name: "a", Gateway: "errors-404"}, kindPlaceholders()).GetLabels(), []string{"errors-404"}},
		{"a route past admission", renderRoute(Route{Name: "a", SkipAdmission: true}, kindPlaceholders()).GetLabels(), nil},
		{"a route of the gateway without admission", renderRoute(Route{Name: "a", Gateway: "scratch"}, kindPlaceholders()).GetLabels(), nil},
		{"what a user wrote", nil, []string{"main"}},
	}
	for _, c := range cases {
		if got := asked(c.labels); !slices.Equal(got, c.want) {
			t.Errorf("%s: sent to %v, want %v", c.rule, got, c.want)
		}
	}
}

// matches evaluates label selector expressions as the API server does.
func matches(expressions []any, labels map[string]string) bool {
	for _, e := range expressions {
		expression := e.(map[string]any)
		value, present := labels[expression["key"].(string)]
		in := present && slices.ContainsFunc(expression["values"].([]any), func(v any) bool { return v == value })
		if in != (expression["operator"] == "In") {
			return false
		}
	}
	return true
}

func TestTheProxiesUnderstandTheirFlags(t *testing.T) {
	for _, service := range AuthServices() {
		args := authServiceArgs(service, kindPlaceholders())
		for i, arg := range args { // the files are only there in the pod
			name, path, _ := strings.Cut(arg, "=/secrets/")
			if path != "" {
				args[i] = strings.TrimSuffix(name, "-file") + "=" + randomSecret()
			}
		}
		config, err := proxy.ParseConfig(args, nil, io.Discard)
		if err != nil {
			t.Errorf("%s: %v", service.Name, err)
			continue
		}
		if config.IssuerURL != "https://idp.ingress-auth.test" || config.RedirectURL != "https://"+service.Host+".ingress-auth.test/oauth2/callback" {
			t.Errorf("%s: issuer %s, callback %s", service.Name, config.IssuerURL, config.RedirectURL)
		}
		if service.Name == "proxy-domain" && !slices.Equal(config.EmailDomains, []string{"allowed.example"}) {
			t.Errorf("%s admits %v", service.Name, config.EmailDomains)
		}
	}
}

func TestTheIdentityProviderUnderstandsItsConfiguration(t *testing.T) {
	parts, err := testManifests(t).parts()
	if err != nil {
		t.Fatal(err)
	}
	text := find(t, parts, "Secret", "mockidp").Object["stringData"].(map[string]any)["idp.yaml"].(string)
	config, err := mockidp.ParseConfig(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if config.Issuer != "https://idp.ingress-auth.test" || !config.EnableTestMint || len(config.Clients[0].RedirectURIs) != len(AuthServices()) {
		t.Errorf("configuration: %+v", config.Clients[0].RedirectURIs)
	}
	if config.Users[0].Email != "alice@allowed.example" || config.Users[1].Email != "bob@other.example" {
		t.Errorf("users: %+v", config.Users)
	}
}

func TestMaterialIsKeptAndRenewedBeforeItEnds(t *testing.T) {
	m, err := newMaterial(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	again, err := readMaterial(m.secret(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range m.fields() {
		if *again.fields()[name] != *value {
			t.Errorf("%s is not kept", name)
		}
	}
	late := func() time.Time { return m.authority.NotAfter().Add(-time.Hour) }
	if _, err := readMaterial(m.secret(), late); err == nil {
		t.Error("certificates that end within the hour are used again")
	}
	incomplete := m.secret()
	delete(incomplete.Object["data"].(map[string]any), "wildcard.key")
	if _, err := readMaterial(incomplete, time.Now); err == nil {
		t.Error("incomplete material is used")
	}
}

func TestAClusterForOtherGatewaysIsNotReady(t *testing.T) {
	gateways := testGateways(t)
	ports := map[string]string{}
	for _, p := range KindPorts(gateways) {
		ports[p.Name] = "127.0.0.1:1"
	}
	options := KindOptions{RESTConfig: &rest.Config{Host: "http://127.0.0.1:1"}, Gateways: gateways, Ports: ports, Manifests: fixtures.FS()}
	if _, err := newKindSubject(options); err != nil {
		t.Fatal(err)
	}
	delete(ports, "errors-404-http")
	var notReady *platform.NotReadyError
	if _, err := newKindSubject(options); !errors.As(err, &notReady) || !strings.Contains(err.Error(), "errors-404-http") {
		t.Errorf("error: %v", err)
	}
	options.Gateways = gateways[1:]
	if _, err := newKindSubject(options); err == nil {
		t.Error("accepted gateways without the main one")
	}
}

func TestVersionsAreReadFromTheControllerOrItsImage(t *testing.T) {
	k := &kindSubject{options: KindOptions{Images: KindImages{IngressNginx: images.Built{Versions: map[string]string{"controller": "v1.11.0"}}}}}
	cases := []struct{ rule, text, release, nginx string }{
		{"published", "---\nNGINX Ingress controller\n  Release:       v1.11.2\n  Build:         abc\n  nginx version: nginx/1.25.5\n\n---\n", "v1.11.2", "1.25.5"},
		{"from source", "  Release:       UNKNOWN\n  nginx version: nginx/1.26.3\n", "v1.11.0", "1.26.3"},
	}
	for _, c := range cases {
		got := k.readVersions(c.text)
		if got.release != c.release || got.nginx != c.nginx {
			t.Errorf("%s: %+v", c.rule, got)
		}
	}
}

func TestADeploymentIsAvailableOnlyInItsNewestGeneration(t *testing.T) {
	deployment := func(observed, updated, available, replicas int64) *kube.Object {
		return &kube.Object{Object: map[string]any{
			"metadata": map[string]any{"generation": int64(2)},
			"status":   map[string]any{"observedGeneration": observed, "updatedReplicas": updated, "availableReplicas": available, "replicas": replicas},
		}}
	}
	for rule, c := range map[string]struct {
		object *kube.Object
		want   bool
	}{
		"available":        {deployment(2, 1, 1, 1), true},
		"one of two":       {deployment(2, 2, 1, 2), true},
		"not observed yet": {deployment(1, 1, 1, 1), false},
		"old pod only":     {deployment(2, 0, 1, 1), false},
		"old pod beside":   {deployment(2, 1, 1, 2), false},
		"starting":         {deployment(2, 1, 0, 1), false},
	} {
		if got := isAvailable(c.object); got != c.want {
			t.Errorf("%s: %v", rule, got)
		}
	}
}

func TestWhatAVersionLacks(t *testing.T) {
	for version, want := range map[string][]Feature{
		"1.9.4":     {FeatureDisableIntercept},
		"v1.11.0":   nil,
		"1.13.6":    nil,
		"1.13.7":    {FeatureInheritedErrorBypass},
		"1.14.2":    nil,
		"1.14.3-rc": {FeatureInheritedErrorBypass},
		"1.15.1":    {FeatureInheritedErrorBypass},
		"UNKNOWN":   nil,
		"1.x.0":     nil,
	} {
		missing := ingressNginxMissing(version)
		if len(missing) != len(want) || len(want) == 1 && missing[want[0]] == "" {
			t.Errorf("%s lacks %v, want %v", version, missing, want)
		}
	}
}

func TestAWaitingPodTellsItsReason(t *testing.T) {
	pod := func(text string) *kube.Object {
		objects, err := kube.Decode([]byte("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nstatus: " + text))
		if err != nil {
			t.Fatal(err)
		}
		return objects[0]
	}
	for text, want := range map[string]string{
		`{phase: Pending, containerStatuses: [{state: {waiting: {reason: ImagePullBackOff}}}]}`: "ImagePullBackOff",
		`{phase: Running, containerStatuses: [{state: {running: {}}}]}`:                         "Running",
		`{phase: Pending, conditions: [{type: PodScheduled, status: "False"}]}`:                 "Pending",
	} {
		if got := stateOf(pod(text)); got != want {
			t.Errorf("state %q, want %q", got, want)
		}
	}
}

func TestServicesAreInForceOnlyAfterTheFirstPass(t *testing.T) {
	for rule, c := range map[string]struct {
		health string
		want   bool
	}{
		"before the first pass":  {`{"healthy":true,"status":{"IPv4":{"lastUpdated":"0001-01-01T00:00:00Z","healthy":true}}}`, false},
		"after it":               {`{"healthy":true,"status":{"IPv4":{"lastUpdated":"2026-03-01T12:00:00Z","healthy":true}}}`, true},
		"a version without that": {`{"lastUpdated":"2026-03-01T12:00:00Z"}`, true},
		"no JSON":                {`ok`, false},
	} {
		if got, _ := servicesInForce([]byte(c.health)); got != c.want {
			t.Errorf("%s: %v", rule, got)
		}
	}
}

func TestNoOtherIngressLeadsToTheCanary(t *testing.T) {
	if slices.Contains(warmServices(), "canary") || slices.Contains(warmServices(), "grpc") {
		t.Error("the warm-up names a Service that must be met by its own routes only")
	}
}
