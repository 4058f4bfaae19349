// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ingress-auth/conformance/suites/platform/kube"
)

// How it is known that a gateway serves what it was given.
//
// The controller reads all Ingresses, renders one configuration, reloads nginx and then posts backends and certificates
// to its Lua side. No single answer of a changed route tells that all of this is over, so each gateway has a witness: an
// Ingress that is applied after the others and carries a digest of all of them in its host name. The API server hands out
// Ingresses in the order they were changed, so a configuration that knows the witness knows what came before.
//
//   - The witness's host has TLS, and only when the certificates are posted, which is last, does it redirect to https. It
//     answers otherwise before: unknown host, then the backend.
//   - For about a tenth of a second nginx's old worker accepts connections beside the new one. Every connection on which
//     the witness was not served is kept open and asked again, until the old worker has closed it or the new one answers.
//   - A Service that the balancer has not met before is taken up by a timer, once a second. Another Ingress of each
//     gateway, which never changes, names every Service that routes use, so that they are met before a route needs them.

// settle observes the gateways until each serves every Ingress the cluster has for it.
func (n *IngressNginx) settle(ctx context.Context, gateways []string) error {
	present, err := n.present(ctx)
	if err != nil {
		return err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	for _, gateway := range gateways {
		group.Go(func() error {
			ctx, cancel := context.WithTimeout(groupCtx, settlePatience)
			defer cancel()
			if err := n.settleGateway(ctx, gateway, present, ""); err != nil {
				return fmt.Errorf("gateway %q does not serve its routes: %w", gateway, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// settleGateway observes one gateway. A salt that was not used before makes it wait for a configuration that is newer
// than this call even if no Ingress changed.
func (n *IngressNginx) settleGateway(ctx context.Context, gateway string, present map[string]*kube.Object, salt string) error {
	addr, ok := n.addr(gateway, "http")
	if !ok {
		return fmt.Errorf("it is not reachable from this machine")
	}
	digest := digestOf(present, ingressClass(gateway), salt)
	for _, object := range []*kube.Object{n.warmUp(gateway), witness(gateway, digest)} {
		same, err := kube.Same(present[object.GetName()], object)
		if err != nil {
			return err
		}
		if same {
			continue
		}
		if _, err := n.kube.Apply(ctx, []*kube.Object{object}, kube.ApplyOptions{}); err != nil {
			return err
		}
	}
	host := witnessHost(gateway, digest)
	if err := awaitWitness(ctx, addr, host, redirectCode(n.gateways[gateway])); err != nil {
		return err
	}
	return n.awaitBackends(ctx, addr, gateway)
}

// digestOf changes with every Ingress of a class that is added, changed or removed.
func digestOf(present map[string]*kube.Object, class, salt string) string {
	lines := []string{salt}
	for name, object := range present {
		if classOf(object) == class && object.GetLabels()[labelWitness] == "" {
			lines = append(lines, name+" "+string(object.GetUID())+" "+object.GetResourceVersion())
		}
	}
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:5])
}

func witnessHost(gateway, digest string) string {
	return "witness-" + gateway + "-" + digest + "." + Domain
}

func warmHost(gateway string) string { return "warm-" + gateway + "." + Domain }

func witness(gateway, digest string) *kube.Object {
	host := witnessHost(gateway, digest)
	return ownIngress(gateway, "witness-"+gateway, "true", map[string]any{
		"tls":   []any{map[string]any{"hosts": []any{host}}},
		"rules": []any{ingressRule(host, ingressPath("/", "Prefix", "echo"))},
	})
}

// warmUp is the Ingress that makes a gateway meet every Service.
func (n *IngressNginx) warmUp(gateway string) *kube.Object {
	var paths []any
	for _, service := range n.warm {
		paths = append(paths, ingressPath("/"+service, "Exact", service))
	}
	return ownIngress(gateway, "warm-"+gateway, "false", map[string]any{"rules": []any{ingressRule(warmHost(gateway), paths...)}})
}

// ownIngress is an Ingress of the harness's own. It slips past admission: it is no route of a check's, and must come
// through whatever a check does to the webhook.
func ownIngress(gateway, name, sslRedirect string, spec map[string]any) *kube.Object {
	spec["ingressClassName"] = ingressClass(gateway)
	return ingress(map[string]any{
		"name": name, "namespace": RouteNamespace,
		"labels": map[string]any{labelGateway: gateway, labelWitness: "true", labelAdmission: "skip"},
		"annotations": map[string]any{
			annotationPrefix + "ssl-redirect":       sslRedirect,
			annotationPrefix + "enable-global-auth": "false",
		},
	}, spec)
}

// witnessConn is one connection to a gateway, kept open between questions.
type witnessConn struct {
	conn   net.Conn
	reader *bufio.Reader
}

const dialTimeout = 2 * time.Second

// awaitWitness asks until the witness is served and nobody is left who does not serve it.
func awaitWitness(ctx context.Context, addr, host string, code int) error {
	var stale []*witnessConn
	defer func() {
		for _, c := range stale {
			c.conn.Close()
		}
	}()
	return kube.WaitFor(ctx, "its new configuration at "+addr, func(ctx context.Context) (bool, string, error) {
		conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", addr)
		if err != nil {
			return false, err.Error(), nil
		}
		fresh := &witnessConn{conn: conn, reader: bufio.NewReader(conn)}
		served, seen := fresh.ask(host, code)
		if !served {
			if seen.open {
				stale = append(stale, fresh)
			} else {
				conn.Close()
			}
			return false, seen.what, nil
		}
		conn.Close()
		stale = slices.DeleteFunc(stale, func(c *witnessConn) bool {
			served, seen := c.ask(host, code)
			if served || !seen.open {
				c.conn.Close()
				return true
			}
			return false
		})
		return len(stale) == 0, fmt.Sprintf("%d connections that the previous worker still answers", len(stale)), nil
	})
}

// seen is an answer that is not the witness's.
type seen struct {
	what string
	open bool // the connection can be asked again
}

// ask tells whether the witness is served, which is a redirect with this status to its own https address.
func (c *witnessConn) ask(host string, code int) (served bool, other seen) {
	if err := c.conn.SetDeadline(time.Now().Add(dialTimeout)); err != nil {
		return false, seen{what: err.Error()}
	}
	if _, err := fmt.Fprintf(c.conn, "GET / HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\n\r\n", host, kube.Manager); err != nil {
		return false, seen{what: err.Error()}
	}
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return false, seen{what: err.Error()}
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return false, seen{what: err.Error()}
	}
	if response.StatusCode == code && strings.HasPrefix(response.Header.Get("Location"), "https://"+host) {
		return true, seen{}
	}
	return false, seen{what: "HTTP " + response.Status, open: !response.Close}
}

// awaitBackends asks for each warm Service until the balancer knows it: without it, nginx's Lua side answers 503.
func (n *IngressNginx) awaitBackends(ctx context.Context, addr, gateway string) error {
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		Timeout:       settlePatience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	for _, service := range n.warm {
		err := kube.WaitFor(ctx, "the gateway to reach service "+service, func(ctx context.Context) (bool, string, error) {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/"+service, nil)
			if err != nil {
				return false, "", err
			}
			request.Host = warmHost(gateway)
			response, err := client.Do(request)
			if err != nil {
				return false, err.Error(), nil
			}
			response.Body.Close()
			return response.StatusCode != http.StatusServiceUnavailable && response.StatusCode != http.StatusBadGateway, "HTTP " + response.Status, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
