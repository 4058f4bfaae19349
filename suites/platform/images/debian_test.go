// SPDX-License-Identifier: Apache-2.0

package images

import (
	"strings"
	"testing"
)

func TestMirrorIsTheMachinesOwn(t *testing.T) {
	targets := `Google Cloud|gcloud|main|https://packages.example.test/apt/
Debian|Debian-Security|main|http://mirror.example.test/debian-security/
Debian|Debian|contrib|http://contrib.example.test/debian/
Debian|Debian|main|http://mirror.example.test/debian/
Debian|Debian|main|http://second.example.test/debian/
`
	if got, want := mirrorAmong(targets), "http://mirror.example.test/debian"; got != want {
		t.Errorf("mirror is %q, want %q", got, want)
	}
	if got := mirrorAmong("Ubuntu|Ubuntu|main|http://mirror.example.test/ubuntu/\n"); got != "" {
		t.Errorf("on Ubuntu the mirror is %q, want debootstrap's own", got)
	}
}

func FuzzMirrorAmong(f *testing.F) {
	f.Add("Debian|Debian|main|http://mirror.example.test/debian/\n")
	f.Add("||||")
	f.Fuzz(func(t *testing.T, targets string) {
		if got := mirrorAmong(targets); strings.Contains(got, "|") || strings.Contains(got, "\n") {
			t.Errorf("mirror is %q", got)
		}
	})
}

func TestUpstreamVersion(t *testing.T) {
	for in, want := range map[string]string{
		"1.26.3-3+deb13u7":        "1.26.3",
		"1:0.10.28-2":             "0.10.28",
		"1.7.24~ds1-6+deb13u1":    "1.7.24",
		"1.1.15+ds1-2+b4":         "1.1.15",
		"257.13-1~deb13u1":        "257.13",
		"2.41.5-0+deb13u1":        "2.41.5",
		"20250419":                "20250419",
		"1:1.3.dfsg+really1.3.1-": "1.3.dfsg+really1.3.1",
	} {
		if got := upstreamVersion(in); got != want {
			t.Errorf("%s is %q, want %q", in, got, want)
		}
	}
}

func TestInstalledVersionIsThatOfThePackageAsked(t *testing.T) {
	root := rootFS(t.TempDir())
	status := "Package: nginx-common\nVersion: 9.9-1\n\nPackage: nginx\nStatus: install ok installed\nVersion: 1.26.3-3+deb13u7\n\n"
	if err := root.write("/var/lib/dpkg/status", []byte(status), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := installedVersion(string(root), "nginx"); err != nil || got != "1.26.3" {
		t.Errorf("version is %q, %v", got, err)
	}
	if _, err := installedVersion(string(root), "apache2"); err == nil {
		t.Error("a package that is not there has a version")
	}
}
