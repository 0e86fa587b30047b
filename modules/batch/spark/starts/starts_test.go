package starts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/app/fault"
	"featurestore/modules/batch"
	"featurestore/modules/batch/batchtest"
	"featurestore/modules/batch/local"
	"featurestore/modules/batch/spark"
	"featurestore/modules/store"
	"featurestore/modules/store/sqlite"
	"featurestore/modules/store/storetest"
	"featurestore/modules/store/storetest/servers"
	"featurestore/modules/store/table"
)

// started is an engine that starts Spark for each job, as it does for everybody, and a job of it over events in a home. The Spark is that of tests, which
// scripts/spark/environment names.
func started(t *testing.T, home, sql string, set ...func(*batch.Config)) (*spark.Engine, *batch.Job) {
	places, config := batchtest.NewPlaces(t, "", "")
	config.SparkHome, config.SparkJar = os.Getenv("FEATURESTORE_TEST_SPARK_HOME"), os.Getenv("FEATURESTORE_TEST_SPARK_JAR")
	if config.SparkHome == "" {
		require.NotEqual(t, "required", os.Getenv("FEATURESTORE_TEST_SERVERS"), "FEATURESTORE_TEST_SPARK_HOME names no Spark")
		t.Skip("FEATURESTORE_TEST_SPARK_HOME names no Spark: scripts/test spark installs one")
	}
	for _, s := range set {
		s(&config)
	}
	engine := spark.New(config, "", spark.Sources{Spool: func(ctx context.Context, job *batch.Job) (*batch.Spooled, error) {
		return local.Spool(ctx, config, job)
	}})
	job := batchtest.Job(t, batchtest.Subject{Engine: engine, Config: config, Places: places, Offline: embedded}, home, sql)
	require.Empty(t, engine.Refuses(job.Plan))
	return engine, job
}

// embedded is the store of groups where there is no PostgreSQL.
var embedded = storetest.OfflineEngine{Open: func(t testing.TB, place string) store.Offline {
	s, err := sqlite.OpenOffline(filepath.Join(t.TempDir(), place+".db"), sqlite.Options{})
	require.NoError(t, err)
	return s
}}

// A start from beginning to end, over the history of a group that is embedded here: what is staged is what the engine local stages, and all that it leaves.
func TestStart(t *testing.T) {
	engine, job := started(t, "history", "")
	var told []int
	job.Progress = func(done, _ int) { told = append(told, done) }
	staged, err := engine.Compute(t.Context(), job)
	require.NoError(t, err)
	require.Equal(t, int64(len(job.Ticks)), staged.Rows)
	require.Contains(t, told, len(job.Ticks))
	other := *job
	other.Folder = t.TempDir()
	expected, err := local.New(batch.DefaultConfig()).Compute(t.Context(), &other)
	require.NoError(t, err)
	require.Equal(t, shown(t, expected), shown(t, staged))
	left, err := filepath.Glob(filepath.Join(job.Folder, "*"))
	require.NoError(t, err)
	require.Equal(t, staged.Files, left)
	nothingRuns(t, job.Folder)
}

// shown is what stands in the rows of files, sorted.
func shown(t *testing.T, staged *batch.Staged) (rows []string) {
	for _, path := range staged.Files {
		file, err := table.OpenFile(path, table.Limits{})
		require.NoError(t, err)
		for {
			batch, err := file.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			for i := range batch.Rows {
				row := ""
				for c, cell := range batch.Row(i) {
					row += batch.Columns[c] + "=" + cell.Display() + " "
				}
				rows = append(rows, row)
			}
		}
		require.NoError(t, file.Close())
	}
	slices.Sort(rows)
	return rows
}

func fails(t *testing.T, err error, slug, says string) {
	t.Helper()
	problem, ok := fault.As(err)
	require.True(t, ok && problem.Slug == slug, "wanted the problem %s, got %v", slug, err)
	require.Contains(t, problem.Detail, says)
	require.NotContains(t, strings.TrimSuffix(problem.Detail, "."), ". ", "a problem is one sentence")
}

func TestSQLThatFails(t *testing.T) {
	engine, job := started(t, "csv", "SELECT customer_id, max(n) + 9223372036854775807 AS total FROM events WHERE event_us <= :tick GROUP BY customer_id")
	_, err := engine.Compute(t.Context(), job)
	fails(t, err, "computation-failed", "the SQL fails in Spark: long overflow")
	nothingRuns(t, job.Folder)
}

// A text that is doubled until there is no room for it.
func TestOutOfMemory(t *testing.T) {
	text := "WITH t0 AS (SELECT customer_id, CASE WHEN n >= 0 THEN '" + strings.Repeat("x", 1000) + "' ELSE '' END AS s FROM events WHERE event_us <= :tick)"
	for i := range 10 {
		text += fmt.Sprintf(", t%d AS (SELECT customer_id, s || s || s || s AS s FROM t%d)", i+1, i)
	}
	engine, job := started(t, "csv", text+" SELECT customer_id, max(length(s)) AS total FROM t10 GROUP BY customer_id")
	_, err := engine.Compute(t.Context(), job)
	fails(t, err, "too-much-memory", "raise limits.memory")
	nothingRuns(t, job.Folder)
}

// whenRunning calls then with the driver of a job, a JVM, once it has started the program.
func whenRunning(folder string, then func(pid int)) (done chan struct{}) {
	done = make(chan struct{})
	go func() {
		defer close(done)
		for {
			for pid, line := range processesOf(folder) {
				if command, _, _ := strings.Cut(line, " "); strings.HasPrefix(filepath.Base(command), "python") {
					then(parentOf(pid))
					return
				}
			}
			time.Sleep(time.Millisecond)
		}
	}()
	return done
}

func TestKilledDriver(t *testing.T) {
	engine, job := started(t, "csv", "")
	killed := whenRunning(job.Folder, func(pid int) { _ = syscall.Kill(pid, syscall.SIGKILL) })
	_, err := engine.Compute(t.Context(), job)
	<-killed
	fails(t, err, "spark-killed", "signal 9")
	nothingRuns(t, job.Folder)
}

func TestCancelled(t *testing.T) {
	engine, job := started(t, "csv", "")
	ctx, cancel := context.WithCancel(t.Context())
	ended := whenRunning(job.Folder, func(int) { cancel() })
	_, err := engine.Compute(ctx, job)
	<-ended
	require.ErrorIs(t, err, context.Canceled)
	nothingRuns(t, job.Folder)
	left, err := os.ReadDir(job.Folder)
	require.NoError(t, err)
	require.Empty(t, left, "spill folders and all else are gone")
}

// nothingRuns waits for the end of what was killed, of which the kernel says so before it has ended.
func nothingRuns(t *testing.T, folder string) {
	t.Helper()
	require.Eventually(t, func() bool { return len(processesOf(folder)) == 0 }, time.Minute, time.Millisecond)
}

// processesOf are the command lines of the processes that name a folder.
func processesOf(folder string) map[int]string {
	found := map[int]string{}
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range lines {
		text, err := os.ReadFile(path)
		var pid int
		if _, scanErr := fmt.Sscanf(path, "/proc/%d/cmdline", &pid); err == nil && scanErr == nil && pid != os.Getpid() && strings.Contains(string(text), folder) {
			found[pid] = strings.ReplaceAll(string(text), "\x00", " ")
		}
	}
	return found
}

func parentOf(pid int) (parent int) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err == nil {
		_, after, _ := strings.Cut(string(stat), ") ")
		_, _ = fmt.Sscan(strings.Fields(after)[1], &parent)
	}
	return parent
}

// A cluster of its own: a master and two workers on this machine.
func TestCluster(t *testing.T) {
	free, err := servers.FreePort()
	require.NoError(t, err)
	port := strconv.Itoa(free)
	folder, master := t.TempDir(), "spark://127.0.0.1:"+port
	engine, job := started(t, "csv", "", func(c *batch.Config) {
		c.SparkMaster = master
		c.SparkConf = []string{"spark.executor.memory=512m", "spark.driver.host=127.0.0.1", "spark.driver.bindAddress=127.0.0.1"}
	})
	home := os.Getenv("FEATURESTORE_TEST_SPARK_HOME")
	run := func(class string, args ...string) {
		cmd := exec.Command(filepath.Join(home, "bin", "spark-class"), append([]string{"org.apache.spark.deploy." + class}, args...)...)
		cmd.Env = append(os.Environ(), "SPARK_HOME="+home, "SPARK_LOCAL_IP=127.0.0.1", "SPARK_DAEMON_MEMORY=128m", "SPARK_DAEMON_JAVA_OPTS=-XX:+UseSerialGC -XX:TieredStopAtLevel=1")
		cmd.Dir = folder
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
		require.NoError(t, cmd.Start())
		t.Cleanup(func() {
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			_ = cmd.Wait()
		})
	}
	run("master.Master", "--host", "127.0.0.1", "--port", port, "--webui-port", "0")
	for _, worker := range []string{"one", "two"} {
		run("worker.Worker", "--host", "127.0.0.1", "--webui-port", "0", "--cores", "1", "--memory", "600m", "--work-dir", filepath.Join(folder, worker), master)
	}
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}, time.Minute, 10*time.Millisecond)
	staged, err := engine.Compute(t.Context(), job)
	require.NoError(t, err)
	require.Equal(t, int64(len(job.Ticks)), staged.Rows)
	ran, err := filepath.Glob(filepath.Join(folder, "*", "app-*", "*"))
	require.NoError(t, err)
	require.Len(t, ran, 2, "an executor of each worker")
}
