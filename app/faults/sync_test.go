package faults

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/store/storetest/servers"
)

// A kill leaves in the kernel what was written and not yet synced, so it cannot tell whether a write would outlive a power cut.
// The system calls can: between the arrival of a write and its acknowledgement there must be an fsync of the log.
func TestAcknowledgedWritesAreSyncedFirst(t *testing.T) {
	t.Run("embedded", func(t *testing.T) {
		p := newProgram(t)
		p.start(t)
		define(t, p)
		p.mustWrite(t, "warm", 1)
		trace := beginTrace(t, p.process.PID())
		writeAndRead(t, p)
		compare(t, trace.end(t), regexp.MustCompile(`offline\.db-wal$`))
	})
	t.Run("on PostgreSQL and Redis", func(t *testing.T) {
		postgres, redis := servers.StartPostgres(t), servers.StartRedis(t, servers.RedisOptions{})
		p := newProgram(t, onServers(postgres, redis)...)
		p.start(t)
		define(t, p)
		p.mustWrite(t, "warm", 1)
		processes, err := postgres.PIDs()
		require.NoError(t, err)
		trace := beginTrace(t, append(processes, p.process.PID())...)
		writeAndRead(t, p)
		compare(t, trace.end(t), regexp.MustCompile(`/pg_wal/[0-9A-F]{24}$`))
	})
}

const tracedWrites = 40 // of each writer

// writeAndRead has several writers at once, so that their writes share commits, and each reads after every write.
func writeAndRead(t *testing.T, p *program) {
	t.Helper()
	var done sync.WaitGroup
	failures := make(chan error, writers)
	for w := range writers {
		done.Go(func() {
			for n := range int64(tracedWrites) {
				account := fmt.Sprint("traced-", w)
				status, _, err := p.write(account, n)
				if err == nil && status == http.StatusOK {
					status, _, err = call("GET", p.store+"/get/account/"+account+"/n", "")
				}
				if err != nil || status != http.StatusOK {
					failures <- fmt.Errorf("%d %v", status, err)
					return
				}
			}
		})
	}
	done.Wait()
	close(failures)
	require.NoError(t, <-failures)
}

// compare wants a sync of the log before each acknowledgement of a write. The control is the answers to reads: most of them
// have none before them, so what is seen for the writes is no accident.
func compare(t *testing.T, events []traced, log *regexp.Regexp) {
	t.Helper()
	writes, unsyncedWrites := synced(events, "POST /store/", log)
	reads, unsyncedReads := synced(events, "GET /get/", log)
	require.Equal(t, writers*tracedWrites, writes, "every write was traced")
	require.Zero(t, unsyncedWrites, "writes acknowledged without an fsync")
	require.Greater(t, unsyncedReads, reads/10)
	t.Logf("measured: %d acknowledgements, each after an fsync of the log; of %d answers to reads %d had one before them", writes, reads, reads-unsyncedReads)
}

// synced counts the answers to requests that begin so, and those of them that have no sync of the log which began after the
// request and ended before the answer.
func synced(events []traced, request string, log *regexp.Regexp) (answers, without int) {
	arrived := map[string]int{} // by connection: the place of the request that is being answered
	lastBegan := -1             // of the syncs that have ended
	for i, e := range events {
		switch {
		case e.call == "read" && (strings.HasPrefix(e.text, request) || strings.HasPrefix(e.text, request[1:])): // Go may read one byte ahead
			arrived[e.file] = i
		case e.call == "sync" && log.MatchString(e.file):
			lastBegan = max(lastBegan, e.began)
		case e.call == "write" && strings.HasPrefix(e.text, "HTTP/1.1 2"):
			at, ok := arrived[e.file]
			if !ok {
				continue
			}
			delete(arrived, e.file)
			answers++
			if lastBegan < at {
				without++
			}
		}
	}
	return answers, without
}

// traced is a system call that ended, or for a write began, at this place of the trace.
type traced struct {
	call  string // read, write or sync
	file  string // path or connection
	text  string // of a read or write: its first bytes
	began int    // the place of the last call that had ended when this one began
}

// tracing is an strace of some processes, with their threads and children.
type tracing struct {
	process *servers.Process
	output  string
}

func beginTrace(t *testing.T, processes ...int) *tracing {
	t.Helper()
	folder := t.TempDir()
	tr := &tracing{output: filepath.Join(folder, "trace")}
	args := []string{"-f", "-y", "-s", "32", "-e", "trace=read,write,fsync,fdatasync", "-o", tr.output}
	for _, pid := range processes {
		args = append(args, "-p", strconv.Itoa(pid))
	}
	var err error
	tr.process, err = servers.Launch(servers.Start{Program: "strace", Args: args, Folder: folder, Dying: syscall.SIGTERM})
	require.NoError(t, err, "strace is needed (scripts/test installs it)")
	t.Cleanup(func() { _ = tr.process.End(syscall.SIGTERM) })
	require.NoError(t, tr.process.Ready(func() error {
		said, err := os.ReadFile(filepath.Join(folder, "log"))
		if n := strings.Count(string(said), " attached"); err == nil && n < len(processes) {
			err = fmt.Errorf("attached to %d of %d", n, len(processes))
		}
		return err
	}))
	return tr
}

var (
	tracedLine = regexp.MustCompile(`^(\d+) +(.*)$`)
	beginsCall = regexp.MustCompile(`^(read|write|fsync|fdatasync)\(\d+<(.*?)>(?:, "(.*))?`)
	resumed    = regexp.MustCompile(`^<\.\.\. (read|write|fsync|fdatasync) resumed>(?:"(.*))?`)
	succeeded  = regexp.MustCompile(`\) += (\d+)$`)
)

// end stops the trace and reads it.
func (tr *tracing) end(t *testing.T) []traced {
	t.Helper()
	require.NoError(t, tr.process.End(syscall.SIGTERM))
	file, err := os.Open(tr.output)
	require.NoError(t, err)
	defer file.Close()
	var events []traced
	open := map[string]traced{} // by thread
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := tracedLine.FindStringSubmatch(lines.Text())
		if line == nil {
			continue
		}
		thread, text := line[1], line[2]
		e, begins := traced{}, beginsCall.FindStringSubmatch(text)
		ends := succeeded.MatchString(text)
		if begins != nil {
			e = traced{call: begins[1], file: begins[2], text: begins[3], began: len(events) - 1}
		} else if resumes := resumed.FindStringSubmatch(text); resumes != nil {
			e = open[thread]
			if e.call != resumes[1] {
				continue // it began before the trace did
			}
			if resumes[2] != "" {
				e.text = resumes[2]
			}
		} else {
			continue
		}
		if strings.HasSuffix(e.call, "sync") {
			e.call = "sync"
		}
		if begins != nil && (e.call == "write" || ends) || begins == nil && e.call != "write" && ends {
			events = append(events, e)
		}
		if begins != nil && !ends {
			e.call = begins[1]
			open[thread] = e
		}
	}
	require.NoError(t, lines.Err())
	return slices.Clip(events)
}

// The control of the reading of traces: acknowledgements that come before the sync, or after one that began too early.
func TestASyncThatComesTooLateIsNoticed(t *testing.T) {
	log := regexp.MustCompile(`wal$`)
	request := traced{call: "read", file: "c1", text: "POST /store/account/a HTTP/1.1"}
	sync := traced{call: "sync", file: "offline.db-wal"}
	answer := traced{call: "write", file: "c1", text: "HTTP/1.1 200 OK"}
	early := sync
	early.began = -1
	sync.began = 0
	for name, c := range map[string]struct {
		events  []traced
		without int
	}{
		"in order":                 {[]traced{request, sync, answer}, 0},
		"after the answer":         {[]traced{request, answer, sync}, 1},
		"before the request":       {[]traced{early, request, answer}, 1},
		"begun before the request": {[]traced{request, early, answer}, 1},
		"of another file":          {[]traced{request, {call: "sync", file: "registry.db"}, answer}, 1},
		"never":                    {[]traced{request, answer}, 1},
	} {
		answers, without := synced(c.events, "POST /store/", log)
		require.Equal(t, 1, answers, name)
		require.Equal(t, c.without, without, name)
	}
}
