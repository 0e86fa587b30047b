package main

import (
	"bufio"
	"cmp"
	"context"
	"database/sql"
	"encoding/csv"
	"errors"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

func newBuffered(from io.Reader) *bufio.Reader { return bufio.NewReaderSize(from, 1<<16) }

// sqliteLimit does the bulk works by hand on SQLite.
type sqliteLimit struct{ db *sql.DB }

func newSQLiteLimit(path string) (*sqliteLimit, error) {
	db, err := sql.Open("sqlite3", "file:"+path+"?_journal_mode=WAL&_synchronous=FULL&_txlock=immediate&_secure_delete=true")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return &sqliteLimit{db}, nil
}

// loadedRow is one row of the file.
type loadedRow struct {
	entity string
	at     int64
	values [10]float64
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
			if row.values[i], err = strconv.ParseFloat(record[2+i], 64); err != nil {
				return nil, err
			}
		}
		rows = append(rows, row)
	}
}

// insert reads the file, sorts it, and inserts it by prepared statements of fifty rows in one transaction.
func (l *sqliteLimit) insert(table, path string) (time.Duration, error) {
	if _, err := l.db.Exec(`CREATE TABLE ` + table + ` (customer_id TEXT NOT NULL, event_time INTEGER NOT NULL, ingest_time INTEGER NOT NULL,
		ingest_id INTEGER PRIMARY KEY, run_id INTEGER, schema_version INTEGER NOT NULL DEFAULT 1, presence TEXT,
		f0 REAL, f1 REAL, f2 REAL, f3 REAL, f4 REAL, f5 REAL, f6 REAL, f7 REAL, f8 REAL, f9 REAL) STRICT;
		CREATE INDEX ` + table + `_by_entity ON ` + table + ` (customer_id, event_time DESC)`); err != nil {
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
		return tx.Prepare(`INSERT INTO ` + table + ` (customer_id, event_time, ingest_time, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9) VALUES ` +
			strings.TrimSuffix(strings.Repeat(`(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), `, n), `, `))
	}
	statement, err := prepare(many)
	if err != nil {
		return 0, err
	}
	arguments := make([]any, 0, 13*many)
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
			arguments = append(arguments, r.entity, r.at, r.at)
			for _, v := range r.values {
				arguments = append(arguments, v)
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

func (l *sqliteLimit) load(_ context.Context, path string) (time.Duration, error) {
	return l.insert("limit_loaded"+suffixOf(path), path)
}

func (l *sqliteLimit) history(_ context.Context, path string) (time.Duration, error) {
	for _, table := range []string{"limit_history_a", "limit_history_b"} {
		if _, err := l.insert(table, path); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

// training puts the spine into a table, looks each row up by a correlated query in the order of the index, and writes CSV, or what
// the spine was in, in the spine's order.
func (l *sqliteLimit) training(ctx context.Context, path string) (time.Duration, error) {
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
	if _, err := l.db.Exec(`CREATE TEMP TABLE found AS SELECT n,
		(SELECT ingest_id FROM limit_history_a h WHERE h.customer_id = s.customer_id AND h.event_time <= s.event_time ORDER BY h.event_time DESC, ingest_id DESC LIMIT 1) a,
		(SELECT ingest_id FROM limit_history_b h WHERE h.customer_id = s.customer_id AND h.event_time <= s.event_time ORDER BY h.event_time DESC, ingest_id DESC LIMIT 1) b
		FROM spine s ORDER BY customer_id, event_time`); err != nil {
		return 0, err
	}
	rows, err := l.db.QueryContext(ctx, `SELECT s.customer_id, s.at, s.label, a.f0, a.f1, a.f2, a.f3, a.f4, a.f5, a.f6, a.f7, a.f8, a.f9,
		b.f0, b.f1, b.f2, b.f3, b.f4, b.f5, b.f6, b.f7, b.f8, b.f9
		FROM found f JOIN spine s ON s.n = f.n LEFT JOIN limit_history_a a ON a.ingest_id = f.a LEFT JOIN limit_history_b b ON b.ingest_id = f.b ORDER BY f.n`)
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

func (l *sqliteLimit) materialize(context.Context) (time.Duration, error) {
	return 0, errors.New("there is no limit for materialization on SQLite")
}
