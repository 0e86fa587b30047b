package sqlite

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"featurestore/app/database"
	"featurestore/modules/registry"
	"featurestore/modules/store"
)

// erasuresSchema is the ledger of erased entities. Its version stands in __store.
const erasuresSchema = `
ALTER TABLE __store ADD COLUMN erasures INTEGER NOT NULL DEFAULT 0;
CREATE TABLE __erasures (number INTEGER PRIMARY KEY, entity_type INTEGER NOT NULL, secret BLOB NOT NULL, hash BLOB NOT NULL, cut_off INTEGER NOT NULL,
	at INTEGER NOT NULL, run_id INTEGER NOT NULL, rows TEXT NOT NULL, done INTEGER NOT NULL, entity BLOB NOT NULL) STRICT;
CREATE UNIQUE INDEX __erasures_by_hash ON __erasures (hash, entity_type, secret);
CREATE INDEX __erasures_undone ON __erasures (number) WHERE NOT done;`

const erasureColumns = "number, entity_type, secret, hash, cut_off, at, run_id, rows, done, entity"

// Erase is a single write. Rows that come in the same commit and before it are among those that it counts; later ones are refused.
func (o *Offline) Erase(ctx context.Context, erasure *store.Erasure, key store.Key, groups []*registry.Group) error {
	var entered store.Erasure
	err := o.writer.do(ctx, single, func(c *conn) error {
		entered = *erasure
		entered.At, entered.Rows = o.clock.time(), map[string]int64{}
		entered.CutOff = max(entered.CutOff, entered.At)
		for _, group := range groups {
			r := &removing{group: group, what: store.Selection{Key: &key}}
			rows, newest, err := r.newest(c)
			if err != nil {
				return err
			}
			if rows > 0 {
				entered.Rows[group.Name] = rows
			}
			entered.CutOff = max(entered.CutOff, newest)
		}
		earlier, err := erasuresOf(c, "WHERE hash = +? AND entity_type = +? AND secret = +?", entered.Hash[:], entered.EntityType, entered.Secret[:])
		if err != nil {
			return err
		}
		for _, e := range earlier {
			entered.CutOff = max(entered.CutOff, e.CutOff)
		}
		return o.enter(c, &entered)
	})
	if err != nil {
		return fmt.Errorf("entering an entity into the ledger: %w", err)
	}
	*erasure = entered
	return nil
}

// newest counts the entity's rows that show and finds the newest of their event times, and of those of its entries in quarantine.
func (r *removing) newest(c *conn) (rows, newest int64, err error) {
	l, err := c.layoutOf(r.group.ID)
	if err != nil || l == nil || l.version <= r.group.SchemaVersion && !l.keyedAs(r.group) {
		return 0, math.MinInt64, err
	}
	src, args, err := r.source(c, l)
	if err != nil {
		return 0, 0, err
	}
	dest := make([]driver.Value, 2)
	_, err = c.row(dest, fmt.Sprintf("SELECT count(*), coalesce(max(t.event_time), -1 << 63) FROM %s WHERE %s%s", src.indexed(), src.sameKey(), src.visible()), args...)
	if err != nil {
		return 0, 0, err
	}
	rows, newest = integer(dest[0]), integer(dest[1])
	_, err = c.row(dest[:1], "SELECT coalesce(max(event_time), -1 << 63) FROM __quarantine WHERE entity = +? AND group_id = +?", []byte(r.what.Key.Encoded), r.group.ID)
	return rows, max(newest, integer(dest[0])), err
}

// enter gives an entry the next number, in the place of the one that there is.
func (o *Offline) enter(c *conn, e *store.Erasure) error {
	rows, err := json.Marshal(e.Rows)
	if err != nil {
		return err
	}
	o.ledger.erasures++
	e.Number = o.ledger.erasures
	if err := c.exec("DELETE FROM __erasures WHERE hash = +? AND entity_type = +? AND secret = +?", e.Hash[:], e.EntityType, e.Secret[:]); err != nil {
		return err
	}
	return c.exec("INSERT INTO __erasures ("+erasureColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		e.Number, e.EntityType, e.Secret[:], e.Hash[:], e.CutOff, e.At, e.Run, string(rows), e.Done, append([]byte{}, e.Entity...))
}

// Enter is one transaction.
func (o *Offline) Enter(ctx context.Context, erasures []store.Erasure) (changed int, err error) {
	err = o.writer.do(ctx, alone, func(c *conn) error {
		changed = 0
		for _, e := range erasures {
			earlier, err := erasuresOf(c, "WHERE hash = +? AND entity_type = +? AND secret = +?", e.Hash[:], e.EntityType, e.Secret[:])
			if err != nil {
				return err
			}
			if len(earlier) > 0 && earlier[0].CutOff >= e.CutOff {
				continue
			}
			e.Rows, e.Run, e.Done, e.Entity = map[string]int64{}, 0, false, ""
			if err := o.enter(c, &e); err != nil {
				return err
			}
			changed++
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("entering entities into the ledger: %w", err)
	}
	return changed, nil
}

// Finish is one transaction.
func (o *Offline) Finish(ctx context.Context, erasures []store.Erasure) error {
	err := o.writer.do(ctx, alone, func(c *conn) error {
		for _, e := range erasures {
			rows, err := json.Marshal(e.Rows)
			if err != nil {
				return err
			}
			if err := c.exec("UPDATE __erasures SET done = 1, entity = x'', run_id = ?, rows = ? WHERE number = +?", e.Run, string(rows), e.Number); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("ending erasures: %w", err)
	}
	return nil
}

func erasuresOf(c *conn, condition string, args ...driver.Value) (found []store.Erasure, err error) {
	dest := make([]driver.Value, 10)
	err = c.each(dest, func() error {
		e := store.Erasure{Number: integer(dest[0]), EntityType: integer(dest[1]), CutOff: integer(dest[4]), At: integer(dest[5]), Run: integer(dest[6]), Done: integer(dest[8]) != 0}
		copy(e.Secret[:], bytesIn(dest[2]))
		copy(e.Hash[:], bytesIn(dest[3]))
		e.Entity = string(bytesIn(dest[9]))
		found = append(found, e)
		return json.Unmarshal([]byte(text(dest[7])), &found[len(found)-1].Rows)
	}, "SELECT "+erasureColumns+" FROM __erasures "+condition, args...)
	return found, err
}

func bytesIn(v driver.Value) []byte {
	b, _ := v.([]byte)
	return b
}

// Erasures reads what was committed last.
func (o *Offline) Erasures(ctx context.Context, of store.ErasureRange) (found []store.Erasure, err error) {
	condition, args := "WHERE number > ?", []driver.Value{of.After}
	if of.Undone {
		condition += " AND NOT done"
	}
	if of.Hash != nil {
		condition, args = condition+" AND hash = +?", append(args, of.Hash[:])
	}
	condition += " ORDER BY number"
	if of.Limit > 0 {
		condition, args = condition+" LIMIT +?", append(args, int64(of.Limit))
	}
	err = o.reading(ctx, func(c *conn) error {
		found, err = erasuresOf(c, condition, args...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the ledger: %w", err)
	}
	return found, nil
}

// LedgerState reads what was committed last.
func (o *Offline) LedgerState(ctx context.Context) (state store.LedgerState, err error) {
	dest := make([]driver.Value, 3)
	err = o.reading(ctx, func(c *conn) error {
		_, err := c.row(dest, "SELECT erasures, (SELECT count(*) FROM __erasures), (SELECT count(*) FROM __erasures WHERE NOT done) FROM __store")
		return err
	})
	if err != nil {
		return state, fmt.Errorf("reading the state of the ledger: %w", err)
	}
	return store.LedgerState{Version: integer(dest[0]), Entries: integer(dest[1]), Undone: integer(dest[2])}, nil
}

func (o *Offline) reading(ctx context.Context, do func(*conn) error) error {
	c, err := o.readers.get(ctx)
	if err != nil {
		return err
	}
	err = do(c)
	return errors.Join(err, o.readers.put(c, err != nil))
}

// AwaitWrites waits for the loads: single writes follow each other. What a crash left of loads is removed first.
func (o *Offline) AwaitWrites(ctx context.Context, groups []*registry.Group) error {
	begun := []<-chan struct{}{o.swept}
	o.mu.Lock()
	for l := range o.loads {
		for _, group := range groups {
			if l.group.ID == group.ID {
				begun = append(begun, l.over)
			}
		}
	}
	o.mu.Unlock()
	for _, over := range begun {
		select {
		case <-over:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Scrub cuts the log. Deleted content is overwritten in the file itself as it is deleted (secure_delete).
func (o *Offline) Scrub(ctx context.Context, _ []*registry.Group) error {
	if err := truncateLog(ctx, o.writer); err != nil {
		return fmt.Errorf("cutting the log of %s: %w", o.path, err)
	}
	return nil
}

// truncateLog moves all of the log to the file and cuts it to nothing, once no reader needs it.
func truncateLog(ctx context.Context, w *writer) error {
	wait := 5 * time.Millisecond
	for {
		busy := true
		err := w.do(ctx, bare, func(c *conn) error {
			dest := make([]driver.Value, 3)
			err := c.run("PRAGMA busy_timeout = 0")
			if err == nil {
				_, err = c.row(dest, "PRAGMA wal_checkpoint(TRUNCATE)")
			}
			busy = integer(dest[0]) != 0
			return errors.Join(err, c.run("PRAGMA busy_timeout = 5000"))
		})
		if err != nil || !busy {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		wait = min(2*wait, time.Second)
	}
}

// source is that of the entity's rows that show; the arguments are its join keys.
func (r *removing) source(c *conn, l *layout) (src *source, args []driver.Value, err error) {
	src = &source{group: r.group, table: database.Quote(l.table), keys: keyColumns(r.group, "t.")}
	if src.hidden, err = openLoads(c); err != nil {
		return nil, nil, err
	}
	if src.taken, err = takenRuns(c); err != nil {
		return nil, nil, err
	}
	for _, v := range r.what.Key.Values {
		args = append(args, encode(v))
	}
	return src, args, nil
}
