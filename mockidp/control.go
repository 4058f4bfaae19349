// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

var errNotRecording = errors.New("requests are not recorded: make the provider with WithRecording")

// maxTakeWait bounds a long poll.
const maxTakeWait = time.Minute

//go:embed control_openapi.yaml
var controlOpenAPI []byte

// ControlHandler serves the control API, which drives the provider from outside: faults, received requests, logins to come, tokens,
// clock, keys, tenants, reset. The query's tenant, a path, names the tenant that is meant. It belongs on a port of its own. With a token, every request must have it as "Authorization: Bearer <token>";
// without one, whoever reaches the port can do everything, and a request with a foreign Host or any Origin is refused, so
// that no web page can. GET /v1/openapi.yaml describes it. Errors are RFC 9457 problem details.
func (p *Provider) ControlHandler(token string) http.Handler {
	mux := http.NewServeMux()
	for pattern, handle := range controlRoutes() {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			p.control(w, r, func(r *http.Request) (any, error) {
				target, err := p.target(r)
				if err != nil {
					return nil, err
				}
				return handle(target, r)
			})
		})
	}
	for pattern, handle := range map[string]func(*http.Request) (any, error){
		"GET /v1/catalogue":  func(*http.Request) (any, error) { return Faults() },
		"GET /v1/dialects":   func(*http.Request) (any, error) { return Dialects() },
		"GET /v1/tenants":    p.controlTenants,
		"POST /v1/tenants":   p.controlAddTenant,
		"DELETE /v1/tenants": p.controlRemoveTenant,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { p.control(w, r, handle) })
	}
	mux.HandleFunc("GET /v1/openapi.yaml", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/yaml")
		_, _ = w.Write(controlOpenAPI)
	})
	return guardControl(token, mux)
}

// controlRoutes are about one issuer: the first, or the tenant that the query names.
func controlRoutes() map[string]func(*Provider, *http.Request) (any, error) {
	return map[string]func(*Provider, *http.Request) (any, error){
		"GET /v1/faults":             func(p *Provider, _ *http.Request) (any, error) { return p.ActiveFaults(), nil },
		"POST /v1/faults":            (*Provider).controlAddFault,
		"DELETE /v1/faults":          func(p *Provider, _ *http.Request) (any, error) { p.ClearFaults(); return nil, nil },
		"DELETE /v1/faults/{id}":     (*Provider).controlRemoveFault,
		"GET /v1/requests":           func(p *Provider, r *http.Request) (any, error) { return p.Requests(filterOf(r)), nil },
		"POST /v1/requests/take":     (*Provider).controlTake,
		"GET /v1/logins":             func(p *Provider, _ *http.Request) (any, error) { return p.QueuedLogins(), nil },
		"POST /v1/logins":            (*Provider).controlQueueLogin,
		"DELETE /v1/logins":          func(p *Provider, _ *http.Request) (any, error) { p.ClearLogins(); return nil, nil },
		"POST /v1/authorize":         (*Provider).controlAuthorize,
		"POST /v1/tokens/id_token":   (*Provider).controlMint,
		"GET /v1/clock":              func(p *Provider, _ *http.Request) (any, error) { return p.clockState(), nil },
		"POST /v1/clock":             (*Provider).controlClock,
		"POST /v1/keys/rotate":       (*Provider).controlRotate,
		"POST /v1/reset":             func(p *Provider, _ *http.Request) (any, error) { p.Reset(); return nil, nil },
		"GET /v1/issuers/{fault...}": (*Provider).controlIssuer,
	}
}

// NewControlToken makes a token for ControlHandler.
func NewControlToken() string { return rand.Text() }

func guardControl(token string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token == "" {
			if r.Header.Get("Origin") != "" || !loopbackHost(r.Host) {
				writeProblem(w, http.StatusForbidden, "without a token the control API answers local programs only, no web pages and no other hosts")
				return
			}
		} else if given, _ := cutBearer(r.Header.Get("Authorization")); subtle.ConstantTimeCompare([]byte(given), []byte(token)) != 1 {
			w.Header().Set("WWW-Authenticate", `Bearer realm="mockidp control"`)
			writeProblem(w, http.StatusUnauthorized, "the control API needs its token: Authorization: Bearer <token>")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// loopbackHost keeps a name that resolves to 127.0.0.1 later (DNS rebinding) from reaching an open port.
func loopbackHost(hostport string) bool {
	host := hostport
	if i := strings.LastIndex(hostport, ":"); i >= 0 && !strings.HasSuffix(hostport, "]") {
		host = hostport[:i]
	}
	return host == "localhost" || host == "[::1]" || strings.HasPrefix(host, "127.") && strings.Trim(host, "0123456789.") == ""
}

// problem is RFC 9457.
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

func writeProblem(w http.ResponseWriter, status int, detail string) {
	encoded, _ := json.Marshal(problem{http.StatusText(status), status, detail})
	w.Header().Set("Content-Type", "application/problem+json")
	noStore(w)
	w.WriteHeader(status)
	_, _ = w.Write(encoded)
}

func (p *Provider) control(w http.ResponseWriter, r *http.Request, handle func(*http.Request) (any, error)) {
	r.Body = http.MaxBytesReader(w, r.Body, maxControlBody)
	result, err := handle(r)
	switch {
	case errors.Is(err, errNotThere):
		writeProblem(w, http.StatusNotFound, err.Error())
	case errors.Is(err, errNotRecording):
		writeProblem(w, http.StatusConflict, err.Error())
	case err != nil:
		writeProblem(w, http.StatusBadRequest, err.Error())
	case result == nil:
		noStore(w)
		w.WriteHeader(http.StatusNoContent)
	default:
		writeJSON(w, http.StatusOK, result)
	}
}

// maxControlBody bounds a request to the control API, in bytes.
const maxControlBody = 1 << 20

var errNotThere = errors.New("not there")

func readControl(r *http.Request, into any) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return fmt.Errorf("reading the body: %w", err)
	}
	if err := decodeStrict(body, into); err != nil {
		return fmt.Errorf("the body is not the JSON object that is asked for: %w", err)
	}
	return nil
}

func (p *Provider) controlAddFault(r *http.Request) (any, error) {
	var rule FaultRule
	if err := readControl(r, &rule); err != nil {
		return nil, err
	}
	return p.AddFault(rule)
}

func (p *Provider) controlRemoveFault(r *http.Request) (any, error) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil || !p.RemoveFault(id) {
		return nil, fmt.Errorf("the fault %s is %w", r.PathValue("id"), errNotThere)
	}
	return nil, nil
}

func (p *Provider) controlQueueLogin(r *http.Request) (any, error) {
	var next NextLogin
	if err := readControl(r, &next); err != nil {
		return nil, err
	}
	return p.QueueLogin(next)
}

func filterOf(r *http.Request) RequestFilter {
	q := r.URL.Query()
	return RequestFilter{Endpoint: q.Get("endpoint"), ClientID: q.Get("client_id"), Issuer: q.Get("issuer")}
}

// controlTake answers 204 when nothing came in time.
func (p *Provider) controlTake(r *http.Request) (any, error) {
	wait := time.Duration(0)
	if text := r.URL.Query().Get("wait_seconds"); text != "" {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || !(n >= 0 && n <= maxTakeWait.Seconds()) {
			return nil, fmt.Errorf("wait_seconds must be a number from 0 to %v", maxTakeWait.Seconds())
		}
		wait = seconds(n)
	}
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	taken, err := p.TakeRequest(ctx, filterOf(r))
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return taken, nil
}

func (p *Provider) controlMint(r *http.Request) (any, error) {
	var in mintRequest
	if err := readControl(r, &in); err != nil {
		return nil, err
	}
	edits, e := in.edits()
	if e != nil {
		return nil, e
	}
	token, err := p.MintIDToken(in.User, in.ClientID, edits...)
	if err != nil {
		return nil, err
	}
	return map[string]string{"id_token": token}, nil
}

// ClockState is where the provider's clock stands.
type ClockState struct {
	Now           time.Time `json:"now"`
	OffsetSeconds float64   `json:"offset_seconds"`
}

func (p *Provider) clockState() ClockState {
	return ClockState{p.Now(), p.ClockOffset().Seconds()}
}

func (p *Provider) controlClock(r *http.Request) (any, error) {
	var in struct {
		Offset  *float64 `json:"offset_seconds"`
		Advance *float64 `json:"advance_seconds"`
	}
	if err := readControl(r, &in); err != nil {
		return nil, err
	}
	if (in.Offset == nil) == (in.Advance == nil) {
		return nil, errors.New("give offset_seconds or advance_seconds")
	}
	value, move := in.Offset, p.SetClockOffset
	if in.Advance != nil {
		value, move = in.Advance, p.AdvanceClock
	}
	if *value > maxClockOffset.Seconds() || *value < -maxClockOffset.Seconds() {
		return nil, errors.New("that is more than a hundred years")
	}
	if err := move(seconds(*value)); err != nil {
		return nil, err
	}
	return p.clockState(), nil
}

func (p *Provider) controlRotate(r *http.Request) (any, error) {
	var in struct {
		Overlap bool `json:"overlap"`
	}
	if err := readControl(r, &in); err != nil {
		return nil, err
	}
	how := RotateWithoutOverlap
	if in.Overlap {
		how = RotateWithOverlap
	}
	return nil, p.RotateKeys(how)
}

func (p *Provider) controlIssuer(r *http.Request) (any, error) {
	issuer, err := p.FaultIssuer(r.PathValue("fault"))
	if err != nil {
		return nil, err
	}
	return map[string]string{"issuer": issuer}, nil
}

// Reset takes back every fault, forgets what was received, the logins that wait and the tenants of faults, and sets the clock
// right. Keys, sessions, codes and tokens stay: they belong to who logged in, not to the test. So do the tenants, which are reset
// each by itself.
func (p *Provider) Reset() {
	p.ClearFaults()
	p.ClearLogins()
	p.faults.forgetTenants()
	if p.recorder != nil {
		p.recorder.clear()
	}
	_ = p.SetClockOffset(0) // within bounds
}
