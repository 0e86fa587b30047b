package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
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

// beginLoad prepares a load of n rows.
func beginLoad(t *testing.T, o *Offline, group *registry.Group, n int) store.Load {
	t.Helper()
	l, err := o.Load(ctx, group, 7)
	require.NoError(t, err)
	for at := 0; at < n; at += 1000 {
		all := make([]storetest.Seen, 0, 1000)
		for i := at; i < min(n, at+1000); i++ {
			all = append(all, seen(fmt.Sprint((i*7919)%n), int64(i), int64(i)))
		}
		require.NoError(t, l.Add(ctx, storetest.RowsOf(group, all...)))
	}
	return l
}

func TestLoadShowsWholeOrNotAtAll(t *testing.T) {
	const n = 20_000
	o, group := withPurchases(t, Options{})
	before := see(t, o, group, seen("x", 1, 1)).IngestIDs[0]
	l := beginLoad(t, o, group, n)
	committed := make(chan error, 1)
	go func() { committed <- l.Commit(ctx) }()
	half, done := 0, false
	for !done {
		select {
		case err := <-committed:
			require.NoError(t, err)
			done = true
		default:
		}
		there := raw(t, o, "purchases")
		shown, position := count(t, o, group)
		require.Contains(t, []int{1, n + 1}, shown)
		if there > 1 && there <= n {
			half++
		}
		if shown == 1 && there > 1 {
			require.Equal(t, store.Position(fmt.Sprint(before+1)), position, "what is not in the snapshot is at or above its position")
		}
	}
	require.Positive(t, half, "the control: a part of the rows was in the table")
	shown, position := count(t, o, group)
	require.Equal(t, n+1, shown)
	require.Equal(t, store.Position(fmt.Sprint(before+n+1)), position)
}

// The files as a kill leaves them in the middle of a commit.
func TestKilledLoadLeavesNothing(t *testing.T) {
	const n = 20_000
	o, group := withPurchases(t, Options{})
	see(t, o, group, seen("x", 1, 1))
	l := beginLoad(t, o, group, n)
	killed := filepath.Join(t.TempDir(), "killed.db")
	committed := make(chan error, 1)
	go func() { committed <- l.Commit(ctx) }()
	for copied := false; !copied; {
		select {
		case err := <-committed:
			t.Fatal("the load was committed before it could be interrupted", err)
		default:
		}
		require.NoError(t, o.writer.do(ctx, bare, func(c *conn) error {
			there := asked(t, c, "SELECT count(*) FROM purchases")
			if copied = there > 1 && there < n; copied {
				copyFile(t, o.path, killed)
				copyFile(t, o.path+"-wal", killed+"-wal")
			}
			return nil
		}))
	}
	require.NoError(t, <-committed)

	k := open(t, killed, Options{})
	shown, _ := count(t, k, group)
	require.Equal(t, 1, shown)
	k.removed.Wait()
	require.EqualValues(t, 1, raw(t, k, "purchases"), "what was left is removed")
	require.Zero(t, raw(t, k, "__loads"))
	shown, position := count(t, k, group)
	require.Equal(t, 1, shown)
	next := see(t, k, group, seen("x", 2, 2)).IngestIDs[0]
	require.Equal(t, store.Position(fmt.Sprint(next)), position, "nothing holds the position back any more")
	require.Greater(t, next, int64(n), "the ids of the load are used up")
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, content, 0o600))
}

func TestCancelledLoadIsRemoved(t *testing.T) {
	const n = 20_000
	o, group := withPurchases(t, Options{})
	l := beginLoad(t, o, group, n)
	cancelled, cancel := context.WithCancel(ctx)
	committed := make(chan error, 1)
	go func() { committed <- l.Commit(cancelled) }()
	for raw(t, o, "purchases") == 0 {
	}
	cancel()
	require.ErrorIs(t, <-committed, context.Canceled)
	require.NoError(t, l.Abort(ctx))
	require.Zero(t, raw(t, o, "purchases"))
	require.Zero(t, raw(t, o, "__loads"))
}

// hold keeps the writer busy until the function it returns is called.
func hold(t *testing.T, o *Offline) (release func()) {
	t.Helper()
	held, free := make(chan struct{}), make(chan struct{})
	j := o.writer.submit(bare, func(*conn) error {
		close(held)
		<-free
		return nil
	})
	<-held
	return func() {
		close(free)
		require.NoError(t, j.wait(ctx))
	}
}

// waitFor waits until so many jobs of a kind wait for the writer.
func waitFor(o *Offline, k kind, n int) {
	for {
		o.writer.mu.Lock()
		waiting := len(o.writer.waiting[k])
		o.writer.mu.Unlock()
		if waiting >= n {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// commits counts the writer's transactions from now on. It is read when the writer is idle.
func commits(t *testing.T, o *Offline) *int {
	t.Helper()
	n := new(int)
	require.NoError(t, o.writer.do(ctx, bare, func(*conn) error {
		after := o.writer.hooks.after
		o.writer.hooks.after = func(err error) { *n++; after(err) }
		return nil
	}))
	return n
}

func TestWhatWaitsIsCommittedTogether(t *testing.T) {
	o, group := withPurchases(t, Options{})
	n := commits(t, o)
	release := hold(t, o)
	var all sync.WaitGroup
	errs := make(chan error, 50)
	for i := range 50 {
		all.Go(func() {
			errs <- o.Append(ctx, []*store.Rows{storetest.RowsOf(group, seen(fmt.Sprint(i), 1, 1))})
		})
	}
	waitFor(o, single, 50)
	release()
	all.Wait()
	for range 50 {
		require.NoError(t, <-errs)
	}
	require.Equal(t, 1, *n)
	shown, _ := count(t, o, group)
	require.Equal(t, 50, shown)
}

// An outdated request in a commit fails alone.
func TestNeighboursDoNotFail(t *testing.T) {
	o, group := withPurchases(t, Options{})
	wider := storetest.WithColumn(group, storetest.Column{Name: "more", Type: value.String})
	_, err := o.EnsureLayout(ctx, wider)
	require.NoError(t, err)
	release := hold(t, o)
	outdated, fine := make(chan error, 1), make(chan error, 10)
	var all sync.WaitGroup
	for i := range 10 {
		if i == 5 {
			all.Go(func() { outdated <- o.Append(ctx, []*store.Rows{storetest.RowsOf(group, seen("old", 1, 1))}) })
			waitFor(o, single, 6)
		}
		all.Go(func() {
			fine <- o.Append(ctx, []*store.Rows{storetest.RowsOf(wider, seen(fmt.Sprint(i), 1, 1))})
		})
		waitFor(o, single, i+1)
	}
	release()
	all.Wait()
	require.ErrorIs(t, <-outdated, store.ErrOutdated)
	for range 10 {
		require.NoError(t, <-fine)
	}
	shown, _ := count(t, o, wider)
	require.Equal(t, 10, shown)
}

func TestSingleWritesGoBeforeBulkSteps(t *testing.T) {
	o, group := withPurchases(t, Options{})
	release := hold(t, o)
	var order []string
	steps := []*job{}
	for i := range 3 {
		steps = append(steps, o.writer.submit(bulk, func(*conn) error {
			order = append(order, fmt.Sprint("step ", i))
			return nil
		}))
	}
	written := o.writer.submit(single, func(*conn) error {
		order = append(order, "write")
		return nil
	})
	release()
	for _, j := range append(steps, written) {
		require.NoError(t, j.wait(ctx))
	}
	require.Equal(t, []string{"write", "step 0", "step 1", "step 2"}, order)
	see(t, o, group, seen("x", 1, 1))
}

func TestWriteThatWasGivenUpIsNotStored(t *testing.T) {
	o, group := withPurchases(t, Options{})
	release := hold(t, o)
	given, cancel := context.WithCancel(ctx)
	result := make(chan error, 1)
	go func() { result <- o.Append(given, []*store.Rows{storetest.RowsOf(group, seen("x", 1, 1))}) }()
	waitFor(o, single, 1)
	cancel()
	require.ErrorIs(t, <-result, context.Canceled)
	release()
	see(t, o, group, seen("y", 1, 1))
	shown, _ := count(t, o, group)
	require.Equal(t, 1, shown)
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

// What is put into the schema by hand must be what ALTER TABLE makes, and nothing may notice the difference.
func TestAddedColumns(t *testing.T) {
	o, group := withPurchases(t, Options{})
	reader, err := o.Snapshot(ctx)
	require.NoError(t, err)
	see(t, o, group, seen("x", 1, 5))
	require.NoError(t, o.writer.do(ctx, alone, func(c *conn) error {
		control := strings.Replace(tableText(group, "control", wantedLayout(group).columns), `"control"`, "control", 1)
		require.NoError(t, c.run(control))
		return c.run(`ALTER TABLE control ADD COLUMN "more" TEXT; ALTER TABLE control ADD COLUMN "amount__2" REAL`)
	}))
	wider := storetest.WithColumn(group, storetest.Column{Name: "more", Type: value.StringArray})
	widest := storetest.WithColumn(wider, storetest.Column{Name: "amount__2", Type: value.Float})
	for _, g := range []*registry.Group{wider, widest} {
		created, err := o.EnsureLayout(ctx, g)
		require.NoError(t, err)
		require.False(t, created)
	}
	require.NoError(t, o.writer.do(ctx, bare, func(c *conn) error {
		dest := make([]driver.Value, 2)
		_, err := c.row(dest, "SELECT (SELECT sql FROM sqlite_schema WHERE name = 'purchases'), (SELECT sql FROM sqlite_schema WHERE name = 'control')")
		require.Equal(t, strings.Replace(text(dest[1]), "control", `"purchases"`, 1), text(dest[0]))
		_, failed := c.row(dest[:1], "PRAGMA integrity_check")
		require.NoError(t, failed)
		require.Equal(t, driver.Value("ok"), dest[0])
		require.Zero(t, asked(t, c, "PRAGMA writable_schema"))
		return err
	}))
	more := value.OfStrings([]string{"a", "b"})
	require.NoError(t, o.Append(ctx, []*store.Rows{storetest.RowsOf(widest, storetest.Seen{Key: storetest.TextKey("x"), At: 2, Values: storetest.Values{"more": more}})}))
	require.Equal(t, store.Position("1"), closed(t, reader))
	s, err := o.Snapshot(ctx)
	require.NoError(t, err)
	current, err := s.AsOf(ctx, widest, widest.Features, []store.Key{storetest.TextKey("x")}, []int64{9}, nil)
	require.NoError(t, err)
	require.Equal(t, []value.Value{value.OfInt(5), {}, more, {}}, current.Values)
	closed(t, s)

	// A failure on the way leaves the schema as it was.
	require.Error(t, o.writer.do(ctx, alone, func(c *conn) error {
		found, err := c.layoutOf(group.ID)
		require.NoError(t, err)
		require.NoError(t, addColumns(c, widest, found, layout{version: 9, columns: []string{"broken TEXT"}}))
		return os.ErrInvalid
	}))
	see(t, o, widest, seen("y", 3, 1))
	require.NoError(t, o.writer.do(ctx, bare, func(c *conn) error {
		_, err := c.prepare(`SELECT t.broken FROM purchases AS t`)
		require.ErrorContains(t, err, "no such column")
		return nil
	}))
}

// A group that is deleted leaves its table to nobody: a later group of that name begins empty.
func TestLaterGroupOfTheSameName(t *testing.T) {
	o, group := withPurchases(t, Options{})
	see(t, o, group, seen("x", 1, 1))
	later := storetest.Group(2, "purchases", storetest.Customers, columns...)
	created, err := o.EnsureLayout(ctx, later)
	require.NoError(t, err)
	require.True(t, created)
	shown, _ := count(t, o, later)
	require.Zero(t, shown)
	see(t, o, later, seen("y", 1, 1))
	shown, _ = count(t, o, group)
	require.Equal(t, 1, shown, "the rows of the former are kept")
	require.EqualValues(t, 1, raw(t, o, "purchases__1"))
}

func TestNamesThatAreTaken(t *testing.T) {
	o := open(t, filepath.Join(t.TempDir(), "a file?with#odd%characters.db"), Options{})
	key := storetest.EntityType("thing", registry.JoinKey{Name: "event_time", ValueType: value.Integer}, registry.JoinKey{Name: "rowid", ValueType: value.String})
	var all []storetest.Column
	for _, name := range []string{"event_time", "ingest_id", "presence", "run_id", "rowid", "i", "at", "t", "q", "k0", "select", "oid"} {
		all = append(all, storetest.Column{Name: name, Type: value.Integer})
	}
	group := storetest.Group(1, "sqlite_stat1", key, all...)
	_, err := o.EnsureLayout(ctx, group)
	require.NoError(t, err)
	entity := store.NewKey([]value.Value{value.OfInt(-5), value.OfString("x")})
	values, wanted := storetest.Values{}, []value.Value{}
	for i, c := range all {
		values[c.Name] = value.OfInt(int64(100 + i))
		wanted = append(wanted, values[c.Name])
	}
	require.NoError(t, o.Append(ctx, []*store.Rows{storetest.RowsOf(group, storetest.Seen{Key: entity, At: 7, Values: values})}))
	s, err := o.Snapshot(ctx)
	require.NoError(t, err)
	defer s.Close()
	current, err := s.AsOf(ctx, group, group.Features, []store.Key{entity}, []int64{7}, nil)
	require.NoError(t, err)
	require.Equal(t, wanted, current.Values)
	require.NoError(t, s.Current(ctx, group, group.Features, func(c *store.Current) error {
		require.Equal(t, wanted, c.Values)
		require.Equal(t, entity, c.Keys[0])
		return nil
	}))
}

func TestJoinKeysChangeWhileThereAreNoRows(t *testing.T) {
	o, group := withPurchases(t, Options{})
	changed := storetest.Group(1, "purchases", storetest.Drivers, columns...)
	created, err := o.EnsureLayout(ctx, changed)
	require.NoError(t, err)
	require.True(t, created)
	require.NoError(t, o.Append(ctx, []*store.Rows{storetest.RowsOf(changed, storetest.Seen{Key: storetest.IntKey(5), At: 1, Values: storetest.Values{"count": value.OfInt(1)}})}))
	_, err = o.EnsureLayout(ctx, group)
	require.ErrorContains(t, err, "cannot change from driver_id INTEGER: it has rows")
	shown, _ := count(t, o, changed)
	require.Equal(t, 1, shown)
}

func TestNewerFileIsRefused(t *testing.T) {
	o, _ := withPurchases(t, Options{})
	require.NoError(t, o.writer.do(ctx, bare, func(c *conn) error { return c.run("PRAGMA user_version = 2") }))
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
