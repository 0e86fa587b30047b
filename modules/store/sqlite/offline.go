package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"featurestore/app/fault"
	"featurestore/modules/store"
)

// Options of either store. The zero Options are good for all but tests.
type Options struct {
	Now       func() time.Time // the clock; nil: the system's
	Log       *slog.Logger     // nil: slog.Default()
	Readers   int              // the most connections that read at once; 0: 32
	LoadBytes int              // memory that an open load takes to sort its rows; 0: 32 MiB
	Reclaim   time.Duration    // how often the online store looks for rows that have expired; 0: every hour
}

func (o Options) filled() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Readers == 0 {
		o.Readers = 32
	}
	if o.LoadBytes == 0 {
		o.LoadBytes = 32 << 20
	}
	if o.Reclaim == 0 {
		o.Reclaim = time.Hour
	}
	return o
}

// Offline is the full history in one file.
type Offline struct {
	path     string
	options  Options
	identity string
	clock    clock
	writer   *writer
	readers  *pool

	// The writer's goroutine alone has these.
	ledger  ledger
	saved   ledger // as it stands in the file
	inserts map[layoutOf]*insert
	closed  map[int64]bool // runs that were taken back since the start: open loads of theirs do not commit

	underWay underWay

	uniqueLoad chan struct{} // holds one while a load of a group with a row id is being committed
	altering   chan struct{} // holds one while rows are taken away, or what is there is compared: see alter

	mu    sync.Mutex
	loads map[*load]bool // that have begun and not ended
	swept chan struct{}  // closed when nothing is left of the loads that a crash broke off, as far as it can be removed

	open     context.Context // until Close: of what is removed meanwhile
	removing context.CancelFunc
	removed  sync.WaitGroup
}

var _ store.Offline = (*Offline)(nil)

// ledger is what each commit brings up to date in __store.
type ledger struct {
	nextID   int64
	clock    int64
	layouts  int64 // raised whenever a layout changes
	erasures int64 // the version of the ledger of erased entities
}

const offlineSchema = `
CREATE TABLE __store (one INTEGER PRIMARY KEY CHECK (one = 1), identity TEXT NOT NULL, next_id INTEGER NOT NULL,
	clock INTEGER NOT NULL, layouts INTEGER NOT NULL, installation TEXT) STRICT;
CREATE TABLE __layouts (group_id INTEGER PRIMARY KEY, table_name TEXT NOT NULL UNIQUE, version INTEGER NOT NULL,
	join_keys TEXT NOT NULL, columns TEXT NOT NULL) STRICT;
CREATE TABLE __loads (first_id INTEGER PRIMARY KEY, last_id INTEGER NOT NULL, group_id INTEGER NOT NULL, run_id INTEGER NOT NULL) STRICT;`

// offlineUpgrades bring a file to the next format each.
var offlineUpgrades = []string{`
CREATE TABLE __removals (group_id INTEGER PRIMARY KEY, last INTEGER NOT NULL, forgotten INTEGER NOT NULL) STRICT;
CREATE TABLE __removed (id INTEGER PRIMARY KEY, group_id INTEGER NOT NULL, number INTEGER NOT NULL, run_id INTEGER, entity BLOB, ids BLOB) STRICT;`,
	erasuresSchema,
	quarantineSchema,
}

// OpenOffline opens the store in a file, which is made if it is not there, and begins to remove what a crash left of loads. The caller
// must hold the data folder's lock.
func OpenOffline(path string, options Options) (*Offline, error) {
	c, err := openFile(path, "FULL", offlineSchema, offlineUpgrades, func(c *conn) error {
		return c.exec("INSERT INTO __store VALUES (1, ?, 1, 0, 1, NULL)", rand.Text())
	})
	if err != nil {
		return nil, err
	}
	if err := c.run(idempotencySchema + retainedSchema + publicationsSchema + retractionsSchema); err != nil {
		return nil, errors.Join(fmt.Errorf("opening %s: %w", path, err), c.close())
	}
	o := &Offline{path: path, options: options.filled(), inserts: map[layoutOf]*insert{}, closed: map[int64]bool{}, uniqueLoad: make(chan struct{}, 1), altering: make(chan struct{}, 1),
		underWay: underWay{since: map[*load]int64{}}, loads: map[*load]bool{}, swept: make(chan struct{})}
	dest := make([]driver.Value, 5)
	if _, err := c.row(dest, "SELECT identity, next_id, clock, layouts, erasures FROM __store"); err != nil {
		return nil, errors.Join(fmt.Errorf("opening %s: %w", path, err), c.close())
	}
	o.identity = text(dest[0])
	o.ledger = ledger{nextID: integer(dest[1]), clock: integer(dest[2]), layouts: integer(dest[3]), erasures: integer(dest[4])}
	o.saved = o.ledger
	o.clock.now, o.clock.last = o.options.Now, o.ledger.clock
	abandoned, err := openLoads(c)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening %s: %w", path, err), c.close())
	}
	reverted, err := revertedEntries(c)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening %s: %w", path, err), c.close())
	}
	o.readers = newPool(path, o.options.Readers, "cache_size = -4000")
	o.writer = newWriter(c, true, hooks{o.save, o.settle})
	o.removeAbandoned(abandoned, reverted)
	return o, nil
}

// openFile opens a file for its writer, makes it what it is meant to be if it is new, and brings it up to date if it is older: its
// format is 1 and one more for each upgrade.
func openFile(path, synchronous, schema string, upgrades []string, fill func(*conn) error) (*conn, error) {
	c, err := connect(path, "journal_mode = WAL", "synchronous = "+synchronous, "secure_delete = ON", "journal_size_limit = 16777216")
	if err != nil {
		return nil, err
	}
	if err := prepareFile(c, schema, upgrades, fill); err != nil {
		return nil, errors.Join(fmt.Errorf("opening %s: %w", path, err), c.close())
	}
	return c, nil
}

func prepareFile(c *conn, schema string, upgrades []string, fill func(*conn) error) error {
	dest := make([]driver.Value, 1)
	if _, err := c.row(dest, "PRAGMA user_version"); err != nil {
		return err
	}
	version, newest := int(integer(dest[0])), 1+len(upgrades)
	switch {
	case version == newest:
		return nil
	case version > newest:
		return fmt.Errorf("it was written by a newer version of featurestore (format %d)", version)
	}
	if err := c.run("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	if version == 0 {
		if err := c.run(schema); err != nil {
			return err
		}
		if err := fill(c); err != nil {
			return err
		}
	}
	for _, upgrade := range upgrades[max(version, 1)-1:] {
		if err := c.run(upgrade); err != nil {
			return err
		}
	}
	return c.run(fmt.Sprintf("PRAGMA user_version = %d; COMMIT", newest))
}

// save is the last step of each transaction.
func (o *Offline) save(c *conn) error {
	o.ledger.clock = o.clock.lastGiven()
	if o.ledger == o.saved {
		return nil
	}
	return c.exec("UPDATE __store SET next_id = ?, clock = ?, layouts = ?, erasures = ? WHERE one = 1", o.ledger.nextID, o.ledger.clock, o.ledger.layouts, o.ledger.erasures)
}

// settle follows each transaction. Ids that were rolled back are given again: nobody has seen them.
func (o *Offline) settle(err error) {
	if err == nil {
		o.saved = o.ledger
		return
	}
	o.ledger = o.saved
	o.writer.conn.forgetLayouts()
}

// Claim stamps a new store with the installation's identity, or compares.
func (o *Offline) Claim(ctx context.Context, installation string) error {
	var owner string
	err := o.writer.do(ctx, single, func(c *conn) error {
		if err := c.exec("UPDATE __store SET installation = coalesce(installation, ?)", installation); err != nil {
			return err
		}
		dest := make([]driver.Value, 1)
		if _, err := c.row(dest, "SELECT installation FROM __store"); err != nil {
			return err
		}
		owner = text(dest[0])
		return nil
	})
	if err != nil {
		return fmt.Errorf("claiming %s: %w", o.path, err)
	}
	if owner != installation {
		return fault.New(fault.Conflict, "another-installation",
			"the history in %s belongs to another installation (%s, this one is %s): the files of a data folder belong together", o.path, owner, installation)
	}
	return nil
}

func (o *Offline) Identity(context.Context) (string, error) { return o.identity, nil }

// Ping makes an empty transaction, and looks whether the file is still there.
func (o *Offline) Ping(ctx context.Context) error {
	if _, err := os.Stat(o.path); err != nil {
		return fmt.Errorf("the offline store's file: %w", err)
	}
	if err := o.writer.do(ctx, single, func(*conn) error { return nil }); err != nil {
		return fmt.Errorf("writing to the offline store: %w", err)
	}
	s, err := o.Snapshot(ctx)
	if err != nil {
		return err
	}
	return s.Close()
}

// Close waits for the writes under way. Snapshots that are still open keep their connections until they are closed.
func (o *Offline) Close() error {
	o.removing()
	o.removed.Wait()
	return errors.Join(o.writer.close(), o.readers.close())
}

// checkpoint moves what bulk work left in the log to the file and cuts the log, as far as no reader needs it.
func (o *Offline) checkpoint(ctx context.Context) error {
	return o.writer.do(ctx, bare, func(c *conn) error {
		return errors.Join(c.run("PRAGMA busy_timeout = 0; PRAGMA wal_checkpoint(TRUNCATE)"), c.run("PRAGMA busy_timeout = 5000"))
	})
}
