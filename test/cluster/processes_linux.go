package cluster

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// childAttributes let the kernel kill a child when this program is gone, also when that one was
// killed.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// EndWithParent asks for a SIGTERM when the program that started this one is gone: make and go run
// do not pass on every signal that ends them.
func EndWithParent() error {
	return unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGTERM), 0, 0, 0)
}
