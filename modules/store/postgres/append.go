package postgres

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"

	"featurestore/modules/store"
)

// Append sends one insert for each group's rows (several where they are many) and one Sync, in one round trip: the server takes
// that as one transaction. Rows without an event time get the time at which it began, the same for all of them. When ctx
// ends during the commit, or the connection breaks, the rows may be stored or not.
func (o *Offline) Append(ctx context.Context, rows []*store.Rows) error {
	return o.AppendOnce(ctx, rows, nil)
}

// AppendOnce sends the insert of the keys first. Where another transaction has just inserted one of them, it waits for its end.
func (o *Offline) AppendOnce(ctx context.Context, rows []*store.Rows, requests []*store.KeyedRequest) error {
	return o.AppendTogether(ctx, &store.Together{Rows: rows, Requests: requests})
}

// AppendTogether sends the keys, then the marks of entries that are replayed, then new entries, and the rows last.
func (o *Offline) AppendTogether(ctx context.Context, all *store.Together) error {
	for _, r := range all.Rows {
		if err := check(r); err != nil {
			return err
		}
		if err := checkIDs(r); err != nil {
			return err
		}
	}
	batch := o.batchOf(all.Rows)
	var err error
	if batch.calls, err = o.quarantineCalls(all); err != nil {
		return err
	}
	if len(all.Requests) > 0 {
		batch.calls = slices.Insert(batch.calls, 0, o.remembering(sortedByKey(all.Requests)))
	}
	for attempt := 1; len(batch.statements)+len(batch.calls) > 0; attempt++ {
		err := batch.run(ctx)
		if err == nil {
			break
		}
		if code(err) == invalidSquareRoot {
			if known, failed := o.tell(ctx, all.Requests); known || failed != nil {
				return cmp.Or(failed, store.ErrKnown)
			} // its time ended, or it was released, just now
		} else if !lost(err) {
			return writeError(err)
		}
		if attempt == attempts {
			return writeError(err)
		}
		if err := pause(ctx, attempt); err != nil {
			return err
		}
	}
	return nil
}

// batch is the inserts of one transaction.
type batch struct {
	offline    *Offline
	calls      []*call // that come before the inserts, in an order in which two batches never wait for each other
	statements []batchInsert
}

// call is a statement of a transaction beside its inserts.
type call struct {
	text       string
	parameters [][]byte
	answered   [][][]byte
	done       func(rows [][][]byte) // with what it answered, once the transaction is committed; may be nil
}

type batchInsert struct {
	insert *insert
	run    int64
	spans  []span
	count  int
	ids    []int64 // what the server gave the rows
	times  []int64
	given  [][]byte // the row ids of those that were stored, of a group that has them
}

// batchOf sorts rows by the statement they need.
func (o *Offline) batchOf(rows []*store.Rows) *batch {
	type kind struct {
		key string
		run int64
	}
	open := map[kind]int{} // the statement that still takes rows
	b := &batch{offline: o}
	for _, r := range rows {
		key := kind{insertKey(r), r.Run}
		for from := 0; from < len(r.Keys); {
			at, ok := open[key]
			if !ok || b.statements[at].count == insertRows {
				at = len(b.statements)
				open[key] = at
				b.statements = append(b.statements, batchInsert{insert: o.insertFor(key.key, r), run: r.Run})
			}
			s := &b.statements[at]
			to := min(len(r.Keys), from+insertRows-s.count)
			s.spans = append(s.spans, span{r, from, to})
			s.count += to - from
			from = to
		}
	}
	return b
}

// run executes the inserts and, once they are committed, fills in what the server gave the rows.
func (b *batch) run(ctx context.Context) error {
	held, err := b.offline.writers.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connecting to PostgreSQL: %w", err)
	}
	defer held.Release()
	conn := held.Conn().PgConn()
	texts := make([]string, 0, len(b.calls)+len(b.statements))
	for _, c := range b.calls {
		texts = append(texts, c.text)
	}
	for _, s := range b.statements {
		texts = append(texts, s.insert.text)
	}
	prepared, err := prepareAll(ctx, conn, texts...)
	if err != nil {
		return fmt.Errorf("preparing an insert: %w", err)
	}
	var pipeline pgconn.Batch
	for i, c := range b.calls {
		pipeline.ExecStatement(prepared[i], c.parameters, binaryFormat, binaryFormat)
	}
	for i, s := range b.statements {
		pipeline.ExecStatement(prepared[len(b.calls)+i], s.insert.parameters(s.run, s.spans), binaryFormat, binaryFormat)
	}
	answer := conn.ExecBatch(ctx, &pipeline)
	for _, c := range b.calls {
		c.answered = c.answered[:0]
		if !answer.NextResult() {
			break
		}
		for result := answer.ResultReader(); result.NextRow(); {
			row := make([][]byte, len(result.Values()))
			for i, field := range result.Values() {
				row[i] = bytes.Clone(field)
			}
			c.answered = append(c.answered, row)
		}
	}
	for i := range b.statements {
		s := &b.statements[i]
		s.ids, s.times, s.given = s.ids[:0], s.times[:0], s.given[:0]
		if !answer.NextResult() {
			break
		}
		for result := answer.ResultReader(); result.NextRow(); {
			s.ids = append(s.ids, decodeInt64(result.Values()[0]))
			s.times = append(s.times, decodeTime(result.Values()[1]))
			if s.insert.id >= 0 {
				s.given = append(s.given, bytes.Clone(result.Values()[2]))
			}
		}
	}
	if err := answer.Close(); err != nil {
		return fmt.Errorf("inserting: %w", err)
	}
	for _, c := range b.calls {
		if c.done != nil {
			c.done(c.answered)
		}
	}
	for i := range b.statements {
		s := &b.statements[i]
		if s.insert.id >= 0 {
			if err := s.fillByID(); err != nil {
				return err
			}
			continue
		}
		if len(s.ids) != s.count {
			return fmt.Errorf("PostgreSQL took %d of %d rows into %s: is there a trigger?", len(s.ids), s.count, s.insert.group.Name)
		}
		for _, span := range s.spans {
			span.rows.IngestIDs = grown(span.rows)
			n := copy(span.rows.IngestIDs[span.from:span.to], s.ids)
			copy(span.rows.EventTimes[span.from:span.to], s.times)
			s.ids, s.times = s.ids[n:], s.times[n:]
		}
	}
	return nil
}

// grown is the rows' ingest ids, as many as there are rows.
func grown(rows *store.Rows) []int64 {
	if len(rows.IngestIDs) == len(rows.Keys) {
		return rows.IngestIDs
	}
	return make([]int64, len(rows.Keys))
}

var binaryFormat = []int16{1}
