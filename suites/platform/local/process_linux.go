// SPDX-License-Identifier: Apache-2.0

package local

import "syscall"

// childAttributes ties the child to this program. SIGTERM rather than SIGKILL on our death: a master process passes it
// on to its workers, which a killed master would leave behind.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
