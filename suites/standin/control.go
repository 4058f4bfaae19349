// SPDX-License-Identifier: Apache-2.0

package standin

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ingress-auth/conformance/suites/exchange"
)

// longestWait bounds how long one call of /recorded waits.
const longestWait = time.Minute

// NewControl returns the control endpoint. It serves what was received, unredacted: it belongs on an address that only
// the harness reaches.
//
//	GET /recorded?request_id=<id>[&request_id=<id>…][&count=<n>&wait=<duration>]
//	                exchanges with one of the IDs as JSON, oldest first; without an ID all. With wait, as soon as there
//	                are n, or what there is then.
//	GET /healthz                                                200
func NewControl(rec *Recorder) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /recorded", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		count, wait, err := waitOf(q)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), wait)
		defer cancel()
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Standin-Dropped", strconv.FormatInt(rec.Dropped(), 10))
		ids := q["request_id"]
		if len(ids) == 0 {
			ids = []string{""}
		}
		json.NewEncoder(w).Encode(rec.await(ctx, ids, count))
	})
	return mux
}

func waitOf(q url.Values) (count int, wait time.Duration, err error) {
	if v := q.Get("count"); v != "" {
		if count, err = strconv.Atoi(v); err != nil || count < 0 {
			return 0, 0, fmt.Errorf("count is %q; it must be a number of exchanges", v)
		}
	}
	if v := q.Get("wait"); v != "" {
		if wait, err = time.ParseDuration(v); err != nil || wait < 0 || wait > longestWait {
			return 0, 0, fmt.Errorf("wait is %q; it must be a duration of at most %s, such as 2s", v, longestWait)
		}
	}
	return count, wait, nil
}

// Client asks a control endpoint.
type Client struct {
	// BaseURL is where the endpoint is, such as http://127.0.0.1:8086 or the address of the API server's service proxy.
	BaseURL string
	// Transport carries the requests; nil means http.DefaultTransport.
	Transport http.RoundTripper
}

// idsAtOnce is how many request IDs one question carries, which keeps its address below 8 KiB.
const idsAtOnce = 100

// Recorded returns what the stand-ins received with one of these values of X-Request-Id, oldest first of each hundred.
// Nothing is an empty slice.
func (c Client) Recorded(ctx context.Context, requestIDs ...string) ([]exchange.Exchange, error) {
	all := []exchange.Exchange{}
	for ids := range slices.Chunk(requestIDs, idsAtOnce) {
		found, err := c.ask(ctx, ids, 0, 0)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// Await is Recorded, but waits up to wait for at least count exchanges. Fewer are not an error: the caller judges.
func (c Client) Await(ctx context.Context, requestID string, count int, wait time.Duration) ([]exchange.Exchange, error) {
	return c.ask(ctx, []string{requestID}, count, wait)
}

func (c Client) ask(ctx context.Context, requestIDs []string, count int, wait time.Duration) ([]exchange.Exchange, error) {
	if slices.Contains(requestIDs, "") {
		return nil, fmt.Errorf("asking the stand-in what it received: the request ID is empty")
	}
	q := url.Values{"request_id": requestIDs, "count": {strconv.Itoa(count)}, "wait": {wait.String()}}
	body, err := c.get(ctx, "/recorded?"+q.Encode())
	if err != nil {
		return nil, fmt.Errorf("asking the stand-in what it received: %w", err)
	}
	var found []exchange.Exchange
	if err := json.Unmarshal(body, &found); err != nil {
		return nil, fmt.Errorf("asking the stand-in what it received: the answer is not JSON: %w", err)
	}
	return found, nil
}

// Healthy reports whether the endpoint answers.
func (c Client) Healthy(ctx context.Context) error {
	if _, err := c.get(ctx, "/healthz"); err != nil {
		return fmt.Errorf("asking the stand-in whether it is up: %w", err)
	}
	return nil
}

func (c Client) get(ctx context.Context, target string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(c.BaseURL, "/")+target, nil)
	if err != nil {
		return nil, err
	}
	transport := c.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 256<<20))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(body[:min(len(body), 300)])))
	}
	return body, nil
}
