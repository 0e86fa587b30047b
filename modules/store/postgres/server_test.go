package postgres

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"featurestore/app/fault"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/storetest/servers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAnotherInstallationIsRefused(t *testing.T) {
	ctx := context.Background()
	url, schema := servers.Postgres(t)
	o := openAt(t, Options{URL: url, Schema: schema})
	require.NoError(t, o.Claim(ctx, "one"))
	require.NoError(t, o.Claim(ctx, "one"))
	problem, ok := fault.As(o.Claim(ctx, "two"))
	require.True(t, ok)
	require.Equal(t, fault.Conflict, problem.Kind)
}

func TestIdentityIsTheStores(t *testing.T) {
	ctx := context.Background()
	url, schema := servers.Postgres(t)
	first, again, other := openAt(t, Options{URL: url, Schema: schema}), openAt(t, Options{URL: url, Schema: schema}), openAt(t, Options{URL: url, Schema: schema + "_other"})
	a, err := first.Identity(ctx)
	require.NoError(t, err)
	b, err := again.Identity(ctx)
	require.NoError(t, err)
	c, err := other.Identity(ctx)
	require.NoError(t, err)
	require.Equal(t, a, b)
	require.NotEqual(t, a, c)
}

// A dump that was restored elsewhere brings transaction numbers of its old cluster, which may be far ahead.
func TestARestoredDumpIsNotNewForEver(t *testing.T) {
	ctx := context.Background()
	url, schema := servers.Postgres(t)
	g := group(1, "g", []value.Type{value.String}, value.Integer)
	o := openAt(t, Options{URL: url, Schema: schema})
	ensure(t, o, g)
	row := []*store.Rows{rows(g, []store.Key{stringKey("a")}, []int64{at(0)}, value.OfInt(1))}
	require.NoError(t, o.Append(ctx, row))
	_, err := o.writers.Exec(ctx, `UPDATE `+o.table("g")+` SET ingest_xid = 4000000000000`)
	require.NoError(t, err)
	_, err = o.writers.Exec(ctx, `UPDATE `+o.table("__store")+` SET cluster = 1`)
	require.NoError(t, err)
	restored := openAt(t, Options{URL: url, Schema: schema})
	position := snapshotOf(t, restored).Position()
	require.Empty(t, all(t, restored, g, store.Range{After: position}).Keys)
	require.Len(t, all(t, restored, g, store.Range{}).Keys, 1)
}

// A transaction opened before a run and committed after it is at or above the run's position.
func TestNothingIsMissedThatCommitsLate(t *testing.T) {
	ctx := context.Background()
	o := open(t)
	g := group(1, "g", []value.Type{value.String}, value.Integer)
	ensure(t, o, g)
	for i := range 50 {
		l, err := o.Load(ctx, g, 1)
		require.NoError(t, err)
		late := &store.Rows{Group: g, Features: g.Features} // so many that the server gets some of them at once
		for range 5000 {
			late.Keys, late.EventTimes, late.Values = append(late.Keys, stringKey(fmt.Sprint("late", i))), append(late.EventTimes, at(i)), append(late.Values, value.OfInt(1))
		}
		require.NoError(t, l.Add(ctx, late))
		var position store.Position
		require.Eventually(t, func() bool {
			require.NoError(t, o.Append(ctx, []*store.Rows{rows(g, []store.Key{stringKey("early")}, []int64{at(i)}, value.OfInt(1))}))
			s := snapshotOf(t, o)
			position = s.Position()
			require.NoError(t, s.Close())
			return s.Head().After(position)
		}, time.Minute, time.Millisecond)
		require.NoError(t, l.Commit(ctx))
		var keys []string
		for _, key := range all(t, o, g, store.Range{After: position}).Keys {
			keys = append(keys, key.Encoded)
		}
		require.Contains(t, keys, fmt.Sprint("late", i))
	}
}

// An old transaction anywhere in the cluster holds back the position, never the rows.
func TestAnIdleTransactionHidesNothing(t *testing.T) {
	ctx := context.Background()
	o := open(t)
	g := group(1, "g", []value.Type{value.String}, value.Integer)
	ensure(t, o, g)
	idle, err := o.readers.Begin(ctx)
	require.NoError(t, err)
	var oldest string
	require.NoError(t, idle.QueryRow(ctx, `SELECT pg_current_xact_id()::text`).Scan(&oldest))
	position := func() store.Position {
		s := snapshotOf(t, o)
		defer func() { require.NoError(t, s.Close()) }()
		return s.Position()
	}
	before := store.Position(oldest)
	reached := func(what func() bool) { // other tests have transactions in the cluster too, and theirs may be older
		t.Helper()
		require.Eventually(t, what, time.Minute, time.Millisecond)
	}
	reached(func() bool { return position() == before })
	require.NoError(t, o.Append(ctx, []*store.Rows{rows(g, []store.Key{stringKey("a")}, []int64{at(0)}, value.OfInt(1))}))
	require.Equal(t, before, position())
	require.Len(t, all(t, o, g, store.Range{After: before}).Keys, 1)
	require.NoError(t, idle.Rollback(ctx))
	reached(func() bool { return position().After(before) })
}

func TestASnapshotIsOneMoment(t *testing.T) {
	ctx := context.Background()
	o := open(t)
	g := group(1, "g", []value.Type{value.String}, value.Integer)
	ensure(t, o, g)
	row := func() []*store.Rows {
		return []*store.Rows{rows(g, []store.Key{stringKey("a")}, []int64{value.NoTime}, value.OfInt(1))}
	}
	first := row()
	require.NoError(t, o.Append(ctx, first))
	s := snapshotOf(t, o)
	require.LessOrEqual(t, first[0].EventTimes[0], s.Now())
	require.InDelta(t, time.Now().UnixMicro(), s.Now(), 5e6)
	require.NoError(t, o.Append(ctx, row()))
	seen := 0
	require.NoError(t, s.Observations(ctx, g, g.Features, store.Range{}, func(r *store.Rows) error { seen += len(r.Keys); return nil }))
	require.Equal(t, 1, seen)
}

func TestGroupsOfOneWriteHaveOneTime(t *testing.T) {
	o := open(t)
	one, two := group(1, "one", []value.Type{value.String}, value.Integer), group(2, "two", []value.Type{value.String}, value.Integer)
	ensure(t, o, one, two)
	a := rows(one, []store.Key{stringKey("a")}, []int64{value.NoTime}, value.OfInt(1))
	b := rows(two, []store.Key{stringKey("a")}, []int64{value.NoTime}, value.OfInt(1))
	require.NoError(t, o.Append(context.Background(), []*store.Rows{a, b}))
	require.Equal(t, a.EventTimes, b.EventTimes)
	require.InDelta(t, time.Now().UnixMicro(), a.EventTimes[0], 5e6)
}

func TestManyRowsInOneAppendAscend(t *testing.T) {
	o := open(t)
	g := group(1, "g", []value.Type{value.String}, value.Integer, value.StringArray)
	ensure(t, o, g)
	r := &store.Rows{Group: g, Features: g.Features}
	for i := range 3*insertRows + 1 {
		r.Keys, r.EventTimes = append(r.Keys, stringKey(fmt.Sprint(i%7))), append(r.EventTimes, at(i))
		r.Values = append(r.Values, value.OfInt(int64(i)), value.OfStrings([]string{fmt.Sprint(i)}))
	}
	require.NoError(t, o.Append(context.Background(), []*store.Rows{r}))
	require.IsIncreasing(t, r.IngestIDs)
	for i, id := range all(t, o, g, store.Range{}).IngestIDs {
		require.Equal(t, r.IngestIDs[i], id)
	}
}

func TestALoadAppearsWholeOrNotAtAll(t *testing.T) {
	ctx := context.Background()
	o := open(t)
	g := group(1, "g", []value.Type{value.String}, value.Integer)
	ensure(t, o, g)
	begin := func(ctx context.Context) store.Load {
		l, err := o.Load(ctx, g, 1)
		require.NoError(t, err)
		for range 20 {
			r := &store.Rows{Group: g, Features: g.Features}
			for i := range 1000 {
				r.Keys, r.EventTimes, r.Values = append(r.Keys, stringKey("a")), append(r.EventTimes, at(i)), append(r.Values, value.OfInt(1))
			}
			require.NoError(t, l.Add(ctx, r))
		}
		require.Empty(t, all(t, o, g, store.Range{}).Keys)
		return l
	}
	l := begin(ctx)
	require.NoError(t, l.Abort(ctx))
	require.NoError(t, l.Abort(ctx))
	require.Error(t, l.Commit(ctx))
	require.Empty(t, all(t, o, g, store.Range{}).Keys)

	cancelled, cancel := context.WithCancel(ctx)
	l = begin(cancelled)
	cancel()
	require.Error(t, l.Commit(cancelled))
	require.NoError(t, l.Abort(ctx))
	require.Empty(t, all(t, o, g, store.Range{}).Keys)

	l = begin(ctx)
	_, err := o.writers.Exec(ctx, `SELECT pg_terminate_backend($1)`, l.(*load).conn.Conn().PgConn().PID())
	require.NoError(t, err)
	require.Error(t, l.Commit(ctx))
	require.NoError(t, l.Abort(ctx))
	require.Empty(t, all(t, o, g, store.Range{}).Keys)

	l = begin(ctx)
	require.NoError(t, l.Commit(ctx))
	require.NoError(t, l.Abort(ctx))
	require.Len(t, all(t, o, g, store.Range{Run: 1}).Keys, 20_000)
}

func TestAWaitEndsWithItsContext(t *testing.T) {
	o := open(t)
	g := group(1, "g", []value.Type{value.String}, value.Integer)
	ensure(t, o, g)
	lock, err := o.readers.Begin(context.Background())
	require.NoError(t, err)
	_, err = lock.Exec(context.Background(), `LOCK TABLE `+o.table("g")+` IN ACCESS EXCLUSIVE MODE`)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	err = o.Append(ctx, []*store.Rows{rows(g, []store.Key{stringKey("a")}, []int64{at(0)}, value.OfInt(1))})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, isFault := fault.As(err)
	require.False(t, isFault)
	require.Less(t, time.Since(start), 30*time.Second)
	require.NoError(t, lock.Rollback(context.Background()))
	require.NoError(t, o.Append(context.Background(), []*store.Rows{rows(g, []store.Key{stringKey("b")}, []int64{at(0)}, value.OfInt(1))}))
}

func TestAStreamThatIsBrokenOffStopsAtOnce(t *testing.T) {
	ctx := context.Background()
	o := open(t)
	g := group(1, "g", []value.Type{value.String}, value.Integer)
	ensure(t, o, g)
	_, err := o.writers.Exec(ctx, `INSERT INTO `+o.table("g")+` (key0, event_time, schema_version, f0) SELECT 'k' || i, now(), 1, i FROM generate_series(1, 50000) i`)
	require.NoError(t, err)
	enough := errors.New("enough")
	for _, read := range []func(*snapshot, func() error) error{
		func(s *snapshot, yield func() error) error {
			return s.Observations(ctx, g, g.Features, store.Range{}, func(*store.Rows) error { return yield() })
		},
		func(s *snapshot, yield func() error) error {
			return s.Current(ctx, g, g.Features, func(*store.Current) error { return yield() })
		},
	} {
		s := snapshotOf(t, o)
		require.ErrorIs(t, read(s, func() error { return enough }), enough)
		require.NoError(t, s.Close())
		s = snapshotOf(t, o)
		require.ErrorContains(t, s.Observations(ctx, g, g.Features, store.Range{}, func(*store.Rows) error {
			return s.Observations(ctx, g, g.Features, store.Range{}, func(*store.Rows) error { return nil })
		}), "busy")
		require.NoError(t, s.Close())
	}
}

func TestTheSessionIsTheStoresOwn(t *testing.T) {
	server := servers.StartPostgres(t, "synchronous_commit=off", "default_transaction_isolation='serializable'", "default_transaction_read_only=on",
		"statement_timeout=10", "lc_messages='C'")
	ctx := context.Background()
	o := openAt(t, Options{URL: server.URL(), Schema: "s"})
	for setting, wanted := range map[string]string{"synchronous_commit": "on", "default_transaction_isolation": "read committed",
		"default_transaction_read_only": "off", "statement_timeout": "0"} {
		var value string
		require.NoError(t, o.writers.QueryRow(ctx, `SELECT current_setting($1)`, setting).Scan(&value))
		require.Equal(t, wanted, value, setting)
	}
}

func TestTheServerDiesAndComesBack(t *testing.T) {
	server := servers.StartPostgres(t)
	ctx := context.Background()
	o := openAt(t, Options{URL: server.URL(), Schema: "s"})
	g := group(1, "g", []value.Type{value.String}, value.Integer)
	ensure(t, o, g)
	row := func() []*store.Rows {
		return []*store.Rows{rows(g, []store.Key{stringKey("a")}, []int64{value.NoTime}, value.OfInt(1))}
	}
	acknowledged := 0
	for range 3 {
		require.NoError(t, o.Append(ctx, row()))
		acknowledged++
		l, err := o.Load(ctx, g, 1)
		require.NoError(t, err)
		require.NoError(t, l.Add(ctx, row()[0]))
		s := snapshotOf(t, o)
		require.NoError(t, server.Kill())
		err = o.Append(ctx, row())
		require.Error(t, err)
		_, isFault := fault.As(err)
		require.False(t, isFault)
		require.False(t, errors.Is(err, store.ErrOutdated))
		require.Error(t, o.Ping(ctx))
		_, err = s.AsOf(ctx, g, g.Features, []store.Key{stringKey("a")}, []int64{at(0)}, nil)
		require.Error(t, err)
		require.NoError(t, s.Close())
		require.NoError(t, server.Start())
		require.NoError(t, l.Abort(ctx))
		require.NoError(t, o.Ping(ctx))
		require.NoError(t, o.Append(ctx, row()), "the first write after the restart works")
		acknowledged++
	}
	require.Len(t, all(t, o, g, store.Range{}).Keys, acknowledged)
}

func TestADeadlockIsRepeated(t *testing.T) {
	ctx := context.Background()
	url, schema := servers.Postgres(t)
	o := openAt(t, Options{URL: url, Schema: schema, Writers: 1})
	one, two := group(1, "one", []value.Type{value.String}, value.Integer), group(2, "two", []value.Type{value.String}, value.Integer)
	ensure(t, o, one, two)
	write := func() error {
		return o.Append(ctx, []*store.Rows{rows(one, []store.Key{stringKey("a")}, []int64{at(0)}, value.OfInt(1)), rows(two, []store.Key{stringKey("a")}, []int64{at(0)}, value.OfInt(1))})
	}
	require.NoError(t, write(), "preparing the statements takes the locks one by one")
	// A server looks for a deadlock once in a wait: not before there is one.
	_, err := o.writers.Exec(ctx, `SET deadlock_timeout = '5s'`)
	require.NoError(t, err)
	// The other transaction holds two and wants one, the write holds one and wants two: the server ends the write.
	other, err := o.readers.Begin(ctx)
	require.NoError(t, err)
	_, err = other.Exec(ctx, `SET LOCAL deadlock_timeout = '10min'; LOCK TABLE `+o.table("two")+` IN ACCESS EXCLUSIVE MODE`, pgx.QueryExecModeSimpleProtocol)
	require.NoError(t, err)
	written := make(chan error, 1)
	go func() { written <- write() }()
	require.Eventually(t, func() bool {
		var waiting bool
		err := o.readers.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = $1::regclass)`, o.table("two")).Scan(&waiting)
		return err == nil && waiting
	}, time.Minute, 5*time.Millisecond)
	_, err = other.Exec(ctx, `LOCK TABLE `+o.table("one")+` IN ACCESS EXCLUSIVE MODE`)
	require.NoError(t, err)
	require.NoError(t, other.Commit(ctx))
	require.NoError(t, <-written)
	require.Len(t, all(t, o, one, store.Range{}).Keys, 2)
	require.Len(t, all(t, o, two, store.Range{}).Keys, 2)
}
