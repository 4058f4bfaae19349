// SPDX-License-Identifier: Apache-2.0

//go:build unix

package local

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/ingress-auth/conformance/suites/platform"
)

const debianBuild = `nginx version: nginx/1.22.1
built with OpenSSL 3.0.15
TLS SNI support enabled
configure arguments: --prefix=/usr/share/nginx --modules-path=/usr/lib/nginx/modules --with-http_auth_request_module --with-http_v2_module
`

func TestParseBuild(t *testing.T) {
	for name, tc := range map[string]struct {
		out  string
		want build
	}{
		"Debian": {debianBuild, build{version: "1.22.1", modulesPath: "/usr/lib/nginx/modules", authRequest: true, http2: true}},
		"set-misc built in, as in OpenResty": {
			"nginx version: openresty/1.27.1.2\nconfigure arguments: --add-module=../set-misc-nginx-module-0.33 --with-http_auth_request_module",
			build{version: "1.27.1.2", authRequest: true, setMisc: true},
		},
		"without auth_request": {"nginx version: nginx/1.24.0\nconfigure arguments: --prefix=/x", build{version: "1.24.0"}},
		"something else":       {"hello", build{}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := parseBuild(tc.out); got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

func FuzzParseBuild(f *testing.F) {
	f.Add(debianBuild)
	f.Fuzz(func(_ *testing.T, out string) { parseBuild(out) })
}

func TestSetMiscNeedsItsObjects(t *testing.T) {
	dir := t.TempDir()
	if _, err := setMisc(build{modulesPath: dir}); !errors.Is(err, errNoSetMisc) {
		t.Errorf("without objects: got %v", err)
	}
	for _, name := range []string{ndkObject, setMiscObject} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := setMisc(build{modulesPath: dir})
	if err != nil || len(got) != 2 || filepath.Base(got[0]) != ndkObject {
		t.Errorf("got %v, %v; the development kit comes first", got, err)
	}
	if got, err := setMisc(build{setMisc: true}); err != nil || got != nil {
		t.Errorf("built in: got %v, %v", got, err)
	}
}

func TestErrorLogFlagByVersion(t *testing.T) {
	for version, want := range map[string]bool{"1.18.0": false, "1.19.4": false, "1.19.5": true, "1.22.1": true, "2.0.0": true, "1.27.1.2": true} {
		if got := (Nginx{Version: version}).knowsErrorLogFlag(); got != want {
			t.Errorf("%s: got %v", version, got)
		}
	}
}

func TestDistribution(t *testing.T) {
	got := distribution("PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\n")
	if got != "Debian 12" {
		t.Errorf("got %q", got)
	}
}

func TestMissingNginxIsAnEnvironmentThatIsNotReady(t *testing.T) {
	err := notReady(errNoNginx, "install it")
	var nr *platform.NotReadyError
	if !errors.As(err, &nr) || !errors.Is(err, errNoNginx) {
		t.Errorf("got %v", err)
	}
}

func TestForbidServices(t *testing.T) {
	file := filepath.Join(t.TempDir(), "policy-rc.d")
	restore, err := forbidServices(file)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm()&0o100 == 0 {
		t.Errorf("the policy cannot be run: %v", err)
	}
	other, err := forbidServices(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := other(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Error("a policy that was there is not ours to remove")
	}
	if err := restore(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("our policy was left behind")
	}
}
