package sqlite

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/packed"
	"featurestore/modules/store/storetest"
)

func openOnline(t *testing.T, path string, options Options) *Online {
	t.Helper()
	o, err := OpenOnline(path, options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, o.Close()) })
	return o
}

func packedRow(key string, at, expires int64) store.PackedRow {
	k := storetest.TextKey(key)
	return store.PackedRow{Key: k, Expires: expires,
		Row: string(packed.Append(nil, k.Encoded, []uint16{1}, []value.Value{value.OfInt(at)}, store.Stamp{EventTime: at, IngestID: at}))}
}

func entities(t *testing.T, o *Online) (n int64) {
	t.Helper()
	require.NoError(t, o.reading(ctx, func(c *conn) error {
		n = asked(t, c, "SELECT count(*) FROM entities")
		return nil
	}))
	return n
}

func TestOnlineSettings(t *testing.T) {
	o := openOnline(t, filepath.Join(t.TempDir(), "online.db"), Options{})
	for _, k := range []kind{single, bulk, alone} {
		require.NoError(t, o.writer.do(ctx, k, func(c *conn) error {
			require.EqualValues(t, 1, asked(t, c, "PRAGMA synchronous"))
			require.EqualValues(t, 1, asked(t, c, "PRAGMA secure_delete"))
			return nil
		}))
	}
}

// A process that dies loses nothing; a machine that goes down may have lost the end of what was committed.
func TestRunOfTheServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "online.db")
	o := openOnline(t, path, Options{})
	first, err := o.Run(ctx)
	require.NoError(t, err)
	run := func(boot string) string {
		c, err := connect(path)
		require.NoError(t, err)
		server, err := beginRun(c, boot)
		require.NoError(t, err)
		require.NoError(t, c.close())
		return server
	}
	require.Equal(t, first, run(bootID()), "killed and started again")
	second := run("another boot")
	require.NotEqual(t, first, second, "the machine went down")
	require.Equal(t, second, run("another boot"))

	require.NoError(t, o.Close())
	o = openOnline(t, path, Options{})
	require.Equal(t, second, o.server, "closed in order")
	require.NoError(t, o.Close())
	require.Equal(t, second, run("a third boot"), "closed in order before the machine went down")
}

func TestExpiredRowsAreReclaimed(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	o := openOnline(t, filepath.Join(t.TempDir(), "online.db"), Options{Now: func() time.Time { return now }, Reclaim: time.Millisecond})
	group := purchases()
	var rows []store.PackedRow
	const n = 2 * reclaimStep
	for i := range n {
		expires := []int64{0, now.UnixMilli() - 1, now.UnixMilli(), now.UnixMilli() + 1}[i%4]
		rows = append(rows, packedRow(fmt.Sprint(i), 1, expires))
	}
	_, err := o.Merge(ctx, group, 0, true, rows)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return entities(t, o) == n*3/4 }, time.Minute, 5*time.Millisecond)
	time.Sleep(50 * time.Millisecond)
	require.EqualValues(t, n*3/4, entities(t, o), "nothing else goes")
	read, _, err := o.Read(ctx, []store.Question{{Group: group, Keys: []store.Key{rows[0].Key, rows[1].Key, rows[2].Key, rows[3].Key}}})
	require.NoError(t, err)
	require.Equal(t, []string{rows[0].Row, "", rows[2].Row, rows[3].Row}, read[0])
}

func TestEqualStampRenewsTheExpiry(t *testing.T) {
	o := openOnline(t, filepath.Join(t.TempDir(), "online.db"), Options{})
	group := purchases()
	expires := func() (ms int64) {
		require.NoError(t, o.reading(ctx, func(c *conn) error {
			ms = asked(t, c, "SELECT coalesce(expires, -1) FROM entities")
			return nil
		}))
		return ms
	}
	for _, step := range []struct{ at, expires, wanted int64 }{{5, 100, 100}, {5, 200, 200}, {5, 50, 200}, {4, 300, 300}, {6, 100, 300}, {6, 0, -1}, {7, 100, -1}} {
		_, err := o.Merge(ctx, group, 0, true, []store.PackedRow{packedRow("x", step.at, step.expires)})
		require.NoError(t, err)
		require.Equal(t, step.wanted, expires(), "%v", step)
	}
}

func TestOnlineStatementsArePlannedOnce(t *testing.T) {
	o := openOnline(t, filepath.Join(t.TempDir(), "online.db"), Options{})
	group := purchases()
	for i := range int64(5) {
		var rows []store.PackedRow
		var keys []store.Key
		for j := range 100 {
			rows = append(rows, packedRow(fmt.Sprint(j), i, 100+i))
			keys = append(keys, rows[j].Key)
		}
		_, err := o.Merge(ctx, group, 0, true, rows)
		require.NoError(t, err)
		for _, asked := range [][]store.Key{keys[i : i+1], keys} {
			_, _, err = o.Read(ctx, []store.Question{{Group: group, Keys: asked}})
			require.NoError(t, err)
		}
		state, err := o.State(ctx, group)
		require.NoError(t, err)
		_, err = o.Swap(ctx, group, state, store.State{Marker: fmt.Sprint(i), Server: o.server})
		require.NoError(t, err)
		_, err = o.reclaimStep(ctx, i)
		require.NoError(t, err)
	}
	require.NoError(t, o.writer.do(ctx, bare, func(c *conn) error { return plannedOnce(t, c) }))
	require.NoError(t, o.reading(ctx, func(c *conn) error { return plannedOnce(t, c) }))
}
