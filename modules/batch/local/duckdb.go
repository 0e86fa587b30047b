package local

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unsafe"

	duckdb "github.com/duckdb/duckdb-go-bindings"

	"featurestore/modules/batch"
	"featurestore/modules/registry/value"
)

// database is a DuckDB in memory, for one job and one goroutine. Its results are read as they are made, which database/sql cannot.
type database struct {
	db   duckdb.Database
	conn duckdb.Connection
}

// duckError is what DuckDB says went wrong.
type duckError struct {
	kind duckdb.ErrorType
	text string
}

func (e *duckError) Error() string { return e.text }

// open makes one within the job's limits, which spills into a folder of the job.
func open(job *batch.Job) (*database, error) {
	settings := [][2]string{
		{"threads", strconv.Itoa(max(job.Threads, 1))},
		{"temp_directory", filepath.Join(job.Folder, "spill")},
		{"autoinstall_known_extensions", "false"},
		{"autoload_known_extensions", "false"},
		{"allow_community_extensions", "false"},
		{"allow_unsigned_extensions", "false"},
	}
	if job.Memory > 0 {
		settings = append(settings, [2]string{"memory_limit", strconv.FormatInt(job.Memory, 10) + "B"})
	}
	var config duckdb.Config
	if duckdb.CreateConfig(&config) == duckdb.StateError {
		return nil, errors.New("open DuckDB: no configuration can be made")
	}
	defer duckdb.DestroyConfig(&config)
	for _, s := range settings {
		if duckdb.SetConfig(config, s[0], s[1]) == duckdb.StateError {
			return nil, fmt.Errorf("open DuckDB: the setting %s does not take %q", s[0], s[1])
		}
	}
	d := &database{}
	var message string
	if duckdb.OpenExt("", &d.db, config, &message) == duckdb.StateError {
		return nil, fmt.Errorf("open DuckDB: %s", message)
	}
	if duckdb.Connect(d.db, &d.conn) == duckdb.StateError {
		duckdb.Close(&d.db)
		return nil, errors.New("open DuckDB: no connection can be made")
	}
	return d, nil
}

func (d *database) close() {
	duckdb.Disconnect(&d.conn)
	duckdb.Close(&d.db)
}

// lock leaves of the file system the files named and what is in the folders, and lets nobody change a setting any more.
func (d *database) lock(ctx context.Context, files, folders []string) error {
	for _, statement := range []string{
		"SET TimeZone = 'UTC'",
		"SET allowed_paths = " + list(files),
		"SET allowed_directories = " + list(folders),
		"SET enable_external_access = false",
		"SET lock_configuration = true",
	} {
		if err := d.exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

func list(texts []string) string {
	quoted := make([]string, len(texts))
	for i, t := range texts {
		quoted[i] = batch.DuckDB.Text(t)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// exec runs one statement.
func (d *database) exec(ctx context.Context, statement string) error {
	return d.query(ctx, statement, func(*chunk) error { return nil })
}

// query runs one statement and hands on its rows, at most 2,048 at once, in their order. At the end of ctx DuckDB is interrupted.
func (d *database) query(ctx context.Context, statement string, each func(*chunk) error) (err error) {
	done := d.interruptible(ctx)
	defer func() {
		done()
		if ctxErr := context.Cause(ctx); err != nil && ctxErr != nil {
			err = ctxErr
		}
	}()
	if err := ctx.Err(); err != nil {
		return err
	}
	var prepared duckdb.PreparedStatement
	defer duckdb.DestroyPrepare(&prepared)
	if duckdb.Prepare(d.conn, statement, &prepared) == duckdb.StateError {
		return &duckError{duckdb.ErrorTypeBinder, duckdb.PrepareError(prepared)}
	}
	var pending duckdb.PendingResult
	defer duckdb.DestroyPending(&pending)
	if duckdb.PendingPreparedStreaming(prepared, &pending) == duckdb.StateError {
		return &duckError{duckdb.ErrorTypeInvalid, duckdb.PendingError(pending)}
	}
	var result duckdb.Result
	defer duckdb.DestroyResult(&result)
	if duckdb.ExecutePending(pending, &result) == duckdb.StateError {
		return resultError(&result)
	}
	for {
		c := chunk{data: duckdb.FetchChunk(result)}
		if c.data.Ptr == nil {
			return resultError(&result)
		}
		c.rows = int(duckdb.DataChunkGetSize(c.data))
		err := each(&c)
		duckdb.DestroyDataChunk(&c.data)
		if err != nil {
			return err
		}
	}
}

// resultError is nil where the result says nothing.
func resultError(result *duckdb.Result) error {
	text := duckdb.ResultError(result)
	if text == "" {
		return nil
	}
	return &duckError{duckdb.ResultErrorType(result), text}
}

// interruptible interrupts what the database does once ctx has ended, again and again until done is called: it may not have begun yet.
func (d *database) interruptible(ctx context.Context) (done func()) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-stop:
			return
		case <-ctx.Done():
		}
		again := time.NewTicker(50 * time.Millisecond)
		defer again.Stop()
		for {
			duckdb.Interrupt(d.conn)
			select {
			case <-stop:
				return
			case <-again.C:
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
	}
}

// chunk is some rows of a result. What it holds is gone with the next one.
type chunk struct {
	data duckdb.DataChunk
	rows int
}

// vector is a column of a chunk.
type vector struct {
	data  unsafe.Pointer
	valid unsafe.Pointer // nil: no nulls
}

func (c *chunk) vector(column int) vector {
	v := duckdb.DataChunkGetVector(c.data, duckdb.IdxT(column))
	return vector{duckdb.VectorGetData(v), duckdb.VectorGetValidity(v)}
}

func (v vector) null(row int) bool {
	return v.valid != nil && *(*uint64)(unsafe.Add(v.valid, row/64*8))&(1<<(row%64)) == 0
}

// int is a value of a BIGINT column.
func (v vector) int(row int) int64 { return *(*int64)(unsafe.Add(v.data, 8*row)) }

// wide is a value of a HUGEINT column.
func (v vector) wide(row int) wide {
	at := unsafe.Add(v.data, 16*row)
	return wide{low: *(*uint64)(at), high: *(*int64)(unsafe.Add(at, 8))}
}

// inlined is how long a VARCHAR is at most that stands in its place itself.
const inlined = 12

// text is a value of a VARCHAR column, which lasts as long as the chunk: 16 bytes with the length and then the text or, where it is longer, its
// first bytes and where it stands.
func (v vector) text(row int) string {
	at := unsafe.Add(v.data, 16*row)
	n := int(*(*uint32)(at))
	if n <= inlined {
		return unsafe.String((*byte)(unsafe.Add(at, 4)), n)
	}
	return unsafe.String(*(**byte)(unsafe.Add(at, 8)), n)
}

// word is a value of a column of BOOLEAN, INTEGER, FLOAT or TIMESTAMP, which is not null; of any other it is nothing.
func (v vector) word(t value.Type, row int) uint64 {
	switch t {
	case value.Boolean:
		return truth(*(*bool)(unsafe.Add(v.data, row)))
	case value.Integer, value.Timestamp:
		return uint64(v.int(row))
	case value.Float:
		return math.Float64bits(math.Float64frombits(uint64(v.int(row))) + 0) // never −0
	}
	return 0
}

// value is one of a column that was selected as value.Type t is read: TIMESTAMP as BIGINT.
func (v vector) value(t value.Type, row int) value.Value {
	if v.null(row) {
		return value.Null()
	}
	switch t {
	case value.Boolean:
		return value.OfBool(*(*bool)(unsafe.Add(v.data, row)))
	case value.Integer:
		return value.OfInt(v.int(row))
	case value.Timestamp:
		return value.OfTime(v.int(row))
	case value.Float:
		return value.OfFloat(*(*float64)(unsafe.Add(v.data, 8*row)))
	}
	return value.OfString(strings.Clone(v.text(row)))
}
