package servers

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Process is a program that this one started. It ends when this one does, however that comes about.
type Process struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{}
}

// Start says what to start.
type Start struct {
	Program     string
	Args        []string
	Folder      string   // where it runs; what it prints is added to the file "log" there
	Environment []string // NAME=value, beside this process's own
	Account     *syscall.Credential
	Dying       syscall.Signal // what it gets when this process dies; SIGKILL if 0
}

// Launch starts a program and does not wait for it.
func Launch(s Start) (*Process, error) {
	p := &Process{log: filepath.Join(s.Folder, "log"), done: make(chan struct{})}
	output, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	if s.Dying == 0 {
		s.Dying = syscall.SIGKILL
	}
	p.cmd = exec.Command(s.Program, s.Args...)
	p.cmd.Dir = s.Folder
	p.cmd.Env = append(os.Environ(), s.Environment...)
	p.cmd.Stdout, p.cmd.Stderr = output, output
	p.cmd.SysProcAttr = attributes(s.Account, s.Dying)
	started := make(chan error)
	go func() {
		// The signal is sent when the thread that started the process ends, so that thread waits with it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", s.Program, err)
	}
	return p, nil
}

// PID is the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when it has ended; then ExitCode says how, -1 by a signal.
func (p *Process) Done() <-chan struct{} { return p.done }
func (p *Process) ExitCode() int         { return p.cmd.ProcessState.ExitCode() }

// Ready asks until the answer is nil, or the process has ended, or a minute has passed.
func (p *Process) Ready(ask func() error) error {
	deadline := time.Now().Add(time.Minute)
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended at once: %s", filepath.Base(p.cmd.Path), p.Tail())
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s does not answer: %w: %s", filepath.Base(p.cmd.Path), err, p.Tail())
		}
	}
}

// Signal sends it. One that has ended already is no error.
func (p *Process) Signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// End sends a signal and waits until the process has ended, for a minute at most.
func (p *Process) End(s syscall.Signal) error {
	if err := p.Signal(s); err != nil {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(time.Minute):
		return fmt.Errorf("%s does not end: %s", filepath.Base(p.cmd.Path), p.Tail())
	}
}

// Tail is the last of what it printed.
func (p *Process) Tail() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}

// FreePort is a port of 127.0.0.1 that nobody listens on now. It lies below the range that outgoing connections take theirs
// from: from that range, a client that keeps asking a server that is down would one day be connected to itself. No other process
// is given it as long as this one lives, also while nobody listens on it.
func FreePort() (int, error) {
	for range 100 {
		port := 15000 + rand.IntN(17000)
		if err := reserve(port); err != nil {
			continue
		}
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return port, listener.Close()
		}
	}
	return 0, errors.New("no free port between 15000 and 32000 on 127.0.0.1")
}

// reserve has this process hold a name that stands for a port, until it ends: a socket's, in the namespace that the kernel keeps.
func reserve(port int) error {
	socket, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := syscall.Bind(socket, &syscall.SockaddrUnix{Name: fmt.Sprintf("@featurestore-test-port-%d", port)}); err != nil {
		return errors.Join(err, syscall.Close(socket))
	}
	return nil
}
