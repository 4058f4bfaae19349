// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// metadata is the discovery document (Discovery 1.0 section 3, RFC 8414, RFC 9207 section 3). It says what works and
// nothing else; where a default would claim too much, it says false.
type metadata struct {
	Issuer                string                    `json:"issuer"`
	AuthorizationEndpoint string                    `json:"authorization_endpoint"`
	TokenEndpoint         string                    `json:"token_endpoint"`
	UserinfoEndpoint      string                    `json:"userinfo_endpoint"`
	JWKSURI               string                    `json:"jwks_uri"`
	EndSessionEndpoint    string                    `json:"end_session_endpoint,omitempty"`
	IntrospectionEndpoint string                    `json:"introspection_endpoint,omitempty"`
	RevocationEndpoint    string                    `json:"revocation_endpoint,omitempty"`
	PushedRequestEndpoint string                    `json:"pushed_authorization_request_endpoint,omitempty"`
	DeviceEndpoint        string                    `json:"device_authorization_endpoint,omitempty"`
	RegistrationEndpoint  string                    `json:"registration_endpoint,omitempty"`
	BackchannelLogout     bool                      `json:"backchannel_logout_supported"`
	BackchannelSession    bool                      `json:"backchannel_logout_session_supported"`
	FrontchannelLogout    bool                      `json:"frontchannel_logout_supported"`
	FrontchannelSession   bool                      `json:"frontchannel_logout_session_supported"`
	Scopes                []string                  `json:"scopes_supported"`
	ResponseTypes         []string                  `json:"response_types_supported"`
	ResponseModes         []string                  `json:"response_modes_supported"`
	GrantTypes            []string                  `json:"grant_types_supported"`
	SubjectTypes          []string                  `json:"subject_types_supported"`
	IDTokenAlgs           []jose.SignatureAlgorithm `json:"id_token_signing_alg_values_supported"`
	UserinfoAlgs          []jose.SignatureAlgorithm `json:"userinfo_signing_alg_values_supported"`
	TokenAuthMethods      []string                  `json:"token_endpoint_auth_methods_supported"`
	TokenAuthAlgs         []jose.SignatureAlgorithm `json:"token_endpoint_auth_signing_alg_values_supported"`
	IntrospectionMethods  []string                  `json:"introspection_endpoint_auth_methods_supported,omitempty"`
	IntrospectionAlgs     []jose.SignatureAlgorithm `json:"introspection_endpoint_auth_signing_alg_values_supported,omitempty"`
	RevocationMethods     []string                  `json:"revocation_endpoint_auth_methods_supported,omitempty"`
	RevocationAlgs        []jose.SignatureAlgorithm `json:"revocation_endpoint_auth_signing_alg_values_supported,omitempty"`
	Claims                []string                  `json:"claims_supported"`
	CodeChallengeMethods  []string                  `json:"code_challenge_methods_supported"`
	PromptValues          []string                  `json:"prompt_values_supported"`
	ACRValues             []string                  `json:"acr_values_supported"`
	ResponseIss           bool                      `json:"authorization_response_iss_parameter_supported"`
	ClaimsParameter       bool                      `json:"claims_parameter_supported"`
	DPoPAlgs              []jose.SignatureAlgorithm `json:"dpop_signing_alg_values_supported"`
	RequestObjectAlgs     []jose.SignatureAlgorithm `json:"request_object_signing_alg_values_supported"`
	RegisteredURIs        bool                      `json:"require_request_uri_registration"`
	RequestParameter      bool                      `json:"request_parameter_supported"`
	RequestURIParameter   bool                      `json:"request_uri_parameter_supported"`
	RequirePushed         bool                      `json:"require_pushed_authorization_requests"`
	CertificateBound      bool                      `json:"tls_client_certificate_bound_access_tokens,omitempty"`
}

func (p *Provider) metadata(requestHost string) metadata {
	registration := ""
	if p.cfg.EnableRegistration {
		registration = p.urls.back(requestHost, pathRegistration)
	}
	m := metadata{
		RegistrationEndpoint:  registration,
		BackchannelLogout:     true,
		BackchannelSession:    true,
		FrontchannelLogout:    true,
		FrontchannelSession:   true,
		Issuer:                p.publishedIssuer(),
		AuthorizationEndpoint: p.urls.front(pathAuthorize),
		TokenEndpoint:         p.urls.back(requestHost, pathToken),
		UserinfoEndpoint:      p.urls.back(requestHost, pathUserinfo),
		JWKSURI:               p.urls.back(requestHost, pathJWKS),
		EndSessionEndpoint:    p.urls.front(pathEndSession),
		IntrospectionEndpoint: p.urls.back(requestHost, pathIntrospection),
		RevocationEndpoint:    p.urls.back(requestHost, pathRevocation),
		PushedRequestEndpoint: p.urls.back(requestHost, pathPushedRequest),
		DeviceEndpoint:        p.urls.back(requestHost, pathDeviceAuth),
		Scopes:                p.supportedScopes(),
		ResponseTypes:         supportedResponseTypes(),
		ResponseModes:         supportedResponseModes(),
		GrantTypes:            supportedGrantTypes(),
		SubjectTypes:          []string{subjectPublic, subjectPairwise},
		IDTokenAlgs:           p.keys.algorithms(),
		UserinfoAlgs:          p.keys.algorithms(),
		TokenAuthMethods:      p.authMethods(requestHost),
		TokenAuthAlgs:         assertionAlgorithms(),
		IntrospectionMethods:  confidentialAuthMethods(p.authMethods(requestHost)),
		IntrospectionAlgs:     assertionAlgorithms(),
		RevocationMethods:     p.authMethods(requestHost),
		RevocationAlgs:        assertionAlgorithms(),
		Claims:                p.claimsSupported(),
		CodeChallengeMethods:  []string{challengeS256},
		PromptValues:          []string{promptNone, promptLogin, promptConsent, promptSelectAccount},
		ACRValues:             p.acrValues(),
		ResponseIss:           !p.dialect.NoResponseIss,
		ClaimsParameter:       true,
		RequestParameter:      true,
		RequestURIParameter:   true,
		DPoPAlgs:              algorithmNames(),
		RegisteredURIs:        true,
		RequestObjectAlgs:     assertionAlgorithms(),
		CertificateBound:      p.offersMutualTLS(requestHost),
	}
	return m.without(p.urls)
}

// without takes back what hangs on endpoints that are not served.
func (m metadata) without(u urls) metadata {
	if !u.serves(pathIntrospection) {
		m.IntrospectionMethods, m.IntrospectionAlgs = nil, nil
	}
	if !u.serves(pathRevocation) {
		m.RevocationMethods, m.RevocationAlgs = nil, nil
	}
	if !u.serves(pathDeviceAuth) {
		m.GrantTypes = slices.DeleteFunc(m.GrantTypes, func(name string) bool { return name == grantTypeDevice })
	}
	if !u.serves(pathEndSession) { // sessions never end by a browser, so nobody is told
		m.BackchannelLogout, m.BackchannelSession, m.FrontchannelLogout, m.FrontchannelSession = false, false, false, false
	}
	return m
}

// claimsSupported names the protocol's claims and those that some user has.
func (p *Provider) claimsSupported() []string {
	names := map[string]bool{}
	for _, name := range []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "c_hash", "s_hash", "acr", "amr", "sid"} {
		names[name] = true
	}
	more, fewer := p.dialect.claimsOfDialect()
	for i := range p.directory.users {
		for name := range p.directory.users[i].claims(p.supportedScopes()) {
			names[name] = true
		}
	}
	for _, name := range fewer {
		delete(names, name)
	}
	for _, name := range more {
		names[name] = true
	}
	return slices.Sorted(maps.Keys(names))
}

func (p *Provider) serveDiscovery(w http.ResponseWriter, r *http.Request) {
	plain := p.metadata(r.Host)
	if p.dialect.Discovery.Add == nil {
		writeCacheable(w, plain)
		return
	}
	document := map[string]any{}
	encoded, err := json.Marshal(plain)
	if err == nil {
		err = json.Unmarshal(encoded, &document)
	}
	if err != nil {
		http.Error(w, "the document could not be written", http.StatusInternalServerError)
		return
	}
	maps.Copy(document, dialectValues{"host": r.Host}.expandMap(p.dialect.Discovery.Add))
	writeCacheable(w, document)
}

// writeCacheable writes a public document that may be kept for a while.
func writeCacheable(w http.ResponseWriter, body any) {
	encoded, err := json.Marshal(body)
	if err != nil {
		http.Error(w, "the document could not be written", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=300, must-revalidate")
	_, _ = w.Write(encoded)
}
