package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"featurestore/app/fault"
	"featurestore/modules/batch"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

// relation is the rows of a source that are not after the last tick, as SQL.
type relation struct {
	query  string   // that the other members are over, as r
	keys   []string // SQL of the plan's join keys
	values []string // SQL of the plan's columns
}

// Columns of the query besides.
const (
	timeOf = "event_us" // BIGINT, µs
	seqOf  = "seq"
)

// source calls use in a transaction that reads a job's source.
func (e *Engine) source(ctx context.Context, job *batch.Job, use func(ctx context.Context, tx pgx.Tx, of *relation) error) error {
	if job.Plan.Source.Group != nil {
		return group(ctx, job, use)
	}
	return e.table(ctx, job, use)
}

// group reads a group in the offline store's own transaction.
func group(ctx context.Context, job *batch.Job, use func(ctx context.Context, tx pgx.Tx, of *relation) error) error {
	var features []*registry.Feature
	for _, c := range job.Plan.Columns {
		if !slices.Contains(features, c.Feature) { // one may be read by two of its names
			features = append(features, c.Feature)
		}
	}
	slices.SortFunc(features, func(a, b *registry.Feature) int { return cmp.Compare(a.Ordinal, b.Ordinal) })
	to := last(job)
	here, err := job.Events.Relation(ctx, features, nil, &to, func(ctx context.Context, tx pgx.Tx, query string) error {
		of := &relation{query: query}
		for _, k := range job.Plan.Keys {
			of.keys = append(of.keys, typed(k.Name, k.ValueType))
		}
		for _, c := range job.Plan.Columns {
			of.values = append(of.values, typed(c.Feature.Name, c.Type))
		}
		if err := settle(ctx, tx, job); err != nil {
			return err
		}
		if err := confine(ctx, tx); err != nil {
			return err
		}
		return use(ctx, tx, of)
	})
	if err == nil && !here {
		err = errNotHere
	}
	return err
}

// typed is a column of the query r as a type of events: texts are to be ordered by their bytes.
func typed(name string, t value.Type) string { return "r." + quote(name) + "::" + sqlTypes[t] }

// table reads a table or a query of a connection in a transaction of its own.
func (e *Engine) table(ctx context.Context, job *batch.Job, use func(ctx context.Context, tx pgx.Tx, of *relation) error) (err error) {
	source := job.Plan.Source.Table
	url, err := e.config.URL(source.Connection)
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return unreachable(source.Connection, err)
	}
	defer closeConn(conn)
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return err
	}
	if err := settle(ctx, tx, job); err != nil {
		return err
	}
	if err := confine(ctx, tx); err != nil {
		return err
	}
	of, err := tableRelation(ctx, tx, job)
	if err != nil {
		return err
	}
	return use(ctx, tx, of)
}

// closeTime is how long the end of a session may take.
const closeTime = 5 * time.Second

// closeConn ends a session, and with it what it is doing; nothing was written in it.
func closeConn(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	_ = conn.Close(ctx)
}

// tableRelation looks at what columns a table or query has, and makes those of a relation of them.
func tableRelation(ctx context.Context, tx pgx.Tx, job *batch.Job) (*relation, error) {
	plan := job.Plan
	source := plan.Source.Table
	from := "(" + source.Query + "\n)"
	if source.Query == "" {
		from = pgx.Identifier{source.Name}.Sanitize()
		if source.Schema != "" {
			from = pgx.Identifier{source.Schema, source.Name}.Sanitize()
		}
	}
	described, err := tx.Prepare(ctx, "", "SELECT * FROM "+from+" t")
	if err != nil {
		return nil, err
	}
	found := map[string]uint32{}
	for _, f := range described.Fields {
		found[f.Name] = f.DataTypeOID
	}
	column := func(name string, t value.Type) (string, error) {
		oid, ok := found[name]
		if !ok {
			return "", fault.New(fault.Unprocessable, "missing-column", "the source has no column %q", name).At("source.columns", name, "is no column of the source")
		}
		sql, ok := converted("t."+quote(name), name, oid, t, plan.Source.Zone)
		if !ok {
			return "", fault.New(fault.Unprocessable, "wrong-column-type", "the column %q of the source cannot be read as %s", name, t).At("source.columns", name, "is of a type that is not read as %s", t)
		}
		return sql, nil
	}
	eventTime := plan.Source.EventTime
	for _, name := range []string{"event_time", "event_timestamp"} {
		if _, there := found[name]; there && eventTime == "" {
			eventTime = name
		}
	}
	at, err := column(cmp.Or(eventTime, "event_time"), value.Timestamp)
	if err != nil {
		return nil, err
	}
	of := &relation{}
	selected := []string{required(microseconds(at), "t."+quote(eventTime), "bigint", eventTime) + " AS " + timeOf, "0::bigint AS " + seqOf}
	for i, k := range plan.Keys {
		name := plan.Source.Entity[i]
		key, err := column(name, k.ValueType)
		if err != nil {
			return nil, err
		}
		own := "k" + strconv.Itoa(i)
		of.keys = append(of.keys, "r."+own)
		selected = append(selected, required(key, "t."+quote(name), sqlTypes[k.ValueType], name)+" AS "+own)
	}
	for i, c := range plan.Columns {
		v, err := column(c.From, c.Type)
		if err != nil {
			return nil, err
		}
		own := "v" + strconv.Itoa(i)
		of.values = append(of.values, "r."+own)
		selected = append(selected, v+" AS "+own)
	}
	of.query = fmt.Sprintf("SELECT * FROM (SELECT %s FROM %s t) e WHERE event_us <= %d", strings.Join(selected, ", "), from, last(job))
	return of, nil
}

func quote(name string) string { return batch.PostgreSQL.Quote(name) }

func literal(text string) string { return batch.PostgreSQL.Text(text) }
