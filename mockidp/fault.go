// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
)

// A fault goes one way: a row of faults.yaml says what differs on the wire (Deviation); a FaultRule, or the path of the
// issuer, selects it (fault_rules.go, fault_tenant.go); fault_serve.go lets the endpoint answer as it always does and puts
// the deviation over the answer, by the few mechanisms of fault_json.go, fault_keys.go, fault_token.go, fault_redirect.go
// and fault_http.go. The endpoints know nothing of it.

// Outcome is what a correct relying party does about a fault.
type Outcome string

// The outcomes. Each has a sentence: see Outcome.Sentence.
const (
	OutcomeReject    Outcome = "reject"
	OutcomeAccept    Outcome = "accept"
	OutcomeTransient Outcome = "transient"
	OutcomeKeep      Outcome = "keep"
	OutcomeLogout    Outcome = "logout"
	OutcomeBounded   Outcome = "bounded"
	OutcomeEither    Outcome = "either"
)

// Sentence says what the outcome means, or "" for an unknown one.
func (o Outcome) Sentence() string {
	return map[Outcome]string{
		OutcomeReject:    "Refuses the login: no session, an error page.",
		OutcomeAccept:    "Accepts: this is legal, refusing it is the mistake.",
		OutcomeTransient: "Fails this request cleanly and works again when the fault is over.",
		OutcomeKeep:      "Keeps the session there is, and tries again later.",
		OutcomeLogout:    "Ends the session.",
		OutcomeBounded:   "Ends in bounded time and memory, whatever the answer.",
		OutcomeEither:    "May accept or refuse, but the same way each time.",
	}[o]
}

// Outcomes lists all of them.
func Outcomes() []Outcome {
	return []Outcome{OutcomeReject, OutcomeAccept, OutcomeTransient, OutcomeKeep, OutcomeLogout, OutcomeBounded, OutcomeEither}
}

// Endpoints a fault can be staged at. AnyEndpoint is that of faults which fit every one; they go to the token endpoint
// unless another is named.
const (
	EndpointDiscovery     = "discovery"
	EndpointJWKS          = "jwks"
	EndpointAuthorization = "authorization"
	EndpointToken         = "token"
	EndpointUserinfo      = "userinfo"
	EndpointEndSession    = "end_session"
	AnyEndpoint           = "any"
)

// FaultEndpoints lists the endpoints a fault can be staged at.
func FaultEndpoints() []string {
	return []string{EndpointDiscovery, EndpointJWKS, EndpointAuthorization, EndpointToken, EndpointUserinfo, EndpointEndSession}
}

// Fault is one row of the catalogue.
type Fault struct {
	// ID is stable: an area letter and a name, such as C-AUD.
	ID string `json:"id"`
	// Endpoint is where the deviation is, one of FaultEndpoints or AnyEndpoint.
	Endpoint string `json:"endpoint"`
	// Effect says in a sentence what is different on the wire.
	Effect string `json:"effect"`
	// Outcome is what a correct relying party does. Note adds what is particular.
	Outcome Outcome `json:"rp"`
	Note    string  `json:"note,omitempty"`
	// Spec is the section that decides.
	Spec string `json:"spec"`
	// Excluded says why the fault cannot be staged; then there is no deviation.
	Excluded string `json:"excluded,omitempty"`
	// Times is how often it happens when it is selected without a number; 0 is once.
	Times     int        `json:"times,omitempty"`
	Deviation *Deviation `json:"do,omitempty"`
}

// Staged says whether the provider can stage the fault.
func (f Fault) Staged() bool { return f.Excluded == "" }

// endpoint is where the fault goes if no other is named.
func (f Fault) endpoint() string {
	if f.Endpoint == AnyEndpoint {
		return EndpointToken
	}
	return f.Endpoint
}

//go:embed faults.yaml
var faultData []byte

// catalogue is parsed once; a test proves that the data is good.
var catalogue = sync.OnceValues(func() ([]Fault, error) {
	var file struct {
		Faults []Fault `json:"faults"`
	}
	if err := decodeYAML(faultData, &file); err != nil {
		return nil, fmt.Errorf("the fault catalogue is not valid: %w", err)
	}
	return file.Faults, nil
})

// Faults returns the catalogue in its order, excluded rows included.
func Faults() ([]Fault, error) {
	list, err := catalogue()
	return slices.Clone(list), err
}

// FindFault returns the fault with this ID, in any case. It fails if there is none, naming those that are near.
func FindFault(id string) (Fault, error) {
	list, err := catalogue()
	if err != nil {
		return Fault{}, err
	}
	var near []string
	for _, f := range list {
		if strings.EqualFold(f.ID, id) {
			return f, nil
		}
		if id != "" && strings.HasPrefix(f.ID, strings.ToUpper(id[:1])+"-") && strings.Contains(f.ID, strings.ToUpper(lastWord(id))) {
			near = append(near, f.ID)
		}
	}
	if len(near) > 0 {
		return Fault{}, fmt.Errorf("there is no fault %q; near it are %s", id, strings.Join(near, ", "))
	}
	return Fault{}, fmt.Errorf("there is no fault %q; \"mockidp faults\" lists them", id)
}

func lastWord(id string) string { return id[strings.LastIndex(id, "-")+1:] }

// Deviation says what differs on the wire. Each part is one mechanism; the parts that are set are applied in the order of
// the fields. In strings, ${issuer}, ${other} (another, correct issuer), ${foreign} (a host that is not ours), ${self} (the
// URL of the request), ${client_id} and ${text:N} (N letters) are replaced.
type Deviation struct {
	// Grant restricts it to token requests with this grant_type.
	Grant string `json:"grant,omitempty"`
	// Every applies it to each n-th matching request only.
	Every int `json:"every,omitempty"`
	// Claims edits the claims of the ID token, which is signed again. JOSE edits its header, signature and form.
	Claims *JSONEdit `json:"claims,omitempty"`
	JOSE   *JOSEEdit `json:"jose,omitempty"`
	// Keys edits the keys of the JWKS.
	Keys *KeysEdit `json:"keys,omitempty"`
	// JSON edits the JSON object that the endpoint answers.
	JSON *JSONEdit `json:"json,omitempty"`
	// Redirect edits the redirect back to the relying party.
	Redirect *RedirectEdit `json:"redirect,omitempty"`
	// HTTP edits the answer as HTTP.
	HTTP *HTTPEdit `json:"http,omitempty"`
	// Also lists deviations of other endpoints. They last from the selection of the fault until it is taken back.
	Also []EndpointDeviation `json:"also,omitempty"`
}

// EndpointDeviation is a deviation of another endpoint.
type EndpointDeviation struct {
	Endpoint  string `json:"endpoint"`
	Deviation `json:",inline"`
}

// validate reports what cannot be executed.
func (d *Deviation) validate() error {
	switch {
	case d == nil || (d.Claims == nil && d.JOSE == nil && d.Keys == nil && d.JSON == nil && d.Redirect == nil && d.HTTP == nil):
		return fmt.Errorf("the deviation is empty: give claims, jose, keys, json, redirect or http")
	case d.Every < 0:
		return fmt.Errorf("every: %d must not be negative", d.Every)
	}
	for _, edit := range []interface{ validate() error }{d.Claims, d.JOSE, d.Keys, d.JSON, d.Redirect, d.HTTP} {
		if err := edit.validate(); err != nil {
			return err
		}
	}
	for _, also := range d.Also {
		if !slices.Contains(FaultEndpoints(), also.Endpoint) || len(also.Also) > 0 {
			return fmt.Errorf("also: %q must be one of %s, and not nested", also.Endpoint, strings.Join(FaultEndpoints(), ", "))
		}
		if err := also.Deviation.validate(); err != nil {
			return fmt.Errorf("also: %w", err)
		}
	}
	return nil
}

// at returns what happens at an endpoint, if anything.
func (d *Deviation) at(main, endpoint string) *Deviation {
	if endpoint == main {
		return d
	}
	for i := range d.Also {
		if d.Also[i].Endpoint == endpoint {
			return &d.Also[i].Deviation
		}
	}
	return nil
}

// decodeStrict reads one JSON value and refuses fields it does not know.
func decodeStrict(data []byte, into any) error {
	decoder := json.NewDecoder(strings.NewReader(string(data)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("there is something after the JSON value")
	}
	return nil
}
