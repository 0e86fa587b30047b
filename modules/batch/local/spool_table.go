package local

import (
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"featurestore/app/fault"
	"featurestore/modules/batch"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/table"
)

// spoolTable reads the events of a table or query up to the last tick, in a read-only transaction, and spools them.
func (e *Engine) spoolTable(ctx context.Context, job *batch.Job, into *spool) error {
	of := job.Plan.Source.Table
	url, err := e.places.URL(of.Connection)
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return unreachable(of.Connection, err)
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // all has been read, or err says what is wrong
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return unreachable(of.Connection, err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) //nolint:errcheck // it was only read
	settings := "SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO'; SET LOCAL IntervalStyle = 'postgres'"
	if left, ok := ctx.Deadline(); ok {
		settings += "; SET LOCAL statement_timeout = " + strconv.FormatInt(max(time.Until(left).Milliseconds(), 1), 10)
	}
	if _, err = tx.Exec(ctx, settings, pgx.QueryExecModeSimpleProtocol); err == nil {
		err = stream(ctx, tx, job, into)
	}
	return explainTable(ctx, of, err)
}

func unreachable(connection string, err error) error {
	return fault.New(fault.Unprocessable, "source-unreachable", "the connection %s cannot be made", connection).At("source.connection", connection, "cannot be made").Because(err)
}

// explainTable makes a sentence of what PostgreSQL says.
func explainTable(ctx context.Context, of *batch.Table, err error) error {
	var said *pgconn.PgError
	if ctx.Err() != nil || !errors.As(err, &said) {
		return err
	}
	return fault.New(fault.Unprocessable, "computation-failed", "the connection %s says: %s", of.Connection, fault.Shorten(said.Message)).
		At("source", of.Name, "%s", said.Message).Because(err)
}

// stream asks for the columns, each as one of the types that are read, and hands on the rows.
func stream(ctx context.Context, tx pgx.Tx, job *batch.Job, into *spool) error {
	plan := job.Plan
	quote := batch.PostgreSQL.Quote
	from := "(" + plan.Source.Table.Query + "\n)"
	if t := plan.Source.Table; t.Name != "" {
		if from = quote(t.Name); t.Schema != "" {
			from = quote(t.Schema) + "." + from
		}
	}
	types, err := typesOf(ctx, tx, from)
	if err != nil {
		return err
	}
	names := append(slices.Clone(plan.Source.Entity), timeColumn(plan, func(name string) bool { return types[name] != 0 }))
	for _, c := range plan.Columns {
		names = append(names, c.From)
	}
	selected := make([]string, len(names))
	for i, name := range names {
		oid, ok := types[name]
		if !ok {
			return fault.New(fault.Unprocessable, "missing-column", "the source has no column %q", name).At("source.columns", name, "is no column of the source")
		}
		if selected[i] = "e." + quote(name); !readable[oid] {
			selected[i] = "CAST(" + selected[i] + " AS text)"
		}
	}
	text := "SELECT " + strings.Join(selected, ", ") + " FROM " + from + " AS e"
	rows, err := tx.Query(ctx, text)
	if err != nil {
		return err
	}
	defer rows.Close()
	r := newTableRow(plan, names)
	for rows.Next() {
		cells, err := rows.Values()
		if err == nil {
			err = r.take(cells)
		}
		if err == nil && r.time <= job.Ticks[len(job.Ticks)-1] {
			err = into.add(r.entity.Values, r.time, 0, r.values)
		}
		if err != nil {
			return err
		}
	}
	return rows.Err()
}

// typesOf are the types of the columns of a relation.
func typesOf(ctx context.Context, tx pgx.Tx, from string) (map[string]uint32, error) {
	described, err := tx.Prepare(ctx, "", "SELECT * FROM "+from+" AS e")
	if err != nil {
		return nil, err
	}
	types := make(map[string]uint32, len(described.Fields))
	for _, f := range described.Fields {
		types[f.Name] = f.DataTypeOID
	}
	return types, nil
}

// readable are the types that come as they are; all others come as text, times with their offset where they have one.
var readable = map[uint32]bool{
	pgtype.BoolOID: true, pgtype.Int2OID: true, pgtype.Int4OID: true, pgtype.Int8OID: true, pgtype.Float4OID: true, pgtype.Float8OID: true,
	pgtype.TextOID: true, pgtype.VarcharOID: true,
}

// tableRow makes events of rows.
type tableRow struct {
	plan   *batch.Plan
	names  []string
	number int64
	key    []table.Cell

	entity store.Key
	time   int64
	values []value.Value
}

func newTableRow(plan *batch.Plan, names []string) *tableRow {
	return &tableRow{plan: plan, names: names, key: make([]table.Cell, len(plan.Keys)), values: make([]value.Value, len(plan.Columns))}
}

func (r *tableRow) take(row []any) (err error) {
	r.number++
	keys := len(r.plan.Keys)
	for i := range keys {
		r.key[i] = cellOf(row[i])
	}
	if r.entity, err = store.KeyOf(r.plan.Keys, r.key); err != nil {
		return badEvent(r.number, r.names[0], "", err)
	}
	at := cellOf(row[keys])
	t, err := at.Value(value.Timestamp, r.plan.Source.Zone)
	if err == nil && t.IsNull() {
		err = errors.New(noEventTime)
	}
	if err != nil {
		return badEvent(r.number, r.names[keys], at.Display(), err)
	}
	r.time = t.Time()
	for i, c := range r.plan.Columns {
		cell := cellOf(row[keys+1+i])
		if r.values[i], err = cell.Value(c.Type, r.plan.Source.Zone); err != nil {
			return badEvent(r.number, c.From, cell.Display(), err)
		}
	}
	return nil
}

// cellOf is a value of PostgreSQL as a cell.
func cellOf(v any) table.Cell {
	switch v := v.(type) {
	case bool:
		return table.ValueCell(value.OfBool(v))
	case int16:
		return table.ValueCell(value.OfInt(int64(v)))
	case int32:
		return table.ValueCell(value.OfInt(int64(v)))
	case int64:
		return table.ValueCell(value.OfInt(v))
	case float32:
		return numberCell(float64(v))
	case float64:
		return numberCell(v)
	case string:
		return table.TextCell(v)
	}
	return table.NullCell()
}

// numberCell keeps what is not finite as text, which no number can be read from.
func numberCell(f float64) table.Cell {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return table.TextCell(strconv.FormatFloat(f, 'g', -1, 64))
	}
	return table.ValueCell(value.OfFloat(f))
}
