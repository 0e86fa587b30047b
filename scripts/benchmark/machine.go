package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// machine is one processor and some memory that all processes share which are started on it. What has to fit the memory is held by a control group,
// of version 2 or 1, which ends a process where that fails. Where no group can be made, nothing is ended; the memory is measured all the same.
type machine struct {
	memory  int64 // bytes
	version int   // of control groups; 0: none
	group   string
	stop    chan struct{}
	stopped sync.WaitGroup

	mu   sync.Mutex
	peak int64 // of held, since forgetPeak
}

const (
	processor = 0 // of the machine: the first
	groups2   = "/sys/fs/cgroup"
	groups1   = "/sys/fs/cgroup/memory"
)

// newMachine makes it, and leaves the other processors to this process, which stands for the machines that ask. close takes it away.
func newMachine(memory int64) (*machine, error) {
	if _, err := exec.LookPath("taskset"); err != nil {
		return nil, errors.New("taskset, of Debian's util-linux, is not installed")
	}
	if err := leave(processor); err != nil {
		return nil, err
	}
	m := &machine{memory: memory, stop: make(chan struct{})}
	name, size := "featurestore-bench-"+strconv.Itoa(os.Getpid()), []byte(strconv.FormatInt(memory, 10))
	for _, g := range []struct {
		version            int
		root, proof, limit string
	}{{2, groups2, "cgroup.subtree_control", "memory.max"}, {1, groups1, "memory.stat", "memory.limit_in_bytes"}} {
		if _, err := os.Stat(filepath.Join(g.root, g.proof)); err != nil {
			continue
		}
		if g.version == 2 {
			_ = os.WriteFile(filepath.Join(g.root, g.proof), []byte("+memory"), 0) // it may be so already; the limit will tell
		}
		group := filepath.Join(g.root, name)
		err := os.Mkdir(group, 0o755)
		if err == nil {
			if err = os.WriteFile(filepath.Join(group, g.limit), size, 0); err == nil {
				m.version, m.group = g.version, group
				break
			}
			_ = os.Remove(group)
		}
		progress("no control group of version %d can be made: %v", g.version, err)
	}
	m.stopped.Go(m.watch)
	return m, nil
}

// leave makes the threads of this process run on all processors but one, if there are others.
func leave(one int) error {
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return fmt.Errorf("asking for the processors: %w", err)
	}
	if all.Clear(one); all.Count() == 0 {
		return nil
	}
	for range 2 { // threads begin meanwhile, with what the one has that begins them
		tasks, err := filepath.Glob("/proc/self/task/*")
		if err != nil {
			return err
		}
		for _, task := range tasks {
			id, err := strconv.Atoi(filepath.Base(task))
			if err != nil {
				return err
			}
			if err := unix.SchedSetaffinity(id, &all); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("choosing processors: %w", err)
			}
		}
	}
	return nil
}

// String says by what the machine is what it is, for the table's reader.
func (m *machine) String() string {
	if m.version == 0 {
		return fmt.Sprintf("one processor; no control group could be made, so that nothing but its own settings holds anything to %d MB", m.memory>>20)
	}
	return fmt.Sprintf("one processor and a control group (version %d) of %d MB", m.version, m.memory>>20)
}

// command is how a program is started on the machine.
func (m *machine) command(name string, args ...string) (string, []string) {
	enter := ":"
	if m.version != 0 {
		enter = `echo $$ >"$0/cgroup.procs"`
	}
	return "sh", append([]string{"-euc", enter + `; exec taskset --cpu-list ` + strconv.Itoa(processor) + ` "$@"`, m.group, name}, args...)
}

// used is the memory in bytes that the machine's processes hold and that could not be taken back from them: what is theirs alone, and what they
// share with each other. Files that the kernel keeps are not in it.
func (m *machine) used() int64 {
	names := map[int][]string{1: {"total_rss", "total_shmem"}, 2: {"anon", "shmem"}}[m.version]
	if m.version == 0 {
		return residentOf(descendants(os.Getpid()))
	}
	var sum int64
	for line := range strings.Lines(content(m.group, "memory.stat")) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name == names[0] || name == names[1] {
			bytes, _ := strconv.ParseInt(value, 10, 64)
			sum += bytes
		}
	}
	return sum
}

// residentOf is the memory that processes have beside files, in bytes, each one's share of what several have.
func residentOf(pids []int) (sum int64) {
	for _, pid := range pids {
		for line := range strings.Lines(content("/proc", strconv.Itoa(pid), "smaps_rollup")) {
			fields := strings.Fields(line)
			if len(fields) == 3 && (fields[0] == "Pss_Anon:" || fields[0] == "Pss_Shmem:") {
				kb, _ := strconv.ParseInt(fields[1], 10, 64)
				sum += kb << 10
			}
		}
	}
	return sum
}

// watch looks again and again at how much memory is used.
func (m *machine) watch() {
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for {
		select {
		case <-m.stop:
			return
		case <-again.C:
			used := m.used()
			m.mu.Lock()
			m.peak = max(m.peak, used)
			m.mu.Unlock()
		}
	}
}

// forgetPeak begins anew with the highest memory; highest is that in MB.
func (m *machine) forgetPeak() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.peak = 0
}

func (m *machine) highest() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return float64(max(m.peak, m.used())) / (1 << 20)
}

// sound is an error if a process was ended because the memory did not suffice or, where there is no group that would, if more than that was used.
func (m *machine) sound() error {
	var text string
	switch m.version {
	case 0:
		if most := m.highest(); most > float64(m.memory>>20) {
			return fmt.Errorf("%.0f MB were used of %d", most, m.memory>>20)
		}
	case 1:
		text = content(m.group, "memory.oom_control")
	case 2:
		text = content(m.group, "memory.events")
	}
	for line := range strings.Lines(text) {
		if killed, ok := strings.CutPrefix(strings.TrimSpace(line), "oom_kill "); ok && killed != "0" {
			return fmt.Errorf("%s processes were ended, since the memory did not suffice", killed)
		}
	}
	return nil
}

// cpu is the processor time that all processes on the machine have used which are still there.
func (m *machine) cpu() (time.Duration, error) { return timeOf(descendants(os.Getpid())) }

// close takes the group away, whose processes must have ended.
func (m *machine) close() error {
	close(m.stop)
	m.stopped.Wait()
	if m.version == 0 {
		return nil
	}
	var err error
	for range 100 {
		if err = os.Remove(m.group); err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		time.Sleep(50 * time.Millisecond) // those that have ended are still counted for a moment
	}
	return err
}
