// SPDX-License-Identifier: Apache-2.0

package images

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

const sampleTemplate = `# Configuration checksum

pid {{ .PID }};

http {
    server { }
}

stream {
    lua_shared_dict x 5M;
    server {
        listen 127.0.0.1:{{ .StreamPort }};
    }
}

{{ define "AFTER" }}{{ end }}
`

func TestTheTemplateLosesItsStreamsAndGainsDebiansModules(t *testing.T) {
	root := rootFS(t.TempDir())
	const path = "/etc/nginx/template/nginx.tmpl"
	if err := root.write(path, []byte(sampleTemplate), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := adaptTemplate(root, []byte("stream { stood in }\n")); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(root.path(path))
	if err != nil {
		t.Fatal(err)
	}
	adapted := string(data)
	for _, want := range []string{"include /etc/nginx/modules-enabled/*.conf;\n\npid", "stream { stood in }", `define "AFTER"`, "server { }"} {
		if !strings.Contains(adapted, want) {
			t.Errorf("the template lacks %q:\n%s", want, adapted)
		}
	}
	if strings.Contains(adapted, "lua_shared_dict x") {
		t.Errorf("the template still has the stream block:\n%s", adapted)
	}
}

func TestATemplateThatHasChangedIsAnError(t *testing.T) {
	for name, template := range map[string]string{
		"no stream": strings.Replace(sampleTemplate, "\nstream {", "\nflow {", 1),
		"no end":    "\npid {{ .PID }};\n\nstream {\n",
		"no pid":    strings.Replace(sampleTemplate, "pid ", "daemon off; pid ", 1),
	} {
		root := rootFS(t.TempDir())
		if err := root.write("/etc/nginx/template/nginx.tmpl", []byte(template), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := adaptTemplate(root, []byte("stream {}\n")); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestEditFailsWhenThereIsNothingToEdit(t *testing.T) {
	root := rootFS(t.TempDir())
	if err := root.write("/etc/f", []byte("a = false"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := edit(root, "/etc/f", "b = false", "b = true"); err == nil || !strings.Contains(err.Error(), "/etc/f") {
		t.Errorf("error is %v", err)
	}
	if err := edit(root, "/etc/f", "false", "true"); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(root.path("/etc/f"))
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the mode is %v, %v", info.Mode(), err)
	}
}

func TestKubernetesSaysWhichVersionItIs(t *testing.T) {
	flags := strings.Join(kubernetesVersion("v1.34.3"), " ")
	for _, want := range []string{"k8s.io/component-base/version.gitVersion=v1.34.3", ".gitMajor=1", ".gitMinor=34"} {
		if !strings.Contains(flags, want) {
			t.Errorf("%s lacks %s", flags, want)
		}
	}
}

func TestCommandErrors(t *testing.T) {
	err := command{args: []string{"no-such-program-here"}}.run(t.Context(), io.Discard)
	if err == nil || err.Error() != "no-such-program-here is not installed" {
		t.Errorf("a program that is not there gives %v", err)
	}
	err = command{args: []string{"sh", "-c", "seq 1 100; exit 2"}}.run(t.Context(), io.Discard)
	var failed *commandError
	if !errors.As(err, &failed) || len(failed.tail) != tailLines || failed.tail[tailLines-1] != "100" {
		t.Errorf("a program that fails gives %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stop := command{args: []string{"sh", "-c", "echo up; sleep 1000 & wait"}, onLine: func(string) { cancel() }}
	if err := stop.run(ctx, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("an interrupted program gives %v", err)
	}
}

func TestTogetherReturnsTheFailureAndStopsTheRest(t *testing.T) {
	failure := errors.New("failure")
	err := together(t.Context(),
		func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		func(context.Context) error { return failure },
	)
	if !errors.Is(err, failure) {
		t.Errorf("error is %v", err)
	}
}

func TestCommittedModulesAreTheOnesTheRecipesBuild(t *testing.T) {
	s, err := NewStore(Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	source, err := s.recipes[RecipeNode].(*nodeRecipe).source()
	if err != nil {
		t.Fatal(err)
	}
	for part, version := range map[string]string{"Kubernetes": source.kubernetes, "etcd": source.etcd, "CoreDNS": source.coredns, "kind": source.kind} {
		if !strings.HasPrefix(version, "v") {
			t.Errorf("%s has the version %q", part, version)
		}
	}
}
