// SPDX-License-Identifier: Apache-2.0

package images

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// ParseMirrors reads "docker.io=127.0.0.1:5000,registry.k8s.io=127.0.0.1:5000": which host to ask in place of which.
func ParseMirrors(s string) (map[string]string, error) {
	mirrors := map[string]string{}
	for pair := range strings.SplitSeq(s, ",") {
		pair = strings.TrimSpace(pair)
		if pair == "" {
			continue
		}
		host, mirror, found := strings.Cut(pair, "=")
		if !found || host == "" {
			return nil, fmt.Errorf("registry mirror %q: write it as registry=host:port", pair)
		}
		registry, err := name.NewRegistry(host)
		if err != nil {
			return nil, fmt.Errorf("registry mirror %q: %w", pair, err)
		}
		if _, err := name.NewRegistry(mirror, name.StrictValidation); err != nil {
			return nil, fmt.Errorf("registry mirror %q: %w", pair, err)
		}
		mirrors[registry.Name()] = mirror
	}
	return mirrors, nil
}

// hosts asks registries and remembers for the run which of them do not answer.
type hosts struct {
	mirrors map[string]string
	timeout time.Duration

	mu     sync.Mutex
	asking map[string]*host
}

type host struct {
	mu   sync.Mutex
	dead error
}

func newHosts(mirrors map[string]string, timeout time.Duration) *hosts {
	// A mirror for docker.io is one for index.docker.io, which is what references are resolved to.
	known := map[string]string{}
	for h, mirror := range mirrors {
		if registry, err := name.NewRegistry(h); err == nil {
			h = registry.Name()
		}
		known[h] = mirror
	}
	return &hosts{mirrors: known, timeout: timeout, asking: map[string]*host{}}
}

// errUnreachable marks a registry that gave no answer, as opposed to one that has not got the image.
var errUnreachable = errors.New("no answer")

// resolve finds the reference to ask for, by way of the mirror if there is one.
func (h *hosts) resolve(published string) (name.Digest, error) {
	ref, err := name.NewDigest(published)
	if err != nil {
		return name.Digest{}, err
	}
	mirror, ok := h.mirrors[ref.RegistryStr()]
	if !ok {
		return ref, nil
	}
	return name.NewDigest(mirror + "/" + ref.RepositoryStr() + "@" + ref.DigestStr())
}

// ask finds out whether the registry has the image. A registry that does not answer is asked once.
func (h *hosts) ask(ctx context.Context, ref name.Digest) error {
	registry := h.host(ref.RegistryStr())
	registry.mu.Lock()
	defer registry.mu.Unlock()
	if registry.dead != nil {
		return registry.dead
	}
	asked, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	_, err := remote.Head(ref, remote.WithContext(asked), remote.WithTransport(newTransport(h.timeout)), once())
	if err == nil {
		return nil
	}
	if asked.Err() == context.DeadlineExceeded && ctx.Err() == nil {
		err = fmt.Errorf("%w within %v", errUnreachable, h.timeout)
	}
	var network net.Error
	if errors.Is(err, errUnreachable) || errors.As(err, &network) {
		registry.dead = fmt.Errorf("registry %s cannot be reached: %w", ref.RegistryStr(), err)
		return registry.dead
	}
	return fmt.Errorf("registry %s does not give it: %w", ref.RegistryStr(), err)
}

func (h *hosts) host(name string) *host {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.asking[name] == nil {
		h.asking[name] = &host{}
	}
	return h.asking[name]
}

// once makes the library try once: what to do about a failure is decided here.
func once() remote.Option {
	return remote.WithRetryBackoff(remote.Backoff{Duration: time.Millisecond, Steps: 1})
}

func newTransport(timeout time.Duration) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = (&net.Dialer{Timeout: timeout}).DialContext
	t.TLSHandshakeTimeout = timeout
	t.ResponseHeaderTimeout = 30 * time.Second
	t.DisableKeepAlives = true
	return t
}

// pull is the way to an image by its registry.
func (s *Store) pull(ctx context.Context, j *job) error {
	ref, err := s.hosts.resolve(j.image.Registry)
	if err != nil {
		return err
	}
	if err := j.steps.run(ctx, "ask "+ref.RegistryStr(), func(ctx context.Context, _ *detail) error {
		return s.hosts.ask(ctx, ref)
	}); err != nil {
		return err
	}
	j.built.Origin = "registry: " + j.image.Registry
	return j.steps.run(ctx, "pull "+j.image.Registry, func(ctx context.Context, d *detail) error {
		platform := v1.Platform{OS: "linux", Architecture: runtime.GOARCH}
		image, err := remote.Image(ref, remote.WithContext(ctx), remote.WithPlatform(platform), remote.WithTransport(newTransport(s.hosts.timeout)))
		if err != nil {
			return err
		}
		return download(ctx, j.archive(), j.built.Ref, image, d)
	})
}

// download writes an image of a registry as an archive. The library checks every layer against its digest.
func download(ctx context.Context, path, ref string, image v1.Image, d *detail) error {
	tag, err := name.NewTag(ref)
	if err != nil {
		return err
	}
	updates := make(chan v1.Update, 16)
	finished := make(chan error, 1)
	go func() {
		finished <- tarball.WriteToFile(path, tag, image, tarball.WithProgress(updates))
		// The library leaves the channel open.
		close(updates)
	}()
	for update := range updates {
		if update.Error == nil && update.Total > 0 {
			d.set(fmt.Sprintf("%d of %d MB", update.Complete/1e6, update.Total/1e6))
		}
	}
	if err := <-finished; err != nil {
		if ctx.Err() != nil {
			return stopped(ctx)
		}
		return fmt.Errorf("downloading: %w", err)
	}
	return nil
}
