// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"time"
)

// probeAnswer is what the snippet of the probe answers; no gateway answers it by itself.
const probeAnswer = http.StatusTeapot

// missing says which features the gateway lacks: what needs its settings, what its version has not, and what probing
// shows.
func (s *existingSubject) missing(ctx context.Context) (map[Feature]string, error) {
	missing := map[Feature]string{}
	for _, feature := range []Feature{FeatureSettings, FeatureGlobalAuth} {
		missing[feature] = declinedSettings
	}
	missing[FeatureDynamic] = "routes that come and go would disturb what else the gateway serves, and the gateway is yours"
	if s.controller.version == UnknownVersion {
		for _, feature := range []Feature{FeatureDisableIntercept, FeatureInheritedErrorBypass} {
			missing[feature] = "it depends on the version of the gateway, which is not known"
		}
	} else {
		maps.Copy(missing, ingressNginxMissing(s.controller.version))
	}
	admission, err := s.probeAdmission(ctx)
	if err != nil {
		return nil, err
	}
	if admission != "" {
		missing[FeatureAdmission] = admission
	}
	snippets, err := s.probeSnippets(ctx)
	if err != nil {
		return nil, err
	}
	if snippets != "" {
		missing[FeatureSnippets] = snippets
		missing[FeatureOldestSnippetWins] = snippets
	}
	s.options.Progress(fmt.Sprintf("probed: admission %s, snippets %s", orYes(admission), orYes(snippets)))
	return missing, nil
}

func orYes(reason string) string {
	if reason == "" {
		return "yes"
	}
	return "no (" + reason + ")"
}

// probeAdmission asks, without keeping it, for a route that ingress-nginx's admission refuses in every version: one whose
// host and path another Ingress has already.
func (s *existingSubject) probeAdmission(ctx context.Context) (string, error) {
	taken := publicRoutes()[0]
	taken.Host, taken.Name = taken.HostLabel(), "admission-probe"
	err := s.gateway.apply(ctx, taken, true)
	var refused *AdmissionError
	switch {
	case errors.As(err, &refused):
		return "", nil
	case err != nil:
		return "", err
	}
	return "no admission webhook of the gateway looks at the namespace " + s.namespace.name, nil
}

// probeSnippets asks for a harmless snippet without keeping it, because admission may refuse snippets, and then for the
// same one in earnest, because a gateway without admission drops what it does not allow.
func (s *existingSubject) probeSnippets(ctx context.Context) (string, error) {
	r := Route{Name: "snippet-probe", ConfigurationSnippet: fmt.Sprintf("return %d;", probeAnswer)}
	var refused *AdmissionError
	if err := s.gateway.apply(ctx, r, true); errors.As(err, &refused) {
		return "snippets are refused: " + refused.Message, nil
	} else if err != nil {
		return "", err
	}
	if err := s.gateway.Expose(ctx, []Route{r}); err != nil {
		return "", err
	}
	status, err := s.statusOf(ctx, r)
	if err != nil {
		return "", fmt.Errorf("probe whether the gateway takes snippets: %w", err)
	}
	if err := s.gateway.Withdraw(ctx, r); err != nil {
		return "", err
	}
	if status != probeAnswer {
		return fmt.Sprintf("snippets are dropped: a snippet that answers %d was answered by HTTP %d", probeAnswer, status), nil
	}
	return "", nil
}

func (s *existingSubject) statusOf(ctx context.Context, r Route) (status int, err error) {
	dialer := &net.Dialer{Timeout: dialTimeout}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, s.gateway.addresses["http"])
		},
	}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.HostLabel()+"."+Domain+"/", nil)
	if err != nil {
		return 0, err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}
