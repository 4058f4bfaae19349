// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// DialectPlain is the dialect without quirks: the default.
const DialectPlain = "plain"

// Dialect is how a real provider differs from the plain one, as data: see dialects.yaml. Config.Dialect or Tenant.Dialect
// chooses one.
type Dialect struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	About string `json:"about"`
	// Path is where a tenant of the dialect usually is; "" for no particular place.
	Path string `json:"path,omitempty"`
	// IssuerSuffix is the end of the issuer below which no endpoint is.
	IssuerSuffix string `json:"issuer_suffix,omitempty"`
	// SharedTenants are last segments of the path (before IssuerSuffix) whose issuer is a template, with the ID of the tenant
	// that users have who name none by their claim tid.
	SharedTenants map[string]string `json:"shared_tenants,omitempty"`
	// Endpoints are paths relative to the issuer without IssuerSuffix, by the names of dialectEndpoints; nil for the plain ones.
	Endpoints map[string]string `json:"endpoints,omitempty"`
	// OAuthOnly has no discovery, no keys and no ID token.
	OAuthOnly bool `json:"oauth_only,omitempty"`
	// API names further endpoints, which are code: github or entra.
	API string `json:"api,omitempty"`
	// Scopes are those there are, besides Config.Scopes; nil for the plain ones. ScopeSeparator is what stands between them in
	// answers, and may in requests.
	Scopes         []string `json:"scopes,omitempty"`
	ScopeSeparator string   `json:"scope_separator,omitempty"`
	// NoResponseIss leaves iss of RFC 9207 out.
	NoResponseIss bool                `json:"no_response_iss,omitempty"`
	Clients       DialectClients      `json:"clients,omitzero"`
	JWKS          DialectJWKS         `json:"jwks,omitzero"`
	Groups        DialectGroups       `json:"groups,omitzero"`
	Claims        []DialectClaims     `json:"claims,omitempty"`
	TokenResponse DialectResponse     `json:"token_response,omitzero"`
	Discovery     DialectDiscovery    `json:"discovery,omitzero"`
	Errors        []DialectError      `json:"errors,omitempty"`
	Omit          map[string][]string `json:"omit,omitempty"`
	// Sub is the subject of a user whose configuration gives none; "" for the user name.
	Sub string `json:"sub,omitempty"`
	// TokenPrefix begins opaque access tokens. AccessTokenType is the header typ of JWT ones; "" for at+jwt.
	TokenPrefix     string `json:"token_prefix,omitempty"`
	AccessTokenType string `json:"access_token_typ,omitempty"`
	// Quirks say in a sentence each what is tested; Missing says what is not imitated.
	Quirks  map[string]string `json:"quirks,omitempty"`
	Missing []string          `json:"missing,omitempty"`
}

// DialectClients are what a client has that says nothing: see the fields of Client.
type DialectClients struct {
	IssueRefreshToken string `json:"issue_refresh_token,omitempty"`
	AccessTokenFormat string `json:"access_token_format,omitempty"`
}

// DialectJWKS says how keys are published.
type DialectJWKS struct {
	NoAlg        bool `json:"no_alg,omitempty"`
	Certificates bool `json:"certificates,omitempty"`
	Issuer       bool `json:"issuer,omitempty"`
}

// DialectGroups says how groups are written: Format is path or guid, or "" for as they are; Release is always or never, or ""
// for with the scope groups. Above Overage they are in a distributed claim (Core 1.0 section 5.6.2).
type DialectGroups struct {
	Claim   string `json:"claim,omitempty"`
	Format  string `json:"format,omitempty"`
	Release string `json:"release,omitempty"`
	Overage int    `json:"overage,omitempty"`
}

// DialectClaims sets claims In id_token, access_token or userinfo, if Scope is granted or empty.
type DialectClaims struct {
	In    []string       `json:"in"`
	Scope string         `json:"scope,omitempty"`
	Set   map[string]any `json:"set"`
}

// DialectResponse is how a token answer is written.
type DialectResponse struct {
	Add       map[string]any `json:"add,omitempty"`
	Omit      []string       `json:"omit,omitempty"`
	TokenType string         `json:"token_type,omitempty"`
	// Form answers application/x-www-form-urlencoded unless JSON is asked for.
	Form bool `json:"form,omitempty"`
}

// DialectDiscovery adds members to the discovery document.
type DialectDiscovery struct {
	Add map[string]any `json:"add,omitempty"`
}

// DialectError is how an error of the token endpoint is written. What is empty stays.
type DialectError struct {
	When        string         `json:"when"`
	Grant       string         `json:"grant,omitempty"`
	Status      int            `json:"status,omitempty"`
	Error       string         `json:"error,omitempty"`
	Description string         `json:"description,omitempty"`
	URI         string         `json:"uri,omitempty"`
	Add         map[string]any `json:"add,omitempty"`
}

//go:embed dialects.yaml
var dialectsYAML []byte

var dialectList = sync.OnceValues(func() ([]Dialect, error) {
	var list []Dialect
	if err := decodeYAML(dialectsYAML, &list); err != nil {
		return nil, fmt.Errorf("reading dialects.yaml: %w", err)
	}
	return list, nil
})

// Dialects lists them, plain first.
func Dialects() ([]Dialect, error) {
	list, err := dialectList()
	return slices.Clone(list), err
}

// FindDialect returns the dialect of a name; "" is plain. It fails if there is none, naming those there are.
func FindDialect(name string) (*Dialect, error) {
	if name == "" {
		return &Dialect{Name: DialectPlain, Title: "Plain"}, nil // without reading the others, which takes longer than all else at the start
	}
	list, err := dialectList()
	if err != nil {
		return nil, err
	}
	var names []string
	for i := range list {
		if list[i].Name == name {
			return &list[i], nil
		}
		names = append(names, list[i].Name)
	}
	return nil, fmt.Errorf("dialect: %q must be one of %s", name, strings.Join(names, ", "))
}

// dialectOf is FindDialect for a name that may be wrong, which Validate reports.
func (c Config) dialectOf() *Dialect {
	if d, err := FindDialect(c.Dialect); err == nil {
		return d
	}
	return &Dialect{}
}

// validateDialect wants an issuer of the dialect's form.
func (c Config) validateDialect() error {
	d, err := FindDialect(c.Dialect)
	if err != nil {
		return err
	}
	if !strings.HasSuffix(c.Issuer, d.IssuerSuffix) {
		return fmt.Errorf("dialect: an issuer of %s ends with %s; write %s%s", d.Title, d.IssuerSuffix, strings.TrimSuffix(c.Issuer, "/"), d.IssuerSuffix)
	}
	return nil
}

// dialectEndpoints are the names by which a dialect places endpoints, and where the plain ones are.
func dialectEndpoints() map[string]string {
	return map[string]string{
		"discovery": pathDiscovery, "metadata": pathMetadata, "jwks": pathJWKS, "authorization": pathAuthorize, "token": pathToken,
		"userinfo": pathUserinfo, "end_session": pathEndSession, "introspection": pathIntrospection, "revocation": pathRevocation,
		"pushed_authorization_request": pathPushedRequest, "device_authorization": pathDeviceAuth, "device": pathDevice,
		"registration": pathRegistration,
	}
}

// endpointPaths lists where the provider of this configuration serves something, relative to the issuer.
func (c Config) endpointPaths() []string {
	d := c.dialectOf()
	var list []string
	for _, plain := range endpointPaths() {
		if moved, served := d.place(plain); served {
			list = append(list, moved)
		}
	}
	return list
}

// place says where an endpoint is, given where the plain one is, and whether it is there at all.
func (d *Dialect) place(plain string) (string, bool) {
	if d.Endpoints == nil {
		return plain, true
	}
	for name, path := range dialectEndpoints() {
		if path == plain {
			moved, served := d.Endpoints[name]
			return moved, served
		}
	}
	return plain, true // a form's target, health, tests
}
