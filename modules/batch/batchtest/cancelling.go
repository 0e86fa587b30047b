package batchtest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"featurestore/modules/batch"
	"featurestore/modules/registry"
	"featurestore/modules/store"
)

// runCancelling ends computations in the middle: they end with the context's error, and nothing that they started is left.
func runCancelling(t *testing.T, s Subject) {
	w := newWorld(t, s, "c")
	for _, h := range s.homes() {
		t.Run(h.name, func(t *testing.T) {
			w.tb = t
			told := w.must(counted(300), h)
			before := goleak.IgnoreCurrent()
			cancelled := func(ctx context.Context, cancel context.CancelFunc) {
				job, done := told.batchOf()
				if job.Events != nil && cancel != nil {
					job.Events = &ending{job.Events, cancel}
				}
				_, err := s.Engine.Compute(ctx, job)
				require.ErrorIs(t, err, context.Canceled)
				done()
				told.nothingLeft(before)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			cancelled(ctx, nil)
			switch {
			case told.group != "":
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				cancelled(ctx, cancel)
			case h.name == "table" || h.name == "query":
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				told.held(cancel, func() { cancelled(ctx, nil) })
			}
			got, err := told.compute() // and the engine goes on as before
			require.NoError(t, explained(err))
			require.Len(t, got, 300)
		})
	}
}

// held keeps the table of the events from being read while run runs, and calls then once somebody waits to read it.
func (t *told) held(then func(), run func()) {
	t.Helper()
	holder, err := pgx.Connect(t.ctx, t.Places.URL)
	require.NoError(t, err)
	defer func() { require.NoError(t, holder.Close(t.ctx)) }()
	tx, err := holder.Begin(t.ctx)
	require.NoError(t, err)
	name := pgx.Identifier{t.Places.Schema, t.own("sales")}.Sanitize()
	_, err = tx.Exec(t.ctx, "LOCK TABLE "+name+" IN ACCESS EXCLUSIVE MODE")
	require.NoError(t, err)
	waiting := func() (n int) {
		require.NoError(t, t.tables.QueryRow(t.ctx, "SELECT count(*) FROM pg_locks WHERE relation = to_regclass($1) AND NOT granted", name).Scan(&n))
		return n
	}
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for waiting() == 0 {
			time.Sleep(time.Millisecond)
		}
		then()
	}()
	run()
	<-watched
	require.Eventually(t, func() bool { return waiting() == 0 }, time.Minute, time.Millisecond, "the session of a computation that was ended waits on")
	require.NoError(t, tx.Rollback(t.ctx))
}

// nothingLeft waits until all that was started has ended.
func (t *told) nothingLeft(before goleak.Option) {
	t.Helper()
	require.NoError(t, goleak.Find(before, goleak.IgnoreAnyFunction("github.com/jackc/pgx/v5/pgxpool.(*Pool).backgroundHealthCheck")))
	if t.Leftovers != nil {
		require.Empty(t, t.Leftovers(t.tb.(testing.TB)))
	}
}

// ending is events that cancel the computation once they are asked for.
type ending struct {
	batch.Events
	cancel context.CancelFunc
}

func (e *ending) Scan(ctx context.Context, features []*registry.Feature, ordered bool, from, to *int64, yield func(*store.Rows) error) error {
	return e.Events.Scan(ctx, features, ordered, from, to, func(rows *store.Rows) error {
		e.cancel()
		return errors.Join(yield(rows), ctx.Err())
	})
}

func (e *ending) Relation(ctx context.Context, features []*registry.Feature, from, to *int64, use func(ctx context.Context, tx pgx.Tx, query string) error) (bool, error) {
	return e.Events.Relation(ctx, features, from, to, func(ctx context.Context, tx pgx.Tx, query string) error {
		e.cancel()
		return use(ctx, tx, query)
	})
}
