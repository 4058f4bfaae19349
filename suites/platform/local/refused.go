// SPDX-License-Identifier: Apache-2.0

//go:build unix

package local

import (
	"fmt"
	"os"
	"syscall"
)

// Refused is a loopback address that refuses connections for as long as it is held: its port is bound, so nobody else
// can get it, and nothing listens there.
type Refused struct {
	fd   int
	addr string
}

// HoldRefused reserves such an address. The caller closes it.
func HoldRefused() (*Refused, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, fmt.Errorf("make a socket that refuses connections: %w", os.NewSyscallError("socket", err))
	}
	syscall.CloseOnExec(fd)
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		_ = syscall.Close(fd)
		return nil, fmt.Errorf("bind a socket that refuses connections: %w", os.NewSyscallError("bind", err))
	}
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		_ = syscall.Close(fd)
		return nil, fmt.Errorf("read the address that refuses connections: %w", os.NewSyscallError("getsockname", err))
	}
	port := sa.(*syscall.SockaddrInet4).Port
	return &Refused{fd: fd, addr: joinPort(port)}, nil
}

// Addr is the address, host:port.
func (r *Refused) Addr() string { return r.addr }

// Close gives the port back.
func (r *Refused) Close() error { return os.NewSyscallError("close", syscall.Close(r.fd)) }
