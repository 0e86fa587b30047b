package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"slices"

	"github.com/mattn/go-sqlite3"
)

// conn is one connection to a file, used by one goroutine at a time. It talks to the driver itself: database/sql takes about as
// long again for a read of one row.
//
// In its statements a parameter never stands alone on the right of an equals sign or after LIMIT, but as +?: the driver clears
// the bindings before each run, and SQLite would plan the statement anew each time, in case the value were 0 or 1.
type conn struct {
	db       *sqlite3.SQLiteConn
	prepared map[string]*statement

	revision int64             // of the layouts that are kept; offline only
	layouts  map[int64]*layout // by group id; nil: the group has no table
}

// statement is a prepared statement of one connection, with room for its arguments.
type statement struct {
	stmt *sqlite3.SQLiteStmt
	args []driver.NamedValue
}

// maxPrepared bounds the statements that a connection keeps.
const maxPrepared = 200

// connect opens a file, which is made if it is not there.
func connect(path string, pragmas ...string) (*conn, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	name := "file:" + (&url.URL{Path: absolute}).EscapedPath() + "?_mutex=no&_busy_timeout=5000&_synchronous=FULL"
	opened, err := (&sqlite3.SQLiteDriver{}).Open(name)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	c := &conn{db: opened.(*sqlite3.SQLiteConn), prepared: map[string]*statement{}, layouts: map[int64]*layout{}}
	for _, pragma := range pragmas {
		if err := c.run("PRAGMA " + pragma); err != nil {
			return nil, errors.Join(fmt.Errorf("opening %s: %s: %w", path, pragma, err), c.close())
		}
	}
	return c, nil
}

func (c *conn) close() error {
	c.forget()
	return c.db.Close()
}

// tidy keeps the number of prepared statements in bounds; none may be in use.
func (c *conn) tidy() {
	if len(c.prepared) > maxPrepared {
		c.forget()
	}
}

func (c *conn) forget() {
	for text, s := range c.prepared {
		_ = s.stmt.Close()
		delete(c.prepared, text)
	}
}

// run executes statements that have no arguments and are not kept.
func (c *conn) run(text string) error {
	_, err := c.db.ExecContext(context.Background(), text, nil)
	return err
}

// prepare gives the one statement that the connection has for a text.
func (c *conn) prepare(text string) (*statement, error) {
	if s, ok := c.prepared[text]; ok {
		return s, nil
	}
	stmt, err := c.db.Prepare(text)
	if err != nil {
		return nil, err
	}
	s := &statement{stmt: stmt.(*sqlite3.SQLiteStmt), args: make([]driver.NamedValue, stmt.NumInput())}
	for i := range s.args {
		s.args[i].Ordinal = i + 1
	}
	c.prepared[text] = s
	return s, nil
}

// query runs the statement with the arguments in s.args; rows must be closed before it runs again. The driver binds all
// of them and takes the first step in one crossing to C, which its Exec does not: so changes are queries too.
func (s *statement) query(ctx context.Context) (driver.Rows, error) {
	return s.stmt.QueryContext(ctx, s.args)
}

func (s *statement) exec() error {
	rows, err := s.query(context.Background())
	if err != nil {
		return err
	}
	return rows.Close()
}

func (s *statement) with(args ...driver.Value) *statement {
	for i, arg := range args {
		s.args[i].Value = arg
	}
	return s
}

func (c *conn) exec(text string, args ...driver.Value) error {
	s, err := c.prepare(text)
	if err != nil {
		return err
	}
	return s.with(args...).exec()
}

// row reads the first row of a query into dest; found is false if there is none.
func (c *conn) row(dest []driver.Value, text string, args ...driver.Value) (found bool, err error) {
	s, err := c.prepare(text)
	if err != nil {
		return false, err
	}
	rows, err := s.with(args...).query(context.Background())
	if err != nil {
		return false, err
	}
	found, err = next(rows, dest)
	return found, errors.Join(err, rows.Close())
}

// each reads all rows of a query.
func (c *conn) each(dest []driver.Value, f func() error, text string, args ...driver.Value) error {
	s, err := c.prepare(text)
	if err != nil {
		return err
	}
	return s.with(args...).each(context.Background(), dest, f)
}

// each reads all rows. It stops between two rows and also on the way to the next when ctx ends, which costs a tenth more for each row
// where ctx can end.
func (s *statement) each(ctx context.Context, dest []driver.Value, f func() error) error {
	rows, err := s.query(ctx)
	if err != nil {
		return err
	}
	for {
		more, err := next(rows, dest)
		if err == nil && more {
			err = f()
		}
		if err != nil {
			_ = rows.Close()
			return err
		}
		if !more {
			return rows.Close()
		}
	}
}

// next reads a row into dest; false after the last one.
func next(rows driver.Rows, dest []driver.Value) (bool, error) {
	switch err := rows.Next(dest); {
	case err == nil:
		return true, nil
	case errors.Is(err, io.EOF):
		return false, nil
	default:
		return false, err
	}
}

// text is a column that can be null.
func text(v driver.Value) string {
	s, _ := v.(string)
	return s
}

// integer is a column that can be null.
func integer(v driver.Value) int64 {
	i, _ := v.(int64)
	return i
}

// inSizes cuts n pieces of work into as few runs of prepared statements as these sizes, largest first, allow: at is where a run begins.
func inSizes(n int, sizes []int, run func(at, size int) error) error {
	for at := 0; at < n; {
		i := slices.IndexFunc(sizes, func(size int) bool { return size <= n-at })
		if err := run(at, sizes[i]); err != nil {
			return err
		}
		at += sizes[i]
	}
	return nil
}
