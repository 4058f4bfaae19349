// SPDX-License-Identifier: Apache-2.0

package images

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// fakeRecipe builds an image of one file whose content is its input.
type fakeRecipe struct {
	input  string
	builds atomic.Int32
	fail   func(context.Context, *job) error
}

func (r *fakeRecipe) inputs(_ context.Context, _ Image, k *keyer) error {
	if r.input == "broken" {
		return errors.New("does not compile")
	}
	k.add("input", r.input)
	return nil
}

func (r *fakeRecipe) build(ctx context.Context, j *job) error {
	r.builds.Add(1)
	if r.fail != nil {
		return r.fail(ctx, j)
	}
	j.built.Origin = "source: " + r.input
	return j.steps.run(ctx, "assemble", func(ctx context.Context, _ *detail) error {
		tree := rootFS(filepath.Join(j.work, "root"))
		if err := tree.write("/input", []byte(r.input), 0o644); err != nil {
			return err
		}
		layer, err := newLayer(ctx, string(tree), filepath.Join(j.work, "layer.tar"), layerOptions{ownedByRoot: true})
		if err != nil {
			return err
		}
		image, err := assemble(v1.Config{}, layer)
		if err != nil {
			return err
		}
		return writeArchive(j.archive(), map[string]v1.Image{j.built.Ref: image})
	})
}

func testImage(name string) Image {
	return Image{Name: name, Reference: "images.example.test/" + name + ":v1", Registry: NoRegistry, Recipe: RecipeCommand, Command: "./cmd"}
}

func testStore(t *testing.T, dir string, r recipe) *Store {
	t.Helper()
	s, err := NewStore(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	s.recipes = map[string]recipe{RecipeCommand: r}
	return s
}

// leftovers lists what is in an image's folder besides finished images, the lock and the log.
func leftovers(t *testing.T, s *Store, image string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(s.Dir(), image))
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		if e.Name() != "lock" && e.Name() != "build.log" && len(e.Name()) != 64 {
			left = append(left, e.Name())
		}
	}
	return left
}

func TestSameInputsAreBuiltOnce(t *testing.T) {
	r := &fakeRecipe{input: "one"}
	s := testStore(t, t.TempDir(), r)
	first, err := s.Ensure(t.Context(), testImage("tool"), ModeAuto, nil)
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.Ensure(t.Context(), testImage("tool"), ModeSource, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.builds.Load() != 1 {
		t.Errorf("built %d times, want once", r.builds.Load())
	}
	if first.Ref != second.Ref || first.Archive != second.Archive || second.Origin != "source: one" {
		t.Errorf("the second answer %+v is not the first %+v", second, first)
	}
	if left := leftovers(t, s, "tool"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestTheArchiveCarriesTheReference(t *testing.T) {
	s := testStore(t, t.TempDir(), &fakeRecipe{input: "one"})
	built, err := s.Ensure(t.Context(), testImage("tool"), ModeAuto, nil)
	if err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag(built.Ref)
	if err != nil {
		t.Fatal(err)
	}
	image, err := tarball.ImageFromPath(built.Archive, &tag)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := image.ConfigFile(); err != nil {
		t.Error(err)
	}
	if !strings.HasSuffix(built.Ref, built.Key[:12]) {
		t.Errorf("%s does not end in the start of the key %s", built.Ref, built.Key)
	}
}

func TestChangedInputsGiveAnotherReference(t *testing.T) {
	r := &fakeRecipe{input: "one"}
	s := testStore(t, t.TempDir(), r)
	first, err := s.Ensure(t.Context(), testImage("tool"), ModeAuto, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.input = "two"
	second, err := s.Ensure(t.Context(), testImage("tool"), ModeAuto, nil)
	if err != nil {
		t.Fatal(err)
	}
	if first.Ref == second.Ref || r.builds.Load() != 2 {
		t.Errorf("after a change the reference is still %s, built %d times", second.Ref, r.builds.Load())
	}
}

func TestRunsSideBySideBuildOnce(t *testing.T) {
	r := &fakeRecipe{input: "one"}
	dir := t.TempDir()
	var all sync.WaitGroup
	for range 4 {
		s := testStore(t, dir, r)
		all.Go(func() {
			if _, err := s.Ensure(t.Context(), testImage("tool"), ModeAuto, nil); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if r.builds.Load() != 1 {
		t.Errorf("built %d times, want once", r.builds.Load())
	}
}

func TestAFailedRecipeLeavesNothingAndSaysWhere(t *testing.T) {
	r := &fakeRecipe{input: "one", fail: func(ctx context.Context, j *job) error {
		return j.steps.run(ctx, "compile tool", func(ctx context.Context, _ *detail) error {
			if err := os.WriteFile(j.archive(), []byte("half"), 0o644); err != nil {
				return err
			}
			c := command{args: []string{"sh", "-c", "echo first; echo syntax error in line 7 >&2; exit 3"}}
			return c.run(ctx, j.log)
		})
	}}
	s := testStore(t, t.TempDir(), r)
	_, err := s.Ensure(t.Context(), testImage("tool"), ModeAuto, nil)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"image tool", `step "compile tool"`, "sh failed (exit status 3)", "syntax error in line 7", s.LogPath("tool")} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
	if left := leftovers(t, s, "tool"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if states := s.List(t.Context(), Manifest{Images: []Image{testImage("tool")}}, ModeAuto); states[0].Present {
		t.Error("half an image counts as present")
	}
	log, err := os.ReadFile(s.LogPath("tool"))
	if err != nil || !strings.Contains(string(log), "first") {
		t.Errorf("the log has %q, %v", log, err)
	}
}

func TestAnInterruptedRecipeLeavesNothing(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	r := &fakeRecipe{input: "one", fail: func(ctx context.Context, j *job) error {
		cancel(errors.New("interrupt signal received"))
		c := command{args: []string{"sh", "-c", "sleep 1000 & wait"}}
		return c.run(ctx, j.log)
	}}
	s := testStore(t, t.TempDir(), r)
	if _, err := s.Ensure(ctx, testImage("tool"), ModeAuto, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want it to be the interruption", err)
	}
	if left := leftovers(t, s, "tool"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestWhatAKilledRunLeftIsSwept(t *testing.T) {
	s := testStore(t, t.TempDir(), &fakeRecipe{input: "one"})
	stale := filepath.Join(s.Dir(), "tool", "making-123", "work")
	if err := os.MkdirAll(stale, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Ensure(t.Context(), testImage("tool"), ModeAuto, nil); err != nil {
		t.Fatal(err)
	}
	if left := leftovers(t, s, "tool"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestOnlyTheLastArchivesAreKept(t *testing.T) {
	r := &fakeRecipe{}
	s := testStore(t, t.TempDir(), r)
	for i := range kept + 2 {
		r.input = fmt.Sprint(i)
		if _, err := s.Ensure(t.Context(), testImage("tool"), ModeAuto, nil); err != nil {
			t.Fatal(err)
		}
	}
	archives, err := filepath.Glob(filepath.Join(s.Dir(), "tool", "*", "image.tar"))
	if err != nil || len(archives) != kept {
		t.Errorf("%d archives are kept, want %d (%v)", len(archives), kept, err)
	}
}

func TestListTellsWhatIsThere(t *testing.T) {
	r := &fakeRecipe{input: "one"}
	s := testStore(t, t.TempDir(), r)
	m := Manifest{Images: []Image{testImage("tool"), testImage("other")}}
	built, err := s.Ensure(t.Context(), m.Images[0], ModeAuto, nil)
	if err != nil {
		t.Fatal(err)
	}
	states := s.List(t.Context(), m, ModeAuto)
	if !states[0].Present || states[0].Built.Ref != built.Ref || states[0].Size == 0 || states[1].Present {
		t.Errorf("states are %+v", states)
	}
	r.input = "broken"
	if states := s.List(t.Context(), m, ModeAuto); states[0].Err == nil || states[0].Present {
		t.Errorf("a source that does not compile gives %+v", states[0])
	}
}

func TestEnsureAllNamesTheFailureNotItsConsequences(t *testing.T) {
	r := &fakeRecipe{input: "one"}
	r.fail = func(ctx context.Context, j *job) error {
		if j.image.Name == "bad" {
			return errors.New("no flour")
		}
		<-ctx.Done()
		return context.Cause(ctx)
	}
	s := testStore(t, t.TempDir(), r)
	m := Manifest{Images: []Image{testImage("slow"), testImage("bad")}}
	_, err := s.EnsureAll(t.Context(), m, ModeAuto, nil)
	if err == nil || !strings.Contains(err.Error(), "image bad: no flour") {
		t.Errorf("error is %v", err)
	}
}

func TestEnsureAllKeepsTheOrderOfTheManifest(t *testing.T) {
	s := testStore(t, t.TempDir(), &fakeRecipe{input: "one"})
	m := Manifest{Images: []Image{testImage("b"), testImage("a")}}
	var mu sync.Mutex
	seen := map[string]bool{}
	built, err := s.EnsureAll(t.Context(), m, ModeAuto, ProgressFunc(func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		seen[e.Image+": "+e.Step] = true
	}))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(built[0].Ref, "/b:") || !strings.Contains(built[1].Ref, "/a:") {
		t.Errorf("order is %s, %s", built[0].Ref, built[1].Ref)
	}
	if !seen["a: assemble"] || !seen["b: ready"] {
		t.Errorf("progress was %v", seen)
	}
}
