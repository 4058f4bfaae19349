// SPDX-License-Identifier: Apache-2.0

package images

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// loopbackRegistry serves a registry with one image, and counts what it is asked.
func loopbackRegistry(t *testing.T) (host string, image v1.Image, requests *atomic.Int32) {
	t.Helper()
	requests = &atomic.Int32{}
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	host = strings.TrimPrefix(server.URL, "http://")
	image, err := random.Image(4096, 2)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.NewTag(host + "/library/tool:v1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, image); err != nil {
		t.Fatal(err)
	}
	requests.Store(0)
	return host, image, requests
}

func publishedImage(t *testing.T, digest v1.Hash) Image {
	t.Helper()
	image := testImage("tool")
	image.Registry = "docker.io/library/tool:v1@" + digest.String()
	image.Versions = map[string]string{"tool": "v1"}
	return image
}

func digestOf(t *testing.T, image v1.Image) v1.Hash {
	t.Helper()
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

func mirroredStore(t *testing.T, dir, mirror string, r recipe) *Store {
	t.Helper()
	s, err := NewStore(Options{Dir: dir, Mirrors: map[string]string{"docker.io": mirror}, AskTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	s.recipes = map[string]recipe{RecipeCommand: r}
	return s
}

func TestRegistryModePullsByDigest(t *testing.T) {
	host, published, requests := loopbackRegistry(t)
	r := &fakeRecipe{input: "one"}
	image := publishedImage(t, digestOf(t, published))
	dir := t.TempDir()
	built, err := mirroredStore(t, dir, host, r).Ensure(t.Context(), image, ModeRegistry, nil)
	if err != nil {
		t.Fatal(err)
	}
	if built.Origin != "registry: "+image.Registry || built.Versions["tool"] != "v1" || r.builds.Load() != 0 {
		t.Errorf("built %+v, recipes run: %d", built, r.builds.Load())
	}
	tag, err := name.NewTag(built.Ref)
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := tarball.ImageFromPath(built.Archive, &tag)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := published.ConfigName()
	if got, err := loaded.ConfigName(); err != nil || got != want {
		t.Errorf("the archive holds %v, want %v (%v)", got, want, err)
	}

	requests.Store(0)
	for _, mode := range []Mode{ModeRegistry, ModeAuto} {
		if again, err := mirroredStore(t, dir, host, r).Ensure(t.Context(), image, mode, nil); err != nil || again.Ref != built.Ref {
			t.Errorf("%s: %+v, %v", mode, again, err)
		}
	}
	if requests.Load() != 0 {
		t.Errorf("an image that is there makes %d requests to the registry", requests.Load())
	}
}

func TestAutoTakesTheRegistryFirstAndSaysSo(t *testing.T) {
	host, published, _ := loopbackRegistry(t)
	r := &fakeRecipe{input: "one"}
	built, err := mirroredStore(t, t.TempDir(), host, r).Ensure(t.Context(), publishedImage(t, digestOf(t, published)), ModeAuto, nil)
	if err != nil {
		t.Fatal(err)
	}
	if built.Reason != "the registry has it" || r.builds.Load() != 0 {
		t.Errorf("reason %q, recipes run: %d", built.Reason, r.builds.Load())
	}
}

func TestAutoBuildsWhatTheRegistryDoesNotHave(t *testing.T) {
	host, _, _ := loopbackRegistry(t)
	image := publishedImage(t, v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("0", 64)})
	built, err := mirroredStore(t, t.TempDir(), host, &fakeRecipe{input: "one"}).Ensure(t.Context(), image, ModeAuto, nil)
	if err != nil {
		t.Fatal(err)
	}
	if built.Origin != "source: one" || !strings.Contains(built.Reason, "does not give it") {
		t.Errorf("origin %q, reason %q", built.Origin, built.Reason)
	}
}

func TestRegistryModeDoesNotBuild(t *testing.T) {
	host, _, _ := loopbackRegistry(t)
	r := &fakeRecipe{input: "one"}
	s := mirroredStore(t, t.TempDir(), host, r)
	_, err := s.Ensure(t.Context(), publishedImage(t, v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("0", 64)}), ModeRegistry, nil)
	if err == nil || !strings.Contains(err.Error(), "image tool") || !strings.Contains(err.Error(), "IMAGES=source") || r.builds.Load() != 0 {
		t.Errorf("error %v, recipes run: %d", err, r.builds.Load())
	}
	if left := leftovers(t, s, "tool"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestSourceModeDoesNotAskTheRegistry(t *testing.T) {
	host, published, requests := loopbackRegistry(t)
	s := mirroredStore(t, t.TempDir(), host, &fakeRecipe{input: "one"})
	built, err := s.Ensure(t.Context(), publishedImage(t, digestOf(t, published)), ModeSource, nil)
	if err != nil || built.Origin != "source: one" || requests.Load() != 0 {
		t.Errorf("%+v, %v, %d requests", built, err, requests.Load())
	}
}

func TestARegistryThatDoesNotAnswerIsAskedOnce(t *testing.T) {
	var connections atomic.Int32
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			c.Close()
		}
	}()
	t.Cleanup(func() { listener.Close() })
	s := mirroredStore(t, t.TempDir(), listener.Addr().String(), &fakeRecipe{input: "one"})
	first := publishedImage(t, v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("0", 64)})
	if _, err := s.Ensure(t.Context(), first, ModeAuto, nil); err != nil {
		t.Fatal(err)
	}
	asked := connections.Load()
	second := first
	second.Name = "other"
	built, err := s.Ensure(t.Context(), second, ModeAuto, nil)
	if err != nil {
		t.Fatal(err)
	}
	if asked == 0 || connections.Load() != asked {
		t.Errorf("%d connections for the first image, %d in all", asked, connections.Load())
	}
	if !strings.Contains(built.Reason, "cannot be reached") {
		t.Errorf("reason %q", built.Reason)
	}
}

func TestContentThatIsNotTheDigestIsRefused(t *testing.T) {
	host, published, _ := loopbackRegistry(t)
	layers, err := published.Layers()
	if err != nil {
		t.Fatal(err)
	}
	blob, err := layers[0].Digest()
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, blob.String()) {
			size, _ := layers[0].Size()
			io.WriteString(w, strings.Repeat("x", int(size)))
			return
		}
		response, err := http.DefaultTransport.RoundTrip(&http.Request{Method: r.Method, URL: &url.URL{Scheme: "http", Host: host, Path: r.URL.Path, RawQuery: r.URL.RawQuery}, Header: r.Header})
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer response.Body.Close()
		for key, values := range response.Header {
			w.Header()[key] = values
		}
		w.WriteHeader(response.StatusCode)
		io.Copy(w, response.Body)
	}))
	t.Cleanup(proxy.Close)
	s := mirroredStore(t, t.TempDir(), strings.TrimPrefix(proxy.URL, "http://"), &fakeRecipe{input: "one"})
	_, err = s.Ensure(t.Context(), publishedImage(t, digestOf(t, published)), ModeRegistry, nil)
	if err == nil || !strings.Contains(err.Error(), "sha256") {
		t.Errorf("error is %v, want one about the digest", err)
	}
	if left := leftovers(t, s, "tool"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestParseMirrors(t *testing.T) {
	mirrors, err := ParseMirrors(" docker.io=127.0.0.1:5000, registry.k8s.io=localhost:5001,")
	if err != nil {
		t.Fatal(err)
	}
	if mirrors["index.docker.io"] != "127.0.0.1:5000" || mirrors["registry.k8s.io"] != "localhost:5001" {
		t.Errorf("mirrors are %v", mirrors)
	}
	for _, bad := range []string{"docker.io", "=x", "docker.io=", "docker.io=http://x", "a b=c"} {
		if _, err := ParseMirrors(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func FuzzParseMirrors(f *testing.F) {
	f.Add("docker.io=127.0.0.1:5000,registry.k8s.io=localhost:5001")
	f.Add("=,=")
	f.Fuzz(func(t *testing.T, s string) {
		mirrors, err := ParseMirrors(s)
		if err != nil {
			return
		}
		for from, to := range mirrors {
			if from == "" || to == "" {
				t.Errorf("%q gives %v", s, mirrors)
			}
		}
	})
}
