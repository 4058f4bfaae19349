// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/ingress-auth/conformance/fixtures"
	"github.com/ingress-auth/conformance/suites/exchange"
	"github.com/ingress-auth/conformance/suites/platform"
	"github.com/ingress-auth/conformance/suites/platform/images"
	"github.com/ingress-auth/conformance/suites/platform/kube"
	"github.com/ingress-auth/conformance/suites/subject"
)

// clusterFlags say which cluster of the user's is meant.
type clusterFlags struct {
	kubeconfig, context, namespace string
}

func (f *clusterFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.kubeconfig, "kubeconfig", "", "platform existing: kubeconfig of the cluster (default: KUBECONFIG, then ~/.kube/config)")
	cmd.Flags().StringVar(&f.context, "context", "", "platform existing: context of the kubeconfig (default: its current one)")
	cmd.Flags().StringVar(&f.namespace, "namespace", "", "platform existing: namespace to use (default: a new one, deleted at the end)")
}

// connection is how the cluster is reached.
func (f *clusterFlags) connection() (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = f.kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: f.context}).ClientConfig()
	if err != nil {
		return nil, &platform.NotReadyError{What: "no cluster to use", Err: err, Do: "name its kubeconfig with --kubeconfig and, if need be, --context"}
	}
	return config, nil
}

// existingFlags are the choices of a run on the user's own cluster and gateway.
type existingFlags struct {
	clusterFlags
	ingressClass, gatewayVersion, imageRegistry string
	addresses                                   []string
}

func (f *existingFlags) add(cmd *cobra.Command) {
	f.clusterFlags.add(cmd)
	cmd.Flags().StringVar(&f.ingressClass, "ingress-class", "", "platform existing: IngressClass of the gateway to judge")
	cmd.Flags().StringVar(&f.gatewayVersion, "gateway-version", "", "platform existing: version of the gateway, where it cannot be read")
	cmd.Flags().StringArrayVar(&f.addresses, "gateway-address", nil, "where your gateway listens, as http://host:port and https://host:port; found out where it can be")
	cmd.Flags().StringVar(&f.imageRegistry, "image-registry", "", "platform existing: registry and folder the cluster pulls the parts' images from, such as registry.example/ingress-auth")
}

func (f *existingFlags) validate() error {
	if f.ingressClass == "" {
		return errors.New("--platform existing needs --ingress-class, the IngressClass of the gateway to judge")
	}
	_, err := gatewayAddresses(f.addresses)
	return err
}

// again repeats the flags for another run.
func (f *existingFlags) again() string {
	flags := [][2]string{
		{"kubeconfig", f.kubeconfig}, {"context", f.context}, {"namespace", f.namespace}, {"ingress-class", f.ingressClass},
		{"gateway-version", f.gatewayVersion}, {"image-registry", f.imageRegistry},
	}
	for _, address := range f.addresses {
		flags = append(flags, [2]string{"gateway-address", address})
	}
	return again(flags)
}

// bringUp assembles the subject in the user's cluster.
func (f *existingFlags) bringUp(ctx context.Context, out *console, kind *kindFlags, redactor *exchange.Redactor) (*subject.Subject, error) {
	addresses, err := gatewayAddresses(f.addresses)
	if err != nil {
		return nil, usage(err)
	}
	config, err := f.connection()
	if err != nil {
		return nil, err
	}
	parts, err := f.images(ctx, out, kind)
	if err != nil {
		return nil, err
	}
	return subject.NewExisting(ctx, subject.ExistingOptions{
		RESTConfig: config, IngressClass: f.ingressClass, Namespace: f.namespace, Addresses: addresses,
		GatewayVersion: f.gatewayVersion, Images: parts, Manifests: fixtures.FS(), Redactor: redactor, Progress: out.on("cluster"),
	})
}

// images names the images of the parts as the cluster is to know them. They are built, if need be, because only what they
// are built from tells their tags.
func (f *existingFlags) images(ctx context.Context, out *console, kind *kindFlags) (subject.KindImages, error) {
	store, manifest, err := kind.store()
	if err != nil {
		return subject.KindImages{}, err
	}
	var parts subject.KindImages
	for name, into := range map[string]*images.Built{"standin": &parts.Standin, "mockidp": &parts.MockIdP, "redis": &parts.Redis, "proxy": &parts.Proxy} {
		image, err := manifest.Image(name)
		if err != nil {
			return parts, err
		}
		built, err := store.Ensure(ctx, image, images.Mode(kind.images), images.ProgressFunc(func(images.Event) {}))
		if err != nil {
			return parts, err
		}
		if f.imageRegistry != "" {
			built.Ref = strings.TrimRight(f.imageRegistry, "/") + "/" + path.Base(built.Ref)
		}
		out.step("images", "the cluster needs %s (archive: %s)", built.Ref, built.Archive)
		*into = built
	}
	return parts, nil
}

// downExisting removes what runs left in the user's cluster.
func downExisting(ctx context.Context, out *console, f clusterFlags) error {
	config, err := f.connection()
	if err != nil {
		return err
	}
	client, err := kube.New(config)
	if err != nil {
		return err
	}
	names, err := subject.RemoveExisting(ctx, client, f.namespace)
	for _, name := range names {
		out.step("down", "removed what runs left in namespace %s", name)
	}
	if err == nil && len(names) == 0 {
		out.step("down", "no run left anything in the cluster")
	}
	return err
}

// gatewayAddresses reads --gateway-address: http://host:port or https://host:port, or a bare host for both schemes.
func gatewayAddresses(values []string) (map[string]string, error) {
	ports := map[string]string{"http": "80", "https": "443"}
	addresses := map[string]string{}
	for _, value := range values {
		if !strings.Contains(value, "://") {
			if _, _, err := net.SplitHostPort(value); err == nil || value == "" {
				return nil, fmt.Errorf("--gateway-address %q: say which scheme the port is for, as in http://%s", value, value)
			}
			for scheme, port := range ports {
				addresses[scheme] = net.JoinHostPort(strings.Trim(value, "[]"), port)
			}
			continue
		}
		u, err := url.Parse(value)
		if err != nil || ports[u.Scheme] == "" || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
			return nil, fmt.Errorf("--gateway-address %q is not http://host:port, https://host:port or a host", value)
		}
		port := u.Port()
		if port == "" {
			port = ports[u.Scheme]
		}
		addresses[u.Scheme] = net.JoinHostPort(u.Hostname(), port)
	}
	for _, address := range addresses {
		if _, _, err := net.SplitHostPort(address); err != nil {
			return nil, fmt.Errorf("--gateway-address: %w", err)
		}
	}
	return addresses, nil
}
