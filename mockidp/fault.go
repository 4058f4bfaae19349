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
	// EndpointLogoutToken stands for what the provider sends to the back-channel logout endpoint of a client.
	EndpointLogoutToken = "logout_token"
	// EndpointConnection stands for what comes before HTTP: see Provider.ServeTLS.
	EndpointConnection = "connection"
	AnyEndpoint        = "any"
)

// What a correct relying party never does (Fault.Never).
const (
	NeverRedeem   = "redeem"   // ask the token endpoint
	NeverResend   = "resend"   // ask it a second time in one login
	NeverFetch    = "fetch"    // ask the foreign host for anything
	NeverDisclose = "disclose" // send a code, token or secret to the foreign host
)

// neverSentence says it in words, or "" for an unknown one.
func neverSentence(what string) string {
	return map[string]string{
		NeverRedeem:   "The code is not sent to the token endpoint.",
		NeverResend:   "The code is sent once.",
		NeverFetch:    "Nothing is asked of the foreign host.",
		NeverDisclose: "No code, token or secret goes to the foreign host.",
	}[what]
}

// What the judge stages itself, being the browser and the operator (Fault.Judge).
const (
	JudgeReplay       = "replay"        // the browser visits the callback again, without its session cookie
	JudgeFixation     = "fixation"      // another browser visits the callback of a login it did not begin
	JudgeForeignState = "foreign-state" // the same, while a login of its own is under way
	JudgeSecret       = "secret"        // the client secret has characters that must be encoded
	JudgeRefreshTwice = "refresh-twice" // two refreshes, one after the other
	JudgeCodeLeak     = "code-leak"     // looks at the answer of the callback
)

func judgeStagings() []string {
	return []string{JudgeReplay, JudgeFixation, JudgeForeignState, JudgeSecret, JudgeRefreshTwice, JudgeCodeLeak}
}

// FaultEndpoints lists the endpoints a fault can be staged at.
func FaultEndpoints() []string {
	return []string{EndpointDiscovery, EndpointJWKS, EndpointAuthorization, EndpointToken, EndpointUserinfo, EndpointEndSession,
		EndpointLogoutToken, EndpointConnection}
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
	// Judge says what the judge of a relying party (package rptest) does in place of the provider, for an excluded fault.
	Judge string `json:"judge,omitempty"`
	// Never lists what a correct relying party does not do, beside the outcome.
	Never []string `json:"never,omitempty"`
	// Warm asks for a login before the fault is staged, so that the relying party has fetched what it fetches once.
	Warm bool `json:"warm,omitempty"`
	// Together is how many requests come at the same time when the session is refreshed; 0 is one.
	Together int `json:"together,omitempty"`
	// Times is how often it happens when it is selected without a number; 0 is once.
	Times     int        `json:"times,omitempty"`
	Deviation *Deviation `json:"do,omitempty"`
}

// Staged says whether the provider can stage the fault.
func (f Fault) Staged() bool { return f.Excluded == "" }

// Every says that it happens to each n-th request only; 1 is to each.
func (f Fault) Every() int {
	if f.Deviation == nil {
		return 1
	}
	return max(f.Deviation.Every, 1)
}

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
	// Method and Path restrict it to requests with this method, and with a path that ends so.
	Method string `json:"method,omitempty"`
	Path   string `json:"path,omitempty"`
	// Every applies it to each n-th matching request only.
	Every int `json:"every,omitempty"`
	// Connection is what is wrong before HTTP: see Connections.
	Connection string `json:"connection,omitempty"`
	// Drop takes parameters out of the request before the endpoint sees it, as an attacker on the way does.
	Drop []string `json:"drop,omitempty"`
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
	// Repeat sends a logout token that many times; 0 is once.
	Repeat int `json:"repeat,omitempty"`
	// Also lists deviations of other endpoints. They last from the selection of the fault until it is taken back.
	Also []EndpointDeviation `json:"also,omitempty"`
}

// maxRepeat bounds what a rule from outside can make the provider send.
const maxRepeat = 1000

// fits reports a deviation that can never happen at the endpoint.
func (d *Deviation) fits(endpoint string) error {
	answers := d.Keys != nil || d.JSON != nil || d.Redirect != nil || d.HTTP != nil || len(d.Drop) > 0
	switch {
	case (endpoint == EndpointConnection) != (d.Connection != ""):
		return fmt.Errorf("connection: it goes with the endpoint %s and nothing else does", EndpointConnection)
	case endpoint == EndpointLogoutToken && answers:
		return fmt.Errorf("a logout token can be changed by claims, jose and repeat only")
	case endpoint != EndpointLogoutToken && d.Repeat > 0:
		return fmt.Errorf("repeat: only a %s is sent again", EndpointLogoutToken)
	}
	return nil
}

// EndpointDeviation is a deviation of another endpoint.
type EndpointDeviation struct {
	Endpoint  string `json:"endpoint"`
	Deviation `json:",inline"`
}

// validate reports what cannot be executed.
func (d *Deviation) validate() error {
	switch {
	case d == nil || (d.Connection == "" && len(d.Drop) == 0 && d.Claims == nil && d.JOSE == nil && d.Keys == nil && d.JSON == nil &&
		d.Redirect == nil && d.HTTP == nil && d.Repeat == 0):
		return fmt.Errorf("the deviation is empty: give connection, drop, claims, jose, keys, json, redirect, http or repeat")
	case d.Connection != "" && !slices.Contains(Connections(), d.Connection):
		return fmt.Errorf("connection: %q must be one of %s", d.Connection, strings.Join(Connections(), ", "))
	case d.Repeat < 0 || d.Repeat > maxRepeat:
		return fmt.Errorf("repeat: %d must be between 0 and %d", d.Repeat, maxRepeat)
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
