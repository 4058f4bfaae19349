// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// endpointDebugger is not recorded itself.
const endpointDebugger = "debugger"

// maxFlows bounds how many flows the debugger shows.
const maxFlows = 20

// WithDebugger records requests, as WithRecording does, and shows the last flows on a page, /debugger below the issuer's path:
// whoever reaches the provider sees them, without secrets. Default: no such page.
func WithDebugger() Option {
	return func(p *Provider) {
		WithRecording()(p)
		p.debugger = true
	}
}

type debuggerPage struct {
	Issuer  string
	Tenants []string // addresses of their debuggers
	Flows   []debuggerFlow
	Others  []debuggerRequest
}

// debuggerFlow is one authorization request and what came of it.
type debuggerFlow struct {
	Number   int
	Client   string
	User     string
	Steps    string
	Failed   bool
	Requests []debuggerRequest
	IDTokens []string
}

type debuggerRequest struct {
	ReceivedRequest
	Fields []debuggerField
	Failed bool
}

type debuggerField struct{ Name, Value string }

// serveDebugger shows the last flows, the newest first.
func (p *Provider) serveDebugger(w http.ResponseWriter, _ *http.Request) {
	page := debuggerPage{Issuer: p.publishedIssuer()}
	p.tenants.mu.RLock()
	for made := range maps.Values(p.tenants.byRoot) {
		page.Tenants = append(page.Tenants, made.urls.front(pathDebugger))
	}
	p.tenants.mu.RUnlock()
	slices.Sort(page.Tenants)
	flows, byID := []*debuggerFlow{}, map[string]*debuggerFlow{}
	for _, r := range p.Requests(RequestFilter{}) {
		shown := newDebuggerRequest(r)
		if r.Flow == "" {
			page.Others = append(page.Others, shown)
			continue
		}
		flow := byID[r.Flow]
		if flow == nil {
			flow = &debuggerFlow{Number: len(flows) + 1}
			byID[r.Flow], flows = flow, append(flows, flow)
		}
		flow.add(shown)
	}
	slices.Reverse(flows)
	for _, flow := range flows[:min(maxFlows, len(flows))] {
		page.Flows = append(page.Flows, *flow)
	}
	slices.Reverse(page.Others)
	page.Others = page.Others[:min(maxFlows, len(page.Others))]
	p.pages.write(w, http.StatusOK, "debugger.html", page)
}

func newDebuggerRequest(r ReceivedRequest) debuggerRequest {
	shown := debuggerRequest{ReceivedRequest: r, Failed: r.Error != "" || r.Status >= http.StatusBadRequest}
	for _, name := range slices.Sorted(maps.Keys(r.Params)) {
		shown.Fields = append(shown.Fields, debuggerField{name, strings.Join(r.Params[name], ", ")})
	}
	for _, field := range []debuggerField{{"Authorization", r.Authorization}, {"Error", r.Error}} {
		if field.Value != "" {
			shown.Fields = append(shown.Fields, field)
		}
	}
	return shown
}

func (f *debuggerFlow) add(r debuggerRequest) {
	f.Requests = append(f.Requests, r)
	if f.Client == "" {
		f.Client = r.ClientID
	}
	if f.Steps != "" {
		f.Steps += " → "
	}
	f.Steps += r.Endpoint
	f.Failed = f.Failed || r.Failed
	if r.IDTokenClaims == nil {
		return
	}
	if f.User, _ = r.IDTokenClaims["preferred_username"].(string); f.User == "" {
		f.User, _ = r.IDTokenClaims["sub"].(string)
	}
	if text, err := json.MarshalIndent(r.IDTokenClaims, "", "  "); err == nil {
		f.IDTokens = append(f.IDTokens, string(text))
	}
}
