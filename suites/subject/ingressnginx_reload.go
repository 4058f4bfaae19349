// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ingress-auth/conformance/suites/platform/kube"
)

// reloadFailure is how the controller's log begins to tell that nginx refused a configuration.
const reloadFailure = "Unexpected failure reloading the backend"

// settingRedirectCode is the status with which http is redirected to https. The witness shows it, and so shows which
// settings are in force.
const settingRedirectCode = "http-redirect-code"

// AwaitReloadFailure implements ReloadWatcher: it waits until the gateway's log tells of a refused configuration that is
// newer than the last route or setting it was given here.
func (n *IngressNginx) AwaitReloadFailure(ctx context.Context, gateway string) error {
	n.mu.Lock()
	since := n.changed[gateway]
	n.mu.Unlock()
	return kube.WaitFor(ctx, fmt.Sprintf("gateway %q to refuse its new configuration", gateway), func(ctx context.Context) (bool, string, error) {
		pod, err := n.controllerPod(ctx, gateway)
		if err != nil {
			return false, "", err
		}
		log, err := n.kube.PodLogs(ctx, GatewayNamespace, pod, "controller", kube.LogOptions{Timestamps: true})
		if err != nil {
			return false, err.Error(), nil
		}
		return failedReload(log, since), "no failed reload in the log of pod " + pod, nil
	})
}

// failedReload looks through a log with a timestamp before each line.
func failedReload(log []byte, since time.Time) bool {
	for line := range bytes.Lines(log) {
		stamp, rest, _ := strings.Cut(string(line), " ")
		at, err := time.Parse(time.RFC3339Nano, stamp)
		if err == nil && at.After(since) && strings.Contains(rest, reloadFailure) {
			return true
		}
	}
	return false
}

func (n *IngressNginx) markChanged(gateway string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.changed[gateway] = time.Now()
}

func (n *IngressNginx) controllerPod(ctx context.Context, gateway string) (string, error) {
	pods, err := n.kube.List(ctx, kube.Pod, GatewayNamespace, labelGateway+"="+gateway)
	if err != nil {
		return "", err
	}
	for _, pod := range pods {
		if pod.GetDeletionTimestamp() == nil {
			return pod.GetName(), nil
		}
	}
	return "", fmt.Errorf("gateway %q has no pod", gateway)
}

// Reconfigure implements Reconfigurer by the gateway's ConfigMap, which the controller watches. Settings that change
// nothing visible are told apart by the status of the redirect to https: it is 307 unless the settings choose another.
// Settings that are flags of the controller (DefaultBackend, TLS, NoAdmission) cannot change.
func (n *IngressNginx) Reconfigure(ctx context.Context, g GatewayConfig) (func(context.Context) error, error) {
	old, ok := n.gateways[g.Name]
	if !ok {
		return nil, fmt.Errorf("there is no gateway %q to configure", g.Name)
	}
	if g.DefaultBackend != old.DefaultBackend || g.TLS != old.TLS || g.NoAdmission != old.NoAdmission {
		return nil, fmt.Errorf("gateway %q: its default backend, TLS and admission are fixed when it starts", g.Name)
	}
	settings := renderSettings(g, n.placeholders)
	if settings[settingRedirectCode] == "" {
		settings[settingRedirectCode] = strconv.Itoa(http.StatusTemporaryRedirect)
	}
	if err := n.configure(ctx, g.Name, settings); err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		if err := n.configure(ctx, g.Name, renderSettings(old, n.placeholders)); err != nil {
			return err
		}
		present, err := n.present(ctx)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, settlePatience)
		defer cancel()
		if err := n.settleGateway(ctx, g.Name, present, true); err != nil {
			return fmt.Errorf("gateway %q did not return to its own settings: %w", g.Name, err)
		}
		return nil
	}, nil
}

func (n *IngressNginx) configure(ctx context.Context, gateway string, settings map[string]string) error {
	n.markChanged(gateway)
	if _, err := n.kube.Apply(ctx, []*kube.Object{settingsObject(gateway, settings)}, kube.ApplyOptions{}); err != nil {
		return fmt.Errorf("configure gateway %q: %w", gateway, err)
	}
	return nil
}

func settingsObject(gateway string, settings map[string]string) *kube.Object {
	data := map[string]any{}
	for key, value := range settings {
		data[key] = value
	}
	return &kube.Object{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": gateway, "namespace": GatewayNamespace},
		"data":     data,
	}}
}

// redirectCode is the status of a gateway's redirect to https.
func redirectCode(g GatewayConfig) int {
	if code, err := strconv.Atoi(g.Settings[settingRedirectCode]); err == nil {
		return code
	}
	return http.StatusPermanentRedirect
}
