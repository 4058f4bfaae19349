// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ingress-auth/conformance/suites/platform/kube"
)

// How it is known that a gateway serves what it was given.
//
// The controller reads all Ingresses, renders one configuration, reloads nginx and then posts backends and certificates
// to its Lua side. No single answer of a changed route tells that all of this is over, so each gateway has two Ingresses
// that are applied after the others. The API server hands out Ingresses in the order they were changed, so a
// configuration that knows these knows what came before.
//
//   - The witness carries a digest of all others in its host name. The host has TLS, and only when the certificates are
//     posted, which is last, does it redirect to https. It answers otherwise before: unknown host, then the backend.
//   - For about a tenth of a second nginx's old worker accepts connections beside the new one. Every connection on which
//     the witness was not served is kept open and asked again, until the old worker has closed it or the new one answers.
//   - The worker takes up posted backends by a timer, once a second, and compares times in whole seconds: of two posts in
//     one second it may miss the later (balancer.lua, sync_backends). Each generation of the warm-up leads to an upstream
//     that the generation before did not have. The balancer answers 503 for what it does not know, so when that one
//     answers, the latest post has arrived. If it does not come, another generation makes the controller post again.
//     The warm-up names every Service that routes use as well, so that a route does not have to wait for the timer.

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
			if err := n.settleGateway(ctx, gateway, present, false); err != nil {
				return fmt.Errorf("gateway %q does not serve its routes: %w", gateway, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// settleGateway observes one gateway. With renew it waits for a configuration that is newer than this call even if no
// Ingress changed.
func (n *IngressNginx) settleGateway(ctx context.Context, gateway string, present map[string]*kube.Object, renew bool) error {
	addr, ok := n.addr(gateway, "http")
	if !ok {
		return fmt.Errorf("it is not reachable from this machine")
	}
	digest := digestOf(present, ingressClass(gateway))
	generation := generationOf(present["warm-"+gateway])
	same, err := n.hasWitness(present, gateway, digest, generation)
	if err != nil {
		return err
	}
	if !same || renew {
		generation++
	}
	for ; ; generation++ {
		if !same || renew {
			if err := n.bearWitness(ctx, gateway, digest, generation); err != nil {
				return err
			}
		}
		if err := awaitWitness(ctx, addr, witnessHost(gateway, digest, generation), redirectCode(n.gateways[gateway])); err != nil {
			return err
		}
		soon, cancel := context.WithTimeout(ctx, n.balancerPatience)
		err := n.awaitBackends(soon, addr, gateway)
		cancel()
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		renew = true
	}
}

func (n *IngressNginx) hasWitness(present map[string]*kube.Object, gateway, digest string, generation int) (bool, error) {
	for _, object := range []*kube.Object{n.warmUp(gateway, generation), witness(gateway, digest, generation)} {
		if same, err := kube.Same(present[object.GetName()], object); err != nil || !same {
			return false, err
		}
	}
	return true, nil
}

func (n *IngressNginx) bearWitness(ctx context.Context, gateway, digest string, generation int) error {
	for _, object := range []*kube.Object{n.warmUp(gateway, generation), witness(gateway, digest, generation)} {
		if _, err := n.kube.Apply(ctx, []*kube.Object{object}, kube.ApplyOptions{}); err != nil {
			return err
		}
	}
	return nil
}

func generationOf(warmUp *kube.Object) int {
	if warmUp == nil {
		return 0
	}
	generation, err := strconv.Atoi(warmUp.GetLabels()[labelGeneration])
	if err != nil {
		return 0
	}
	return generation
}

// digestOf changes with every Ingress of a class that is added, changed or removed.
func digestOf(present map[string]*kube.Object, class string) string {
	var lines []string
	for name, object := range present {
		if classOf(object) == class && object.GetLabels()[labelWitness] == "" {
			lines = append(lines, name+" "+string(object.GetUID())+" "+object.GetResourceVersion())
		}
	}
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:5])
}

func witnessHost(gateway, digest string, generation int) string {
	return fmt.Sprintf("witness-%s-%s-%d.%s", gateway, digest, generation, Domain)
}

func warmHost(gateway string) string { return "warm-" + gateway + "." + Domain }

func witness(gateway, digest string, generation int) *kube.Object {
	host := witnessHost(gateway, digest, generation)
	return ownIngress(gateway, "witness-"+gateway, generation, "true", map[string]any{
		"tls":   []any{map[string]any{"hosts": []any{host}}},
		"rules": []any{ingressRule(host, ingressPath("/", "Prefix", "echo", "http"))},
	})
}

// warmUp is the Ingress that makes a gateway meet every Service, and one upstream more that changes with the generation.
func (n *IngressNginx) warmUp(gateway string, generation int) *kube.Object {
	paths := []any{ingressPath("/"+witnessService, "Exact", witnessService, witnessPort(generation))}
	for _, service := range n.warm {
		paths = append(paths, ingressPath("/"+service, "Exact", service, "http"))
	}
	return ownIngress(gateway, "warm-"+gateway, generation, "false", map[string]any{"rules": []any{ingressRule(warmHost(gateway), paths...)}})
}

// The witness's Service leads to the echo backend by several ports, each of which is an upstream of its own.
const (
	witnessService = "witness"
	witnessPorts   = 4
)

func witnessPort(generation int) string { return "p" + strconv.Itoa(generation%witnessPorts) }

// ownIngress is an Ingress of the harness's own. It slips past admission: it is no route of a check's, and must come
// through whatever a check does to the webhook.
func ownIngress(gateway, name string, generation int, sslRedirect string, spec map[string]any) *kube.Object {
	spec["ingressClassName"] = ingressClass(gateway)
	return ingress(map[string]any{
		"name": name, "namespace": RouteNamespace,
		"labels": map[string]any{labelGateway: gateway, labelWitness: "true", labelAdmission: "skip", labelGeneration: strconv.Itoa(generation)},
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

// awaitBackends asks for each upstream of the warm-up until the balancer knows it.
func (n *IngressNginx) awaitBackends(ctx context.Context, addr, gateway string) error {
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		Timeout:       settlePatience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	for _, service := range append([]string{witnessService}, n.warm...) {
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
