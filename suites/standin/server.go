// SPDX-License-Identifier: Apache-2.0

package standin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/ingress-auth/conformance/suites/exchange"
)

// Role names one listener of a Server.
type Role string

// The roles.
const (
	RoleAuth       Role = "auth"
	RoleBackend    Role = "backend"
	RoleUpstream   Role = "upstream" // the backend again, for an auth service that passes requests on to it
	RoleGRPC       Role = "grpc"
	RoleErrorXCode Role = "error-x-code"
	RoleError200   Role = "error-200"
	RoleError404   Role = "error-404"
	RoleControl    Role = "control"
)

// Roles lists all roles in the order they are started.
func Roles() []Role {
	return []Role{RoleAuth, RoleBackend, RoleUpstream, RoleGRPC, RoleErrorXCode, RoleError200, RoleError404, RoleControl}
}

// Config says what a Server listens on.
type Config struct {
	// Listen maps a role to the address it listens on, such as ":8081" or "127.0.0.1:0". Roles that are absent or have
	// an empty address are not served; at least one is needed.
	Listen map[Role]string
	// Name is the instance name of the backend.
	Name string
	// Relays are served besides; their Recorder is that of the Server.
	Relays []RelayConfig
	// Recorder keeps what is received; nil means a new one of DefaultCapacity.
	Recorder *Recorder
	// Logger gets start, stop and server errors; nil discards them.
	Logger *slog.Logger
}

// RelayConfig is a Relay and the address it listens on.
type RelayConfig struct {
	Listen           string
	From, To         exchange.Party
	Instance, Target string
}

// Server serves stand-ins on their own listeners with one recorder.
type Server struct {
	addrs   map[Role]string
	servers []*http.Server
	relays  []net.Listener
	hangs   context.CancelFunc // ends the answers that never come
	failed  chan error
	done    sync.WaitGroup
}

// Start listens on every configured address and serves. When one address cannot be had, none is kept.
func Start(ctx context.Context, c Config) (*Server, error) {
	log := c.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	rec := c.Recorder
	if rec == nil {
		rec = NewRecorder(0)
	}
	listeners, err := listen(ctx, c.Listen)
	if err != nil {
		return nil, err
	}
	relays, err := listenRelays(ctx, c.Relays)
	if err != nil {
		closeAll(slices.Collect(maps.Values(listeners)))
		return nil, err
	}
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s := &Server{addrs: map[Role]string{}, relays: relays, hangs: cancel, failed: make(chan error, len(listeners)+len(relays))}
	for i, l := range relays {
		rc := c.Relays[i]
		relay := &Relay{From: rc.From, To: rc.To, Instance: rc.Instance, Target: rc.Target, Recorder: rec}
		s.done.Go(func() {
			if err := relay.Serve(l); err != nil {
				s.failed <- err
			}
		})
		log.Info("relay serves", "from", string(rc.From), "to", string(rc.To), "address", l.Addr().String(), "target", rc.Target)
	}
	for role, l := range listeners {
		s.addrs[role] = l.Addr().String()
		srv := &http.Server{
			Handler:           handlerOf(role, rec, c.Name),
			BaseContext:       func(net.Listener) context.Context { return base },
			ReadHeaderTimeout: time.Minute,
			MaxHeaderBytes:    1 << 20,
			Protocols:         protocols(role),
			ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		}
		s.servers = append(s.servers, srv)
		s.done.Go(func() {
			if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				s.failed <- fmt.Errorf("serving the stand-in %s: %w", role, err)
			}
		})
		log.Info("stand-in serves", "role", string(role), "address", l.Addr().String())
	}
	return s, nil
}

// protocols are HTTP/1.1, or HTTP/2 without TLS for the backend that gateways take for a gRPC service. The two are on
// different ports because nginx keeps connections to a peer for reuse whatever is spoken on them.
func protocols(role Role) *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(role != RoleGRPC)
	p.SetUnencryptedHTTP2(role == RoleGRPC)
	return p
}

func listen(ctx context.Context, addrs map[Role]string) (map[Role]net.Listener, error) {
	listeners := map[Role]net.Listener{}
	var lc net.ListenConfig
	for _, role := range Roles() {
		if addrs[role] == "" {
			continue
		}
		l, err := lc.Listen(ctx, "tcp", addrs[role])
		if err != nil {
			closeAll(slices.Collect(maps.Values(listeners)))
			return nil, fmt.Errorf("the stand-in %s cannot listen on %s: %w; choose another address", role, addrs[role], err)
		}
		listeners[role] = l
	}
	if len(listeners) == 0 {
		return nil, errors.New("no address given: a stand-in needs at least one of auth, backend, upstream, grpc, error-x-code, error-200, error-404, control")
	}
	return listeners, nil
}

func listenRelays(ctx context.Context, relays []RelayConfig) ([]net.Listener, error) {
	var listeners []net.Listener
	var lc net.ListenConfig
	for _, r := range relays {
		l, err := lc.Listen(ctx, "tcp", r.Listen)
		if err != nil {
			closeAll(listeners)
			return nil, fmt.Errorf("the relay to %s cannot listen on %s: %w; choose another address", r.Target, r.Listen, err)
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		l.Close()
	}
}

func handlerOf(role Role, rec *Recorder, name string) http.Handler {
	switch role {
	case RoleAuth:
		return NewAuth(rec)
	case RoleBackend, RoleGRPC:
		return NewBackend(rec, name)
	case RoleUpstream:
		return NewUpstream(rec, name)
	case RoleErrorXCode:
		return NewErrorPages(rec, XCode)
	case RoleError200:
		return NewErrorPages(rec, Always200)
	case RoleError404:
		return NewErrorPages(rec, NotFound)
	default:
		return NewControl(rec)
	}
}

// Addr is the address a role listens on, "" when it is not served.
func (s *Server) Addr(r Role) string { return s.addrs[r] }

// Failed receives an error when a listener stops by itself.
func (s *Server) Failed() <-chan error { return s.failed }

// Shutdown ends hanging answers, lets the others finish until ctx ends, and closes every listener.
func (s *Server) Shutdown(ctx context.Context) error {
	s.hangs()
	closeAll(s.relays)
	var errs []error
	for _, srv := range s.servers {
		if err := srv.Shutdown(ctx); err != nil {
			errs = append(errs, err, srv.Close())
		}
	}
	s.done.Wait()
	return errors.Join(errs...)
}
