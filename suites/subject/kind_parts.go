// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"regexp"
	"strings"

	"github.com/ingress-auth/conformance/suites/platform/images"
)

// controllerVersions are what the controller says of itself.
type controllerVersions struct{ release, nginx string }

var (
	releaseLine = regexp.MustCompile(`(?m)^\s*Release:\s*(\S+)`)
	nginxLine   = regexp.MustCompile(`(?m)^\s*nginx version:\s*nginx/(\S+)`)
)

// controllerVersions asks the running controller of the main gateway.
func (s *kindSubject) controllerVersions(ctx context.Context) (controllerVersions, error) {
	pod, err := s.gateway.controllerPod(ctx, MainGateway)
	if err != nil {
		return controllerVersions{}, err
	}
	out, err := s.kube.Exec(ctx, GatewayNamespace, pod, "controller", "/nginx-ingress-controller", "--version")
	if err != nil {
		return controllerVersions{}, fmt.Errorf("ask the controller for its version: %w", err)
	}
	return s.readVersions(string(out)), nil
}

// readVersions takes from the image's recipe what a controller built from source does not know of itself.
func (s *kindSubject) readVersions(text string) controllerVersions {
	var v controllerVersions
	if m := releaseLine.FindStringSubmatch(text); m != nil {
		v.release = m[1]
	}
	if m := nginxLine.FindStringSubmatch(text); m != nil {
		v.nginx = m[1]
	}
	if !strings.HasPrefix(v.release, "v") {
		v.release = s.options.Images.IngressNginx.Versions["controller"]
	}
	if v.nginx == "" {
		v.nginx = s.options.Images.IngressNginx.Versions["nginx"]
	}
	return v
}

func (s *kindSubject) parts(controller controllerVersions, kubernetes string) []Part {
	i := s.options.Images
	part := func(role, name, version string, image images.Built) Part {
		return Part{Role: role, Name: name, Version: version, Origin: originOf(image)}
	}
	standin := part("backend", "echo backend, programmable auth service, error pages", "", i.Standin)
	standin.StandIn = true
	return []Part{
		part("gateway", "ingress-nginx", controller.release, i.IngressNginx),
		part("gateway", "nginx", controller.nginx, i.IngressNginx),
		part("auth service", "proxy", "", i.Proxy),
		part("identity provider", "mockidp", "", i.MockIdP),
		standin,
		part("platform", "Kubernetes (kind)", kubernetes, i.Node),
	}
}

// originOf says where an image is from and what it has in place of the original.
func originOf(image images.Built) string {
	if len(image.StandsIn) == 0 {
		return image.Origin
	}
	return image.Origin + "; stood in: " + strings.Join(image.StandsIn, "; ")
}

func tlsConfig(roots *x509.CertPool) *tls.Config {
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}
