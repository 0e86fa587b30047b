package servers

import (
	"context"
	"os/exec"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPostgresKeepsWhatItCommittedWhenKilled(t *testing.T) {
	ctx := context.Background()
	server := StartPostgres(t)
	conn := connect(t, server.URL())
	var fsync, zone string
	require.NoError(t, conn.QueryRow(ctx, `SELECT current_setting('fsync'), current_setting('timezone')`).Scan(&fsync, &zone))
	require.Equal(t, "on", fsync)
	require.NotEqual(t, "UTC", zone)
	var sorted bool
	require.NoError(t, conn.QueryRow(ctx, `SELECT 'a' < 'B'`).Scan(&sorted))
	require.True(t, sorted, "texts sort by the rules of English, not by their bytes")
	_, err := conn.Exec(ctx, `CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)`)
	require.NoError(t, err)

	require.NoError(t, server.Kill())
	require.Error(t, conn.Ping(ctx))
	require.NoError(t, server.Start())

	var n int
	require.NoError(t, connect(t, server.URL()).QueryRow(ctx, `SELECT n FROM kept`).Scan(&n))
	require.Equal(t, 7, n)
	require.NoError(t, server.Stop())
	require.NoError(t, server.Start())
}

func TestSchemasAreDropped(t *testing.T) {
	server := StartPostgres(t)
	t.Setenv("FEATURESTORE_TEST_POSTGRES_URL", server.URL())
	ctx := context.Background()
	conn := connect(t, server.URL())
	t.Run("with the test that asked for them", func(t *testing.T) {
		_, schema := Postgres(t)
		for _, name := range []string{schema, schema + "_more", "other_" + schema} {
			_, err := conn.Exec(ctx, `CREATE SCHEMA `+name+`; CREATE TABLE `+name+`.t (n int)`)
			require.NoError(t, err)
		}
	})
	var left int
	require.NoError(t, conn.QueryRow(ctx, `SELECT count(*) FROM pg_namespace WHERE nspname LIKE '%test\_%'`).Scan(&left))
	require.Equal(t, 1, left, "only the one of another name")
}

func TestRedisForgetsWhatCameAfterACopy(t *testing.T) {
	server := StartRedis(t, RedisOptions{})
	redis(t, server, "SET", "early", "1")
	kept, err := server.Copy()
	require.NoError(t, err)
	redis(t, server, "SET", "late", "1")
	require.NoError(t, server.Kill())
	require.NoError(t, server.Start())
	require.Equal(t, "1", redis(t, server, "GET", "late"), "a kill alone loses nothing")

	require.NoError(t, server.Kill())
	require.NoError(t, server.Restore(kept))
	require.NoError(t, server.Start())
	require.Equal(t, "1", redis(t, server, "GET", "early"))
	require.Empty(t, redis(t, server, "GET", "late"))
}

func TestRedisComparesByItsLocale(t *testing.T) {
	const smaller = `return tostring('a' < 'B')`
	require.Equal(t, "false", redis(t, StartRedis(t, RedisOptions{}), "EVAL", smaller, "0"))
	require.Equal(t, "true", redis(t, StartRedis(t, RedisOptions{Locale: "en_US.UTF-8"}), "EVAL", smaller, "0"))
}

func TestKeysAreRemoved(t *testing.T) {
	server := StartRedis(t, RedisOptions{})
	t.Setenv("FEATURESTORE_TEST_REDIS_URL", server.URL())
	t.Run("with the test that asked for them", func(t *testing.T) {
		_, prefix := Redis(t)
		redis(t, server, "SET", prefix+"a", "1")
		redis(t, server, "SET", "other", "1")
	})
	require.Equal(t, "1", redis(t, server, "DBSIZE"))
}

func TestALostServerIsReported(t *testing.T) {
	folder := t.TempDir()
	program, err := exec.LookPath("sh")
	require.NoError(t, err)
	p, err := Launch(Start{Program: program, Args: []string{"-c", "echo no room; exit 1"}, Folder: folder})
	require.NoError(t, err)
	err = p.Ready(func() error { return exec.ErrNotFound })
	require.ErrorContains(t, err, "no room")
}

func connect(t *testing.T, url string) *pgx.Conn {
	conn, err := pgx.Connect(context.Background(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func redis(t *testing.T, server *RedisServer, command ...string) string {
	answer, err := server.Do(command...)
	require.NoError(t, err)
	return answer
}
