package demo

import (
	"bufio"
	"context"
	"database/sql"
	_ "embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	_ "github.com/mattn/go-sqlite3" // the driver "sqlite3"
)

//go:embed spine.sql
var spineSQL string

// events is a table "purchases" in memory that plain SQL computes on.
type events struct{ db *sql.DB }

func (e *events) close() {
	if e.db != nil {
		e.db.Close()
	}
}

// fetch reads the purchases back from the server.
func (d *Demo) fetch(ctx context.Context, e *events) (string, error) {
	response, err := d.open(ctx, http.MethodGet, d.Store+"/rows/purchases", nil, "", "")
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if err := problemOf(response); err != nil {
		return "", err
	}
	if e.db, err = sql.Open("sqlite3", ":memory:"); err != nil {
		return "", err
	}
	e.db.SetMaxOpenConns(1) // a database in memory belongs to its connection
	rows, err := e.fill(ctx, response.Body)
	if err != nil {
		return "", fmt.Errorf("fill the table of purchases: %w", err)
	}
	return fmt.Sprintf("%d rows", rows), nil
}

func (e *events) fill(ctx context.Context, from io.Reader) (int, error) {
	if _, err := e.db.ExecContext(ctx, `CREATE TABLE purchases (customer_id TEXT, event_time INTEGER, quantity INTEGER, amount REAL)`); err != nil {
		return 0, err
	}
	tx, err := e.db.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	insert, err := tx.PrepareContext(ctx, `INSERT INTO purchases VALUES (?, unixepoch(?), ?, ?)`)
	if err != nil {
		return 0, err
	}
	table := csv.NewReader(from)
	table.ReuseRecord = true
	if _, err := table.Read(); err != nil { // customer_id, event_time, quantity, amount
		return 0, err
	}
	rows := 0
	for {
		record, err := table.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, err
		}
		if _, err := insert.ExecContext(ctx, record[0], record[1], record[2], record[3]); err != nil {
			return 0, err
		}
		rows++
	}
	if _, err := tx.ExecContext(ctx, `CREATE INDEX purchases_by_customer ON purchases (customer_id, event_time, amount)`); err != nil {
		return 0, err
	}
	return rows, tx.Commit()
}

// csv streams a query's answer; result, after the stream's end, is the number of rows and how many of them have 1 in their last column.
func (e *events) csv(query string) (stream *io.PipeReader, result func() (rows, positive int64)) {
	stream, out := io.Pipe()
	var rows, positive int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		buffered := bufio.NewWriterSize(out, 1<<16)
		err := e.write(buffered, query, &rows, &positive)
		if err == nil {
			err = buffered.Flush()
		}
		out.CloseWithError(err)
	}()
	return stream, func() (int64, int64) { <-done; return rows, positive }
}

func (e *events) write(out io.Writer, query string, rows, positive *int64) error {
	found, err := e.db.Query(query)
	if err != nil {
		return fmt.Errorf("compute: %w", err)
	}
	defer found.Close()
	columns, err := found.Columns()
	if err != nil {
		return err
	}
	table := csv.NewWriter(out)
	if err := table.Write(columns); err != nil {
		return err
	}
	values, into, record := make([]any, len(columns)), make([]any, len(columns)), make([]string, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for found.Next() {
		if err := found.Scan(into...); err != nil {
			return err
		}
		for i, v := range values {
			record[i] = cell(v)
		}
		if err := table.Write(record); err != nil {
			return err
		}
		*rows++
		if record[len(record)-1] == "1" {
			*positive++
		}
	}
	table.Flush()
	return errors.Join(found.Err(), table.Error())
}

func cell(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return fmt.Sprint(v)
}
