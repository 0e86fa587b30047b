package spark

import (
	"bufio"
	"context"
	"hash/fnv"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/batch"
	"featurestore/modules/batch/batchtest"
	"featurestore/modules/runs/child"
	"featurestore/modules/store"
	offline "featurestore/modules/store/postgres"
	"featurestore/modules/store/storetest"
	"featurestore/modules/store/storetest/servers"
)

// settings finds the Spark of tests, which scripts/spark/environment names. Where there is none, the test is of a stage that was left out.
func settings(t *testing.T, config batch.Config) batch.Config {
	config.SparkHome, config.SparkJar = os.Getenv("FEATURESTORE_TEST_SPARK_HOME"), os.Getenv("FEATURESTORE_TEST_SPARK_JAR")
	if config.SparkHome == "" {
		require.NotEqual(t, "required", os.Getenv("FEATURESTORE_TEST_SERVERS"), "FEATURESTORE_TEST_SPARK_HOME names no Spark")
		t.Skip("FEATURESTORE_TEST_SPARK_HOME names no Spark: scripts/test spark installs one")
	}
	return config
}

// warm is a Spark that has been started and computes one job after the other: what a start takes, two hundred jobs would take two hundred times.
type warm struct {
	mu      sync.Mutex
	in      io.WriteCloser
	out     *bufio.Scanner
	process *exec.Cmd
}

// newWarm starts it with the arguments that a job of the engine has.
func newWarm(t *testing.T, config batch.Config, password string) *warm {
	in, why := find(config)
	require.Empty(t, why)
	job := &batch.Job{Plan: &batch.Plan{}, Memory: 1 << 30, Threads: 2, Sample: 1} // jobs are as short as those of a sample
	w := &work{folder: t.TempDir(), password: password, driver: true}
	require.NoError(t, os.Mkdir(below(w.folder, "temporary"), 0o700))
	require.NoError(t, os.WriteFile(w.programPath(), program, 0o600))
	args := arguments(in, w, job)
	for i, a := range args {
		args[i] = "'" + a + "'"
	}
	s := &warm{process: exec.Command(in.python, w.programPath())}
	s.process.Dir = w.folder
	s.process.Env = append(environment(in, w), "PYTHONPATH="+in.home+"/python:"+filepath.Dir(in.home),
		"PYSPARK_SUBMIT_ARGS="+strings.Join(args[:len(args)-2], " ")+" pyspark-shell")
	s.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	var err error
	s.in, err = s.process.StdinPipe()
	require.NoError(t, err)
	out, err := s.process.StdoutPipe()
	require.NoError(t, err)
	said, err := os.Create(filepath.Join(t.TempDir(), "said"))
	require.NoError(t, err)
	s.process.Stderr = said
	s.out = bufio.NewScanner(out)
	require.NoError(t, s.process.Start())
	t.Cleanup(func() {
		require.NoError(t, s.in.Close())
		_ = s.process.Wait()
		_ = syscall.Kill(-s.process.Process.Pid, syscall.SIGKILL)
		require.NoError(t, said.Close())
		if t.Failed() {
			text, _ := os.ReadFile(said.Name())
			t.Logf("Spark says: %s", text[max(0, len(text)-4096):])
		}
	})
	s.until(t, "featurestore: ready", nil)
	return s
}

// until reads on to a line.
func (s *warm) until(t testing.TB, line string, each func(line string)) {
	for s.out.Scan() {
		if s.out.Text() == line {
			return
		}
		if each != nil {
			each(s.out.Text())
		}
	}
	t.Fatalf("Spark ended before %q", line)
}

// start is what Engine.start is.
func (s *warm) start(t *testing.T) func(ctx context.Context, in *installation, w *work, job *batch.Job, told <-chan struct{}) error {
	return func(ctx context.Context, _ *installation, w *work, job *batch.Job, told <-chan struct{}) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-told:
		}
		_, err := io.WriteString(s.in, w.specPath()+"\n")
		require.NoError(t, err)
		s.until(t, "featurestore: done", func(line string) {
			if text, is := strings.CutPrefix(line, "featurestore: ticks "); is && job.Progress != nil {
				n, err := strconv.Atoi(text)
				require.NoError(t, err)
				job.Progress(n, len(job.Ticks))
			}
		})
		if err := w.readStatus(); err != nil {
			return err
		}
		if w.status.State != succeeded {
			return &ended{err: failedByItself, status: w.status, memory: memoryOf(job)}
		}
		return nil
	}
}

// What is computed from a PostgreSQL that holds the groups too, which Spark reads by JDBC, and from files.
func TestEngine(t *testing.T) {
	url, schema := servers.Postgres(t)
	places, config := batchtest.NewPlaces(t, url, schema+"_tables")
	config = settings(t, config)
	engine := engineFor(config, url)
	engine.start = newWarm(t, config, "").start(t)
	batchtest.Run(t, batchtest.Subject{
		Engine: engine, Config: config, Places: places,
		Homes: batchtest.Homes(), OneHome: os.Getenv("FEATURESTORE_TEST_FULL") != "1",
		Random: batchtest.Count(20, 500),
		Offline: storetest.OfflineEngine{Open: func(t testing.TB, place string) store.Offline {
			h := fnv.New64a()
			_, _ = h.Write([]byte(t.Name() + " " + place))
			s, err := offline.Open(context.Background(), offline.Options{URL: url, Schema: schema + "_" + strconv.FormatUint(h.Sum64(), 36)})
			require.NoError(t, err)
			return s
		}},
	})
}

// failedByItself is the end of a program that says why.
var failedByItself = &child.Ended{Name: "spark-submit", Status: failed}
