package postgres

import (
	"context"
	"fmt"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// Late finds the rows by the index over the transactions, and has the server put them into spans. A span ends with its tick, so that the next begins a
// microsecond later.
func (s *snapshot) Late(ctx context.Context, group *registry.Group, since store.Known, removal int64, ticks []int64) ([]int64, error) {
	times := store.NewLateTimes(ticks)
	if len(ticks) == 0 {
		return nil, nil
	}
	if err := s.late(ctx, group, since, removal, ticks, times); err != nil {
		return nil, fmt.Errorf("looking what came into group %s: %w", group.Name, err)
	}
	return times.Times(), nil
}

func (s *snapshot) late(ctx context.Context, group *registry.Group, since store.Known, removal int64, ticks []int64, times *store.LateTimes) error {
	l, err := s.layout(ctx, group)
	if err != nil || l.table == "" {
		return err
	}
	first, unknown := since.Head, fmt.Sprintf("o.ingest_xid >= %d", since.Head)
	for _, span := range since.Open {
		first = min(first, span.First)
		unknown += fmt.Sprintf(" OR o.ingest_xid BETWEEN %d AND %d", span.First, span.Last)
	}
	begins := beginArray(nil, typeIDs[value.Timestamp], len(ticks))
	for _, tick := range ticks {
		begins = appendInt64(append(begins, 0, 0, 0, 8), timestamp(tick)+1)
	}
	text := fmt.Sprintf("SELECT max(o.event_time) FROM %s WHERE o.ingest_xid >= %d AND (%s) AND o.event_time <= %s GROUP BY width_bucket(o.event_time, $1::timestamptz[])",
		s.rows(group, l), first, unknown, timeLiteral(ticks[len(ticks)-1]))
	err = s.queryOnce(ctx, text, [][]byte{begins}, func(row [][]byte) error {
		times.Add(decodeTime(row[0]))
		return nil
	})
	if err != nil {
		return err
	}
	text = "SELECT least, latest FROM " + s.offline.table("__removal_times") + " WHERE group_id = $1 AND number > $2"
	return s.query(ctx, text, [][]byte{appendInt64(nil, group.ID), appendInt64(nil, removal)}, func(row [][]byte) error {
		times.Between(decodeInt64(row[0]), decodeInt64(row[1]))
		return nil
	})
}
