// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"context"
	"net/http"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/ingress-auth/conformance/suites/platform/kube"
)

// observe waits until everything is seen to work. Parts that run are waited for together.
func (s *kindSubject) observe(ctx context.Context) error {
	workloads := []string{"standin", "mockidp", "redis"}
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
