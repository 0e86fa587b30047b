package sqlite

import (
	"context"
	"fmt"
	"sync"

	"featurestore/modules/store"
)

// Known names the next ingest id and the loads that are open.
func (s *snapshot) Known(context.Context) (store.Known, error) {
	known := store.Known{Head: s.next}
	for _, load := range s.loads {
		known.Hide(store.Span{First: load.first, Last: load.last})
	}
	return known, nil
}

// Durable has nothing to do: a snapshot shows what is on disk, and ids are counted in the transactions that use them.
func (s *snapshot) Durable(context.Context) error { return nil }

func (s *snapshot) AsKnown(known store.Known) { s.known = &known }

// isKnown appends the condition that a row is known.
func (src *source) isKnown(b []byte) []byte {
	b = fmt.Appendf(b, " AND t.schema_version <= %d", src.group.SchemaVersion)
	if src.known.Head == 0 {
		return fmt.Appendf(b, " AND t.ingest_time <= %d", src.known.Time)
	}
	b = fmt.Appendf(b, " AND t.ingest_id < %d", src.known.Head)
	for _, span := range src.known.Open {
		b = fmt.Appendf(b, " AND t.ingest_id NOT BETWEEN %d AND %d", span.First, span.Last)
	}
	return b
}

// underWay has the ingest times of the loads whose rows are being inserted.
type underWay struct {
	mu    sync.Mutex
	since map[*load]int64
}

func (u *underWay) begin(l *load) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.since[l] = l.ingestTime
}

func (u *underWay) end(l *load) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.since, l)
}

// first is the earliest of them, or otherwise where there are none.
func (u *underWay) first(otherwise int64) int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, since := range u.since {
		otherwise = min(otherwise, since)
	}
	return otherwise
}

// Settled waits for its turn in the writer's next commit, which also keeps the clock: all before it is committed then, and what follows is
// given a time that is not before it, also by the next process. A load takes its time in the writer too.
func (o *Offline) Settled(ctx context.Context) (settled int64, err error) {
	err = o.writer.do(ctx, single, func(*conn) error {
		settled = o.underWay.first(o.clock.time())
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("settling the offline store's clock: %w", err)
	}
	return settled, nil
}
