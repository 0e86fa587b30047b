package servers

import "syscall"

func attributes(account *syscall.Credential, dying syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: account, Pdeathsig: dying, Setpgid: true}
}
