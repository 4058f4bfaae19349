// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/remotecommand"
)

// maxRaw bounds what is read of one answer: a log or a rendered configuration.
const maxRaw = 32 << 20

// Ready asks the API server whether it serves; a cluster that does not answer is an error.
func (c *Client) Ready(ctx context.Context) error {
	_, err := c.getRaw(ctx, "/readyz", nil)
	return err
}

// Version is the Kubernetes version of the API server, e.g. "v1.34.4".
func (c *Client) Version(ctx context.Context) (string, error) {
	var v struct {
		GitVersion string `json:"gitVersion"`
	}
	if err := c.getJSON(ctx, "/version", &v); err != nil {
		return "", fmt.Errorf("ask the cluster for its version: %w", err)
	}
	return v.GitVersion, nil
}

// NodeHealth asks /healthz on a port of a node, through the API server.
func (c *Client) NodeHealth(ctx context.Context, node, port string) ([]byte, error) {
	body, err := c.getRaw(ctx, fmt.Sprintf("/api/v1/nodes/%s:%s/proxy/healthz", node, port), nil)
	if err != nil {
		return nil, fmt.Errorf("ask port %s of node %s for its health: %w", port, node, err)
	}
	return body, nil
}

// LogOptions say which part of a log is wanted, and how.
type LogOptions struct {
	// Previous asks for what the container wrote before its last restart.
	Previous bool
	// Timestamps puts the time (RFC 3339, nanoseconds) and a space before each line.
	Timestamps bool
}

// PodLogs fetches what a container wrote so far. Container may be "" where the pod has one only.
func (c *Client) PodLogs(ctx context.Context, namespace, pod, container string, options LogOptions) ([]byte, error) {
	query := url.Values{}
	if container != "" {
		query.Set("container", container)
	}
	if options.Previous {
		query.Set("previous", "true")
	}
	if options.Timestamps {
		query.Set("timestamps", "true")
	}
	body, err := c.getRaw(ctx, fmt.Sprintf("/api/v1/namespaces/%s/pods/%s/log", namespace, pod), query)
	if err != nil {
		return nil, fmt.Errorf("fetch the log of pod %s/%s: %w", namespace, pod, err)
	}
	return body, nil
}

// ServiceTransport carries requests to a port of a Service through the API server, so that a test reaches it without a
// route of its own. Only the path and the query of a request's URL are used.
func (c *Client) ServiceTransport(namespace, service, port string) http.RoundTripper {
	prefix := fmt.Sprintf("%s/api/v1/namespaces/%s/services/%s:%s/proxy", strings.TrimRight(c.baseURL(), "/"), namespace, service, port)
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		target, err := url.Parse(prefix + "/" + strings.TrimPrefix(r.URL.EscapedPath(), "/"))
		if err != nil {
			return nil, fmt.Errorf("address service %s/%s: %w", namespace, service, err)
		}
		target.RawQuery = r.URL.RawQuery
		out := r.Clone(r.Context())
		out.URL, out.Host, out.RequestURI = target, "", ""
		return c.http.Do(out)
	})
}

// Exec runs a command in a container and returns what it wrote to standard output.
func (c *Client) Exec(ctx context.Context, namespace, pod, container string, command ...string) ([]byte, error) {
	query := url.Values{"container": {container}, "stdout": {"true"}, "stderr": {"true"}, "command": command}
	target, err := url.Parse(fmt.Sprintf("%s/api/v1/namespaces/%s/pods/%s/exec?%s", strings.TrimRight(c.baseURL(), "/"), namespace, pod, query.Encode()))
	if err != nil {
		return nil, fmt.Errorf("address pod %s/%s: %w", namespace, pod, err)
	}
	executor, err := remotecommand.NewWebSocketExecutor(c.config, http.MethodGet, target.String())
	if err != nil {
		return nil, fmt.Errorf("prepare %q in pod %s/%s: %w", command, namespace, pod, err)
	}
	var stdout, stderr bytes.Buffer
	err = executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: &stdout, Stderr: &stderr})
	if err != nil {
		return nil, fmt.Errorf("run %q in pod %s/%s: %w: %s", command, namespace, pod, err, strings.TrimSpace(stderr.String()))
	}
	return stdout.Bytes(), nil
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// baseURL is the address of the API server, which a kubeconfig may give without a scheme.
func (c *Client) baseURL() string {
	if strings.Contains(c.config.Host, "://") {
		return c.config.Host
	}
	return "https://" + c.config.Host
}

func (c *Client) getJSON(ctx context.Context, path string, into any) error {
	body, err := c.getRaw(ctx, path, nil)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}

func (c *Client) getRaw(ctx context.Context, path string, query url.Values) ([]byte, error) {
	target := strings.TrimRight(c.baseURL(), "/") + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxRaw))
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, &statusError{code: response.StatusCode, message: statusMessage(body)}
	}
	return body, nil
}

// statusError is an answer of the API server to a raw request that is not 200.
type statusError struct {
	code    int
	message string
}

// Error implements error.
func (e *statusError) Error() string {
	return fmt.Sprintf("the API server answered %d: %s", e.code, e.message)
}

// statusMessage is the message of a Kubernetes Status, or the beginning of a body that is none.
func statusMessage(body []byte) string {
	var status metav1.Status
	if json.Unmarshal(body, &status) == nil && status.Message != "" {
		return status.Message
	}
	return strings.TrimSpace(string(body[:min(len(body), 300)]))
}
