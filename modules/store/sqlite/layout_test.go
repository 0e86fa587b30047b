package sqlite

import (
	"database/sql/driver"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/storetest"
)

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
