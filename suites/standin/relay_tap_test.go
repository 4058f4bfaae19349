// SPDX-License-Identifier: Apache-2.0

package standin

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/ingress-auth/conformance/suites/exchange"
)

// relayed sends bytes through the two directions of a relay and returns what comes out and what was recorded.
func relayed(in, back io.Reader) (out, returned []byte, recorded []exchange.Exchange) {
	w := &wire{relay: &Relay{From: exchange.AuthService, To: exchange.IdP, Recorder: NewRecorder(0)}}
	var there, here bytes.Buffer
	requests := newTap(in, &there)
	w.requests(requests)
	requests.rest()
	answers := newTap(back, &here)
	w.answers(answers)
	answers.rest()
	w.unanswered("the connection was closed without an answer")
	return there.Bytes(), here.Bytes(), w.relay.Recorder.Recorded("")
}

// dialogues are what two parts may say to each other, and what of it is recorded as "method target status request-bytes
// response-bytes".
var dialogues = map[string]struct{ in, back, want string }{
	"a request and its answer": {
		"GET /a?b=%zz HTTP/1.1\r\nhOST: x\r\nX-a:  1 \r\nx-A:2\r\n\r\n", "HTTP/1.1 200 Fine\r\ncontent-LENGTH: 2\r\n\r\nok",
		"GET /a?b=%zz 200 0 2",
	},
	"three on one connection": {
		"GET /1 HTTP/1.1\r\nHost: x\r\n\r\nPOST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcHEAD /3 HTTP/1.1\r\nHost: x\r\n\r\n",
		"HTTP/1.1 204 No\r\n\r\nHTTP/1.1 401 No\r\nContent-Length: 4\r\n\r\nnopeHTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n",
		"GET /1 204 0 0; POST /2 401 3 4; HEAD /3 200 0 0",
	},
	"chunks, their extensions and trailers": {
		"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\n",
		"PUT / 200 2 3",
	},
	"an answer that ends with the connection": {
		"GET / HTTP/1.0\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\nuntil the end", "GET / 200 0 13",
	},
	"what comes before the answer": {
		"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
		"POST / 302 1 0",
	},
	"a WebSocket": {
		"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x85\n\r\n\r\n\x00GET",
		"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x05hello\n",
		"GET /ws 101 0 0",
	},
	"no answer":                  {"GET /x HTTP/1.1\r\nHost: x\r\n\r\n", "", "GET /x 0 0 0"},
	"half an answer":             {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "GET / 200 0 3"},
	"an answer that is none":     {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "SSH-2.0-x\r\n", "GET / 0 0 0"},
	"an answer nobody asked for": {"", "HTTP/1.1 408 Late\r\n\r\n", ""},
	"a request that is none":     {"GET / HTTP/1.1\r\nbad header\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", ""},
	"HTTP/2":                     {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04", "\x00\x00\x00\x04\x00", ""},
	"a head without an end":      {"GET / HTTP/1.1\r\nX: " + strings.Repeat("x", 3*maxHead), "HTTP/1.1 431 Large\r\n\r\n", ""},
	"a long head":                {"GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", maxHead/2) + "\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "GET / 200 0 0"},
	"a long body":                {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" + strings.Repeat("b", 200000), "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("a", 100000), "POST / 200 200000 100000"},
}

func TestARelayPassesOnEveryByteAndRecordsWhatItCanRead(t *testing.T) {
	for name, d := range dialogues {
		for way, slow := range map[string]func(io.Reader) io.Reader{
			"at once": func(r io.Reader) io.Reader { return r }, "in halves": iotest.HalfReader, "byte by byte": iotest.OneByteReader, "with the end": iotest.DataErrReader,
		} {
			out, returned, recorded := relayed(slow(strings.NewReader(d.in)), slow(strings.NewReader(d.back)))
			if string(out) != d.in || string(returned) != d.back {
				t.Errorf("%s, %s: %d of %d bytes arrive and %d of %d return, or others", name, way, len(out), len(d.in), len(returned), len(d.back))
			}
			if got := listed(recorded); got != d.want {
				t.Errorf("%s, %s: recorded %q, want %q", name, way, got, d.want)
			}
			for _, e := range recorded {
				if e.From != exchange.AuthService || e.To != exchange.IdP || (e.Status == 0) != (e.Error != "") && e.ResponseBodyBytes != 3 || len(e.Body) > bodyKept {
					t.Errorf("%s, %s: recorded %+v", name, way, e)
				}
			}
		}
	}
}

func listed(recorded []exchange.Exchange) string {
	var lines []string
	for _, e := range recorded {
		lines = append(lines, line(e))
	}
	return strings.Join(lines, "; ")
}

func TestARelayEndsWhereTheOtherSideIsGone(t *testing.T) {
	gone := errors.New("gone")
	w := &wire{relay: &Relay{Recorder: NewRecorder(0)}}
	tap := newTap(strings.NewReader(dialogues["a long body"].in), failing{gone})
	w.requests(tap)
	tap.rest()
	if !errors.Is(tap.writeErr, gone) || tap.readErr != nil {
		t.Errorf("write error %v, read error %v", tap.writeErr, tap.readErr)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func FuzzRelay(f *testing.F) {
	for _, d := range dialogues {
		if len(d.in) < maxHead/4 {
			f.Add([]byte(d.in), []byte(d.back))
		}
	}
	f.Fuzz(func(t *testing.T, in, back []byte) {
		out, returned, _ := relayed(bytes.NewReader(in), bytes.NewReader(back))
		if !bytes.Equal(out, in) || !bytes.Equal(returned, back) {
			t.Errorf("%q became %q; %q became %q", in, out, back, returned)
		}
	})
}
