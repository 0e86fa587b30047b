package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/storetest/servers"
)

// publishes begins a publication of n entities at one tick, all with the same value.
func publishes(t *testing.T, o *Offline, g *registry.Group, run int64, n int, v int64, fence store.Fence) store.Load {
	t.Helper()
	what := &store.Publishing{Name: "daily", Ticks: []int64{at(0)}, Rows: map[int64]int64{at(0): int64(n)}, Fence: fence}
	l, err := o.Publish(context.Background(), g, run, what)
	require.NoError(t, err)
	r := &store.Rows{Group: g, Features: g.Features, Run: run}
	for i := range n {
		r.Keys, r.EventTimes, r.Values = append(r.Keys, stringKey(fmt.Sprint("e", i))), append(r.EventTimes, at(0)), append(r.Values, value.OfInt(v))
	}
	require.NoError(t, l.Add(context.Background(), r))
	return l
}

// saysOf counts the entities by their newest values, and answers the run that the tick is published by.
func saysOf(t *testing.T, o *Offline, g *registry.Group) (says map[int64]int, run int64) {
	t.Helper()
	s := snapshotOf(t, o)
	says = map[int64]int{}
	require.NoError(t, s.Current(context.Background(), g, g.Features, func(c *store.Current) error {
		for _, v := range c.Values {
			says[v.Int()]++
		}
		return nil
	}))
	require.NoError(t, s.Close())
	found, err := o.Published(context.Background(), g, "daily", store.TickRange{})
	require.NoError(t, err)
	require.Len(t, found, 1)
	return says, found[0].Run
}

// After a restore into another cluster rows have other transactions: they are found all the same.
func TestAPublicationFindsRowsThatADumpBrought(t *testing.T) {
	ctx := context.Background()
	url, schema := servers.Postgres(t)
	g := group(1, "g", []value.Type{value.String}, value.Integer)
	o := openAt(t, Options{URL: url, Schema: schema})
	ensure(t, o, g)
	require.NoError(t, publishes(t, o, g, 1, 3, 5, nil).Commit(ctx))
	_, err := o.writers.Exec(ctx, `UPDATE `+o.table("g")+` SET ingest_xid = 4000000000000`)
	require.NoError(t, err)
	_, err = o.writers.Exec(ctx, `UPDATE `+o.table("__store")+` SET cluster = 1`)
	require.NoError(t, err)
	restored := openAt(t, Options{URL: url, Schema: schema})
	_, since, err := restored.PublishedBy(ctx, 1)
	require.NoError(t, err)
	require.Empty(t, since, "nobody knows")
	again := publishes(t, restored, g, 2, 3, 5, nil)
	require.NoError(t, again.Commit(ctx))
	require.EqualValues(t, 3, again.Duplicates())
	fewer := publishes(t, restored, g, 3, 2, 5, nil)
	require.NoError(t, fewer.Commit(ctx))
	require.EqualValues(t, 2, fewer.Duplicates())
	says, run := saysOf(t, restored, g)
	require.Equal(t, map[int64]int{5: 2}, says)
	require.EqualValues(t, 3, run)
}

// A server that is killed at any moment of a publication has all of it afterwards, or what was there before; and it can be published again.
func TestAPublicationIsWholeWhereverTheServerIsKilled(t *testing.T) {
	ctx := context.Background()
	server := servers.StartPostgres(t)
	options := Options{URL: server.URL(), Schema: "killed"}
	g := group(1, "g", []value.Type{value.String}, value.Integer)
	o, err := Open(ctx, options)
	require.NoError(t, err)
	ensure(t, o, g)
	const entities = 3000
	require.NoError(t, publishes(t, o, g, 1, entities, 1, nil).Commit(ctx))
	stood, by := int64(1), int64(1)
	killed := make(chan error, 1)
	kills := int64(3)
	if os.Getenv("FEATURESTORE_TEST_FULL") == "1" {
		kills = 30
	}
	for i := range kills {
		run, v := 2+2*i, 10+i
		kill := func() { require.NoError(t, server.Kill()) }
		n := entities - 100*int(i%2)
		fence := func(context.Context, store.Querier) error { return nil }
		if i%3 == 1 { // in the transaction, when all is done but its commit
			fence = func(context.Context, store.Querier) error { kill(); return nil }
		}
		l := publishes(t, o, g, run, n, v, fence)
		switch i % 3 {
		case 0:
			kill()
		case 2: // at any moment of it
			go func() {
				time.Sleep(time.Duration(i) * time.Millisecond) // whenever that is, the outcome is one of two
				killed <- server.Kill()
			}()
		}
		err := l.Commit(ctx)
		if i%3 != 2 {
			require.Error(t, err)
		} else {
			require.NoError(t, <-killed)
		}
		_ = l.Abort(ctx)
		require.NoError(t, o.Close())
		require.NoError(t, server.Start())
		o, err = Open(ctx, options)
		require.NoError(t, err)
		says, published := saysOf(t, o, g)
		require.Len(t, says, 1, "never some of both")
		if says[v] > 0 {
			require.Equal(t, n, says[v])
			require.Equal(t, run, published)
		} else {
			require.Positive(t, says[stood])
			require.Equal(t, by, published)
		}
		require.NoError(t, publishes(t, o, g, run+1, n, v, nil).Commit(ctx))
		says, published = saysOf(t, o, g)
		require.Equal(t, map[int64]int{v: n}, says)
		require.Equal(t, run+1, published)
		stood, by = v, run+1
	}
	require.NoError(t, o.Close())
}

// A fence asks in the transaction: what it locks there is locked until the publication is committed.
func TestAFenceAsksInThePublishingTransaction(t *testing.T) {
	ctx := context.Background()
	o := open(t)
	g := group(1, "g", []value.Type{value.String}, value.Integer)
	ensure(t, o, g)
	_, err := o.writers.Exec(ctx, `CREATE TABLE `+o.table("held")+` (token bigint); INSERT INTO `+o.table("held")+` VALUES (1)`)
	require.NoError(t, err)
	stale := errors.New("taken over")
	fence := func(ctx context.Context, tx store.Querier) error {
		var held bool
		var rows int
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM "+o.table("g")).Scan(&rows); err != nil {
			return err
		}
		require.Equal(t, 3, rows, "it sees what is published")
		if err := tx.QueryRow(ctx, "SELECT token = 1 FROM "+o.table("held")+" FOR SHARE").Scan(&held); err != nil || !held {
			return errors.Join(err, stale)
		}
		taken, err := o.writers.Exec(ctx, "UPDATE "+o.table("held")+" SET token = 2 WHERE token IN (SELECT token FROM "+o.table("held")+" FOR UPDATE SKIP LOCKED)")
		require.NoError(t, err)
		require.Zero(t, taken.RowsAffected(), "nobody takes over meanwhile")
		return nil
	}
	require.NoError(t, publishes(t, o, g, 1, 3, 5, fence).Commit(ctx))
	_, err = o.writers.Exec(ctx, "UPDATE "+o.table("held")+" SET token = 2")
	require.NoError(t, err)
	require.ErrorIs(t, publishes(t, o, g, 2, 3, 6, func(ctx context.Context, tx store.Querier) error {
		var held bool
		if err := tx.QueryRow(ctx, "SELECT token = 1 FROM "+o.table("held")+" FOR SHARE").Scan(&held); err != nil || held {
			return errors.Join(err, errors.New("it is not held"))
		}
		return stale
	}).Commit(ctx), stale)
	says, _ := saysOf(t, o, g)
	require.Equal(t, map[int64]int{5: 3}, says)
}
