// Package child runs programs that must not outlive the work that started them. A program and all that it starts are one process group, which
// is killed when the work's context ends, when the program ends, and when this process dies, even by kill -9: a watching shell in the group
// holds one end of a pipe whose other end is this process's, so the kernel tells it. Only what leaves the group by itself (setsid) escapes.
package child

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Command is a program to run.
type Command struct {
	Path   string // of the program, or its name to be looked for in this process's PATH
	Args   []string
	Dir    string            // that it works in; "": this process's
	Env    []string          // all of its environment: nothing is inherited, secrets least of all
	Line   func(line string) // is given what it writes to its standard error, and output unless there is Stdout; one call at a time; nil: nobody
	Stdout io.Writer         // takes its standard output; an error of it breaks the program's pipe. nil: to Line
	Grace  time.Duration     // between asking it to end and killing it; 0: 5 s
}

const (
	defaultGrace = 5 * time.Second
	lineLimit    = 4096 // bytes; a longer line is given in parts
	drainFor     = 10 * time.Second
)

// watched starts the watcher and becomes the program: descriptor 3 is the pipe, whose end the watcher waits for. The watcher survives the
// signal that asks the group to end.
const watched = `(trap '' TERM INT HUP; read _ <&3; kill -KILL 0) >/dev/null 2>&1 & exec "$@" 3<&-`

// Run runs the program to its end. Its error says why it could not be started, that ctx ended it (then it wraps the context's cause), or is an
// *Ended. When it returns, nothing of the group is left.
func Run(ctx context.Context, c Command) error {
	name := filepath.Base(c.Path)
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("run %s: %w", name, err)
	}
	path, err := exec.LookPath(c.Path)
	if err != nil {
		return fmt.Errorf("run %s: %w", name, err)
	}
	output := &lines{give: c.Line}
	streams, err := open(c.Stdout, output)
	if err != nil {
		return fmt.Errorf("run %s: %w", name, err)
	}
	alive, watching, err := os.Pipe()
	if err != nil {
		streams.close()
		return fmt.Errorf("run %s: %w", name, err)
	}
	defer watching.Close() //nolint:errcheck // nothing was written to it
	cmd := exec.Command("/bin/sh", append([]string{"-c", watched, name, path}, c.Args...)...)
	cmd.Dir, cmd.Env = c.Dir, append([]string{}, c.Env...)
	cmd.Stdout, cmd.Stderr = streams.stdout, streams.stderr
	cmd.ExtraFiles = []*os.File{alive}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = cmd.Start()
	alive.Close() //nolint:errcheck // the group has its own
	if err != nil {
		streams.close()
		return fmt.Errorf("run %s: %w", name, err)
	}
	streams.closeWriters()

	group := cmd.Process.Pid
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err = <-ended:
	case <-ctx.Done():
		signal(group, syscall.SIGTERM)
		grace := c.Grace
		if grace == 0 {
			grace = defaultGrace
		}
		timer := time.NewTimer(grace)
		select {
		case err = <-ended:
		case <-timer.C:
			signal(group, syscall.SIGKILL)
			err = <-ended
		}
		timer.Stop()
	}
	signal(group, syscall.SIGKILL) // the watcher, which kept the number from being used again, and whatever is left
	copyErr := streams.drain(drainFor)
	if cause := context.Cause(ctx); cause != nil && err != nil {
		return fmt.Errorf("run %s: %w", name, cause)
	}
	return errors.Join(verdict(name, err, output.last), copyErr)
}

// signal reaches all processes of a group; that none is left is as good.
func signal(group int, s syscall.Signal) { _ = syscall.Kill(-group, s) }

// verdict is a sentence about how a program ended.
func verdict(name string, err error, last string) error {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &exit):
		return fmt.Errorf("wait for %s: %w", name, err)
	}
	ended := &Ended{Name: name, Status: exit.ExitCode(), Last: last}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		ended.Signal = status.Signal()
	}
	return ended
}

// Ended is the error of a program that failed.
type Ended struct {
	Name   string
	Status int            // that it ended with
	Signal syscall.Signal // that ended it; 0: none
	Last   string         // line that it wrote, "" if none
}

func (e *Ended) Error() string {
	how := fmt.Sprintf("%s ended with status %d", e.Name, e.Status)
	if e.Signal != 0 {
		how = fmt.Sprintf("%s was ended by signal %d (%s)", e.Name, e.Signal, e.Signal)
	}
	if e.Last != "" {
		how += ": " + e.Last
	}
	return how
}
