// SPDX-License-Identifier: Apache-2.0

//go:build unix

package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/ingress-auth/conformance/suites/platform"
)

// Nginx is an nginx program that can do what a gateway with external authentication needs.
type Nginx struct {
	// Path is the program.
	Path string
	// Version is what it says it is, e.g. "1.22.1".
	Version string
	// Origin says where it came from, e.g. "Debian 12 package nginx 1.22.1-9+deb12u11".
	Origin string
	// Modules are shared objects to load, in order.
	Modules []string
	// HTTP2 says whether it speaks HTTP/2.
	HTTP2 bool
}

// The modules beyond nginx's own. ingress-nginx escapes the original URL with set_escape_uri of set-misc, which needs
// the development kit.
const (
	setMiscObject = "ngx_http_set_misc_module.so"
	ndkObject     = "ndk_http_module.so"
)

// Debian's packages of what FindNginx looks for.
const (
	nginxPackage   = "nginx-light"
	setMiscPackage = "libnginx-mod-http-set-misc"
)

// sbin is where distributions put nginx; it is not in every user's PATH.
const sbin = "/usr/sbin/nginx"

// errNoNginx and errNoSetMisc tell FindNginx what to install.
var (
	errNoNginx   = errors.New("there is no nginx in PATH or at " + sbin)
	errNoSetMisc = errors.New("the set-misc module is not there")
)

// FindNginx finds an nginx with auth_request and set_escape_uri. What is missing is installed where this program is root
// on Debian or a relative; elsewhere the error is a *platform.NotReadyError that says what to install.
func FindNginx(ctx context.Context, log *slog.Logger) (Nginx, error) {
	n, err := discover(ctx)
	var missing []string
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, errNoNginx):
		missing = []string{nginxPackage, setMiscPackage}
	case errors.Is(err, errNoSetMisc):
		missing = []string{setMiscPackage}
	default:
		return Nginx{}, notReady(err, "install Debian's "+nginxPackage+" and "+setMiscPackage)
	}
	if !canInstall() {
		return Nginx{}, notReady(err, "install it, on Debian or Ubuntu with: sudo apt-get install "+strings.Join(missing, " "))
	}
	log.InfoContext(ctx, "Installing nginx", "packages", strings.Join(missing, " "))
	if err := install(ctx, missing); err != nil {
		return Nginx{}, notReady(err, "install it by hand: apt-get install "+strings.Join(missing, " "))
	}
	n, err = discover(ctx)
	if err != nil {
		return Nginx{}, notReady(err, "install Debian's "+nginxPackage+" and "+setMiscPackage)
	}
	return n, nil
}

func notReady(err error, do string) error {
	return &platform.NotReadyError{What: "the local platform has no usable nginx", Do: do, Err: err}
}

func discover(ctx context.Context) (Nginx, error) {
	path, err := lookPath()
	if err != nil {
		return Nginx{}, err
	}
	out, err := exec.CommandContext(ctx, path, "-V").CombinedOutput()
	if err != nil {
		return Nginx{}, fmt.Errorf("ask %s for its version and modules: %w", path, err)
	}
	b := parseBuild(string(out))
	if b.version == "" {
		return Nginx{}, fmt.Errorf("%s does not say which nginx it is", path)
	}
	if !b.authRequest {
		return Nginx{}, fmt.Errorf("%s was built without http_auth_request_module", path)
	}
	modules, err := setMisc(b)
	if err != nil {
		return Nginx{}, err
	}
	return Nginx{Path: path, Version: b.version, Origin: origin(ctx, path), Modules: modules, HTTP2: b.http2}, nil
}

func lookPath() (string, error) {
	if path, err := exec.LookPath("nginx"); err == nil {
		return filepath.Abs(path)
	}
	if _, err := os.Stat(sbin); err == nil {
		return sbin, nil
	}
	return "", errNoNginx
}

// build is what "nginx -V" tells about a program.
type build struct {
	version     string
	modulesPath string
	authRequest bool
	http2       bool
	setMisc     bool
}

var versionLine = regexp.MustCompile(`(?m)^nginx version: [a-z]+/(\d+\.\d+\.\d+[^\s]*)`)

func parseBuild(v string) build {
	var b build
	if m := versionLine.FindStringSubmatch(v); m != nil {
		b.version = m[1]
	}
	for word := range strings.FieldsSeq(v) {
		switch {
		case word == "--with-http_auth_request_module":
			b.authRequest = true
		case word == "--with-http_v2_module":
			b.http2 = true
		case strings.HasPrefix(word, "--modules-path="):
			b.modulesPath = strings.TrimPrefix(word, "--modules-path=")
		case strings.HasPrefix(word, "--add-module=") && strings.Contains(word, "set-misc"):
			b.setMisc = true
		}
	}
	return b
}

// setMisc returns the shared objects that give set_escape_uri, none when it is built in.
func setMisc(b build) ([]string, error) {
	if b.setMisc {
		return nil, nil
	}
	objects := []string{filepath.Join(b.modulesPath, ndkObject), filepath.Join(b.modulesPath, setMiscObject)}
	for _, object := range objects {
		if _, err := os.Stat(object); err != nil {
			return nil, fmt.Errorf("%w: no %s", errNoSetMisc, object)
		}
	}
	return objects, nil
}

// knowsErrorLogFlag says whether the program takes -e, which keeps it from opening the log file it was built with.
func (n Nginx) knowsErrorLogFlag() bool {
	var v [3]int
	for i, part := range strings.SplitN(n.Version, ".", 3) {
		number := strings.TrimRightFunc(part, func(r rune) bool { return r < '0' || r > '9' })
		v[i], _ = strconv.Atoi(number)
	}
	since := [3]int{1, 19, 5}
	for i := range v {
		if v[i] != since[i] {
			return v[i] > since[i]
		}
	}
	return true
}

// origin says which package a program came from, as well as that can be known.
func origin(ctx context.Context, path string) string {
	owner, err := exec.CommandContext(ctx, "dpkg-query", "--search", path).Output()
	if err != nil {
		return "found at " + path
	}
	pkg, _, _ := strings.Cut(string(owner), ":")
	version, err := exec.CommandContext(ctx, "dpkg-query", "--show", "--showformat=${Version}", pkg).Output()
	if err != nil {
		return "package " + pkg
	}
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return fmt.Sprintf("package %s %s", pkg, version)
	}
	return fmt.Sprintf("%s package %s %s", distribution(string(release)), pkg, version)
}

// distribution turns os-release(5) into "Debian 12".
func distribution(release string) string {
	values := map[string]string{}
	for line := range strings.Lines(release) {
		if key, value, found := strings.Cut(strings.TrimSpace(line), "="); found {
			values[key] = strings.Trim(value, `"`)
		}
	}
	name, _, _ := strings.Cut(values["NAME"], " ")
	return strings.TrimSpace(name + " " + values["VERSION_ID"])
}
