package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is a server under measurement: its CPU time and memory are the kernel's account of it.
type process struct {
	cmd   *exec.Cmd
	base  string // URL
	ready time.Duration
	log   lockedBuffer
}

// lockedBuffer keeps what a process says, for when it fails.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start runs a command and waits until path answers 200.
func start(base, path string, environment []string, name string, args ...string) (*process, error) {
	return startIn("", base, path, append(os.Environ(), environment...), name, args...)
}

// startIn is start in a folder, with nothing but the environment that is given.
func startIn(folder, base, path string, environment []string, name string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(name, args...), base: base}
	p.cmd.Dir, p.cmd.Env = folder, environment
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	began := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	for time.Since(began) < 2*time.Minute {
		response, err := http.Get(base + path)
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				p.ready = time.Since(began)
				return p, nil
			}
		}
		time.Sleep(2 * time.Millisecond)
	}
	p.stop()
	return nil, fmt.Errorf("%s did not become ready; it said:\n%s", name, p.log.String())
}

func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	done := make(chan struct{})
	go func() { _ = p.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(25 * time.Second):
		_ = p.cmd.Process.Kill()
		<-done
	}
}

// cpu is the processor time that the process and those that it started have used, to the nanosecond.
func (p *process) cpu() (time.Duration, error) { return processorTime(p.cmd.Process.Pid) }

// processTime is that of the process alone.
func processTime(pid int) (time.Duration, error) {
	// A process's clock is named by its number's complement, shifted, and 2 for the time that the scheduler counts: clock_getcpuclockid(3).
	var at unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &at); err != nil {
		return 0, fmt.Errorf("the processor time of process %d: %w", pid, err)
	}
	return time.Duration(at.Nano()), nil
}

func processorTime(pid int) (time.Duration, error) {
	own, err := processTime(pid)
	if err != nil {
		return 0, err
	}
	others, err := timeOf(descendants(pid))
	return own + others, err
}

// timeOf is that of processes together; of those that have ended it is not known any more.
func timeOf(pids []int) (sum time.Duration, err error) {
	for _, pid := range pids {
		used, err := processTime(pid)
		if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ESRCH) {
			return 0, err
		}
		sum += used
	}
	return sum, nil
}

// descendants are the processes that one has started, and theirs.
func descendants(pid int) (all []int) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	for _, task := range tasks {
		for _, child := range strings.Fields(content(task, "children")) {
			if id, err := strconv.Atoi(child); err == nil {
				all = append(append(all, id), descendants(id)...)
			}
		}
	}
	return all
}

// content is a file of the kernel's; "" where it cannot be read: a process or thread may have ended.
func content(path ...string) string {
	text, _ := os.ReadFile(filepath.Join(path...))
	return string(text)
}

// memory is a line of the process's status, in MB: VmRSS, VmHWM (the highest so far), RssAnon.
func (p *process) memory(line string) float64 { return memory(strconv.Itoa(p.cmd.Process.Pid), line) }

// memory reads a line of /proc/PID/status, in MB; 0 where it is not there.
func memory(pid, line string) float64 {
	for of := range strings.Lines(content("/proc", pid, "status")) {
		if rest, ok := strings.CutPrefix(of, line+":"); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb / 1024
		}
	}
	return 0
}

// forgetPeak makes VmHWM begin anew at the memory of now.
func (p *process) forgetPeak() {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.cmd.Process.Pid), []byte("5"), 0)
}
