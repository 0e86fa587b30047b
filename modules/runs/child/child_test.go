package child

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// family is a program that starts another and tells both numbers. Both would live on for long, and neither minds being asked to end.
const family = `trap '' TERM; (trap '' TERM; sleep 1000) & echo $$ $!; sleep 1000`

// TestMain is also the parent process of TestNothingIsLeftWhenTheParentIsKilled.
func TestMain(m *testing.M) {
	switch os.Getenv("CHILD_TEST") {
	case "":
		os.Exit(m.Run())
	case "watched":
		err := Run(context.Background(), Command{Path: "sh", Args: []string{"-c", family}, Line: func(line string) { fmt.Println(line) }})
		fmt.Println("ended", err)
	case "control": // a process group alone
		cmd := exec.Command("sh", "-c", family)
		cmd.SysProcAttr, cmd.Stdout = &syscall.SysProcAttr{Setpgid: true}, os.Stdout
		fmt.Println("ended", cmd.Run())
	}
}

func TestNothingIsLeftWhenTheParentIsKilled(t *testing.T) {
	for _, way := range []string{"watched", "control"} {
		t.Run(way, func(t *testing.T) {
			parent := exec.Command(os.Args[0])
			parent.Env = []string{"CHILD_TEST=" + way, "PATH=" + os.Getenv("PATH")}
			out, err := parent.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, parent.Start())
			pids := read(t, bufio.NewReader(out))
			t.Cleanup(func() { _ = syscall.Kill(-pids[0], syscall.SIGKILL) })
			require.True(t, alive(pids[0]) && alive(pids[1]))
			require.NoError(t, parent.Process.Kill())
			require.Error(t, parent.Wait())
			if way == "control" {
				require.True(t, alive(pids[0]) && alive(pids[1]), "they are orphans")
				return
			}
			gone(t, pids)
		})
	}
}

func TestNothingIsLeftWhenTheContextEnds(t *testing.T) {
	why := errors.New("cancelled by a caller")
	ctx, end := context.WithCancelCause(t.Context())
	pids := make(chan []int, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, Command{Path: "sh", Args: []string{"-c", family}, Grace: 10 * time.Millisecond, Line: func(line string) {
			pids <- numbers(line)
		}})
	}()
	started := <-pids
	require.True(t, alive(started[0]) && alive(started[1]))
	end(why)
	err := <-ended
	require.ErrorIs(t, err, why)
	require.EqualError(t, err, "run sh: cancelled by a caller")
	gone(t, started)

	require.ErrorIs(t, Run(ctx, Command{Path: "true"}), why, "nothing is started any more")
}

func TestProgramThatEndsWhenItIsAsked(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	var last string
	err := Run(ctx, Command{Path: "sh", Args: []string{"-c", `trap 'echo tidy; exit 3' TERM; echo ready; while :; do sleep 0.01; done`}, Grace: time.Minute, Line: func(line string) {
		if last = line; line == "ready" {
			end()
		}
	}})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, "tidy", last)
}

func TestWhatIsLeftBehindIsEnded(t *testing.T) {
	var started []int
	err := Run(t.Context(), Command{Path: "sh", Args: []string{"-c", `sleep 1000 & echo $$ $!`}, Line: func(line string) { started = numbers(line) }})
	require.NoError(t, err, "it is not waited for, although it holds the output open")
	gone(t, started)
}

func TestOutput(t *testing.T) {
	t.Setenv("A_SECRET", "must not be known")
	var lines []string
	line := func(text string) { lines = append(lines, text) }
	require.NoError(t, Run(t.Context(), Command{
		Path: "/bin/sh", Args: []string{"-c", `echo "$A$A_SECRET$1"; echo; echo no >&2; printf end; cat`, "name", "b c"}, Env: []string{"A=a"}, Line: line,
	}))
	require.ElementsMatch(t, []string{"ab c", "", "no", "end"}, lines)

	lines = nil
	var out bytes.Buffer
	folder := t.TempDir()
	require.NoError(t, Run(t.Context(), Command{Path: "sh", Args: []string{"-c", `pwd; echo told >&2`}, Dir: folder, Line: line, Stdout: &out}))
	require.Equal(t, folder+"\n", out.String())
	require.Equal(t, []string{"told"}, lines)

	lines = nil
	require.NoError(t, Run(t.Context(), Command{Path: "sh", Args: []string{"-c", `printf '%10000d\r\n' 1`}, Line: line}))
	require.Len(t, strings.TrimSuffix(strings.Join(lines, ""), "\r"), 10_000)
	require.NoError(t, Run(t.Context(), Command{Path: "true"}))
}

func TestWhyItEnded(t *testing.T) {
	for _, c := range []struct {
		path, script, want string
	}{
		{"sh", `echo first; echo "the disk is full" >&2; echo; exit 7`, "sh ended with status 7: the disk is full"},
		{"sh", `exit 1`, "sh ended with status 1"},
		{"sh", `kill -KILL $$`, "sh was ended by signal 9 (killed)"},
		{"no-such-program", "", `run no-such-program: exec: "no-such-program": executable file not found in $PATH`},
	} {
		require.EqualError(t, Run(t.Context(), Command{Path: c.path, Args: []string{"-c", c.script}}), c.want)
	}
	require.ErrorContains(t, Run(t.Context(), Command{Path: "sh", Dir: "/no/such/folder"}), "no such file")
	err := Run(t.Context(), Command{Path: "sh", Args: []string{"-c", "echo x; echo x"}, Stdout: broken{}})
	require.ErrorContains(t, err, "take its output: no space")
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("no space") }

func read(t *testing.T, from *bufio.Reader) []int {
	line, err := from.ReadString('\n')
	require.NoError(t, err)
	return numbers(line)
}

func numbers(line string) []int {
	var pids [2]int
	if _, err := fmt.Sscan(line, &pids[0], &pids[1]); err != nil {
		panic(err)
	}
	return pids[:]
}

func gone(t *testing.T, pids []int) {
	t.Helper()
	require.Eventually(t, func() bool { return !alive(pids[0]) && !alive(pids[1]) }, 30*time.Second, time.Millisecond)
}

// alive tells whether a process is there and has not ended; one that has may stand in the table until somebody asks for its status.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		_, missing := os.Stat("/proc/self/stat")
		return missing != nil
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}
