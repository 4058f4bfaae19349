// SPDX-License-Identifier: Apache-2.0

//go:build unix

package peers

import (
	"strings"
	"testing"
)

func TestNeedPrograms_SaysWhatToInstallWhereItCannot(t *testing.T) {
	if err := NeedPrograms(t.Context(), map[string]string{"sh": "dash"}); err != nil {
		t.Errorf("a program that is there: %v", err)
	}
	t.Setenv("PATH", t.TempDir()) // no apt-get either
	err := NeedPrograms(t.Context(), map[string]string{"no-such-program": "no-such-package", "/no/such/file": "another"})
	if err == nil || !strings.Contains(err.Error(), "please install") || !strings.Contains(err.Error(), "no-such-package") || !strings.Contains(err.Error(), "another") {
		t.Errorf("got %v", err)
	}
}

func TestNode_IsNotTakenForInstalledWithoutWhatTheLockfileNames(t *testing.T) {
	if (Node{Dir: t.TempDir(), Path: "/no/such/node"}).installed() {
		t.Error("an empty folder passes for an installation")
	}
}
