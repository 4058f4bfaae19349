// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ingress-auth/conformance/suites/exchange"
)

// FeatureInside is that the harness can watch the parts and choose what they answer.
const FeatureInside Feature = "inside"

// FeatureAuthURL is that clients can reach the auth service's own endpoint.
const FeatureAuthURL Feature = "auth-url"

// OutsideOptions say where something that already runs can be asked.
type OutsideOptions struct {
	// GatewayURL is a protected page. AuthURL is the auth service's endpoint and SignInURL its sign-in, as clients reach
	// them; both may be "".
	GatewayURL, AuthURL, SignInURL string
	// Addresses are host:port by scheme, in place of DNS.
	Addresses map[string]string
	// Roots verify certificates; nil are the system's.
	Roots *x509.CertPool
}

// NewOutside is a subject that is only asked, as any client may ask it: nothing is deployed, nobody signs in.
func NewOutside(o OutsideOptions) (*Subject, error) {
	if o.GatewayURL == "" {
		return nil, errors.New("--gateway-url is needed: the URL of a page that takes a sign-in")
	}
	var hosts []string
	for flag, text := range map[string]string{"--gateway-url": o.GatewayURL, "--auth-url": o.AuthURL, "--signin-url": o.SignInURL} {
		if text == "" {
			continue
		}
		u, err := url.Parse(text)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
			return nil, fmt.Errorf("%s %q is not an http or https URL with a host", flag, text)
		}
		hosts = append(hosts, u.Hostname())
	}
	missing := map[Feature]string{FeatureInside: "cannot be judged from outside"}
	if o.AuthURL == "" {
		missing[FeatureAuthURL] = "no --auth-url was given"
	}
	if o.SignInURL == "" {
		missing[FeatureSignIn] = "no --signin-url was given"
	}
	return &Subject{
		Platform: "outside", Gateway: outsideGateway{}, GatewayName: "unknown", GatewayVersion: UnknownVersion,
		Missing: missing, Roots: o.Roots, Recorder: outsideRecorder{},
		Resolve: func(scheme, host string) (string, bool) { return outsideAddress(o.Addresses, hosts, scheme, host) },
		Parts:   []Part{{Role: RoleGateway, Name: "what serves " + o.GatewayURL, Version: UnknownVersion, Origin: "the user"}},
		Mint: func(context.Context, string, time.Duration, string) (string, error) {
			return "", &DeclinedError{Reason: missing[FeatureInside]}
		},
		Evidence: func(context.Context, string) error { return nil },
		Close:    func(context.Context) error { return nil },
	}, nil
}

// outsideAddress is where a host listens. Only the hosts that were named are asked anything.
func outsideAddress(addresses map[string]string, hosts []string, scheme, host string) (string, bool) {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = strings.Trim(host, "[]"), map[string]string{"http": "80", "https": "443"}[scheme]
	}
	if !slices.Contains(hosts, name) {
		return "", false
	}
	if address := addresses[scheme]; address != "" {
		return address, true
	}
	return net.JoinHostPort(name, port), true
}

// outsideGateway takes no routes.
type outsideGateway struct{}

var errOutside = &DeclinedError{Reason: "cannot be judged from outside"}

// Apply implements Gateway.
func (outsideGateway) Apply(context.Context, Route) error { return errOutside }

// Withdraw implements Gateway.
func (outsideGateway) Withdraw(context.Context, Route) error { return errOutside }

// Expose implements Gateway.
func (outsideGateway) Expose(context.Context, []Route) error { return errOutside }

// outsideRecorder has seen nothing.
type outsideRecorder struct{}

// Recorded implements Recorder.
func (outsideRecorder) Recorded(context.Context, ...string) ([]exchange.Exchange, error) {
	return nil, nil
}
