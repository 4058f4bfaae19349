// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// processByPID reads the identity of a process that runs now.
func processByPID(pid int) (process, error) {
	ticks, _, err := readStat(pid)
	if err != nil {
		return process{}, fmt.Errorf("process %d ended at once: %w", pid, err)
	}
	return process{PID: pid, StartTicks: ticks}, nil
}

// alive tells whether this very process runs; a zombie does not.
func (p process) alive() bool {
	if p.PID <= 1 {
		return false
	}
	ticks, status, err := readStat(p.PID)
	return err == nil && ticks == p.StartTicks && status != "Z"
}

// end asks the process to end and, after patience, makes it.
func (p process) end(ctx context.Context, patience time.Duration) error {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if !p.alive() {
			return nil
		}
		if err := syscall.Kill(p.PID, signal); err != nil {
			return fmt.Errorf("ending process %d: %w", p.PID, err)
		}
		if p.awaitEnd(ctx, patience) {
			return nil
		}
	}
	return fmt.Errorf("process %d does not end", p.PID)
}

func (p process) awaitEnd(ctx context.Context, patience time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for p.alive() {
		select {
		case <-ctx.Done():
			return !p.alive()
		case <-ticker.C:
		}
	}
	return true
}

func readStat(pid int) (startTicks uint64, status string, err error) {
	content, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, "", err
	}
	return parseStat(string(content))
}

// parseStat reads /proc/<pid>/stat (proc_pid_stat(5)): the state is field 3, the start time field 22. The program's
// name, field 2, may hold spaces and brackets, so counting starts after the last bracket.
func parseStat(line string) (startTicks uint64, status string, err error) {
	_, afterName, found := cutLast(line, ")")
	fields := strings.Fields(afterName)
	if !found || len(fields) < 20 {
		return 0, "", fmt.Errorf("unexpected form of a process's stat: %q", line)
	}
	startTicks, err = strconv.ParseUint(fields[19], 10, 64)
	return startTicks, fields[0], err
}

func cutLast(text, separator string) (before, after string, found bool) {
	at := strings.LastIndex(text, separator)
	if at < 0 {
		return text, "", false
	}
	return text[:at], text[at+len(separator):], true
}
