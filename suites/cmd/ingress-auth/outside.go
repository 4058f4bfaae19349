// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ingress-auth/conformance/suites"
	"github.com/ingress-auth/conformance/suites/platform"
	"github.com/ingress-auth/conformance/suites/subject"
)

// outsideFlags say where something that already runs can be asked, with no cluster at all.
type outsideFlags struct {
	gatewayURL, authURL, signInURL, caFile string
}

func (f *outsideFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.gatewayURL, "gateway-url", "", "judge what already runs, from outside: URL of a protected page")
	cmd.Flags().StringVar(&f.authURL, "auth-url", "", "with --gateway-url: URL of the auth service's endpoint, such as https://auth.example/oauth2/auth")
	cmd.Flags().StringVar(&f.signInURL, "signin-url", "", "with --gateway-url: URL of its sign-in, such as https://auth.example/oauth2/sign_in")
	cmd.Flags().StringVar(&f.caFile, "ca-file", "", "with --gateway-url: certificates (PEM) to trust in place of the system's")
}

// given says whether the run is one from outside.
func (f *outsideFlags) given() bool {
	return f.gatewayURL != "" || f.authURL != "" || f.signInURL != ""
}

// again repeats the flags for another run.
func (f *outsideFlags) again() string {
	return again([][2]string{{"gateway-url", f.gatewayURL}, {"auth-url", f.authURL}, {"signin-url", f.signInURL}, {"ca-file", f.caFile}})
}

// again writes the flags that have a value, for a shell.
func again(flags [][2]string) string {
	var text strings.Builder
	for _, flag := range flags {
		if flag[1] != "" {
			fmt.Fprintf(&text, " --%s '%s'", flag[0], strings.ReplaceAll(flag[1], "'", `'\''`))
		}
	}
	return text.String()
}

// target is what the checks ask.
func (f *outsideFlags) target() suites.Outside {
	return suites.Outside{Gateway: f.gatewayURL, Auth: f.authURL, SignIn: f.signInURL}
}

// subject makes the subject; addresses take the place of DNS.
func (f *outsideFlags) subject(addresses []string) (*subject.Subject, error) {
	where, err := gatewayAddresses(addresses)
	if err != nil {
		return nil, usage(err)
	}
	roots, err := f.roots()
	if err != nil {
		return nil, err
	}
	s, err := subject.NewOutside(subject.OutsideOptions{
		GatewayURL: f.gatewayURL, AuthURL: f.authURL, SignInURL: f.signInURL, Addresses: where, Roots: roots,
	})
	if err != nil {
		return nil, usage(err)
	}
	return s, nil
}

func (f *outsideFlags) roots() (*x509.CertPool, error) {
	if f.caFile == "" {
		return nil, nil
	}
	text, err := os.ReadFile(f.caFile)
	if err == nil {
		pool := x509.NewCertPool()
		if pool.AppendCertsFromPEM(text) {
			return pool, nil
		}
		err = errors.New("it holds no certificate in PEM")
	}
	return nil, &platform.NotReadyError{What: fmt.Sprintf("the certificates of --ca-file %s cannot be used", f.caFile), Err: err, Do: "name a PEM file"}
}
