package faults

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/store/storetest/servers"
)

// An offline.db from before the erasures is put back: the copy of the ledger in online.db has them done again. The control puts both files
// back; then the export of the ledger does.
func TestAnOfflineFileFromBeforeErasuresIsPutBack(t *testing.T) {
	p := newProgram(t)
	data := p.data()
	kept := map[string][]byte{}
	restoring := func(names ...string) func() {
		return func() {
			for _, name := range names {
				require.NoError(t, os.WriteFile(filepath.Join(data, name), kept[name], 0o600))
			}
		}
	}
	keep := func() {
		p.stop(t) // the files are whole then
		for _, name := range []string{"offline.db", "online.db"} {
			var err error
			kept[name], err = os.ReadFile(filepath.Join(data, name))
			require.NoError(t, err)
		}
		p.start(t)
	}
	names := erasedThenRestored(t, p, keep, restoring("offline.db"))

	status, exported, err := call("GET", p.store+"/erasures?format=ndjson", "")
	require.NoError(t, err)
	require.Equal(t, 200, status)
	for _, name := range names {
		require.NotContains(t, exported, name)
	}
	p.stop(t)
	restoring("offline.db", "online.db")()
	p.start(t)
	var back values
	await(t, time.Minute, "the restored values are read", func() (err error) {
		back, err = p.read(names, "load")
		return err
	})
	require.Equal(t, "PRESENT", back.Statuses["load"][0], "the control: nobody knows of the erasures")
	require.Empty(t, p.erasures(t))
	var entered struct {
		Received, Entered int
		Run               struct{ State string }
	}
	mustCall(t, "POST", p.store+"/erasures?wait=60s", exported, &entered)
	require.Equal(t, len(names), entered.Entered)
	require.Equal(t, "succeeded", entered.Run.State)
	p.awaitErasures(t, len(names))
	p.requireErased(t, names)
}

// PostgreSQL is restored to a moment before the erasures.
func TestPostgresRestoredToBeforeErasures(t *testing.T) {
	postgres, redis := servers.StartPostgres(t, servers.Archiving()...), servers.StartRedis(t, servers.RedisOptions{})
	require.NoError(t, postgres.Backup())
	p := newProgram(t, onServers(postgres, redis)...)
	erasedThenRestored(t, p, func() {
		require.NoError(t, postgres.Mark("before"))
	}, func() {
		require.NoError(t, postgres.RestoreTo("before"))
	})
}

// Redis is restored to a moment before the erasures, with the rows that it had then and without the copy of the ledger.
func TestRedisRestoredToBeforeErasures(t *testing.T) {
	postgres, redis := servers.StartPostgres(t), servers.StartRedis(t, servers.RedisOptions{})
	p := newProgram(t, onServers(postgres, redis)...)
	var kept servers.RedisCopy
	erasedThenRestored(t, p, func() {
		var err error
		kept, err = redis.Copy()
		require.NoError(t, err)
	}, func() {
		require.NoError(t, redis.Stop())
		require.NoError(t, redis.Restore(kept))
		require.NoError(t, redis.Start())
	})
	length, err := redis.Do("HLEN", "featurestore:erasures")
	require.NoError(t, err)
	require.Contains(t, length, fmt.Sprint(count(60, 1000)))
}

// erasedThenRestored erases half of the accounts of a load, in between of keep and restore, and wants that none of them is back. It answers
// their names.
func erasedThenRestored(t *testing.T, p *program, keep, restore func()) (gone []string) {
	p.start(t)
	define(t, p)
	accounts := 2 * count(60, 1000)
	names := make([]string, accounts)
	for i := range names {
		names[i] = fmt.Sprint("restored-", i)
	}
	at := time.Now().Add(-time.Hour)
	loadAll(t, p, names, 1, at)
	keep()
	for i := 0; i < accounts; i += 2 {
		gone = append(gone, names[i])
		status, answer, err := call("DELETE", p.store+"/store/account/"+names[i], "")
		require.NoError(t, err)
		require.Equal(t, 202, status, answer)
	}
	p.awaitErasures(t, len(gone))
	p.requireErased(t, gone)
	p.stop(t)
	restore()

	p.start(t)
	p.awaitErasures(t, len(gone))
	await(t, time.Minute, "values are read", func() error {
		_, err := p.read(names, "load")
		return err
	})
	p.requireErased(t, gone)
	for range 5 {
		var loaded struct{ Received, Stored, Erased int }
		mustCall(t, "POST", p.store+"/rows/loads?wait=1m", tableOf(names, at), &loaded)
		require.Equal(t, accounts, loaded.Received)
		require.Equal(t, len(gone), loaded.Erased)
		require.Equal(t, accounts-len(gone), loaded.Stored)
	}
	mustCall(t, "POST", p.store+"/materialize?wait=60s", `{"groups": ["loads"], "mode": "rebuild"}`, nil)
	p.requireErased(t, gone)
	p.requireAgreement(t, "loads", accounts-len(gone))
	return gone
}

func tableOf(names []string, at time.Time) string {
	rows := make([]string, len(names))
	for i, name := range names {
		rows[i] = fmt.Sprintf(`{"account_id": %q, "event_time": %q, "load": 1}`, name, at.UTC().Format(time.RFC3339))
	}
	return "[" + strings.Join(rows, ",") + "]"
}

// data is the program's data folder.
func (p *program) data() string {
	for _, variable := range p.what.Environment {
		if folder, ok := strings.CutPrefix(variable, "FEATURESTORE_DATA="); ok {
			return folder
		}
	}
	panic(errors.New("the program has no data folder"))
}
