// SPDX-License-Identifier: Apache-2.0

// Package client drives a running mockidp over its control API, from another process or from outside a cluster. In the
// same process, use the methods of mockidp.Provider: they are the same.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/ingress-auth/conformance/mockidp"
)

// maxAnswer bounds an answer of the control API, in bytes.
const maxAnswer = 16 << 20

// ErrNone is what TakeRequest returns when no request came in time.
var ErrNone = errors.New("no such request came in time")

// Client is safe for concurrent use.
type Client struct {
	base   string
	token  string
	tenant string // the path of the tenant that is meant, or "" for the first issuer
	http   *http.Client
}

// New makes a client of the control API at base, such as http://127.0.0.1:8081. token may be empty. A nil httpClient is
// http.DefaultClient.
func New(base, token string, httpClient *http.Client) *Client {
	if httpClient == nil {
		httpClient = http.DefaultClient
	}
	return &Client{base: strings.TrimSuffix(base, "/"), token: token, http: httpClient}
}

// Tenant is a client for the tenant at a path. It does not add the tenant: see AddTenant.
func (c *Client) Tenant(path string) *Client {
	of := *c
	of.tenant = path
	return &of
}

// AddTenant adds an issuer: see mockidp.Provider.AddTenant.
func (c *Client) AddTenant(ctx context.Context, tenant mockidp.Tenant) (mockidp.TenantInfo, error) {
	var out mockidp.TenantInfo
	encoded, err := yaml.Marshal(tenant)
	if err != nil {
		return out, fmt.Errorf("mockidp control: writing the tenant: %w", err)
	}
	return out, c.send(ctx, http.MethodPost, "/v1/tenants", "application/yaml", encoded, &out)
}

// Tenants lists the issuers below the first.
func (c *Client) Tenants(ctx context.Context) ([]mockidp.TenantInfo, error) {
	var out []mockidp.TenantInfo
	return out, c.call(ctx, http.MethodGet, "/v1/tenants", nil, &out)
}

// RemoveTenant forgets a tenant and everything in it.
func (c *Client) RemoveTenant(ctx context.Context, path string) error {
	return c.call(ctx, http.MethodDelete, "/v1/tenants?"+url.Values{"path": {path}}.Encode(), nil, nil)
}

// Dialects lists the real providers that a tenant can be like.
func (c *Client) Dialects(ctx context.Context) ([]mockidp.Dialect, error) {
	var out []mockidp.Dialect
	return out, c.call(ctx, http.MethodGet, "/v1/dialects", nil, &out)
}

// QueueLogin answers an authorization request to come: see mockidp.Provider.QueueLogin.
func (c *Client) QueueLogin(ctx context.Context, next mockidp.NextLogin) (mockidp.QueuedLogin, error) {
	var out mockidp.QueuedLogin
	return out, c.call(ctx, http.MethodPost, "/v1/logins", next, &out)
}

// QueuedLogins lists the logins that wait.
func (c *Client) QueuedLogins(ctx context.Context) ([]mockidp.QueuedLogin, error) {
	var out []mockidp.QueuedLogin
	return out, c.call(ctx, http.MethodGet, "/v1/logins", nil, &out)
}

// ClearLogins forgets the logins that wait.
func (c *Client) ClearLogins(ctx context.Context) error {
	return c.call(ctx, http.MethodDelete, "/v1/logins", nil, nil)
}

// Authorize signs a user in without a browser: see mockidp.Provider.Authorize.
func (c *Client) Authorize(ctx context.Context, in mockidp.HeadlessAuthorization) (mockidp.HeadlessAnswer, error) {
	var out mockidp.HeadlessAnswer
	return out, c.call(ctx, http.MethodPost, "/v1/authorize", in, &out)
}

// AddFault selects a fault: see mockidp.Provider.AddFault.
func (c *Client) AddFault(ctx context.Context, rule mockidp.FaultRule) (mockidp.ActiveFault, error) {
	var out mockidp.ActiveFault
	return out, c.call(ctx, http.MethodPost, "/v1/faults", rule, &out)
}

// ActiveFaults lists the faults that are selected, used-up ones included.
func (c *Client) ActiveFaults(ctx context.Context) ([]mockidp.ActiveFault, error) {
	var out []mockidp.ActiveFault
	return out, c.call(ctx, http.MethodGet, "/v1/faults", nil, &out)
}

// RemoveFault takes one fault back.
func (c *Client) RemoveFault(ctx context.Context, id int) error {
	return c.call(ctx, http.MethodDelete, "/v1/faults/"+strconv.Itoa(id), nil, nil)
}

// ClearFaults takes every fault back.
func (c *Client) ClearFaults(ctx context.Context) error {
	return c.call(ctx, http.MethodDelete, "/v1/faults", nil, nil)
}

// Catalogue lists every fault there is.
func (c *Client) Catalogue(ctx context.Context) ([]mockidp.Fault, error) {
	var out []mockidp.Fault
	return out, c.call(ctx, http.MethodGet, "/v1/catalogue", nil, &out)
}

// FaultIssuer is the issuer that always shows a fault.
func (c *Client) FaultIssuer(ctx context.Context, fault string) (string, error) {
	var out struct{ Issuer string }
	err := c.call(ctx, http.MethodGet, "/v1/issuers/"+url.PathEscape(fault), nil, &out)
	return out.Issuer, err
}

// Requests lists what was received, oldest first.
func (c *Client) Requests(ctx context.Context, filter mockidp.RequestFilter) ([]mockidp.ReceivedRequest, error) {
	var out []mockidp.ReceivedRequest
	return out, c.call(ctx, http.MethodGet, "/v1/requests?"+query(filter).Encode(), nil, &out)
}

// TakeRequest takes the oldest request that fits off the record. It waits for one, a minute at most; if none comes it
// returns ErrNone.
func (c *Client) TakeRequest(ctx context.Context, filter mockidp.RequestFilter, wait time.Duration) (mockidp.ReceivedRequest, error) {
	values := query(filter)
	values.Set("wait_seconds", strconv.FormatFloat(wait.Seconds(), 'f', -1, 64))
	var out mockidp.ReceivedRequest
	if err := c.call(ctx, http.MethodPost, "/v1/requests/take?"+values.Encode(), nil, &out); err != nil {
		return out, err
	}
	if out.Number == 0 {
		return out, ErrNone
	}
	return out, nil
}

func query(f mockidp.RequestFilter) url.Values {
	values := url.Values{}
	for name, value := range map[string]string{"endpoint": f.Endpoint, "client_id": f.ClientID, "issuer": f.Issuer} {
		if value != "" {
			values.Set(name, value)
		}
	}
	return values
}

// Mint says which ID token to sign without a login.
type Mint struct {
	User     string `json:"user"`
	ClientID string `json:"client_id"`
	// ExpiresIn is in seconds; negative for an expired token; nil for the usual time.
	ExpiresIn *int64   `json:"expires_in,omitempty"`
	Audience  []string `json:"audience,omitempty"`
	// Claims are set as they are; nil removes one.
	Claims map[string]any `json:"claims,omitempty"`
}

// MintIDToken signs an ID token.
func (c *Client) MintIDToken(ctx context.Context, mint Mint) (string, error) {
	var out struct {
		IDToken string `json:"id_token"`
	}
	err := c.call(ctx, http.MethodPost, "/v1/tokens/id_token", mint, &out)
	return out.IDToken, err
}

// Clock says where the provider's clock stands.
func (c *Client) Clock(ctx context.Context) (mockidp.ClockState, error) {
	var out mockidp.ClockState
	return out, c.call(ctx, http.MethodGet, "/v1/clock", nil, &out)
}

// AdvanceClock moves the provider's clock from where it is.
func (c *Client) AdvanceClock(ctx context.Context, d time.Duration) (mockidp.ClockState, error) {
	var out mockidp.ClockState
	return out, c.call(ctx, http.MethodPost, "/v1/clock", map[string]float64{"advance_seconds": d.Seconds()}, &out)
}

// SetClockOffset moves the provider's clock to that much ahead of its source.
func (c *Client) SetClockOffset(ctx context.Context, d time.Duration) (mockidp.ClockState, error) {
	var out mockidp.ClockState
	return out, c.call(ctx, http.MethodPost, "/v1/clock", map[string]float64{"offset_seconds": d.Seconds()}, &out)
}

// RotateKeys makes new keys sign; with overlap the old ones stay published.
func (c *Client) RotateKeys(ctx context.Context, overlap bool) error {
	return c.call(ctx, http.MethodPost, "/v1/keys/rotate", map[string]bool{"overlap": overlap}, nil)
}

// Reset takes back every fault, forgets what was received and sets the clock right.
func (c *Client) Reset(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, "/v1/reset", nil, nil)
}

// call sends in, if any, as JSON.
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	if in == nil {
		return c.send(ctx, method, path, "", nil, out)
	}
	encoded, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("mockidp control: writing the request: %w", err)
	}
	return c.send(ctx, method, path, "application/json", encoded, out)
}

// send decodes the answer into out, if any. An answer without a body leaves out as it is.
func (c *Client) send(ctx context.Context, method, path, contentType string, body []byte, out any) error {
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("mockidp control: %w", err)
	}
	if c.tenant != "" {
		values := r.URL.Query()
		values.Set("tenant", c.tenant)
		r.URL.RawQuery = values.Encode()
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(r)
	if err != nil {
		return fmt.Errorf("mockidp control: %w", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("mockidp control: reading the answer: %w", err)
	}
	if response.StatusCode >= http.StatusBadRequest {
		var problem struct{ Detail string }
		if json.Unmarshal(answer, &problem) != nil || problem.Detail == "" {
			problem.Detail = response.Status
		}
		return fmt.Errorf("mockidp control: %s", problem.Detail)
	}
	if out == nil || len(answer) == 0 {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("mockidp control: reading the answer: %w", err)
	}
	return nil
}
