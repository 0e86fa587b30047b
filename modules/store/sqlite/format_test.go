package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
	"featurestore/modules/store"
	"featurestore/modules/store/storetest"
)

// Files of the first format are brought up to date with what they hold.
func TestOlderFilesAreUpgraded(t *testing.T) {
	o, group := withPurchases(t, Options{})
	see(t, o, group, seen("x", 1, 1))
	require.NoError(t, o.writer.do(ctx, bare, func(c *conn) error {
		return c.run("DROP TABLE __removals; DROP TABLE __removed; DROP TABLE __erasures; DROP TABLE __quarantine; DROP TABLE __quarantine_past; DROP TABLE __quarantine_reverted; ALTER TABLE __store DROP COLUMN erasures; PRAGMA user_version = 1")
	}))
	require.NoError(t, o.Close())
	o = open(t, o.path, Options{})
	key := storetest.TextKey("x")
	removed, err := o.Remove(ctx, group, store.Selection{Key: &key, At: 1})
	require.NoError(t, err)
	require.EqualValues(t, 1, removed.Rows)
	require.NoError(t, o.AppendTogether(ctx, &store.Together{Entries: []*store.Quarantined{{ID: "one", Group: group, Key: key, Document: []byte("{}")}}}))
	found, err := o.ListQuarantined(ctx, store.QuarantineFilter{Groups: []*registry.Group{group}})
	require.NoError(t, err)
	require.Len(t, found, 1)

	path := filepath.Join(t.TempDir(), "online.db")
	online, err := OpenOnline(path, Options{})
	require.NoError(t, err)
	server, err := online.Run(ctx)
	require.NoError(t, err)
	state := store.State{Marker: "m", Fence: 3, Server: server}
	swapped, err := online.Swap(ctx, group, store.State{}, state)
	require.NoError(t, err)
	require.True(t, swapped)
	require.NoError(t, online.writer.do(ctx, bare, func(c *conn) error {
		return c.run("ALTER TABLE states DROP COLUMN removal; ALTER TABLE states DROP COLUMN raised; DROP TABLE erasures; PRAGMA user_version = 1")
	}))
	require.NoError(t, online.Close())
	online, err = OpenOnline(path, Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, online.Close()) }()
	kept, err := online.State(ctx, group)
	require.NoError(t, err)
	require.Equal(t, state, kept)
}
