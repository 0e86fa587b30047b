package faults

import (
	"errors"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/store/storetest/servers"
)

// built is the program under test: FEATURESTORE_TEST_BINARY, or built by TestMain.
var built string

func TestMain(m *testing.M) {
	if os.Getenv(partsListen) != "" {
		os.Exit(serveParts())
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if built = os.Getenv("FEATURESTORE_TEST_BINARY"); built == "" {
		folder, err := os.MkdirTemp("", "featurestore-")
		if err != nil {
			log.Fatal(err)
		}
		defer os.RemoveAll(folder)
		built = filepath.Join(folder, "featurestore")
		if output, err := exec.Command("go", "build", "-o", built, "featurestore").CombinedOutput(); err != nil {
			log.Fatalf("building the program: %v\n%s", err, output)
		}
	}
	return m.Run()
}

// program is a process of featurestore, or of a control, with a data folder and addresses that outlive it.
type program struct {
	what     servers.Start
	registry string // http://127.0.0.1:PORT
	store    string
	process  *servers.Process
}

// newProgram does not start it yet. variables are settings beside those of data and addresses.
func newProgram(t *testing.T, variables ...string) *program {
	t.Helper()
	first, second := freeAddress(t), freeAddress(t)
	folder := t.TempDir()
	return &program{
		what: servers.Start{
			Program: built, Args: []string{"serve"}, Folder: folder,
			Environment: append([]string{
				"FEATURESTORE_DATA=" + filepath.Join(folder, "data"),
				"FEATURESTORE_HTTP_LISTEN=" + first + "," + second,
			}, variables...),
		},
		registry: "http://" + first, store: "http://" + second,
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	port, err := servers.FreePort()
	require.NoError(t, err)
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

// start starts it and returns when it is ready. It is killed when the test ends.
func (p *program) start(t *testing.T) {
	t.Helper()
	var err error
	p.process, err = servers.Launch(p.what)
	require.NoError(t, err)
	t.Cleanup(func() {
		p.kill(t)
		if t.Failed() {
			t.Logf("the program said:\n%s", p.process.Tail())
		}
	})
	require.NoError(t, p.process.Ready(func() error {
		status, answer, err := call("GET", p.store+"/readyz", "")
		if err == nil && status != http.StatusOK {
			err = errors.New(answer)
		}
		return err
	}))
}

// kill ends it with SIGKILL and waits until it is gone.
func (p *program) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, p.process.End(syscall.SIGKILL))
}

// stop ends it with SIGTERM: it must exit with 0.
func (p *program) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, p.process.End(syscall.SIGTERM))
	require.Equal(t, 0, p.process.ExitCode(), p.process.Tail())
}

// running tells whether it is alive.
func (p *program) running() bool {
	select {
	case <-p.process.Done():
		return false
	default:
		return true
	}
}

// await repeats ask until it answers nil, at most for limit.
func await(t *testing.T, limit time.Duration, what string, ask func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := ask()
		if err == nil {
			return
		}
		require.True(t, time.Now().Before(deadline), "%s: not within %s: %v", what, limit, err)
		time.Sleep(10 * time.Millisecond)
	}
}

// count is how often to do a thing: usually, and with the full counts.
func count(usually, fully int) int {
	if os.Getenv("FEATURESTORE_TEST_FULL") == "1" {
		return fully
	}
	return usually
}
