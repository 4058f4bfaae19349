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
	standin := Part{Role: RoleBackend, Name: "standin", Version: tagOf(i.Standin), Origin: i.Standin.Origin, StandIn: true}
	return []Part{
		{Role: RoleGateway, Name: "ingress-nginx", Version: controller.release, Origin: originOf(i.IngressNginx)},
		{Role: "web server", Name: "nginx", Version: controller.nginx, Origin: i.IngressNginx.Origin},
		{Role: RoleAuthService, Name: "proxy", Version: tagOf(i.Proxy), Origin: i.Proxy.Origin},
		{Role: RoleIdP, Name: "mockidp", Version: tagOf(i.MockIdP), Origin: i.MockIdP.Origin},
		standin,
		{Role: roleSessionStore, Name: "redis", Version: i.Redis.Versions["redis-server"], Origin: i.Redis.Origin},
		{Role: "platform", Name: "Kubernetes (kind)", Version: kubernetes, Origin: originOf(i.Node)},
	}
}

// tagOf is the version of an image of ours, which has no other than the key of what it was built from.
func tagOf(image images.Built) string { return image.Ref[strings.LastIndexByte(image.Ref, ':')+1:] }

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
