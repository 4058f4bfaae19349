// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ingress-auth/conformance/suites/platform"
	"github.com/ingress-auth/conformance/suites/platform/kube"
)

// ingressNginxController is what an IngressClass of ingress-nginx names as its controller by default.
const ingressNginxController = "k8s.io/ingress-nginx"

// controller is a gateway that is there: what it is, and where it listens.
type controller struct {
	// name and version are "ingress-nginx", "1.11.0"; the class's controller and UnknownVersion for what is not known.
	name, version string
	// origin is its image, if that is known.
	origin string
	// candidates are the addresses where it may listen, the likeliest first.
	candidates []address
	// addresses are those that answer, by scheme.
	addresses map[string]string
}

// address is one place where a gateway may listen.
type address struct{ scheme, hostPort string }

// findController looks for the controller behind an IngressClass: its pod tells the version, its Services the addresses.
// What the account may not see is left unknown.
func findController(ctx context.Context, client *kube.Client, class string) (controller, error) {
	found := controller{name: ingressNginxController, version: UnknownVersion, origin: "the user's cluster"}
	object, err := client.Get(ctx, kube.IngressClass, "", class)
	switch {
	case kube.IsNotFound(err):
		return found, &platform.NotReadyError{What: fmt.Sprintf("the cluster has no IngressClass %q", class), Why: namesOfClasses(ctx, client), Do: "name it with --ingress-class"}
	case err == nil:
		spec, _ := object.Object["spec"].(map[string]any)
		found.name, _ = spec["controller"].(string)
	case !kube.IsForbidden(err):
		return found, err
	}
	pods, err := client.List(ctx, kube.Pod, "", "")
	if err != nil && !kube.IsForbidden(err) {
		return found, err
	}
	i := slices.IndexFunc(pods, func(pod kube.Object) bool { return controls(&pod, found.name) })
	if i < 0 {
		if found.name == ingressNginxController {
			found.name = "ingress-nginx"
		}
		return found, nil
	}
	found.name = "ingress-nginx"
	container := controllerContainer(&pods[i])
	found.origin = "image " + container.image
	found.version = controllerVersion(ctx, client, &pods[i], container)
	found.candidates, err = addressesOf(ctx, client, &pods[i])
	return found, err
}

func namesOfClasses(ctx context.Context, client *kube.Client) string {
	classes, err := client.List(ctx, kube.IngressClass, "", "")
	if err != nil || len(classes) == 0 {
		return "it has none that this account may see"
	}
	var names []string
	for i := range classes {
		names = append(names, classes[i].GetName())
	}
	return "it has " + strings.Join(names, ", ")
}

// podContainer is what matters of a container.
type podContainer struct {
	name, image string
	words       []string
}

const controllerProgram = "nginx-ingress-controller"

// controllerContainer is the container of a pod that runs ingress-nginx; its name is empty when there is none.
func controllerContainer(pod *kube.Object) podContainer {
	spec, _ := pod.Object["spec"].(map[string]any)
	containers, _ := spec["containers"].([]any)
	for _, c := range containers {
		content, _ := c.(map[string]any)
		found := podContainer{}
		found.name, _ = content["name"].(string)
		found.image, _ = content["image"].(string)
		for _, key := range []string{"command", "args"} {
			words, _ := content[key].([]any)
			for _, word := range words {
				text, _ := word.(string)
				found.words = append(found.words, text)
			}
		}
		if slices.ContainsFunc(found.words, func(w string) bool { return strings.HasSuffix(w, controllerProgram) }) {
			return found
		}
	}
	return podContainer{}
}

// controls tells whether a pod runs ingress-nginx for classes of that controller.
func controls(pod *kube.Object, controller string) bool {
	container := controllerContainer(pod)
	if container.name == "" || pod.GetDeletionTimestamp() != nil || stateOf(pod) != "Running" {
		return false
	}
	own := ingressNginxController
	for _, word := range container.words {
		if value, ok := strings.CutPrefix(word, "--controller-class="); ok {
			own = value
		}
	}
	return own == controller
}

// controllerVersion asks the controller, or else reads the tag of its image.
func controllerVersion(ctx context.Context, client *kube.Client, pod *kube.Object, container podContainer) string {
	if out, err := client.Exec(ctx, pod.GetNamespace(), pod.GetName(), container.name, "/"+controllerProgram, "--version"); err == nil {
		if m := releaseLine.FindStringSubmatch(string(out)); m != nil {
			if _, ok := parseRelease(m[1]); ok {
				return strings.TrimPrefix(m[1], "v")
			}
		}
	}
	image, _, _ := strings.Cut(container.image, "@")
	tag := image[strings.LastIndexByte(image, ':')+1:]
	if _, ok := parseRelease(tag); ok {
		version, _, _ := strings.Cut(strings.TrimPrefix(tag, "v"), "-")
		return version
	}
	return UnknownVersion
}

// addressesOf are the addresses of the Services that lead to a pod: load balancers first, then node ports.
func addressesOf(ctx context.Context, client *kube.Client, pod *kube.Object) ([]address, error) {
	services, err := client.List(ctx, kube.Service, pod.GetNamespace(), "")
	if err != nil {
		return nil, err
	}
	var balanced, ported []address
	for i := range services {
		spec, _ := services[i].Object["spec"].(map[string]any)
		if !selects(spec, pod.GetLabels()) {
			continue
		}
		for _, p := range portsOf(spec) {
			for _, host := range balancersOf(&services[i]) {
				balanced = append(balanced, address{p.scheme, net.JoinHostPort(host, strconv.FormatInt(p.port, 10))})
			}
			if p.nodePort == 0 {
				continue
			}
			hosts, err := nodesOf(ctx, client, pod)
			if err != nil {
				return nil, err
			}
			for _, host := range hosts {
				ported = append(ported, address{p.scheme, net.JoinHostPort(host, strconv.FormatInt(p.nodePort, 10))})
			}
		}
	}
	return append(balanced, ported...), nil
}

func selects(serviceSpec map[string]any, labels map[string]string) bool {
	selector, _ := serviceSpec["selector"].(map[string]any)
	for key, value := range selector {
		if labels[key] != value {
			return false
		}
	}
	return len(selector) > 0
}

type gatewayPort struct {
	scheme         string
	port, nodePort int64
}

// portsOf are a Service's ports for http and https, told by their number or their name.
func portsOf(serviceSpec map[string]any) []gatewayPort {
	ports, _ := serviceSpec["ports"].([]any)
	var found []gatewayPort
	for _, p := range ports {
		content, _ := p.(map[string]any)
		name, _ := content["name"].(string)
		port, _ := content["port"].(int64)
		nodePort, _ := content["nodePort"].(int64)
		switch {
		case port == 80 || name == "http":
			found = append(found, gatewayPort{"http", port, nodePort})
		case (port == 443 && name != "webhook" && !strings.Contains(name, "webhook")) || name == "https":
			found = append(found, gatewayPort{"https", port, nodePort})
		}
	}
	return found
}

func balancersOf(service *kube.Object) []string {
	status, _ := service.Object["status"].(map[string]any)
	balancer, _ := status["loadBalancer"].(map[string]any)
	entries, _ := balancer["ingress"].([]any)
	var hosts []string
	for _, e := range entries {
		content, _ := e.(map[string]any)
		for _, key := range []string{"ip", "hostname"} {
			if host, ok := content[key].(string); ok && host != "" {
				hosts = append(hosts, host)
			}
		}
	}
	return hosts
}

// nodesOf are the addresses of the node that a pod is on, which serves its node ports whatever the traffic policy. Nodes
// that the account may not see have none.
func nodesOf(ctx context.Context, client *kube.Client, pod *kube.Object) ([]string, error) {
	spec, _ := pod.Object["spec"].(map[string]any)
	name, _ := spec["nodeName"].(string)
	node, err := client.Get(ctx, kube.Node, "", name)
	if kube.IsForbidden(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	status, _ := node.Object["status"].(map[string]any)
	addresses, _ := status["addresses"].([]any)
	var hosts []string
	for _, wanted := range []string{"ExternalIP", "InternalIP"} {
		for _, a := range addresses {
			content, _ := a.(map[string]any)
			if host, ok := content["address"].(string); ok && content["type"] == wanted {
				hosts = append(hosts, host)
			}
		}
	}
	return hosts, nil
}

// reachTimeout bounds the try of one address.
const reachTimeout = 3 * time.Second

// reach picks for each scheme the address that was given, or else the first candidate that takes a connection.
func (c *controller) reach(ctx context.Context, given map[string]string) error {
	c.addresses = map[string]string{}
	for _, scheme := range []string{"http", "https"} {
		candidates := c.candidates
		if hostPort := given[scheme]; hostPort != "" {
			candidates = []address{{scheme, hostPort}}
		}
		var tried []string
		for _, candidate := range candidates {
			if candidate.scheme != scheme || c.addresses[scheme] != "" {
				continue
			}
			conn, err := (&net.Dialer{Timeout: reachTimeout}).DialContext(ctx, "tcp", candidate.hostPort)
			if err != nil {
				tried = append(tried, err.Error())
				continue
			}
			conn.Close()
			c.addresses[scheme] = candidate.hostPort
		}
		if c.addresses[scheme] == "" {
			return c.unreachable(scheme, tried)
		}
	}
	return nil
}

func (c *controller) unreachable(scheme string, tried []string) error {
	why := "no Service of the controller was found that leads to it by a load balancer or a node port"
	if len(tried) > 0 {
		why = strings.Join(tried, "; ")
	}
	return &platform.NotReadyError{
		What: "the gateway cannot be reached over " + scheme, Why: why,
		Do: fmt.Sprintf("say where it listens with --gateway-address %s://host:port (kubectl port-forward makes such an address)", scheme),
	}
}
