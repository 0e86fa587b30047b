package postgres

import (
	"context"
	"errors"
	"fmt"

	"featurestore/modules/registry"
	"featurestore/modules/store"
)

// Known names the snapshot's transactions: ingest_xid is what rows have their place by. A transaction that has no number yet gets one that
// is beyond all of them.
func (s *snapshot) Known(ctx context.Context) (known store.Known, err error) {
	err = s.queryOnce(ctx, "SELECT pg_snapshot_xmax(s)::text::bigint, x.xid::text::bigint FROM pg_current_snapshot() s LEFT JOIN LATERAL pg_snapshot_xip(s) AS x(xid) ON true ORDER BY 2",
		nil, func(row [][]byte) error {
			known.Head = decodeInt64(row[0])
			if row[1] != nil {
				xid := decodeInt64(row[1])
				known.Hide(store.Span{First: xid, Last: xid})
			}
			return nil
		})
	if err != nil {
		return store.Known{}, fmt.Errorf("reading what a snapshot shows: %w", err)
	}
	return known, nil
}

func (s *snapshot) AsKnown(known store.Known) { s.known = &known }

// rows is the SQL of a group's table as o, or of those of its rows that are known.
func (s *snapshot) rows(group *registry.Group, l layout) string {
	table := s.offline.table(l.table)
	if s.known == nil {
		return table + " o"
	}
	b := fmt.Appendf(nil, "(SELECT * FROM %s o WHERE o.schema_version <= %d", table, group.SchemaVersion)
	if s.known.Head == 0 {
		b = fmt.Appendf(b, " AND o.ingest_time <= %s", timeLiteral(s.known.Time))
	} else {
		b = fmt.Appendf(b, " AND o.ingest_xid < %d", s.known.Head)
		for _, span := range s.known.Open {
			b = fmt.Appendf(b, " AND o.ingest_xid NOT BETWEEN %d AND %d", span.First, span.Last)
		}
	}
	return string(append(b, ") o"...))
}

// errUnseen says that the server does not show when a transaction began.
var errUnseen = errors.New("PostgreSQL does not tell when a transaction began that writes to this schema: " +
	"track_activities must be on, and another role that writes there must be seen (grant pg_read_all_stats)")

// Settled looks at the transactions that hold a table of the schema as an insert does. A row is given its ingest time under that lock, and
// the lock outlasts the commit: what is not in a later snapshot was given it by one of these, or after the statement began.
func (o *Offline) Settled(ctx context.Context) (int64, error) {
	for attempt := 1; ; attempt++ {
		var settled int64
		var unseen bool
		err := o.writers.QueryRow(ctx, `SELECT (extract(epoch FROM least(now(), min(a.xact_start))) * 1000000)::bigint, coalesce(bool_or(a.xact_start IS NULL), false)
			FROM pg_locks l JOIN pg_class c ON c.oid = l.relation AND c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1)
			LEFT JOIN pg_stat_activity a ON a.pid = l.pid
			WHERE l.locktype = 'relation' AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
			AND l.mode = 'RowExclusiveLock' AND l.granted`, o.schema).Scan(&settled, &unseen)
		if err == nil && unseen { // one that has just ended has no start any more either
			err = errUnseen
		}
		if err == nil {
			return settled, nil
		}
		if !errors.Is(err, errUnseen) || attempt == attempts {
			return 0, fmt.Errorf("settling the offline store's clock: %w", err)
		}
		if err := pause(ctx, attempt); err != nil {
			return 0, err
		}
	}
}
