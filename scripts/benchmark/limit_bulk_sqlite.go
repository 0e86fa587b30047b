package main

import (
	"bufio"
	"cmp"
	"context"
	"database/sql"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

func newBuffered(from io.Reader) *bufio.Reader { return bufio.NewReaderSize(from, 1<<16) }

// sqliteLimit does the bulk works by hand on SQLite, with one file for history and one for what is online, as ours has.
type sqliteLimit struct{ db, online *sql.DB }

func newSQLiteLimit(path, online string) (*sqliteLimit, error) {
	db, err := sql.Open("sqlite3", "file:"+path+"?_journal_mode=WAL&_synchronous=FULL&_txlock=immediate&_secure_delete=true")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	file, err := sql.Open("sqlite3", "file:"+online+"?_journal_mode=WAL&_synchronous=NORMAL&_txlock=immediate&_secure_delete=true")
	if err != nil {
		return nil, err
	}
	file.SetMaxOpenConns(1)
	_, err = file.Exec(`CREATE TABLE entities (k TEXT PRIMARY KEY, v TEXT NOT NULL)`)
	return &sqliteLimit{db, file}, err
}

// loadedRow is one row of the file.
type loadedRow struct {
	entity string
	at     int64
	values [10]float64
	absent uint16 // a bit for each
}

func readRows(path string) ([]loadedRow, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if isParquet(path) {
		return parquetRows(file)
	}
	reader := csv.NewReader(newBuffered(file))
	reader.ReuseRecord = true
	if _, err := reader.Read(); err != nil {
		return nil, err
	}
	var rows []loadedRow
	for {
		record, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		at, err := time.Parse(time.RFC3339, record[1])
		if err != nil {
			return nil, err
		}
		row := loadedRow{entity: strings.Clone(record[0]), at: at.UnixMicro()}
		for i := range row.values {
			if record[2+i] == "" {
				row.absent |= 1 << i
			} else if row.values[i], err = strconv.ParseFloat(record[2+i], 64); err != nil {
				return nil, err
			}
		}
		rows = append(rows, row)
	}
}

// load reads the file, sorts it, and inserts it by prepared statements of fifty rows in one transaction.
func (l *sqliteLimit) load(_ context.Context, table, path string, run int) (time.Duration, error) {
	if _, err := l.db.Exec(`CREATE TABLE IF NOT EXISTS ` + table + ` (customer_id TEXT NOT NULL, event_time INTEGER NOT NULL, ingest_time INTEGER NOT NULL,
		ingest_id INTEGER PRIMARY KEY, run_id INTEGER, schema_version INTEGER NOT NULL DEFAULT 1, presence TEXT,
		f0 REAL, f1 REAL, f2 REAL, f3 REAL, f4 REAL, f5 REAL, f6 REAL, f7 REAL, f8 REAL, f9 REAL) STRICT;
		CREATE INDEX IF NOT EXISTS ` + table + `_by_entity ON ` + table + ` (customer_id, event_time)`); err != nil {
		return 0, err
	}
	began := time.Now()
	rows, err := readRows(path)
	if err != nil {
		return 0, err
	}
	slices.SortStableFunc(rows, func(a, b loadedRow) int {
		return cmp.Or(strings.Compare(a.entity, b.entity), cmp.Compare(a.at, b.at))
	})
	tx, err := l.db.Begin()
	if err != nil {
		return 0, err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	const many = 50
	prepare := func(n int) (*sql.Stmt, error) {
		return tx.Prepare(`INSERT INTO ` + table + ` (customer_id, event_time, ingest_time, run_id, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9) VALUES ` +
			strings.TrimSuffix(strings.Repeat(`(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), `, n), `, `))
	}
	statement, err := prepare(many)
	if err != nil {
		return 0, err
	}
	arguments := make([]any, 0, 14*many)
	for len(rows) > 0 {
		n := min(many, len(rows))
		if n < many {
			if statement, err = prepare(n); err != nil {
				return 0, err
			}
		}
		arguments = arguments[:0]
		for i := range rows[:n] {
			r := &rows[i]
			arguments = append(arguments, r.entity, r.at, r.at, run)
			for f, v := range r.values {
				if r.absent>>f&1 == 1 {
					arguments = append(arguments, nil)
				} else {
					arguments = append(arguments, v)
				}
			}
		}
		if _, err := statement.Exec(arguments...); err != nil {
			return 0, err
		}
		rows = rows[n:]
	}
	err = tx.Commit()
	return time.Since(began), err
}

// revert is one DELETE, a look-up of each entity's newest row in the order of the index, and a write of each to the file of what is online.
func (l *sqliteLimit) revert(_ context.Context, table string, run int) (time.Duration, error) {
	began := time.Now()
	entities, err := l.remove(table, run)
	if err != nil {
		return 0, err
	}
	newest, err := l.db.Prepare(`SELECT event_time, ingest_id, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9 FROM ` + table + `
		WHERE customer_id = ? ORDER BY event_time DESC, ingest_id DESC LIMIT 1`)
	if err != nil {
		return 0, err
	}
	defer newest.Close()
	tx, err := l.online.Begin()
	if err != nil {
		return 0, err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	set, err := tx.Prepare(`INSERT OR REPLACE INTO entities VALUES (?, ?)`)
	if err != nil {
		return 0, err
	}
	drop, err := tx.Prepare(`DELETE FROM entities WHERE k = ?`)
	if err != nil {
		return 0, err
	}
	payload, values, into := limitRow(1), make([]sql.RawBytes, 12), make([]any, 12)
	for i := range values {
		into[i] = &values[i]
	}
	for _, entity := range entities {
		rows, err := newest.Query(entity)
		if err != nil {
			return 0, err
		}
		found := rows.Next()
		if found {
			err = rows.Scan(into...)
		}
		if err = errors.Join(err, rows.Close()); err == nil && found {
			_, err = set.Exec(entity, payload)
		} else if err == nil {
			_, err = drop.Exec(entity)
		}
		if err != nil {
			return 0, err
		}
	}
	err = tx.Commit()
	return time.Since(began), err
}

// remove deletes a run's rows and answers their entities, in order.
func (l *sqliteLimit) remove(table string, run int) ([]string, error) {
	rows, err := l.db.Query(`DELETE FROM `+table+` WHERE run_id = ? RETURNING customer_id`, run)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var entities []string
	for rows.Next() {
		var entity string
		if err := rows.Scan(&entity); err != nil {
			return nil, err
		}
		entities = append(entities, entity)
	}
	slices.Sort(entities)
	return slices.Compact(entities), rows.Err()
}

// training puts the spine into a table, looks each row up by a correlated query in the order of the index, and writes CSV, or what
// the spine was in, in the spine's order. Of partial rows it looks each feature up.
func (l *sqliteLimit) training(ctx context.Context, tables [2]string, path string, ttl time.Duration, partial bool) (time.Duration, error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	began := time.Now()
	if _, err := l.db.Exec(`DROP TABLE IF EXISTS temp.spine; DROP TABLE IF EXISTS temp.found;
		CREATE TEMP TABLE spine (n INTEGER PRIMARY KEY, customer_id TEXT, event_time INTEGER, at TEXT, label TEXT)`); err != nil {
		return 0, err
	}
	spine := asCSV(file)
	defer spine.Close()
	if err := l.fillSpine(spine); err != nil {
		return 0, err
	}
	look := l.wholeRows
	if partial {
		look = l.partialRows
	}
	rows, err := look(ctx, tables, ttl)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	answer, ended := answerOf(path)
	out := bufio.NewWriter(answer)
	_, _ = out.WriteString(answerHeader)
	values, into := make([]sql.RawBytes, 23), make([]any, 23)
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return 0, err
		}
		for i, v := range values {
			if i > 0 {
				_ = out.WriteByte(',')
			}
			_, _ = out.Write(v)
		}
		_ = out.WriteByte('\n')
	}
	err = errors.Join(rows.Err(), out.Flush(), answer.Close(), ended())
	return time.Since(began), err
}

const sqliteNewest = ` h WHERE h.customer_id = s.customer_id AND h.event_time <= s.event_time`

// wholeRows looks the newest rows up by the index alone, in its order, and then fetches them in the spine's order.
func (l *sqliteLimit) wholeRows(ctx context.Context, tables [2]string, ttl time.Duration) (*sql.Rows, error) {
	since := ""
	if ttl > 0 {
		since = fmt.Sprintf(` AND h.event_time >= s.event_time - %d`, ttl.Microseconds())
	}
	newest := func(table string) string {
		return `(SELECT ingest_id FROM ` + table + sqliteNewest + since + ` ORDER BY h.event_time DESC, ingest_id DESC LIMIT 1)`
	}
	if _, err := l.db.ExecContext(ctx, `CREATE TEMP TABLE found AS SELECT n, `+newest(tables[0])+` a, `+newest(tables[1])+` b
		FROM spine s ORDER BY customer_id, event_time`); err != nil {
		return nil, err
	}
	return l.db.QueryContext(ctx, `SELECT s.customer_id, s.at, s.label, a.f0, a.f1, a.f2, a.f3, a.f4, a.f5, a.f6, a.f7, a.f8, a.f9,
		b.f0, b.f1, b.f2, b.f3, b.f4, b.f5, b.f6, b.f7, b.f8, b.f9
		FROM found f JOIN spine s ON s.n = f.n LEFT JOIN `+tables[0]+` a ON a.ingest_id = f.a LEFT JOIN `+tables[1]+` b ON b.ingest_id = f.b ORDER BY f.n`)
}

// partialRows looks the newest value of each feature up, in the order of the index.
func (l *sqliteLimit) partialRows(ctx context.Context, tables [2]string, _ time.Duration) (*sql.Rows, error) {
	columns, names := "", ""
	for t, table := range tables {
		for f := range 10 {
			columns += fmt.Sprintf(`, (SELECT f%d FROM %s%s AND f%d IS NOT NULL ORDER BY h.event_time DESC, ingest_id DESC LIMIT 1) v%d_%d`, f, table, sqliteNewest, f, t, f)
			names += fmt.Sprintf(", v%d_%d", t, f)
		}
	}
	if _, err := l.db.ExecContext(ctx, `CREATE TEMP TABLE found AS SELECT n, customer_id, at, label`+columns+` FROM spine s ORDER BY customer_id, event_time`); err != nil {
		return nil, err
	}
	return l.db.QueryContext(ctx, `SELECT customer_id, at, label`+names+` FROM found ORDER BY n`)
}

func (l *sqliteLimit) fillSpine(from io.Reader) error {
	tx, err := l.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	insert, err := tx.Prepare(`INSERT INTO spine (customer_id, event_time, at, label) VALUES (?, ?, ?, ?)`)
	if err != nil {
		return err
	}
	reader := csv.NewReader(newBuffered(from))
	reader.ReuseRecord = true
	if _, err := reader.Read(); err != nil {
		return err
	}
	for {
		record, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return tx.Commit()
		}
		if err != nil {
			return err
		}
		at, err := time.Parse(time.RFC3339, record[1])
		if err != nil {
			return err
		}
		if _, err := insert.Exec(record[0], at.UnixMicro(), record[1], record[2]); err != nil {
			return err
		}
	}
}

var errNoLimit = errors.New("there is no limit for that on SQLite")

func (l *sqliteLimit) materialize(context.Context, string) (time.Duration, error) {
	return 0, errNoLimit
}
func (l *sqliteLimit) rebuild(context.Context, string) (time.Duration, error) { return 0, errNoLimit }
