package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The test binary is the program too, when it is told so.
func TestMain(m *testing.M) {
	if os.Getenv("FEATURESTORE_TEST_PROGRAM") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// program is a command line, run in a folder of its own.
func program(t *testing.T, environment []string, args ...string) *exec.Cmd {
	command := exec.CommandContext(t.Context(), os.Args[0], args...)
	command.Dir = t.TempDir()
	command.Env = append([]string{"FEATURESTORE_TEST_PROGRAM=1", "PATH=" + os.Getenv("PATH")}, environment...)
	return command
}

// execute runs it to its end.
func execute(t *testing.T, environment []string, args ...string) (code int, output, complaint string) {
	command := program(t, environment, args...)
	var out, err bytes.Buffer
	command.Stdout, command.Stderr = &out, &err
	if failed := command.Run(); failed != nil {
		require.IsType(t, &exec.ExitError{}, failed)
	}
	return command.ProcessState.ExitCode(), out.String(), err.String()
}

func TestRefusals(t *testing.T) {
	file := filepath.Join(t.TempDir(), "my.yaml")
	require.NoError(t, os.WriteFile(file, []byte("store: {writrs: 2}\n"), 0o600))
	for _, c := range []struct {
		args, environment []string
		sentence          string
	}{
		{[]string{"--config", file}, nil, "featurestore: store.writrs in " + file + " is not a known key: did you mean store.writers?\n"},
		{nil, []string{"FEATURESTORE_CONFIG=" + file}, "did you mean store.writers?"},
		{[]string{"config", "--config", "/nowhere"}, nil, "the settings file /nowhere cannot be read"},
		{nil, []string{"FEATURESTORE_STORE_UNREGISTERED=perhaps"}, `store.unregistered is "perhaps": use register or reject`},
		{nil, []string{"FEATURESTORE_COLOR=red"}, "FEATURESTORE_COLOR is not a known variable"},
		{[]string{"serve", "--listen", "0.0.0.0:0"}, nil, "set auth.allow_unauthenticated to true"},
		{[]string{"serve", "--roles", "cook"}, nil, `roles is "cook"`},
		{[]string{"serve", "--roles", "registry,web"}, nil, "roles leaves out validation, but an engine is embedded"},
		{[]string{"serve", "--read-only"}, nil, "read_only is true, but an engine is embedded"},
		{[]string{"serve", "--data", "/proc/nowhere"}, nil, "the data folder /proc/nowhere cannot be made"},
		{[]string{"--colour"}, nil, "unknown flag: --colour"},
		{[]string{"cook"}, nil, `"cook"`},
		{[]string{"serve", "twice"}, nil, `"twice"`},
	} {
		code, output, complaint := execute(t, c.environment, c.args...)
		require.Equal(t, 2, code, "%v: %s", c.args, complaint)
		require.Empty(t, output)
		require.Contains(t, complaint, c.sentence)
		require.Equal(t, 1, strings.Count(complaint, "\n"), "one sentence: %s", complaint)
	}
}

func TestConfigAndVersion(t *testing.T) {
	code, output, _ := execute(t, []string{"FEATURESTORE_POSTGRES_URL=postgres://someone:hidden@db/features"}, "config", "--data", "here")
	require.Zero(t, code)
	require.Contains(t, output, "data: here # --data")
	require.Contains(t, output, "someone:***@db")
	require.NotContains(t, output, "hidden")

	code, output, _ = execute(t, nil, "config", "--defaults")
	require.Zero(t, code)
	require.Contains(t, output, "# The folder of the embedded engines.")

	code, output, _ = execute(t, nil, "roles")
	require.Zero(t, code)
	require.Contains(t, output, "\nmaterialization ")

	code, output, _ = execute(t, nil, "version")
	require.Zero(t, code)
	require.Regexp(t, `^featurestore \S+.*go1\.`, output)
}

var addresses = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

// serving starts a server and answers its first address and its folder.
func serving(t *testing.T, args ...string) (server *exec.Cmd, address string, banner string) {
	server = program(t, nil, append([]string{"--listen", "127.0.0.1:0,127.0.0.1:0"}, args...)...)
	output, err := server.StdoutPipe()
	require.NoError(t, err)
	server.Stderr = os.Stderr
	require.NoError(t, server.Start())
	t.Cleanup(func() {
		server.Process.Kill() //nolint:errcheck // it may have ended
		server.Wait()         //nolint:errcheck // see above
	})
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		banner += lines.Text() + "\n"
		if strings.HasPrefix(lines.Text(), "ready in") {
			return server, addresses.FindString(banner), banner
		}
	}
	t.Fatal("it did not become ready: " + banner)
	return nil, "", ""
}

func TestServe(t *testing.T) {
	server, address, banner := serving(t)
	require.Contains(t, banner, "data         "+filepath.Join(server.Dir, "data"))
	require.Contains(t, banner, "API docs     "+address+"/docs")
	response, err := http.Get(address + "/readyz")
	require.NoError(t, err)
	response.Body.Close()
	require.Equal(t, 200, response.StatusCode)

	code, _, said := execute(t, []string{"FEATURESTORE_HTTP_LISTEN=" + strings.TrimPrefix(address, "http://")}, "health")
	require.Zero(t, code, said)
	code, _, said = execute(t, []string{"FEATURESTORE_HTTP_LISTEN=127.0.0.1:1"}, "health")
	require.Equal(t, 1, code)
	require.Contains(t, said, "no process answers on 127.0.0.1:1: ")

	second := program(t, nil, "--listen", "127.0.0.1:0", "--data", filepath.Join(server.Dir, "data"))
	complaint, err := second.CombinedOutput()
	require.Error(t, err)
	require.Equal(t, 2, second.ProcessState.ExitCode())
	require.Regexp(t, `^featurestore: another featurestore process \(\d+\) works on the data folder .*\n$`, string(complaint))

	third := program(t, nil, "--listen", strings.TrimPrefix(address, "http://"))
	complaint, err = third.CombinedOutput()
	require.Error(t, err)
	require.Equal(t, 2, third.ProcessState.ExitCode())
	require.Regexp(t, `^featurestore: another process listens on .*\n$`, string(complaint))

	for _, signal := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		began := time.Now()
		require.NoError(t, server.Process.Signal(signal))
		require.NoError(t, server.Wait(), "it ends with code 0")
		require.Less(t, time.Since(began), 12*time.Second, "it waits for nothing")
		if signal == os.Interrupt {
			break
		}
		server, _, _ = serving(t, "--data", filepath.Join(server.Dir, "data")) // the folder is free again
	}
}

// What was acknowledged before the end is there after it.
func TestStopUnderLoad(t *testing.T) {
	server, address, _ := serving(t)
	var acknowledged sync.Map
	var writers sync.WaitGroup
	some := make(chan struct{}, 100)
	for w := range 8 {
		writers.Go(func() {
			for i := 0; ; i++ {
				id := fmt.Sprint(w, "_", i)
				response, err := http.Post(address+"/store/customer/"+id, "application/json", strings.NewReader(`{"n":1}`))
				if err != nil {
					return // it listens no more
				}
				response.Body.Close()
				if response.StatusCode == 200 {
					acknowledged.Store(id, true)
					select {
					case some <- struct{}{}:
					default:
					}
				}
			}
		})
	}
	for range 50 {
		<-some
	}
	require.NoError(t, server.Process.Signal(syscall.SIGTERM))
	require.NoError(t, server.Wait())
	writers.Wait()

	_, address, _ = serving(t, "--data", filepath.Join(server.Dir, "data"))
	count := 0
	acknowledged.Range(func(id, _ any) bool {
		count++
		response, err := http.Get(address + "/get/customer/" + id.(string) + "/n")
		require.NoError(t, err)
		answer, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		response.Body.Close()
		require.Contains(t, string(answer), `"value":1,`)
		return true
	})
	require.NotZero(t, count)
}

func TestMigrateCommand(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data")
	for range 2 {
		code, output, complaint := execute(t, nil, "migrate", "--data", folder)
		require.Zero(t, code, complaint)
		require.Equal(t, "all tables are up to date\n", output)
	}
	require.FileExists(t, filepath.Join(folder, "registry.db"))
}
