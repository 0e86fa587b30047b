package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/store"
)

// Online is the newest values in one file.
type Online struct {
	path    string
	options Options
	server  string
	writer  *writer
	readers *pool

	reclaiming context.CancelFunc
	reclaimed  sync.WaitGroup
}

var _ store.Online = (*Online)(nil)

const onlineSchema = `
CREATE TABLE about (one INTEGER PRIMARY KEY CHECK (one = 1), installation TEXT, server TEXT NOT NULL, boot TEXT NOT NULL, closed INTEGER NOT NULL) STRICT;
CREATE TABLE states (group_id INTEGER PRIMARY KEY, marker TEXT NOT NULL, store TEXT NOT NULL, position TEXT NOT NULL,
	ttl INTEGER NOT NULL, fence INTEGER NOT NULL, server TEXT NOT NULL) STRICT;
CREATE TABLE entities (group_id INTEGER NOT NULL, key BLOB NOT NULL, expires INTEGER, row BLOB NOT NULL) STRICT;
CREATE UNIQUE INDEX by_key ON entities (group_id, key);`

// onlineUpgrades bring a file to the next format each.
var onlineUpgrades = []string{`
ALTER TABLE states ADD COLUMN removal INTEGER NOT NULL DEFAULT 0;
ALTER TABLE states ADD COLUMN raised INTEGER NOT NULL DEFAULT 0;`,
	onlineErasuresSchema,
}

// OpenOnline opens the store in a file, which is made if it is not there. The caller must hold the data folder's lock.
func OpenOnline(path string, options Options) (*Online, error) {
	c, err := openFile(path, "NORMAL", onlineSchema, onlineUpgrades, func(c *conn) error {
		return c.exec("INSERT INTO about VALUES (1, NULL, ?, '', 1)", rand.Text())
	})
	if err != nil {
		return nil, err
	}
	o := &Online{path: path, options: options.filled()}
	if o.server, err = beginRun(c, bootID()); err != nil {
		return nil, errors.Join(fmt.Errorf("opening %s: %w", path, err), c.close())
	}
	o.readers = newPool(path, o.options.Readers, "mmap_size = 268435456") // rows at random: half of the time went into copying pages
	o.writer = newWriter(c, false, hooks{})
	var ctx context.Context
	ctx, o.reclaiming = context.WithCancel(context.Background())
	o.reclaimed.Go(func() { o.reclaim(ctx) })
	return o, nil
}

// bootID names the time since the machine was started; "" where the system does not tell.
func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

// beginRun names this run of the store: another one than the last if the machine went down while the file was open, for then the end of
// what was committed may be gone. The death of the process alone loses nothing.
func beginRun(c *conn, boot string) (string, error) {
	dest := make([]driver.Value, 3)
	if _, err := c.row(dest, "SELECT server, boot, closed FROM about"); err != nil {
		return "", err
	}
	server := text(dest[0])
	if integer(dest[2]) == 0 && text(dest[1]) != boot {
		server = rand.Text()
	}
	return server, durably(c, func() error {
		return c.exec("UPDATE about SET server = ?, boot = ?, closed = 0 WHERE one = 1", server, boot)
	})
}

// durably does one statement whose commit is synced, as others of this file are not.
func durably(c *conn, do func() error) error {
	return errors.Join(c.run("PRAGMA synchronous = FULL"), do(), c.run("PRAGMA synchronous = NORMAL"))
}

// Claim belongs to the installation that comes first.
func (o *Online) Claim(ctx context.Context, installation string) error {
	err := o.writer.do(ctx, alone, func(c *conn) error {
		dest := make([]driver.Value, 1)
		if _, err := c.row(dest, "SELECT installation FROM about"); err != nil {
			return err
		}
		switch dest[0] {
		case nil:
			return c.exec("UPDATE about SET installation = ? WHERE one = 1", installation)
		case installation:
			return nil
		default:
			return fault.New(fault.Conflict, "another-installation", "%s belongs to the installation %s, and this one is %s: use another data folder",
				o.path, text(dest[0]), installation)
		}
	})
	if err != nil {
		return fmt.Errorf("claiming the online store: %w", err)
	}
	return nil
}

func (o *Online) Run(context.Context) (string, error) { return o.server, nil }

func (o *Online) State(ctx context.Context, group *registry.Group) (state store.State, err error) {
	err = o.reading(ctx, func(c *conn) (err error) {
		state, err = stateOf(c, group)
		return err
	})
	return state, err
}

func stateOf(c *conn, group *registry.Group) (store.State, error) {
	dest := make([]driver.Value, 8)
	if _, err := c.row(dest, "SELECT marker, store, position, ttl, removal, fence, raised, server FROM states WHERE group_id = +?", group.ID); err != nil {
		return store.State{}, fmt.Errorf("reading the state of group %s: %w", group.Name, err)
	}
	return store.State{Marker: text(dest[0]), Fence: integer(dest[5]), Raised: integer(dest[6]), Server: text(dest[7]),
		Watermark: store.Watermark{Store: text(dest[1]), Position: store.Position(text(dest[2])), TTL: integer(dest[3]), Removal: integer(dest[4])}}, nil
}

func (o *Online) Swap(ctx context.Context, group *registry.Group, from, to store.State) (swapped bool, err error) {
	if to.Server != o.server {
		return false, ctx.Err()
	}
	err = o.writer.do(ctx, alone, func(c *conn) error {
		now, err := stateOf(c, group)
		if swapped = now == from; err != nil || !swapped {
			return err
		}
		return c.exec("INSERT OR REPLACE INTO states (group_id, marker, store, position, ttl, removal, fence, raised, server) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
			group.ID, to.Marker, to.Watermark.Store, string(to.Watermark.Position), to.Watermark.TTL, to.Watermark.Removal, to.Fence, to.Raised, to.Server)
	})
	if err != nil {
		return false, fmt.Errorf("moving the state of group %s: %w", group.Name, err)
	}
	return swapped, nil
}

// Ping makes an empty transaction, and looks whether the file is still there.
func (o *Online) Ping(ctx context.Context) error {
	if _, err := os.Stat(o.path); err != nil {
		return fmt.Errorf("the online store's file: %w", err)
	}
	if err := o.writer.do(ctx, single, func(*conn) error { return nil }); err != nil {
		return fmt.Errorf("writing to the online store: %w", err)
	}
	return o.reading(ctx, func(*conn) error { return nil })
}

// Close notes that everything is in the file.
func (o *Online) Close() error {
	o.reclaiming()
	o.reclaimed.Wait()
	err := o.writer.do(context.Background(), bare, func(c *conn) error {
		return durably(c, func() error { return c.exec("UPDATE about SET closed = 1 WHERE one = 1") })
	})
	if errors.Is(err, errClosed) {
		return nil
	}
	return errors.Join(err, o.writer.close(), o.readers.close())
}
