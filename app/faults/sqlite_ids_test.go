package faults

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/mattn/go-sqlite3"
	"github.com/stretchr/testify/require"
)

// SQLite gives the highest rowid of a table again after its row was deleted, as erasing and reverting do. An ingest id that came
// twice would lie below the watermark the second time, and its row never come online. The control is a plain table.
func TestIngestIDsAreNotUsedTwiceAfterADelete(t *testing.T) {
	p := newProgram(t, stillTicker)
	p.start(t)
	define(t, p)
	load := func(name string) {
		t.Helper()
		var rows []string
		for i := range 10 {
			rows = append(rows, fmt.Sprintf(`{"account_id": "%s-%d", "event_time": "2026-01-01T00:00:00Z", "n": %d, "n_text": "x"}`, name, i, i))
		}
		mustCall(t, "POST", p.store+"/rows/numbers", "["+strings.Join(rows, ",")+"]", nil)
		p.materialize(t, "incremental")
		for i := range int64(10) {
			p.requireOnline(t, fmt.Sprint(name, "-", i), i)
		}
	}
	load("first")
	load("deleted")
	p.stop(t)

	db, err := sql.Open("sqlite3", filepath.Join(p.what.Folder, "data", "offline.db"))
	require.NoError(t, err)
	var highest int64
	require.NoError(t, db.QueryRow(`SELECT max(ingest_id) FROM numbers`).Scan(&highest))
	deleted, err := db.Exec(`DELETE FROM numbers WHERE account_id LIKE 'deleted-%'`)
	require.NoError(t, err)
	count, err := deleted.RowsAffected()
	require.NoError(t, err)
	require.EqualValues(t, 10, count)
	var first, again int64
	require.NoError(t, db.QueryRow(`CREATE TABLE plain (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO plain (n) VALUES (1), (2);
		SELECT max(id) FROM plain`).Scan(&first))
	require.NoError(t, db.QueryRow(`DELETE FROM plain WHERE n = 2; INSERT INTO plain (n) VALUES (3); SELECT max(id) FROM plain`).Scan(&again))
	require.Equal(t, first, again, "the control uses it twice")
	_, err = db.Exec(`DROP TABLE plain`)
	require.NoError(t, err)
	require.NoError(t, db.Close())

	p.start(t)
	load("second")
	p.stop(t)
	db, err = sql.Open("sqlite3", filepath.Join(p.what.Folder, "data", "offline.db"))
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	var lowest int64
	require.NoError(t, db.QueryRow(`SELECT min(ingest_id) FROM numbers WHERE account_id LIKE 'second-%'`).Scan(&lowest))
	require.Greater(t, lowest, highest)
}
