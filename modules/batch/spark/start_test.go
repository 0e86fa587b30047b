package spark

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

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stretchr/testify/require"

	"featurestore/app/fault"
	"featurestore/modules/batch"
	"featurestore/modules/batch/batchtest"
	"featurestore/modules/batch/local"
	"featurestore/modules/batch/postgres"
	"featurestore/modules/store"
	"featurestore/modules/store/sqlite"
	"featurestore/modules/store/storetest"
	"featurestore/modules/store/storetest/servers"
	"featurestore/modules/store/table"
)

// started is an engine that starts Spark for each job, as it does for everybody, and a job of it over events in a home.
func started(t *testing.T, home, sql string) (*Engine, *batch.Job) {
	places, config := batchtest.NewPlaces(t, "", "")
	engine := engineFor(settings(t, config), "")
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
	expected, err := local.New(engine.config).Compute(t.Context(), &other)
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

// What a definition says and what is secret is in no argument: a spec that only its owner reads, and the environment.
func TestArguments(t *testing.T) {
	job := &batch.Job{Plan: &batch.Plan{}, Folder: t.TempDir(), Threads: 2, Memory: 1 << 30}
	w, err := newWork(job)
	require.NoError(t, err)
	w.password, w.spec.Source = "geheim", source{JDBC: "jdbc:postgresql://db/x", User: "reader", Query: "SELECT secret"}
	require.NoError(t, w.write())
	in := &installation{home: "/opt/spark", python: "python3", driver: "/opt/postgresql.jar"}
	line := strings.Join(arguments(in, w, job), " ")
	for _, said := range []string{"geheim", "reader", "jdbc:", "SELECT"} {
		require.NotContains(t, line, said)
	}
	require.Contains(t, line, "--master local[2] --driver-memory 1024m")
	require.Contains(t, environment(in, w), passwordVariable+"=geheim")
	text, err := os.ReadFile(w.specPath())
	require.NoError(t, err)
	require.NotContains(t, string(text), "geheim")
	info, err := os.Stat(w.specPath())
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestFind(t *testing.T) {
	for _, name := range []string{"SPARK_HOME", "VIRTUAL_ENV", "PYSPARK_PYTHON"} {
		t.Setenv(name, "")
	}
	t.Setenv("JAVA_HOME", t.TempDir())
	spark := func() string {
		home := t.TempDir()
		for _, folder := range []string{"bin", "jars"} {
			require.NoError(t, os.Mkdir(filepath.Join(home, folder), 0o700))
		}
		require.NoError(t, os.WriteFile(filepath.Join(home, "bin", "spark-submit"), nil, 0o700))
		return home
	}
	configured, named, onPath := spark(), spark(), spark()
	t.Setenv("PATH", filepath.Join(onPath, "bin")+":"+os.Getenv("PATH"))
	home := func(config batch.Config) string {
		in, why := find(config)
		require.Empty(t, why)
		return in.home
	}
	require.Equal(t, onPath, home(batch.Config{}))
	t.Setenv("SPARK_HOME", named)
	require.Equal(t, named, home(batch.Config{}))
	require.Equal(t, configured, home(batch.Config{SparkHome: configured}))

	_, why := find(batch.Config{SparkHome: t.TempDir()})
	require.Contains(t, why, "batch.spark_home")
	t.Setenv("SPARK_HOME", t.TempDir())
	_, why = find(batch.Config{})
	require.Contains(t, why, "SPARK_HOME")

	imports := t.TempDir()
	for _, folder := range []string{"lib/python3.11/site-packages/pyspark/bin", "lib/python3.11/site-packages/pyspark/jars", "bin"} {
		require.NoError(t, os.MkdirAll(filepath.Join(imports, folder), 0o700))
	}
	for _, name := range []string{"bin/spark-submit", "bin/python3", "bin/python", "lib/python3.11/site-packages/pyspark/bin/spark-submit"} {
		require.NoError(t, os.WriteFile(filepath.Join(imports, name), nil, 0o700))
	}
	t.Setenv("SPARK_HOME", "")
	t.Setenv("PATH", filepath.Join(imports, "bin"))
	in, why := find(batch.Config{})
	require.Empty(t, why)
	require.Equal(t, filepath.Join(imports, "lib/python3.11/site-packages/pyspark"), in.home, "the spark-submit of a virtual environment is not one of a Spark")
	require.Equal(t, filepath.Join(imports, "bin", "python"), in.python)

	t.Setenv("PATH", t.TempDir())
	if imported() == "" { // the machine itself has none
		_, why = find(batch.Config{})
		require.Contains(t, why, "pip install pyspark")
	}
}

func TestDialect(t *testing.T) {
	for written, want := range map[string]string{
		`SELECT 'it''s a \ and a "b"' AS x`:     `SELECT 'it\'s a \\ and a "b"' AS x`,
		`SELECT "a""b` + "`" + `c" FROM events`: "SELECT `a\"b``c` FROM events",
		`n % 2 = 1 AND s LIKE 'a%'`:             `n % 2 = 1 AND s LIKE 'a%'`,
	} {
		require.Equal(t, want, dialect(written))
	}
}

// refusing is a server that lets nobody in.
func refusing(t *testing.T) (address string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			b := pgproto3.NewBackend(conn, conn)
			if _, err := b.ReceiveStartupMessage(); err == nil {
				b.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "28P01", Message: `password authentication failed for user "reader"`})
				_ = b.Flush()
			}
			_ = conn.Close()
		}
	}()
	return listener.Addr().String()
}

func TestDatabasesThatRefuse(t *testing.T) {
	url, schema := servers.Postgres(t)
	places, config := batchtest.NewPlaces(t, url, schema+"_refused")
	engine := engineFor(settings(t, config), "")
	job := batchtest.Job(t, batchtest.Subject{Engine: engine, Config: config, Places: places, Offline: embedded}, "table", "")
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, gone.Close())
	_, file, _ := strings.Cut(config.Connections[0], "=")
	for name, address := range map[string]string{"no server": gone.Addr().String(), "a wrong password": refusing(t)} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.WriteFile(file, []byte("postgres://reader:geheim@"+address+"/x?sslmode=disable"), 0o600))
			_, err := engine.Compute(t.Context(), job)
			fails(t, err, "source-unreachable", "warehouse")
			require.NotContains(t, err.Error(), "geheim")
		})
	}
}

// What Spark says of a server that it cannot reach, although this process could.
func TestDatabaseThatGoesAway(t *testing.T) {
	config := settings(t, batch.DefaultConfig())
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, gone.Close())
	_, job := started(t, "csv", "")
	w, err := newWork(job)
	require.NoError(t, err)
	w.password = "geheim"
	w.spec.Source = source{JDBC: "jdbc:postgresql://" + gone.Addr().String() + "/x", User: "reader", Query: "(SELECT 1) q", Parts: []string{"true"}, Session: "SELECT 1"}
	w.describe(job)
	require.NoError(t, w.write())
	in, why := find(config)
	require.Empty(t, why)
	err = explain(t.Context(), start(t.Context(), in, w, job), job)
	fails(t, err, "source-unreachable", "Spark cannot read PostgreSQL: Connection")
}

// A cluster of its own: a master and two workers on this machine.
func TestCluster(t *testing.T) {
	engine, job := started(t, "csv", "")
	in, why := find(engine.config)
	require.Empty(t, why)
	port := strconv.Itoa(freePort(t))
	folder, master := t.TempDir(), "spark://127.0.0.1:"+port
	run := func(class string, args ...string) {
		cmd := exec.Command(filepath.Join(in.home, "bin", "spark-class"), append([]string{"org.apache.spark.deploy." + class}, args...)...)
		cmd.Env = append(os.Environ(), "SPARK_HOME="+in.home, "PYSPARK_PYTHON="+in.python, "SPARK_LOCAL_IP=127.0.0.1", "SPARK_DAEMON_MEMORY=128m", "SPARK_DAEMON_JAVA_OPTS=-XX:+UseSerialGC -XX:TieredStopAtLevel=1")
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
	engine.config.SparkMaster = master
	engine.config.SparkConf = []string{"spark.executor.memory=512m", "spark.driver.host=127.0.0.1", "spark.driver.bindAddress=127.0.0.1"}
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

func freePort(t *testing.T) int {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close() //nolint:errcheck // nothing came to it
	return listener.Addr().(*net.TCPAddr).Port
}

// engineFor is the engine with what the program passes in.
func engineFor(config batch.Config, offline string) *Engine {
	return New(config, offline, Sources{
		Tables: postgres.New(config, offline != "").Events,
		Spool:  func(ctx context.Context, job *batch.Job) (string, error) { return local.Spool(ctx, config, job) },
	})
}
