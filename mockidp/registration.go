// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// maxRegistered bounds how many clients may register themselves.
const maxRegistered = 10_000

// clientMetadata is what a client says of itself and is told (Dynamic Client Registration 1.0 section 2, RFC 7591 section 2).
// Members that are not here are ignored, as both say, except those that would change how the client is treated.
type clientMetadata struct {
	ClientName                        string                  `json:"client_name,omitempty"`
	TokenEndpointAuthMethod           string                  `json:"token_endpoint_auth_method,omitempty"`
	ApplicationType                   string                  `json:"application_type,omitempty"`
	RedirectURIs                      []string                `json:"redirect_uris,omitempty"`
	PostLogoutRedirectURIs            []string                `json:"post_logout_redirect_uris,omitempty"`
	ResponseTypes                     []string                `json:"response_types,omitempty"`
	GrantTypes                        []string                `json:"grant_types,omitempty"`
	JWKS                              *JWKS                   `json:"jwks,omitempty"`
	IDTokenSignedResponseAlg          jose.SignatureAlgorithm `json:"id_token_signed_response_alg,omitempty"`
	UserinfoSignedResponseAlg         jose.SignatureAlgorithm `json:"userinfo_signed_response_alg,omitempty"`
	BackchannelLogoutURI              string                  `json:"backchannel_logout_uri,omitempty"`
	BackchannelLogoutSessionRequired  bool                    `json:"backchannel_logout_session_required,omitempty"`
	FrontchannelLogoutURI             string                  `json:"frontchannel_logout_uri,omitempty"`
	FrontchannelLogoutSessionRequired bool                    `json:"frontchannel_logout_session_required,omitempty"`
	RequirePushedRequests             bool                    `json:"require_pushed_authorization_requests,omitempty"`
	JWKSURI                           string                  `json:"jwks_uri,omitempty"`
	RequestURIs                       []string                `json:"request_uris,omitempty"`
	RequestObjectSigningAlg           jose.SignatureAlgorithm `json:"request_object_signing_alg,omitempty"`
	RequireSignedRequestObject        bool                    `json:"require_signed_request_object,omitempty"`
	SubjectType                       string                  `json:"subject_type,omitempty"`
	SectorIdentifierURI               string                  `json:"sector_identifier_uri,omitempty"`
	TLSClientAuthSubjectDN            string                  `json:"tls_client_auth_subject_dn,omitempty"`
	TLSClientAuthSANDNS               string                  `json:"tls_client_auth_san_dns,omitempty"`
	TLSClientAuthSANURI               string                  `json:"tls_client_auth_san_uri,omitempty"`
	TLSClientAuthSANIP                string                  `json:"tls_client_auth_san_ip,omitempty"`
	TLSClientAuthSANEmail             string                  `json:"tls_client_auth_san_email,omitempty"`
	CertificateBoundAccessTokens      bool                    `json:"tls_client_certificate_bound_access_tokens,omitempty"`
}

// unsupportedMetadata would be a promise that is not kept.
type unsupportedMetadata struct {
	IDTokenEncryptedAlg  string `json:"id_token_encrypted_response_alg"`
	UserinfoEncryptedAlg string `json:"userinfo_encrypted_response_alg"`
	SoftwareStatement    string `json:"software_statement"`
}

// registrationResponse is Dynamic Client Registration 1.0 section 3.2.
type registrationResponse struct {
	clientMetadata
	ClientID                string `json:"client_id"`
	ClientSecret            string `json:"client_secret,omitempty"`
	ClientSecretExpiresAt   *int64 `json:"client_secret_expires_at,omitempty"` // 0: never; required with a secret
	ClientIDIssuedAt        int64  `json:"client_id_issued_at"`
	RegistrationAccessToken string `json:"registration_access_token"`
	RegistrationClientURI   string `json:"registration_client_uri"`
}

// registration is a client that registered itself.
type registration struct {
	token    key // of the registration_access_token
	response registrationResponse
}

// serveRegistration registers a client. It is open to anyone, and there only if enable_registration is set.
func (p *Provider) serveRegistration(w http.ResponseWriter, r *http.Request) {
	metadata, _, e := readRegistration(w, r)
	var response *registrationResponse
	if e == nil {
		response, e = p.register(r, metadata)
	}
	if e != nil {
		p.log.InfoContext(r.Context(), "registration refused", "error", e.code, "reason", e.description)
		writeError(w, e)
		return
	}
	p.log.InfoContext(r.Context(), "client registered", "client_id", response.ClientID)
	writeJSON(w, http.StatusCreated, response)
}

// readRegistration returns the metadata, and the body for what else is in it.
func readRegistration(w http.ResponseWriter, r *http.Request) (clientMetadata, []byte, *oauthError) {
	var metadata clientMetadata
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return metadata, nil, failure(errInvalidClientMetadata, "the body must be application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return metadata, nil, failure(errInvalidClientMetadata, "the body could not be read or is larger than %d bytes", maxBody)
	}
	var other unsupportedMetadata
	if err := errors.Join(json.Unmarshal(body, &metadata), json.Unmarshal(body, &other)); err != nil {
		return metadata, nil, failure(errInvalidClientMetadata, "the body is not a JSON object of client metadata: %v", err)
	}
	if other != (unsupportedMetadata{}) {
		return metadata, nil, failure(errInvalidClientMetadata, "encrypted responses and software statements are not supported")
	}
	return metadata, body, nil
}

// register fills in the defaults of the specification, which are stricter than those of the configuration file.
func (p *Provider) register(r *http.Request, m clientMetadata) (*registrationResponse, *oauthError) {
	if m.TokenEndpointAuthMethod == "" {
		m.TokenEndpointAuthMethod = authMethodBasic
	}
	client := m.client()
	client.ClientID = p.random.token()
	response := &registrationResponse{ClientID: client.ClientID, ClientIDIssuedAt: p.now().Unix(),
		RegistrationAccessToken: p.random.token(), RegistrationClientURI: p.urls.back(r.Host, pathRegistration) + "/" + client.ClientID}
	client.ClientSecret = p.secretFor(m, "")
	client, e := p.registrable(r, client, m, response)
	if e != nil {
		return nil, e
	}
	if !p.directory.register(&client, &registration{token: keyOf(response.RegistrationAccessToken), response: *response}) {
		return nil, failure(errInvalidClientMetadata, "there are %d registered clients already, which is the most there may be", maxRegistered)
	}
	return response, nil
}

// secretFor is the secret that the client has, or a new one; "" for a method that needs none.
func (p *Provider) secretFor(m clientMetadata, has string) string {
	switch {
	case !Client{TokenEndpointAuthMethod: m.TokenEndpointAuthMethod}.needsSecret():
		return ""
	case has != "":
		return has
	}
	return p.random.token()
}

// registrable checks a client and completes what it is told.
func (p *Provider) registrable(r *http.Request, client Client, m clientMetadata, response *registrationResponse) (Client, *oauthError) {
	response.ClientSecret, response.ClientSecretExpiresAt = client.ClientSecret, nil
	if client.ClientSecret != "" {
		response.ClientSecretExpiresAt = new(int64)
	}
	client = client.inDialect(p.dialect).withDefaults()
	if e := p.checkRegistration(r, client); e != nil {
		return client, e
	}
	response.clientMetadata = m.effective(client)
	return client, nil
}

func (p *Provider) checkRegistration(r *http.Request, client Client) *oauthError {
	for _, uri := range client.RedirectURIs {
		if err := validateRedirectURI(uri); err != nil {
			return failure(errInvalidRedirectURI, "redirect_uris: %v", err)
		}
	}
	redirects := client.allowsGrant(grantTypeCode) || client.allowsGrant(grantTypeImplicit)
	if len(client.RedirectURIs) == 0 && redirects {
		return failure(errInvalidRedirectURI, "redirect_uris is missing")
	}
	if err := validateClients([]Client{client}, p.directory); err != nil {
		return failure(errInvalidClientMetadata, "%s", strings.TrimPrefix(err.Error(), "clients[0] ("+client.ClientID+"): "))
	}
	if err := p.checkSector(r.Context(), &client); err != nil {
		return failure(errInvalidClientMetadata, "sector_identifier_uri: %v", err)
	}
	method := client.TokenEndpointAuthMethod
	if byCertificate(method) && !slices.Contains(p.authMethods(r.Host), method) || client.TLSClientCertificateBoundAccessTokens && !p.offersMutualTLS(r.Host) {
		return failure(errInvalidClientMetadata, "certificates of clients cannot be shown here, so %s and tls_client_certificate_bound_access_tokens would not work", method)
	}
	available := p.keys.algorithms()
	for _, alg := range client.signingAlgorithms() {
		if !slices.Contains(available, alg) {
			return failure(errInvalidClientMetadata, "%s is not one of the algorithms in the discovery document", alg)
		}
	}
	return nil
}

func (m clientMetadata) client() Client {
	return Client{
		ClientName: m.ClientName, TokenEndpointAuthMethod: m.TokenEndpointAuthMethod, ApplicationType: m.ApplicationType,
		RedirectURIs: m.RedirectURIs, PostLogoutRedirectURIs: m.PostLogoutRedirectURIs, ResponseTypes: m.ResponseTypes,
		GrantTypes: m.GrantTypes, JWKS: m.JWKS, IDTokenSignedResponseAlg: m.IDTokenSignedResponseAlg,
		UserinfoSignedResponseAlg: m.UserinfoSignedResponseAlg, BackchannelLogoutURI: m.BackchannelLogoutURI,
		BackchannelLogoutSessionRequired: m.BackchannelLogoutSessionRequired, FrontchannelLogoutURI: m.FrontchannelLogoutURI,
		FrontchannelLogoutSessionRequired: m.FrontchannelLogoutSessionRequired, RequirePushedRequests: m.RequirePushedRequests,
		JWKSURI: m.JWKSURI, RequestURIs: m.RequestURIs, RequestObjectSigningAlg: m.RequestObjectSigningAlg,
		RequireSignedRequestObject: m.RequireSignedRequestObject, SubjectType: m.SubjectType, SectorIdentifierURI: m.SectorIdentifierURI,
		TLSClientAuthSubjectDN: m.TLSClientAuthSubjectDN, TLSClientAuthSANDNS: m.TLSClientAuthSANDNS, TLSClientAuthSANURI: m.TLSClientAuthSANURI,
		TLSClientAuthSANIP: m.TLSClientAuthSANIP, TLSClientAuthSANEmail: m.TLSClientAuthSANEmail,
		TLSClientCertificateBoundAccessTokens: m.CertificateBoundAccessTokens,
	}
}

// effective tells the client what it was registered with, defaults included.
func (m clientMetadata) effective(c Client) clientMetadata {
	m.SubjectType = c.SubjectType
	m.ApplicationType, m.ResponseTypes, m.GrantTypes, m.IDTokenSignedResponseAlg = c.ApplicationType, c.ResponseTypes, c.GrantTypes, c.IDTokenSignedResponseAlg
	return m
}
