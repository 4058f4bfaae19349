// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ingress-auth/conformance/suites/platform/kube"
)

// A new cluster's network comes up in steps, and what starts too early pays for it: a connection to a Service that was
// begun before kube-proxy knew the Service stays lost until its caller gives up, which for CoreDNS and for a controller
// is half a minute.

const (
	systemNamespace = "kube-system"
	kubeProxyHealth = "10256"
	// dnsGrace is how long CoreDNS may take once Services work, before it is taken for stuck.
	dnsGrace = 3 * time.Second
)

// awaitServices waits until kube-proxy has brought the Services into force, and tells whether they were not before.
func (s *kindSubject) awaitServices(ctx context.Context) (waited bool, err error) {
	err = kube.WaitFor(ctx, "kube-proxy to bring Services into force", func(ctx context.Context) (bool, string, error) {
		nodes, err := s.kube.List(ctx, kube.Node, "", "")
		if err != nil {
			return false, err.Error(), nil
		}
		if len(nodes) == 0 {
			return false, "the cluster has no node", nil
		}
		for i := range nodes {
			health, err := s.kube.NodeHealth(ctx, nodes[i].GetName(), kubeProxyHealth)
			if err != nil {
				return false, err.Error(), nil
			}
			if synced, seen := servicesInForce(health); !synced {
				waited = true
				return false, nodes[i].GetName() + ": " + seen, nil
			}
		}
		return true, "", nil
	})
	return waited, err
}

// servicesInForce reads kube-proxy's answer to a health check. Before its first pass it calls itself healthy too, but
// has not updated anything.
func servicesInForce(health []byte) (ok bool, seen string) {
	var answer struct {
		Healthy bool `json:"healthy"`
		Status  map[string]struct {
			LastUpdated time.Time `json:"lastUpdated"`
		} `json:"status"`
	}
	if err := json.Unmarshal(health, &answer); err != nil {
		return false, "kube-proxy's health cannot be read: " + err.Error()
	}
	if len(answer.Status) == 0 { // older than Kubernetes 1.32, which does not tell
		return true, ""
	}
	if answer.Status["IPv4"].LastUpdated.IsZero() && answer.Status["IPv6"].LastUpdated.IsZero() {
		return false, "nothing updated yet"
	}
	return true, ""
}

// awaitDNS waits until the cluster's DNS answers. What of it was running before Services worked is started again at
// once; with tooSoon that is all that runs by now, otherwise what is not ready within dnsGrace.
func (s *kindSubject) awaitDNS(ctx context.Context, tooSoon bool) error {
	if !tooSoon {
		graceful, cancel := context.WithTimeout(ctx, dnsGrace)
		defer cancel()
		err := s.awaitDeployments(graceful, systemNamespace, []string{"coredns"})
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
	}
	pods, err := s.kube.List(ctx, kube.Pod, systemNamespace, "k8s-app=kube-dns")
	if err != nil {
		return err
	}
	restarted := 0
	for i := range pods {
		if isReady(&pods[i]) || stateOf(&pods[i]) != "Running" {
			continue
		}
		if err := s.kube.Delete(ctx, kube.Pod, systemNamespace, pods[i].GetName()); err != nil {
			return fmt.Errorf("start the cluster's DNS again: %w", err)
		}
		restarted++
	}
	if restarted > 0 {
		s.progress("started the cluster's DNS again, which had begun before Services worked")
	}
	return s.awaitDeployments(ctx, systemNamespace, []string{"coredns"})
}

func isReady(pod *kube.Object) bool {
	status, _ := pod.Object["status"].(map[string]any)
	conditions, _ := status["conditions"].([]any)
	for _, c := range conditions {
		condition, _ := c.(map[string]any)
		if condition["type"] == "Ready" {
			return condition["status"] == "True"
		}
	}
	return false
}
