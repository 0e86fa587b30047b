package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"time"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// quarantineSchema is the quarantine of all groups. An entry's number is an ingest id that no row has, so that an open load hides its entries
// as it hides its rows. entity is null once an entry has ended waiting, as are document and broken; rules has each rule's name between line
// ends. __quarantine_past counts the entries that are removed, by what became of them;
// __quarantine_reverted names runs whose entries are counted there already, and are being removed. Times are µs.
const quarantineSchema = `
CREATE TABLE __quarantine (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, group_id INTEGER NOT NULL, entity BLOB, event_time INTEGER NOT NULL,
	at INTEGER NOT NULL, way TEXT NOT NULL, run_id INTEGER NOT NULL, file TEXT NOT NULL, row INTEGER NOT NULL, rules TEXT NOT NULL, broken TEXT, document TEXT,
	state TEXT NOT NULL, version INTEGER NOT NULL, ended INTEGER NOT NULL) STRICT;
CREATE INDEX __quarantine_by_state ON __quarantine (group_id, state, number);
CREATE INDEX __quarantine_by_entity ON __quarantine (entity, group_id) WHERE entity IS NOT NULL;
CREATE INDEX __quarantine_by_run ON __quarantine (run_id, group_id, state) WHERE run_id <> 0;
CREATE INDEX __quarantine_waiting ON __quarantine (at) WHERE state = 'waiting';
CREATE INDEX __quarantine_ended ON __quarantine (ended) WHERE ended <> 0;
CREATE TABLE __quarantine_past (group_id INTEGER NOT NULL, state TEXT NOT NULL, entries INTEGER NOT NULL, PRIMARY KEY (group_id, state)) STRICT;
CREATE TABLE __quarantine_reverted (run_id INTEGER NOT NULL, group_id INTEGER NOT NULL, PRIMARY KEY (run_id, group_id)) STRICT;`

const insertEntry = "INSERT INTO __quarantine (number, id, group_id, entity, event_time, at, way, run_id, file, row, rules, broken, document, state, version, ended) " +
	"VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'waiting', 1, 0)"

// endWaiting is what becomes of an entry that waits, with the arguments state and time.
const endWaiting = "UPDATE __quarantine SET state = ?, ended = ?, entity = NULL, broken = NULL, document = NULL WHERE state = 'waiting' AND "

// admit brings entries in, in the writer's transaction.
func (a *appending) admit(c *conn) error {
	o := a.offline
	a.eventTimes = make([]int64, len(a.all.Entries))
	for i, e := range a.all.Entries {
		if _, err := checkLayout(c, e.Group); err != nil {
			return err
		}
		if e.Checked < o.ledger.erasures {
			return store.ErrUnchecked
		}
		rules, broken, err := store.EncodeBroken(e.Broken)
		if err != nil {
			return err
		}
		if a.eventTimes[i] = e.EventTime; e.EventTime == value.NoTime {
			a.eventTimes[i] = a.at
		}
		err = c.exec(insertEntry, o.ledger.nextID, e.ID, e.Group.ID, []byte(e.Key.Encoded), a.eventTimes[i], a.at, e.Source.Way, e.Source.Run, e.Source.File, e.Source.Row,
			rules, broken, string(e.Document))
		if err != nil {
			return fmt.Errorf("the quarantine of group %s: %w", e.Group.Name, err)
		}
		o.ledger.nextID++
	}
	return nil
}

// replay marks entries as replayed, in the writer's transaction; false where some of them do not wait as they were read.
func (a *appending) replay(c *conn) (marked bool, err error) {
	if waiting, err := waitAs(c, a.all.Replayed); err != nil || !waiting {
		return false, err
	}
	for _, e := range a.all.Replayed {
		if err := c.exec(endWaiting+"id = +?", string(store.Replayed), a.at, e.ID); err != nil {
			return false, fmt.Errorf("marking an entry as replayed: %w", err)
		}
	}
	return true, nil
}

// waitAs tells whether all of the entries wait as they were read.
func waitAs(c *conn, entries []*store.Quarantined) (bool, error) {
	hidden, err := hiddenEntries(c, "")
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		waits, err := c.row(make([]driver.Value, 1), "SELECT 1 FROM __quarantine WHERE id = +? AND state = 'waiting' AND version = +?"+hidden, e.ID, int64(e.Version))
		if err != nil || !waits {
			return false, err
		}
	}
	return true, nil
}

// AmendQuarantined is a single write.
func (o *Offline) AmendQuarantined(ctx context.Context, entries []*store.Quarantined) error {
	waiting := true
	err := o.writer.do(ctx, single, func(c *conn) (err error) {
		if waiting, err = waitAs(c, entries); err != nil || !waiting {
			return err
		}
		for _, e := range entries {
			rules, broken, err := store.EncodeBroken(e.Broken)
			if err != nil {
				return err
			}
			if err := c.exec("UPDATE __quarantine SET rules = ?, broken = ?, document = ?, version = version + 1 WHERE id = +?", rules, broken, string(e.Document), e.ID); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && !waiting {
		return store.ErrNotWaiting
	}
	if err != nil {
		return fmt.Errorf("amending entries of the quarantine: %w", err)
	}
	return nil
}

// DiscardQuarantined is a single write: keep the ids few, others wait for it.
func (o *Offline) DiscardQuarantined(ctx context.Context, ids []string) (discarded int, err error) {
	err = o.writer.do(ctx, single, func(c *conn) error {
		discarded = 0
		hidden, err := hiddenEntries(c, "")
		if err != nil {
			return err
		}
		for _, id := range ids {
			err := c.each(make([]driver.Value, 1), func() error { discarded++; return nil }, endWaiting+"id = +?"+hidden+" RETURNING 1", string(store.Discarded), o.clock.time(), id)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("discarding entries of the quarantine: %w", err)
	}
	return discarded, nil
}

// ExpireQuarantined is a single write: keep limit small, others wait for it.
func (o *Offline) ExpireQuarantined(ctx context.Context, keep time.Duration, limit int) (expired int, err error) {
	err = o.writer.do(ctx, single, func(c *conn) error {
		expired = 0
		hidden, err := hiddenEntries(c, "")
		if err != nil {
			return err
		}
		now := o.clock.time()
		return c.each(make([]driver.Value, 1), func() error { expired++; return nil },
			endWaiting+"number IN (SELECT number FROM __quarantine WHERE state = 'waiting' AND at < ?"+hidden+" ORDER BY at LIMIT +?) RETURNING 1",
			string(store.Expired), now, now-keep.Microseconds(), int64(limit))
	})
	if err != nil {
		return 0, fmt.Errorf("expiring entries of the quarantine: %w", err)
	}
	return expired, nil
}

// ForgetQuarantined is a single write: keep limit small, others wait for it.
func (o *Offline) ForgetQuarantined(ctx context.Context, keep time.Duration, limit int) (forgotten int, err error) {
	err = o.writer.do(ctx, single, func(c *conn) error {
		hidden, err := hiddenEntries(c, "")
		if err != nil {
			return err
		}
		gone, err := removeEntries(c, "number IN (SELECT number FROM __quarantine WHERE ended <> 0 AND ended < ?"+hidden+" ORDER BY ended LIMIT +?)", o.clock.time()-keep.Microseconds(), int64(limit))
		if err != nil {
			return err
		}
		forgotten = gone.entries
		return gone.count(c, store.Waiting)
	})
	if err != nil {
		return 0, fmt.Errorf("removing old entries of the quarantine: %w", err)
	}
	return forgotten, nil
}

// goneEntries are entries that were removed, by group and state.
type goneEntries struct {
	entries int
	waited  int64
	by      map[goneKind]int64
}

type goneKind struct {
	group int64
	state store.QuarantineState
}

// removeEntries removes entries, which are to be counted then.
func removeEntries(c *conn, condition string, args ...driver.Value) (*goneEntries, error) {
	gone, dest := &goneEntries{by: map[goneKind]int64{}}, make([]driver.Value, 2)
	err := c.each(dest, func() error {
		kind := goneKind{integer(dest[0]), store.QuarantineState(text(dest[1]))}
		gone.entries++
		gone.by[kind]++
		if kind.state == store.Waiting {
			gone.waited++
		}
		return nil
	}, "DELETE FROM __quarantine WHERE "+condition+" RETURNING group_id, state", args...)
	return gone, err
}

// count notes them, those that waited as what became of them.
func (g *goneEntries) count(c *conn, waited store.QuarantineState) error {
	for kind, n := range g.by {
		if kind.state == store.Waiting {
			kind.state = waited
		}
		if err := c.exec("INSERT INTO __quarantine_past (group_id, state, entries) VALUES (?, ?, ?) ON CONFLICT (group_id, state) DO UPDATE SET entries = entries + excluded.entries",
			kind.group, string(kind.state), n); err != nil {
			return err
		}
	}
	return nil
}

// waitingOf is the condition that an entry waits of what is selected in a group, of an entity; "" if none can.
func waitingOf(group *registry.Group, what store.Selection) (condition string, args []driver.Value) {
	if what.Key == nil || what.Features != nil {
		return "", nil
	}
	return "entity = +? AND group_id = +? AND event_time " + compared(what) + " +?", []driver.Value{[]byte(what.Key.Encoded), group.ID, what.At}
}

// release takes from the quarantine what waits there of an entity.
func (r *removing) release(c *conn) error {
	condition, args := waitingOf(r.group, r.what)
	if condition == "" {
		return nil
	}
	hidden, err := hiddenEntries(c, "")
	if err != nil {
		return err
	}
	if r.dry {
		dest := make([]driver.Value, 1)
		_, err := c.row(dest, "SELECT count(*) FROM __quarantine WHERE "+condition+hidden, args...)
		r.removed.Quarantined = integer(dest[0])
		return err
	}
	gone, err := removeEntries(c, condition+hidden, args...)
	if err != nil {
		return err
	}
	// What a revert is about to remove was counted then.
	if err := c.exec("DELETE FROM __quarantine WHERE "+condition+" AND (run_id, group_id) IN (SELECT run_id, group_id FROM __quarantine_reverted)", args...); err != nil {
		return err
	}
	r.removed.Quarantined = gone.waited
	if r.what.UpTo {
		return gone.count(c, store.QuarantineErased)
	}
	return gone.count(c, store.QuarantineReverted)
}

// waits tells whether anything of a group waits in quarantine.
func (c *conn) waits(group int64) (bool, error) {
	hidden, err := hiddenEntries(c, "")
	if err != nil {
		return false, err
	}
	return c.row(make([]driver.Value, 1), "SELECT 1 FROM __quarantine WHERE group_id = +? AND state = 'waiting'"+hidden+" LIMIT 1", group)
}

// hiddenEntries is the condition that an entry is neither of an open load nor of a run that was reverted, to be put after others.
func hiddenEntries(c *conn, prefix string) (string, error) {
	loads, err := openLoads(c)
	if err != nil {
		return "", err
	}
	b := []byte(nil)
	for _, load := range loads {
		b = fmt.Appendf(b, " AND %snumber NOT BETWEEN %d AND %d", prefix, load.first, load.last)
	}
	reverted, err := revertedEntries(c)
	for _, run := range reverted {
		b = fmt.Appendf(b, " AND NOT (%srun_id = %d AND %sgroup_id = %d)", prefix, run.run, prefix, run.group)
	}
	return string(b), err
}
