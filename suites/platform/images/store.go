// SPDX-License-Identifier: Apache-2.0

package images

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Built is an image that is there.
type Built struct {
	// Ref is the reference the archive carries: Image.Reference with the start of Key.
	Ref string `json:"ref"`
	// Archive is the path of a file that `docker load` and `ctr images import` read.
	Archive string `json:"-"`
	// Origin says where the image is from, for the report.
	Origin string `json:"origin"`
	// Versions are those of its parts.
	Versions map[string]string `json:"versions,omitempty"`
	// StandsIn says what it has in place of the original; empty for a published image.
	StandsIn []string `json:"standsIn,omitempty"`
	// Key is the hash of everything the image was made from.
	Key string `json:"key"`
	// Created is when it was made here.
	Created time.Time `json:"created"`
	// Reason says, after Ensure, why it is this one and not one obtained the other way.
	Reason string `json:"-"`
}

// Options configure a Store. Every field has a default.
type Options struct {
	// Dir holds archives, logs and downloaded packages; $XDG_CACHE_HOME/ingress-auth-conformance/images by default.
	Dir string
	// Root is a checkout of this repository, which recipes build from; by default the one the working directory is in.
	Root string
	// Fixtures is what this program carries of the folder fixtures: a checkout with others is refused, because what is built
	// there would not fit what this program deploys. Nil compares nothing.
	Fixtures fs.FS
	// Mirrors says which host to ask in place of a registry: "docker.io" => "127.0.0.1:5000".
	Mirrors map[string]string
	// AskTimeout is how long a registry may take to say whether it has an image; 5 s by default.
	AskTimeout time.Duration
	// Now tells the time; time.Now by default.
	Now func() time.Time
}

// Store keeps images by the key of their inputs and makes those that are not there. Several programs may use the same
// folder at the same time.
type Store struct {
	dir     string
	root    func() (string, error)
	now     func() time.Time
	recipes map[string]recipe
	hosts   *hosts
}

// kept is how many archives of an image stay: those of the two ways, and the one before.
const kept = 3

// NewStore opens the store. It does not touch the disk.
func NewStore(o Options) (*Store, error) {
	if o.Dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("finding a folder for images: %w; set XDG_CACHE_HOME", err)
		}
		o.Dir = filepath.Join(cache, "ingress-auth-conformance", "images")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.AskTimeout = cmp.Or(o.AskTimeout, 5*time.Second)
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	s := &Store{dir: dir, now: o.Now, hosts: newHosts(o.Mirrors, o.AskTimeout)}
	s.root = sync.OnceValues(func() (string, error) {
		root, err := findRoot(o.Root)
		if err != nil || o.Fixtures == nil {
			return root, err
		}
		return root, requireSame(o.Fixtures, root)
	})
	tools := &tools{root: s.root, cache: dir, compiling: newGate()}
	s.recipes = map[string]recipe{
		RecipeNode:         &nodeRecipe{tools: tools},
		RecipeIngressNginx: &ingressNginxRecipe{tools: tools},
		RecipeCommand:      &commandRecipe{tools: tools},
		RecipeDebian:       &debianRecipe{tools: tools},
	}
	return s, nil
}

// Dir is the folder the store keeps everything in.
func (s *Store) Dir() string { return s.dir }

// LogPath is where the recipe of an image writes what its programs say.
func (s *Store) LogPath(image string) string { return filepath.Join(s.dir, image, "build.log") }

// State is an image as it is on disk.
type State struct {
	Image Image
	// Present says whether Ensure with the given mode would have nothing to do.
	Present bool
	// Built is the image that is there.
	Built Built
	// Size is that of the archive, in bytes.
	Size int64
	// Err says why the key could not be computed, for example because the source does not compile.
	Err error
}

// List tells which images are there. It asks no registry and builds nothing.
func (s *Store) List(ctx context.Context, m Manifest, mode Mode) []State {
	states := make([]State, len(m.Images))
	for i, image := range m.Images {
		states[i] = State{Image: image}
		built, found, err := s.present(ctx, image, mode)
		states[i].Built, states[i].Present, states[i].Err = built, found, err
		if info, err := os.Stat(built.Archive); found && err == nil {
			states[i].Size = info.Size()
		}
	}
	return states
}

// EnsureAll ensures every image of the manifest, side by side where they do not compete for the processors. The first
// failure stops the rest. The result is in the order of the manifest.
func (s *Store) EnsureAll(ctx context.Context, m Manifest, mode Mode, p Progress) ([]Built, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	built := make([]Built, len(m.Images))
	errs := make([]error, len(m.Images))
	var all sync.WaitGroup
	for i, image := range m.Images {
		all.Go(func() {
			built[i], errs[i] = s.Ensure(ctx, image, mode, p)
			if errs[i] != nil {
				cancel(stoppedByOther(image.Name))
			}
		})
	}
	all.Wait()
	if err := firstCause(errs); err != nil {
		return nil, err
	}
	return built, nil
}

// stoppedByOther is the reason an image was given up: another one failed.
type stoppedByOther string

func (s stoppedByOther) Error() string { return "stopped, as image " + string(s) + " failed" }

// firstCause prefers the failure to its consequences.
func firstCause(errs []error) error {
	var consequence error
	for _, err := range errs {
		if err == nil {
			continue
		}
		var stopped stoppedByOther
		if !errors.As(err, &stopped) {
			return err
		}
		consequence = err
	}
	return consequence
}

// Ensure returns the image, having pulled or built it if it was not there. A failure leaves nothing behind but the log.
func (s *Store) Ensure(ctx context.Context, image Image, mode Mode, p Progress) (Built, error) {
	steps := newSteps(image.Name, p, s.now)
	if mode == ModeRegistry && !image.Published() {
		mode = ModeSource
	}
	built, found, err := s.present(ctx, image, mode)
	if found {
		steps.say("present", built.Origin)
		return built, nil
	}
	if err != nil {
		return Built{}, &BuildError{Image: image.Name, Err: err}
	}
	folder := filepath.Join(s.dir, image.Name)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return Built{}, &BuildError{Image: image.Name, Err: err}
	}
	unlock, err := lockFile(ctx, filepath.Join(folder, "lock"), func() { steps.say("wait", "another run is making this image") })
	if err != nil {
		return Built{}, &BuildError{Image: image.Name, Err: err}
	}
	defer unlock()
	if built, found, _ := s.present(ctx, image, mode); found {
		steps.say("present", built.Origin)
		return built, nil
	}
	return s.obtain(ctx, image, mode, steps)
}

// present finds an archive Ensure could return as it is: the published one before the one from source. The error says
// why a source key could not be computed, where one was needed.
func (s *Store) present(ctx context.Context, image Image, mode Mode) (Built, bool, error) {
	if mode != ModeSource && image.Published() {
		if built, err := s.read(image, registryKey(image)); err == nil {
			built.Reason = "it is there already"
			return built, true, nil
		}
		if mode == ModeRegistry {
			return Built{}, false, nil
		}
	}
	key, err := s.sourceKey(ctx, image)
	if err != nil {
		// In auto mode the registry may still have it.
		if mode == ModeAuto && image.Published() {
			return Built{}, false, nil
		}
		return Built{}, false, err
	}
	built, err := s.read(image, key)
	built.Reason = "it is there already"
	return built, err == nil, nil
}

func (s *Store) sourceKey(ctx context.Context, image Image) (string, error) {
	r, ok := s.recipes[image.Recipe]
	if !ok {
		return "", fmt.Errorf("unknown recipe %q", image.Recipe)
	}
	k := newKeyer("source")
	k.add("recipe", fmt.Sprint(recipeVersion))
	if err := k.image(image); err != nil {
		return "", err
	}
	if err := r.inputs(ctx, image, k); err != nil {
		return "", fmt.Errorf("reading what it is built from: %w", err)
	}
	return k.key(), nil
}

// obtain pulls or builds an image that is not there, holding its lock.
func (s *Store) obtain(ctx context.Context, image Image, mode Mode, steps *steps) (Built, error) {
	reason := "as asked"
	if !image.Published() {
		reason = "no registry has it"
	}
	if mode != ModeSource && image.Published() {
		built, err := s.make(ctx, image, registryKey(image), steps, s.pull)
		if err == nil || ctx.Err() != nil {
			built.Reason = "the registry has it"
			return built, err
		}
		if mode == ModeRegistry {
			return Built{}, adviseSource(err)
		}
		reason = "not from the registry: " + rootCause(err).Error()
		steps.say("build from source", reason)
	}
	key, err := s.sourceKey(ctx, image)
	if err != nil {
		return Built{}, &BuildError{Image: image.Name, Err: err}
	}
	built, err := s.make(ctx, image, key, steps, s.recipes[image.Recipe].build)
	built.Reason = reason
	return built, err
}

// adviseSource says what else there is to do about a registry that does not give an image.
func adviseSource(err error) error {
	var build *BuildError
	if errors.As(err, &build) {
		build.Err = fmt.Errorf("%w; with IMAGES=source it is built here, and REGISTRY_MIRROR names another registry to ask", build.Err)
	}
	return err
}

// rootCause leaves out which image and which step, where the line already says so.
func rootCause(err error) error {
	var build *BuildError
	if errors.As(err, &build) {
		err = build.Err
	}
	var step *stepError
	if errors.As(err, &step) {
		err = step.err
	}
	return err
}

// make runs a way to an image in a folder of its own, which becomes the image if the way succeeds and goes if not.
func (s *Store) make(ctx context.Context, image Image, key string, steps *steps, way func(context.Context, *job) error) (_ Built, err error) {
	folder := filepath.Join(s.dir, image.Name)
	s.sweep(folder)
	temp, err := os.MkdirTemp(folder, "making-")
	if err != nil {
		return Built{}, &BuildError{Image: image.Name, Err: err}
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	log, err := os.Create(s.LogPath(image.Name))
	if err != nil {
		return Built{}, &BuildError{Image: image.Name, Err: err}
	}
	defer log.Close()

	j := &job{image: image, steps: steps, log: &lockedWriter{w: log}, work: filepath.Join(temp, "work"), out: filepath.Join(temp, "image")}
	j.built = Built{Ref: image.Reference + "-" + key[:12], Key: key, Created: s.now().UTC(), Versions: map[string]string{}}
	for part, version := range image.Versions {
		j.built.Versions[part] = version
	}
	if err := errors.Join(os.Mkdir(j.work, 0o755), os.Mkdir(j.out, 0o755)); err != nil {
		return Built{}, &BuildError{Image: image.Name, Err: err}
	}
	if err := way(ctx, j); err != nil {
		fmt.Fprintln(log, err)
		return Built{}, newBuildError(image.Name, err, s.LogPath(image.Name))
	}
	return s.keep(j, filepath.Join(folder, key))
}

// keep moves a finished image to its place in one step.
func (s *Store) keep(j *job, place string) (Built, error) {
	record, err := json.MarshalIndent(j.built, "", "  ")
	if err != nil {
		return Built{}, err
	}
	if err := os.WriteFile(filepath.Join(j.out, "record.json"), append(record, '\n'), 0o644); err != nil {
		return Built{}, err
	}
	if err := os.RemoveAll(place); err != nil {
		return Built{}, err
	}
	if err := os.Rename(j.out, place); err != nil {
		return Built{}, fmt.Errorf("keeping image %s: %w", j.image.Name, err)
	}
	s.prune(filepath.Dir(place))
	j.built.Archive = filepath.Join(place, "image.tar")
	j.steps.say("ready", j.built.Origin)
	return j.built, nil
}

// read returns the image of that key if it is there whole.
func (s *Store) read(image Image, key string) (Built, error) {
	place := filepath.Join(s.dir, image.Name, key)
	data, err := os.ReadFile(filepath.Join(place, "record.json"))
	if err != nil {
		return Built{}, err
	}
	var built Built
	if err := json.Unmarshal(data, &built); err != nil {
		return Built{}, err
	}
	built.Archive = filepath.Join(place, "image.tar")
	if _, err := os.Stat(built.Archive); err != nil {
		return Built{}, err
	}
	return built, nil
}

// sweep removes what a run that was killed has left. The lock is held, so that nobody is at work there.
func (s *Store) sweep(folder string) {
	left, _ := filepath.Glob(filepath.Join(folder, "making-*"))
	for _, dir := range left {
		os.RemoveAll(dir)
	}
}

// prune removes the oldest archives of an image beyond those that are kept.
func (s *Store) prune(folder string) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return
	}
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return !e.IsDir() || len(e.Name()) != 64 })
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return modified(b).Compare(modified(a)) })
	for _, old := range entries[min(kept, len(entries)):] {
		os.RemoveAll(filepath.Join(folder, old.Name()))
	}
}

func modified(e fs.DirEntry) time.Time {
	info, err := e.Info()
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
