package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/labstack/echo/v4"
	"github.com/redis/rueidis"
)

// The limit of a single-row write is a bare handler that parses the body, commits in groups of whatever waits, and does one
// compare-and-set per row.

// limitWrite is one parsed body on its way.
type limitWrite struct {
	entity string
	values [10]float64
	at     int64
	id     int64
	done   chan error
}

// committer commits a group of rows durably and then online.
type committer func(group []*limitWrite) error

func limitWrites(e *echo.Echo, lanes int, commit committer) {
	waiting := make(chan *limitWrite, 1024)
	for range lanes {
		go func() {
			for first := range waiting {
				group := []*limitWrite{first}
			gather:
				for len(group) < 512 {
					select {
					case w := <-waiting:
						group = append(group, w)
					default:
						break gather
					}
				}
				err := commit(group)
				for _, w := range group {
					w.done <- err
				}
			}
		}()
	}
	answer := []byte(`{"stored":true}`)
	e.POST("/write/:entity", func(c echo.Context) error {
		w := &limitWrite{entity: c.Param("entity"), at: time.Now().UnixMicro(), done: make(chan error, 1)}
		var body map[string]float64
		if err := json.NewDecoder(c.Request().Body).Decode(&body); err != nil {
			return err
		}
		for i := range w.values {
			w.values[i] = body["f"+strconv.Itoa(i)]
		}
		waiting <- w
		if err := <-w.done; err != nil {
			return err
		}
		return c.Blob(http.StatusOK, "application/json", answer)
	})
}

const limitScript = `local out = {}
for i = 1, #KEYS do
  local old = redis.call('GET', KEYS[i])
  local new = ARGV[i]
  if not old or struct.unpack('>I4', old) < struct.unpack('>I4', new) or struct.unpack('>I4', old, 5) <= struct.unpack('>I4', new, 5) then
    redis.call('SET', KEYS[i], new)
  end
end
return 1`

func postgresCommitter(ctx context.Context, url string, client rueidis.Client) (committer, error) {
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return nil, err
	}
	if _, err := pool.Exec(ctx, `CREATE TABLE limit_writes`+postgresTable+postgresIndexes("limit_writes")); err != nil {
		return nil, err
	}
	script := rueidis.NewLuaScript(limitScript)
	return func(group []*limitWrite) error {
		entities, times := make([]string, len(group)), make([]time.Time, len(group))
		columns := make([][]float64, 10)
		for i, w := range group {
			entities[i], times[i] = w.entity, time.UnixMicro(w.at)
			for j, v := range w.values {
				columns[j] = append(columns[j], v)
			}
		}
		arguments := []any{entities, times}
		for _, c := range columns {
			arguments = append(arguments, c)
		}
		rows, err := pool.Query(ctx, `INSERT INTO limit_writes (customer_id, event_time, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9)
			SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::float8[], $4::float8[], $5::float8[], $6::float8[], $7::float8[], $8::float8[],
			$9::float8[], $10::float8[], $11::float8[], $12::float8[]) RETURNING ingest_id`, arguments...)
		if err != nil {
			return err
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if err != nil {
			return err
		}
		for len(group) > 0 {
			n := min(len(group), 100)
			keys, values := make([]string, n), make([]string, n)
			for i, w := range group[:n] {
				w.id = ids[i]
				keys[i], values[i] = limitKey(9, w.entity), limitPacked(w)
			}
			if err := script.Exec(ctx, client, keys, values).Error(); err != nil {
				return err
			}
			group, ids = group[n:], ids[n:]
		}
		return nil
	}, nil
}

// limitPacked is a row under a stamp of 16 bytes.
func limitPacked(w *limitWrite) string {
	return fmt.Sprintf("%08x%08x", w.at, w.id) + limitRow(1)[16:]
}

func sqliteCommitter(path string, online *sql.DB) (committer, error) {
	offline, err := sql.Open("sqlite3", "file:"+path+"?_journal_mode=WAL&_synchronous=FULL&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	offline.SetMaxOpenConns(1)
	if _, err := offline.Exec(`CREATE TABLE writes (customer_id TEXT NOT NULL, event_time INTEGER NOT NULL, ingest_time INTEGER NOT NULL,
		ingest_id INTEGER PRIMARY KEY, f0 REAL, f1 REAL, f2 REAL, f3 REAL, f4 REAL, f5 REAL, f6 REAL, f7 REAL, f8 REAL, f9 REAL) STRICT;
		CREATE INDEX writes_by_entity ON writes (customer_id, event_time DESC)`); err != nil {
		return nil, err
	}
	if _, err := online.Exec(`CREATE TABLE written (k TEXT PRIMARY KEY, event_time INTEGER, ingest_id INTEGER, v BLOB)`); err != nil {
		return nil, err
	}
	insert, err := offline.Prepare(`INSERT INTO writes (customer_id, event_time, ingest_time, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
	if err != nil {
		return nil, err
	}
	set, err := online.Prepare(`INSERT INTO written VALUES (?, ?, ?, ?) ON CONFLICT (k) DO UPDATE SET event_time = excluded.event_time,
		ingest_id = excluded.ingest_id, v = excluded.v WHERE (excluded.event_time, excluded.ingest_id) >= (written.event_time, written.ingest_id)`)
	if err != nil {
		return nil, err
	}
	inTransaction := func(db *sql.DB, statement *sql.Stmt, group []*limitWrite, do func(*sql.Stmt, *limitWrite) error) error {
		tx, err := db.Begin()
		if err != nil {
			return err
		}
		defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
		within := tx.Stmt(statement)
		for _, w := range group {
			if err := do(within, w); err != nil {
				return err
			}
		}
		return tx.Commit()
	}
	return func(group []*limitWrite) error {
		if err := inTransaction(offline, insert, group, func(s *sql.Stmt, w *limitWrite) error {
			v := w.values
			result, err := s.Exec(w.entity, w.at, w.at, v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], v[9])
			if err == nil {
				w.id, err = result.LastInsertId()
			}
			return err
		}); err != nil {
			return err
		}
		return inTransaction(online, set, group, func(s *sql.Stmt, w *limitWrite) error {
			_, err := s.Exec(w.entity, w.at, w.id, limitPacked(w))
			return err
		})
	}, nil
}
