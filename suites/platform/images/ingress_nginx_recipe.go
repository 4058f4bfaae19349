// SPDX-License-Identifier: Apache-2.0

package images

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

const ingressNginxModule = "k8s.io/ingress-nginx"

// The user the controller runs as: the numbers of the published image, so that one manifest serves both.
const (
	wwwDataUID = 101
	wwwDataGID = 82
)

// ingressNginxRecipe builds the controller, and puts it beside Debian's nginx with the template and the Lua files of the
// same Go module.
type ingressNginxRecipe struct{ tools *tools }

func (r *ingressNginxRecipe) inputs(ctx context.Context, _ Image, k *keyer) error {
	root, err := r.tools.root()
	if err != nil {
		return err
	}
	version, err := r.tools.goVersion(ctx)
	if err != nil {
		return err
	}
	k.add("go", version)
	return k.folder("ingress-nginx", filepath.Join(root, "fixtures/images/ingress-nginx"))
}

func (r *ingressNginxRecipe) build(ctx context.Context, j *job) error {
	checkout, err := r.tools.root()
	if err != nil {
		return err
	}
	source := filepath.Join(checkout, "fixtures/images/ingress-nginx")
	version := j.image.Versions["controller"]
	bin := filepath.Join(j.work, "bin")
	root := rootFS(filepath.Join(j.work, "root"))
	err = together(ctx,
		func(ctx context.Context) error {
			return r.tools.build(ctx, j, goBuild{
				title: "the ingress-nginx controller " + version, dir: source, out: bin,
				packages: []string{ingressNginxModule + "/cmd/nginx", ingressNginxModule + "/cmd/dbg", ingressNginxModule + "/cmd/waitshutdown"},
				rename:   map[string]string{"nginx": "nginx-ingress-controller", "waitshutdown": "wait-shutdown"},
				ldflags: []string{"-X " + ingressNginxModule + "/version.RELEASE=" + version,
					"-X " + ingressNginxModule + "/version.REPO=https://github.com/kubernetes/ingress-nginx"},
			})
		},
		func(ctx context.Context) error { return r.tools.debootstrap(ctx, j, string(root)) },
	)
	if err != nil {
		return err
	}
	return j.steps.run(ctx, "assemble", func(ctx context.Context, _ *detail) error {
		module, err := r.tools.moduleDir(ctx, source, ingressNginxModule)
		if err != nil {
			return err
		}
		if err := layOutController(root, module, source, bin); err != nil {
			return err
		}
		r.describe(j, root)
		return assembleController(ctx, j, root)
	})
}

func (r *ingressNginxRecipe) describe(j *job, root rootFS) {
	if version, err := installedVersion(string(root), "nginx"); err == nil {
		j.version("nginx", version)
	}
	j.version("debian", debianRelease(string(root)))
	j.built.StandsIn = j.image.StandsIn
	j.built.Origin = fmt.Sprintf("source: controller %s from the Go module, nginx %s from Debian %s, load-balancer Lua stood in",
		j.built.Versions["controller"], j.built.Versions["nginx"], j.built.Versions["debian"])
}

// layOutController does what the controller's Dockerfile does, to Debian instead of Alpine.
func layOutController(root rootFS, module, source, bin string) error {
	for _, program := range []string{"nginx-ingress-controller", "dbg", "wait-shutdown"} {
		if err := root.copyFile("/"+program, filepath.Join(bin, program), 0o755); err != nil {
			return err
		}
	}
	if err := root.copyTree("/etc", filepath.Join(module, "rootfs/etc"), nil); err != nil {
		return err
	}
	if err := root.empty("/etc/nginx/lua/test", "/etc/nginx/lua/plugins/*/test", "/var/log/nginx/*"); err != nil {
		return err
	}
	if err := root.copyTree("/", filepath.Join(source, "files"), nil); err != nil {
		return err
	}
	stream, err := os.ReadFile(filepath.Join(source, "stream.tmpl"))
	if err != nil {
		return err
	}
	if err := adaptTemplate(root, stream); err != nil {
		return err
	}
	if err := linkController(root); err != nil {
		return err
	}
	if err := slim(string(root)); err != nil {
		return err
	}
	return ownController(root)
}

// loadedByTemplate are the modules the template loads itself when the configuration asks for them: loading them twice is an
// error.
var loadedByTemplate = regexp.MustCompile(`mod-http-(geoip2|brotli-filter|brotli-static)\.conf$`)

// linkController puts Debian's nginx where the controller and its template look for it.
func linkController(root rootFS) error {
	enabled, err := filepath.Glob(root.path("/etc/nginx/modules-enabled/*.conf"))
	if err != nil {
		return err
	}
	for _, file := range enabled {
		if loadedByTemplate.MatchString(file) {
			if err := os.Remove(file); err != nil {
				return err
			}
		}
	}
	for path, target := range map[string]string{
		"/usr/bin/nginx":            "/usr/sbin/nginx",
		"/etc/nginx/modules":        "/usr/lib/nginx/modules",
		"/var/log/nginx/access.log": "/dev/stdout",
		"/var/log/nginx/error.log":  "/dev/stderr",
	} {
		if err := root.link(path, target); err != nil {
			return err
		}
	}
	return nil
}

// ownController gives the controller's user the folders it writes to.
func ownController(root rootFS) error {
	if err := renumber(root); err != nil {
		return err
	}
	written := []string{"/etc/nginx", "/etc/ingress-controller/ssl", "/etc/ingress-controller/auth", "/etc/ingress-controller/geoip",
		"/etc/ingress-controller/telemetry", "/var/log/nginx", "/var/lib/nginx"}
	if err := root.mkdir(written...); err != nil {
		return err
	}
	return root.chown(wwwDataUID, wwwDataGID, append(written, "/etc/ingress-controller", "/var/log")...)
}

// renumber gives www-data the numbers it has in the published image.
func renumber(root rootFS) error {
	if err := edit(root, "/etc/passwd", "www-data:x:33:33:", fmt.Sprintf("www-data:x:%d:%d:", wwwDataUID, wwwDataGID)); err != nil {
		return err
	}
	return edit(root, "/etc/group", "www-data:x:33:", fmt.Sprintf("www-data:x:%d:", wwwDataGID))
}

// adaptTemplate changes the template in the two places where Debian's nginx is not the published image's: modules are
// loaded from Debian's list, and streams have no Lua.
func adaptTemplate(root rootFS, stream []byte) error {
	const path = "/etc/nginx/template/nginx.tmpl"
	data, err := os.ReadFile(root.path(path))
	if err != nil {
		return err
	}
	before, rest, found := bytes.Cut(data, []byte("\nstream {\n"))
	if !found {
		return errors.New("the template has no stream block any more")
	}
	_, after, found := bytes.Cut(rest, []byte("\n}\n"))
	if !found {
		return errors.New("the template's stream block has no end")
	}
	const firstDirective = "\npid {{ .PID }};\n"
	if !bytes.Contains(before, []byte(firstDirective)) {
		return errors.New("the template does not start with pid any more")
	}
	var out strings.Builder
	out.WriteString(strings.Replace(string(before), firstDirective, "\ninclude /etc/nginx/modules-enabled/*.conf;\n"+firstDirective, 1))
	out.WriteString("\n")
	out.Write(stream)
	out.Write(after)
	return root.write(path, []byte(out.String()), 0o644)
}

func assembleController(ctx context.Context, j *job, root rootFS) error {
	programs := []string{"/nginx-ingress-controller", "/usr/sbin/nginx", "/usr/bin/dumb-init"}
	base, err := newLayer(ctx, string(root), filepath.Join(j.work, "layer.tar"), layerOptions{bindsLowPorts: programs})
	if err != nil {
		return err
	}
	// /tmp/nginx is a layer of its own: what is below /tmp of a root file system is left out of images.
	scratch := filepath.Join(j.work, "scratch.tar")
	layer, err := newFolderLayer(scratch, "tmp/nginx", wwwDataUID, wwwDataGID)
	if err != nil {
		return err
	}
	image, err := assemble(v1.Config{
		User:       "www-data",
		WorkingDir: "/etc/nginx",
		Env:        []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		Entrypoint: []string{"/usr/bin/dumb-init", "--"},
		Cmd:        []string{"/nginx-ingress-controller"},
	}, base, layer)
	if err != nil {
		return err
	}
	return writeArchive(j.archive(), map[string]v1.Image{j.built.Ref: image})
}
