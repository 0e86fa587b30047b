//go:build !linux

package servers

import "syscall"

// Only Linux can tie a process to the life of the one that started it.
func attributes(account *syscall.Credential, _ syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: account, Setpgid: true}
}
