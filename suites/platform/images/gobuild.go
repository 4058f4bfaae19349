// SPDX-License-Identifier: Apache-2.0

package images

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// tools are what recipes share: the Go compiler, used by one recipe at a time as it uses all processors, and a
// folder of Debian packages.
type tools struct {
	root  func() (string, error)
	cache string

	compiling gate

	version  sync.Once
	goVer    string
	goVerErr error

	listing  sync.Mutex
	packages map[string]goPackage
}

// goBuild is one run of the compiler.
type goBuild struct {
	// title is what the packages are together, such as "Kubernetes v1.34.3".
	title    string
	dir      string
	packages []string
	// ldflags come in addition to those that leave out what debuggers need.
	ldflags []string
	// out is the folder the programs go to.
	out string
	// rename gives programs another name than the compiler does.
	rename map[string]string
}

// goEnv is the environment of the go command: static Linux programs, go.mod files as they are, temporary files in work.
func goEnv(work string) []string {
	return append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+runtime.GOARCH, "GOFLAGS=-mod=readonly",
		"GOWORK=off", "GOTMPDIR="+work)
}

// build compiles packages, after having fetched their sources while another recipe may still be compiling.
func (t *tools) build(ctx context.Context, j *job, b goBuild) error {
	total := 0
	err := j.steps.run(ctx, "fetch the source of "+b.title, func(ctx context.Context, d *detail) error {
		var out bytes.Buffer
		args := append([]string{"go", "list", "-deps"}, b.packages...)
		list := command{args: args, dir: b.dir, env: goEnv(j.work), stdout: &out, onLine: d.set}
		err := list.run(ctx, j.log)
		total = bytes.Count(out.Bytes(), []byte("\n"))
		return err
	})
	if err != nil {
		return err
	}
	if err := t.compiling.enter(ctx); err != nil {
		return err
	}
	defer t.compiling.leave()
	err = j.steps.run(ctx, "compile "+b.title, func(ctx context.Context, d *detail) error {
		compiled := 0
		flags := strings.Join(append([]string{"-s", "-w"}, b.ldflags...), " ")
		args := append([]string{"go", "build", "-v", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", b.out + "/"}, b.packages...)
		compile := command{args: args, dir: b.dir, env: goEnv(j.work), onLine: func(line string) {
			if strings.HasPrefix(line, "go: ") || strings.HasPrefix(line, "#") {
				return
			}
			compiled++
			d.set(fmt.Sprintf("%d of at most %d packages", compiled, total))
		}}
		return compile.run(ctx, j.log)
	})
	if err != nil {
		return err
	}
	for from, to := range b.rename {
		err = errors.Join(err, os.Rename(filepath.Join(b.out, from), filepath.Join(b.out, to)))
	}
	return err
}

// goVersion is the version of the compiler, which every key of something compiled depends on.
func (t *tools) goVersion(ctx context.Context) (string, error) {
	t.version.Do(func() {
		root, err := t.root()
		if err != nil {
			t.goVerErr = err
			return
		}
		out, err := output(ctx, root, "go", "env", "GOVERSION")
		t.goVer, t.goVerErr = strings.TrimSpace(string(out)), err
	})
	return t.goVer, t.goVerErr
}

// moduleDir is where the source of a module is, downloading it if need be.
func (t *tools) moduleDir(ctx context.Context, dir, module string) (string, error) {
	out, err := output(ctx, dir, "go", "mod", "download", "-json", module)
	if err != nil {
		return "", err
	}
	var found struct{ Dir string }
	if err := json.Unmarshal(out, &found); err != nil {
		return "", err
	}
	if found.Dir == "" {
		return "", fmt.Errorf("module %s has no source", module)
	}
	return found.Dir, nil
}

// output runs a short program and returns what it writes; what it complains about becomes the error.
func output(ctx context.Context, dir string, args ...string) ([]byte, error) {
	var out bytes.Buffer
	c := command{args: args, dir: dir, env: goEnv(os.TempDir()), stdout: &out}
	err := c.run(ctx, io.Discard)
	if errors.Is(err, exec.ErrNotFound) {
		err = fmt.Errorf("%s is not installed", args[0])
	}
	return out.Bytes(), err
}

// goPackage is what the key of a program needs to know about one of its packages.
type goPackage struct {
	ImportPath string
	Dir        string
	Standard   bool
	Imports    []string
	GoFiles    []string
	EmbedFiles []string
	OtherFiles []string `json:"SFiles"`
	Module     *goModule
	Error      *struct{ Err string }
}

type goModule struct {
	Path    string
	Version string
	Main    bool
	Replace *goModule
}

// sources adds to the key everything a program of this repository is compiled from: the files of our own packages, and
// the versions of the modules of all others, whose content go.sum fixes.
func (t *tools) sources(ctx context.Context, pkg string, k *keyer) error {
	packages, main, err := t.list(ctx, pkg)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	var paths []string
	var visit func(string)
	visit = func(path string) {
		p, known := packages[path]
		if seen[path] || !known || p.Standard {
			return
		}
		seen[path] = true
		paths = append(paths, path)
		for _, imported := range p.Imports {
			visit(imported)
		}
	}
	visit(main)
	slices.Sort(paths)
	for _, path := range paths {
		if err := packages[path].addTo(k); err != nil {
			return err
		}
	}
	return nil
}

func (p goPackage) addTo(k *keyer) error {
	if p.Module == nil || !p.Module.Main {
		version := "unknown"
		if m := p.Module; m != nil {
			version = m.Path + "@" + m.Version
		}
		k.add("package "+p.ImportPath, version)
		return nil
	}
	for _, files := range [][]string{p.GoFiles, p.EmbedFiles, p.OtherFiles} {
		for _, file := range files {
			if err := k.file("file "+p.ImportPath+"/"+file, filepath.Join(p.Dir, file)); err != nil {
				return err
			}
		}
	}
	return nil
}

// list asks the go command for a package and all it imports. Answers are kept: commands share most of their packages.
func (t *tools) list(ctx context.Context, pkg string) (map[string]goPackage, string, error) {
	t.listing.Lock()
	defer t.listing.Unlock()
	root, err := t.root()
	if err != nil {
		return nil, "", err
	}
	main := modulePath + strings.TrimPrefix(pkg, ".")
	if t.packages == nil {
		t.packages = map[string]goPackage{}
	}
	if _, known := t.packages[main]; known {
		return t.packages, main, nil
	}
	out, err := output(ctx, root, "go", "list", "-e", "-deps",
		"-json=ImportPath,Dir,Standard,Imports,GoFiles,EmbedFiles,SFiles,Module,Error", pkg)
	if err != nil {
		return nil, "", err
	}
	decoder := json.NewDecoder(bytes.NewReader(out))
	for decoder.More() {
		var p goPackage
		if err := decoder.Decode(&p); err != nil {
			return nil, "", fmt.Errorf("reading the answer of go list: %w", err)
		}
		if p.Error != nil && p.ImportPath == main {
			return nil, "", errors.New(p.Error.Err)
		}
		t.packages[p.ImportPath] = p
	}
	if p, known := t.packages[main]; !known || len(p.GoFiles) == 0 {
		return nil, "", fmt.Errorf("there is no command %s", pkg)
	}
	return t.packages, main, nil
}
