//go:build !linux

package cluster

import "syscall"

// childAttributes: only Linux ends children together with their parent. Elsewhere they outlive a
// killed one.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

func EndWithParent() error { return nil }
