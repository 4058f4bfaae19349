// SPDX-License-Identifier: Apache-2.0

// Package capability reads which Linux capabilities a process may never have. It needs only the standard library,
// because oci-runtime-trim is built from its source anywhere.
package capability

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// names is indexed by capability number: capabilities(7) and linux/capability.h, numbers 0 to 40.
var names = [...]string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID",
	"CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN",
	"CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE",
	"CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL",
	"CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND",
	"CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
}

// Missing reads /proc/self/status and returns the names of the capabilities outside the bounding set, in the order of
// their numbers. A process can never give its children what its bounding set lacks.
func Missing(status io.Reader) ([]string, error) {
	lines := bufio.NewScanner(status)
	for lines.Scan() {
		value, found := strings.CutPrefix(lines.Text(), "CapBnd:")
		if !found {
			continue
		}
		bounding, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
		if err != nil {
			return nil, fmt.Errorf("reading the bounding set %q: %w", strings.TrimSpace(value), err)
		}
		var missing []string
		for number, name := range names {
			if bounding&(1<<number) == 0 {
				missing = append(missing, name)
			}
		}
		return missing, nil
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading the process status: %w", err)
	}
	return nil, fmt.Errorf("the process status has no CapBnd line")
}

// Known returns those of the given capabilities that the kernel knows, which /proc/sys/kernel/cap_last_cap tells: an
// older kernel lacks the newest without being restricted.
func Known(missing []string, lastCapability string) ([]string, error) {
	last, err := strconv.Atoi(strings.TrimSpace(lastCapability))
	if err != nil {
		return nil, fmt.Errorf("reading the kernel's last capability: %w", err)
	}
	var known []string
	for _, name := range missing {
		if number := slices.Index(names[:], name); number >= 0 && number <= last {
			known = append(known, name)
		}
	}
	return known, nil
}
