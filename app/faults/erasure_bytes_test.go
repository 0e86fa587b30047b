package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"featurestore/modules/store/storetest/servers"
)

// traces are what is looked for: an account and two values of it that nothing else has.
var traces = []string{"qzaccountxj", "qzvaluexj", "qzothervaluexj"}

// leaveTraces stores them in several ways, among many others.
func leaveTraces(t *testing.T, p *program) {
	t.Helper()
	p.loadPlaces(t, 1, 3000)
	for i := range 40 {
		p.writeAt(t, fmt.Sprint("other-", i), 1, time.Now().Add(-time.Minute))
		body := fmt.Sprintf(`{"n": %d, "n_text": %q, "mirror": %d, "event_time": %q}`, i, traces[1+i%2], i, time.Now().Add(-time.Hour+time.Duration(i)*time.Second).UTC().Format(time.RFC3339))
		status, answer, err := call("POST", p.store+"/store/account/"+traces[0], body)
		require.NoError(t, err)
		require.Equal(t, 200, status, answer)
	}
	mustCall(t, "POST", p.store+"/rows/loads?wait=1m", tableOf([]string{traces[0], "someone"}, time.Now().Add(-time.Hour)), nil)
	require.EqualValues(t, 39, *p.get(t, traces[0], "n").Value)
}

func eraseTraces(t *testing.T, p *program) {
	t.Helper()
	var run struct {
		State, Reason string
		Result        struct{ Rows int }
	}
	mustCall(t, "DELETE", p.store+"/store/account/"+traces[0]+"?wait=2m", "", &run)
	require.Equal(t, "succeeded", run.State, run.Reason)
	require.Equal(t, 81, run.Result.Rows)
	mustCall(t, "POST", p.store+"/rows/loads?wait=1m", tableOf([]string{traces[0], "someone"}, time.Now().Add(-time.Hour)), nil)
}

// found are the files under a folder that hold one of the traces.
func found(t *testing.T, folder string) (files map[string][]string) {
	t.Helper()
	files = map[string][]string{}
	require.NoError(t, filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		for _, trace := range traces {
			if bytes.Contains(content, []byte(trace)) {
				name, _, _ := strings.Cut(entry.Name(), "-")
				files[name] = append(files[name], trace)
			}
		}
		return err
	}))
	return files
}

// Nothing of an erased account is left in the files of the data folder, while the program runs.
func TestErasedBytesAreGoneFromTheFiles(t *testing.T) {
	p := newProgram(t)
	p.start(t)
	define(t, p)
	leaveTraces(t, p)
	before := found(t, p.what.Folder)
	require.Subset(t, before["offline.db"], traces, "the control finds them")
	require.Subset(t, before["online.db"], traces[:2])
	eraseTraces(t, p)
	require.Empty(t, found(t, p.what.Folder))
	p.requireErased(t, traces[:1])
	p.stop(t)
	require.Empty(t, found(t, p.what.Folder))
}

// Nothing of it is left in Redis's files once they have been written anew, nor a tuple in PostgreSQL.
func TestErasedBytesAreGoneFromTheServers(t *testing.T) {
	ctx := context.Background()
	postgres, redis := servers.StartPostgres(t), servers.StartRedis(t, servers.RedisOptions{})
	p := newProgram(t, onServers(postgres, redis)...)
	p.start(t)
	define(t, p)
	leaveTraces(t, p)
	require.NotEmpty(t, found(t, redis.Folder()), "the control finds them")
	db := connect(t, postgres.URL())
	_, err := db.Exec(ctx, "CREATE EXTENSION pgstattuple")
	require.NoError(t, err)
	numbers := findTable(t, db, "numbers").name
	tx, err := db.Begin(ctx) // while it is open nobody tidies the page up
	require.NoError(t, err)
	_, err = tx.Exec(ctx, "DELETE FROM "+numbers+" WHERE account_id = 'other-0'")
	require.NoError(t, err)
	require.Positive(t, deadTuples(t, db, numbers), "the control finds a deleted tuple")
	require.NoError(t, tx.Commit(ctx))

	eraseTraces(t, p)
	command(t, redis, "BGREWRITEAOF")
	awaitRedis(t, redis, "aof_rewrite_in_progress:0", "aof_rewrite_scheduled:0")
	command(t, redis, "BGSAVE")
	awaitRedis(t, redis, "rdb_bgsave_in_progress:0")
	require.Empty(t, found(t, redis.Folder()))
	for _, table := range []string{"numbers", "mirrors", "loads", "__removed", "__erasures"} {
		name := pgx.Identifier{strings.Trim(strings.Split(numbers, ".")[0], `"`), table}.Sanitize()
		require.Zero(t, deadTuples(t, db, name), table)
		var rows int
		require.NoError(t, db.QueryRow(ctx, "SELECT count(*) FROM "+name+" AS t WHERE t::text LIKE '%qz%xj%'").Scan(&rows))
		require.Zero(t, rows, table)
	}
	var named int
	require.NoError(t, db.QueryRow(ctx, "SELECT count(*) FROM featurestore_registry.runs AS t WHERE t::text LIKE '%qz%xj%'").Scan(&named))
	require.Zero(t, named)
}

func deadTuples(t *testing.T, db *pgx.Conn, table string) (dead int) {
	t.Helper()
	require.NoError(t, db.QueryRow(context.Background(), "SELECT dead_tuple_count FROM pgstattuple($1)", table).Scan(&dead))
	return dead
}

// awaitRedis waits until the server says all of this of itself.
func awaitRedis(t *testing.T, redis *servers.RedisServer, lines ...string) {
	t.Helper()
	await(t, time.Minute, "Redis has written its file", func() error {
		info, err := redis.Do("INFO", "persistence")
		for _, line := range lines {
			if err == nil && !strings.Contains(info, line) {
				err = errors.New("not yet " + line)
			}
		}
		return err
	})
}
