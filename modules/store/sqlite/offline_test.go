package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"featurestore/app/database"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var ctx = context.Background()

var columns = []storetest.Column{{Name: "count", Type: value.Integer}, {Name: "amount", Type: value.Float}}

func purchases() *registry.Group {
	return storetest.Group(1, "purchases", storetest.Customers, columns...)
}

func open(t *testing.T, path string, options Options) *Offline {
	t.Helper()
	o, err := OpenOffline(path, options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, o.Close()) })
	return o
}

// withPurchases opens a new store with one group.
func withPurchases(t *testing.T, options Options) (*Offline, *registry.Group) {
	t.Helper()
	o, group := open(t, filepath.Join(t.TempDir(), "offline.db"), options), purchases()
	_, err := o.EnsureLayout(ctx, group)
	require.NoError(t, err)
	return o, group
}

func seen(key string, at, count int64) storetest.Seen {
	return storetest.Seen{Key: storetest.TextKey(key), At: at, Values: storetest.Values{"count": value.OfInt(count)}}
}

func see(t *testing.T, o *Offline, group *registry.Group, all ...storetest.Seen) *store.Rows {
	t.Helper()
	rows := storetest.RowsOf(group, all...)
	require.NoError(t, o.Append(ctx, []*store.Rows{rows}))
	return rows
}

// count reads a group as a snapshot of this moment shows it.
func count(t *testing.T, o *Offline, group *registry.Group) (n int, position store.Position) {
	t.Helper()
	s, err := o.Snapshot(ctx)
	require.NoError(t, err)
	require.NoError(t, s.Observations(ctx, group, group.Features, store.Range{}, func(rows *store.Rows) error {
		n += len(rows.Keys)
		return nil
	}))
	return n, closed(t, s)
}

// closed closes a snapshot and answers its position.
func closed(t *testing.T, s store.Snapshot) store.Position {
	t.Helper()
	require.NoError(t, s.Close())
	return s.Position()
}

// asked is a number that a connection answers.
func asked(t *testing.T, c *conn, text string) int64 {
	t.Helper()
	dest := make([]driver.Value, 1)
	found, err := c.row(dest, text)
	require.NoError(t, err)
	require.True(t, found, text)
	return integer(dest[0])
}

// raw counts the rows of a table, hidden ones too.
func raw(t *testing.T, o *Offline, table string) int64 {
	t.Helper()
	c, err := o.readers.get(ctx)
	require.NoError(t, err)
	n := asked(t, c, "SELECT count(*) FROM "+database.Quote(table))
	require.NoError(t, o.readers.put(c, false))
	return n
}

func TestCommitsAreSyncedButForBulkSteps(t *testing.T) {
	o, group := withPurchases(t, Options{})
	synchronous := func(k kind) (mode int64) {
		require.NoError(t, o.writer.do(ctx, k, func(c *conn) error {
			mode = asked(t, c, "PRAGMA synchronous")
			return nil
		}))
		return mode
	}
	const normal, full = 1, 2
	require.EqualValues(t, full, synchronous(single))
	require.EqualValues(t, normal, synchronous(bulk))
	require.EqualValues(t, full, synchronous(alone))
	require.EqualValues(t, normal, synchronous(bulk))
	see(t, o, group, seen("x", 1, 1))
	require.NoError(t, o.writer.do(ctx, bare, func(c *conn) error {
		require.EqualValues(t, full, asked(t, c, "PRAGMA synchronous"))
		require.EqualValues(t, 1, asked(t, c, "PRAGMA secure_delete"))
		require.EqualValues(t, 16777216, asked(t, c, "PRAGMA journal_size_limit"))
		dest := make([]driver.Value, 1)
		_, err := c.row(dest, "PRAGMA journal_mode")
		require.Equal(t, driver.Value("wal"), dest[0])
		return err
	}))
}

func TestReadersCannotWrite(t *testing.T) {
	o, _ := withPurchases(t, Options{})
	c, err := o.readers.get(ctx)
	require.NoError(t, err)
	require.Error(t, c.run("DELETE FROM purchases"))
	require.NoError(t, o.readers.put(c, true))
}

// Erased bytes must not stay in the file.
func TestDeletedBytesAreGone(t *testing.T) {
	o, group := withPurchases(t, Options{})
	see(t, o, group, seen("a name that is to be forgotten", 1, 1))
	require.NoError(t, o.checkpoint(ctx))
	content, err := os.ReadFile(o.path)
	require.NoError(t, err)
	require.Contains(t, string(content), "to be forgotten")
	require.NoError(t, o.writer.do(ctx, alone, func(c *conn) error { return c.run("DELETE FROM purchases") }))
	require.NoError(t, o.checkpoint(ctx))
	for _, name := range []string{o.path, o.path + "-wal"} {
		content, err := os.ReadFile(name)
		require.NoError(t, err)
		require.NotContains(t, string(content), "to be forgotten", name)
	}
}

// SQLite gives the highest rowid again once its row is deleted, as the control shows.
func TestIngestIDsAreNeverUsedTwice(t *testing.T) {
	o, group := withPurchases(t, Options{})
	last := see(t, o, group, seen("x", 1, 1), seen("y", 1, 1)).IngestIDs[1]
	remove := func(c *conn) error { return c.exec("DELETE FROM purchases WHERE ingest_id = +?", last) }
	require.NoError(t, o.writer.do(ctx, alone, remove))
	require.NoError(t, o.writer.do(ctx, alone, func(c *conn) error {
		require.NoError(t, c.run(`INSERT INTO purchases (customer_id, event_time, ingest_time, schema_version) VALUES ('control', 1, 1, 1)`))
		require.Equal(t, last, asked(t, c, "SELECT max(ingest_id) FROM purchases"), "the control shows what is guarded against")
		return remove(c)
	}))
	require.NoError(t, o.Close())
	o = open(t, o.path, Options{})
	next := see(t, o, group, seen("x", 2, 1)).IngestIDs[0]
	require.Greater(t, next, last)

	l, err := o.Load(ctx, group, 7)
	require.NoError(t, err)
	require.NoError(t, l.Add(ctx, storetest.RowsOf(group, seen("x", 3, 1), seen("y", 3, 1))))
	require.NoError(t, l.Abort(ctx))
	require.Greater(t, see(t, o, group, seen("x", 4, 1)).IngestIDs[0], next)
}

func TestClockNeverGoesBack(t *testing.T) {
	now := time.UnixMicro(2_000_000_000_000_000)
	var mu sync.Mutex
	options := Options{Now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}}
	turn := func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(d)
	}
	o, group := withPurchases(t, options)
	write := func() int64 { return see(t, o, group, seen("x", value.NoTime, 1)).EventTimes[0] }
	first := write()
	require.Equal(t, now.UnixMicro(), first)
	turn(-time.Hour)
	require.Equal(t, first, write())
	s, err := o.Snapshot(ctx)
	require.NoError(t, err)
	require.Equal(t, first, s.Now())
	require.NoError(t, s.Close())
	require.NoError(t, o.Close())
	o = open(t, o.path, options)
	require.Equal(t, first, write(), "not over a restart either")
	turn(2 * time.Hour)
	require.Equal(t, now.UnixMicro(), write())
}

func TestNewerFileIsRefused(t *testing.T) {
	o, _ := withPurchases(t, Options{})
	require.NoError(t, o.writer.do(ctx, bare, func(c *conn) error { return c.run("PRAGMA user_version = 99") }))
	require.NoError(t, o.Close())
	_, err := OpenOffline(o.path, Options{})
	require.ErrorContains(t, err, "newer version")
}

// A parameter in the wrong place makes SQLite plan a statement anew for each value, which takes several times as long as the
// statement does.
func TestStatementsArePlannedOnce(t *testing.T) {
	o, group := withPurchases(t, Options{})
	for i := range int64(5) {
		for j := range int64(40) {
			see(t, o, group, seen("x", 100*i+j, i), seen(fmt.Sprint("y", i), i, i))
		}
		s, err := o.Snapshot(ctx)
		require.NoError(t, err)
		keys := []store.Key{storetest.TextKey("x"), storetest.TextKey("y1"), storetest.TextKey("y2"), storetest.TextKey("y3"), storetest.TextKey(fmt.Sprint(i))}
		_, err = s.AsOf(ctx, group, group.Features, keys, []int64{i, 2 * i, 3 * i, 0, 1}, nil)
		require.NoError(t, err)
		require.NoError(t, s.Current(ctx, group, group.Features[:1], func(*store.Current) error { return nil }))
		for _, of := range []store.Range{{Key: &keys[i]}, {Key: &keys[i], From: new(i + 1), To: new(2 * (i + 1)), Limit: int(i + 1)}, {After: s.Position(), Run: i + 1}} {
			require.NoError(t, s.Observations(ctx, group, group.Features, of, func(*store.Rows) error { return nil }))
		}
		closed(t, s)
		require.NoError(t, beginLoad(t, o, group, 100).Commit(ctx))
	}
	require.NoError(t, o.writer.do(ctx, bare, func(c *conn) error { return plannedOnce(t, c) }))
	c, err := o.readers.get(ctx)
	require.NoError(t, err)
	require.NoError(t, plannedOnce(t, c))
	require.NoError(t, o.readers.put(c, false))
}

// plannedOnce looks at the statements that a connection keeps. One new plan is allowed: the layout may have changed.
func plannedOnce(t *testing.T, c *conn) error {
	t.Helper()
	require.NotEmpty(t, c.prepared)
	for text, s := range c.prepared {
		require.LessOrEqual(t, reflect.ValueOf(s.stmt).Elem().FieldByName("repreps").Int(), int64(1), text)
	}
	return nil
}

// What a run brought is read from where it began, and not the whole table.
func TestRowsOfARunAreReadFromAPosition(t *testing.T) {
	o, group := withPurchases(t, Options{})
	see(t, o, group, seen("x", 1, 1))
	opened, err := o.Snapshot(ctx)
	require.NoError(t, err)
	defer closed(t, opened)
	s := opened.(*snapshot)
	src, err := s.source(group, group.Features)
	require.NoError(t, err)
	plan := func(of store.Range) (steps []string) {
		query, args, err := src.observations(of)
		require.NoError(t, err)
		dest := make([]driver.Value, 4)
		require.NoError(t, s.conn.each(dest, func() error {
			steps = append(steps, text(dest[3]))
			return nil
		}, "EXPLAIN QUERY PLAN "+query, args...))
		return steps
	}
	require.Equal(t, []string{"SEARCH t USING INTEGER PRIMARY KEY (rowid>?)"}, plan(store.Range{Run: 5, After: s.Position()}))
	require.Equal(t, []string{"SCAN t"}, plan(store.Range{Run: 5}), "the control")
}

// A scan that finds nothing for long must not keep a stopping process waiting.
func TestScansEndWithTheirContext(t *testing.T) {
	o, group := withPurchases(t, Options{})
	require.NoError(t, beginLoad(t, o, group, 200_000).Commit(ctx))
	s, err := o.Snapshot(ctx)
	require.NoError(t, err)
	defer s.Close()
	for _, scan := range []func(context.Context) error{
		func(ending context.Context) error {
			return s.Observations(ending, group, group.Features, store.Range{Run: 99}, func(*store.Rows) error { return nil })
		},
		func(ending context.Context) error {
			_, _, _, err := s.IntegerBounds(ending, group.Features[0])
			return err
		},
	} {
		require.NoError(t, scan(ctx))
		var err error
		for range 50 { // on a machine that is busy the scan may come to its end before the clock is looked at
			ending, cancel := context.WithTimeout(ctx, time.Millisecond) // a tenth of what it takes, or less
			err = scan(ending)
			cancel()
			if err != nil {
				break
			}
		}
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
	shown, _ := count(t, o, group)
	require.Equal(t, 200_000, shown)
}
