package spark

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
)

// embedded is the store of groups where there is no PostgreSQL.
var embedded = storetest.OfflineEngine{Open: func(t testing.TB, place string) store.Offline {
	s, err := sqlite.OpenOffline(filepath.Join(t.TempDir(), place+".db"), sqlite.Options{})
	require.NoError(t, err)
	return s
}}

func fails(t *testing.T, err error, slug, says string) {
	t.Helper()
	problem, ok := fault.As(err)
	require.True(t, ok && problem.Slug == slug, "wanted the problem %s, got %v", slug, err)
	require.Contains(t, problem.Detail, says)
	require.NotContains(t, strings.TrimSuffix(problem.Detail, "."), ". ", "a problem is one sentence")
}

// What a definition says and what is secret is in no argument: a spec that only its owner reads, and the environment.
func TestArguments(t *testing.T) {
	job := &batch.Job{Plan: &batch.Plan{}, Folder: t.TempDir(), Threads: 2, Memory: 1 << 30}
	w, err := newWork(job)
	require.NoError(t, err)
	w.password, w.driver, w.spec.Source = "geheim", true, source{JDBC: "jdbc:postgresql://db/x", User: "reader", Query: "SELECT secret"}
	require.NoError(t, w.begin())
	require.NoError(t, w.tell())
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
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, gone.Close())
	places, config := batchtest.NewPlaces(t, "", "")
	config = settings(t, config)
	job := batchtest.Job(t, batchtest.Subject{Engine: engineFor(config, ""), Config: config, Places: places, Offline: embedded}, "csv", "")
	w, err := newWork(job)
	require.NoError(t, err)
	w.password, w.driver = "geheim", true
	w.spec.Source = source{JDBC: "jdbc:postgresql://" + gone.Addr().String() + "/x", User: "reader", Query: "(SELECT 1) q", Parts: []string{"true"}, Session: "SELECT 1"}
	w.describe(job)
	require.NoError(t, w.begin())
	require.NoError(t, w.tell())
	in, why := find(config)
	require.Empty(t, why)
	err = explain(t.Context(), start(t.Context(), in, w, job, told()), job)
	fails(t, err, "source-unreachable", "Spark cannot read PostgreSQL: Connection")
}

// engineFor is the engine with what the program passes in.
func engineFor(config batch.Config, offline string) *Engine {
	return New(config, offline, Sources{
		Tables: postgres.New(config, offline != "").Events,
		Spool: func(ctx context.Context, job *batch.Job) (*batch.Spooled, error) {
			return local.Spool(ctx, config, job)
		},
	})
}
