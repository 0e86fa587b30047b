package faults

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/store/storetest/servers"
)

// A value type changes in the registry, and the program is killed before the offline store has the new column, or while it adds it with the
// first write. Afterwards what each version had is read, the new values are stored, and a full copy brings all of them online. That the
// kill fell between the two changes is seen in the store's own layout.
func TestKilledBetweenANewTypeAndItsColumn(t *testing.T) {
	t.Run("embedded", func(t *testing.T) {
		p := newProgram(t, stillTicker)
		killBetween(t, p, count(6, 40), func() (version int) {
			db, err := sql.Open("sqlite3", filepath.Join(p.what.Folder, "data", "offline.db"))
			require.NoError(t, err)
			require.NoError(t, db.QueryRow(`SELECT version FROM __layouts WHERE table_name = 'numbers'`).Scan(&version))
			require.NoError(t, db.Close())
			return version
		})
	})
	t.Run("on PostgreSQL and Redis", func(t *testing.T) {
		postgres, redis := servers.StartPostgres(t), servers.StartRedis(t, servers.RedisOptions{})
		db := connect(t, postgres.URL())
		p := newProgram(t, append(onServers(postgres, redis), stillTicker)...)
		killBetween(t, p, count(4, 20), func() int { return findTable(t, db, "numbers").version })
	})
}

// killBetween gives n another type in each round. layout is the version of the layout that the store has; it is asked while the program
// is dead.
func killBetween(t *testing.T, p *program, rounds int, layout func() int) {
	p.start(t)
	define(t, p)
	types, values := []string{"INTEGER", "STRING", "FLOAT"}, []string{"%d", `"text %d"`, "%d.5"}
	value := func(version int) string { return fmt.Sprintf(values[(version-1)%3], version) }
	write := func(version int) error {
		status, answer, err := call("POST", p.store+"/store/account/steady", fmt.Sprintf(`{"n": %s, "n_text": "whole"}`, value(version)))
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("%d %s", status, answer)
		}
		return err
	}
	check := func(versions int, newest ...string) {
		t.Helper()
		for version := 1; version <= versions; version++ {
			require.Equal(t, "PRESENT "+value(version), p.raw(t, fmt.Sprintf("n@%d", version)), "version %d of %d", version, versions)
		}
		require.Contains(t, newest, p.raw(t, "n"))
	}
	require.NoError(t, write(1))
	p.kill(t)
	known := layout()
	p.start(t)
	for version := 2; version <= rounds+1; version++ {
		mustCall(t, "POST", p.registry+"/apply?allow_breaking=true", fmt.Sprintf(`{"groups": [{"name": "numbers", "features": [{"name": "n", "value_type": %q}]}]}`,
			types[(version-1)%3]), nil)
		p.kill(t)
		require.Equal(t, known, layout(), "killed before the layout changed")
		p.start(t)
		check(version-1, "NOT_FOUND null")
		if version%2 == 0 {
			written := make(chan error)
			go func() { written <- write(version) }()
			time.Sleep(time.Duration(rand.Int64N(int64(8 * time.Millisecond))))
			p.kill(t)
			if <-written == nil {
				require.Equal(t, known+1, layout())
			}
			p.start(t)
			check(version-1, "NOT_FOUND null", "PRESENT "+value(version))
		}
		require.NoError(t, write(version))
		check(version, "PRESENT "+value(version))
		p.materialize(t, "full")
		check(version, "PRESENT "+value(version))
		p.kill(t)
		known++
		require.Equal(t, known, layout())
		p.start(t)
	}
	t.Logf("measured: %d value types changed, each followed by a kill before the store had its column; all %d generations read", rounds, rounds+1)
}

// raw reads one feature of the account steady, as status and value in JSON.
func (p *program) raw(t *testing.T, feature string) string {
	t.Helper()
	var answer struct {
		Status string          `json:"status"`
		Value  json.RawMessage `json:"value"`
	}
	mustCall(t, "GET", p.store+"/get/account/steady/"+feature, "", &answer)
	return answer.Status + " " + string(answer.Value)
}
