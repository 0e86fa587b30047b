package sqlite

import (
	"context"
	"encoding/binary"
	"encoding/json"

	"featurestore/app/database"
	"featurestore/modules/registry"
	"featurestore/modules/store"
)

// Publish is a load whose rows are compared, on their way out of the sorter, with what earlier publications have brought.
func (o *Offline) Publish(ctx context.Context, group *registry.Group, run int64, what *store.Publishing) (store.Load, error) {
	opened, err := o.Load(ctx, group, run)
	if err != nil {
		return nil, err
	}
	opened.(*load).publishing = what
	return opened, nil
}

// alterable is held by one that takes rows of publications away, or brings some in, and by a publication from its look at what is there to
// its commit: so that is still what it was.
func (o *Offline) alter(ctx context.Context) (done func(), err error) {
	select {
	case o.altering <- struct{}{}:
		return func() { <-o.altering }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// publish commits the load as a publication.
func (l *load) publish(ctx context.Context) error {
	done, err := l.offline.alter(ctx)
	if err != nil {
		return err
	}
	defer done()
	p := &publishing{load: l}
	defer p.close()
	if err := p.look(ctx); err != nil {
		return err
	}
	return l.commit(ctx, p.records, func(open openLoad) error {
		return l.offline.writer.do(ctx, alone, func(c *conn) error { return p.appear(ctx, c, open) })
	})
}

// publishing is the commit of one publication.
type publishing struct {
	*load
	earlier []publication // of the ticks
	compare *comparing    // nil: there is nothing to compare
	removed store.Removed
}

func (p *publishing) close() {
	if p.compare != nil {
		p.compare.close()
	}
}

// look finds the earlier publications, and sorts what they have brought.
func (p *publishing) look(ctx context.Context) (err error) {
	err = p.offline.reading(ctx, func(c *conn) error {
		p.earlier, err = publicationsOf(c, p.group.ID, p.publishing.Name, p.publishing.Ticks)
		return err
	})
	if err != nil || len(p.earlier) == 0 {
		return err
	}
	p.compare, err = p.offline.newComparing(ctx, p.group, p.publishing.Ticks, p.earlier)
	return err
}

// records are the rows to be inserted.
func (p *publishing) records() (records, error) {
	merged, err := p.sorter.merge()
	if err != nil || p.compare == nil {
		return merged, err
	}
	return p.compare, p.compare.with(merged)
}

// appear makes the publication appear, in the writer's transaction.
func (p *publishing) appear(ctx context.Context, c *conn, open openLoad) error {
	if p.offline.closed[p.run] {
		return store.RunTakenBack(p.run)
	}
	stored := p.publishing.Rows
	if p.compare != nil {
		p.duplicates = p.compare.unchanged
		stored = p.compare.stored
		if err := p.release(c); err != nil {
			return err
		}
		if err := p.takeBack(c); err != nil {
			return err
		}
	}
	if err := p.record(c, open, stored); err != nil {
		return err
	}
	if err := open.end(c); err != nil {
		return err
	}
	p.publishing.TakenBack = p.removed
	if p.removed.Any() && p.publishing.Removing != nil {
		p.publishing.Removing()
	}
	if p.publishing.Fence != nil {
		return p.publishing.Fence(ctx, nil)
	}
	return nil
}

// release takes out what waits in quarantine of the earlier publications of the ticks; the load's own entries are hidden yet.
func (p *publishing) release(c *conn) error {
	hidden, err := hiddenEntries(c, "")
	if err != nil {
		return err
	}
	ticks, err := json.Marshal(p.publishing.Ticks)
	if err != nil {
		return err
	}
	released := map[int64]bool{}
	for _, earlier := range p.earlier {
		if released[earlier.run] {
			continue
		}
		released[earlier.run] = true
		gone, err := removeEntries(c, ofRun+" AND state = 'waiting' AND event_time IN (SELECT value FROM json_each(?))"+hidden, earlier.run, p.group.ID, string(ticks))
		if err == nil {
			p.removed.Quarantined += gone.waited
			err = gone.count(c, store.QuarantineReverted)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// takeBack removes rows and notes them, entity by entity, under the group's next number.
func (p *publishing) takeBack(c *conn) error {
	if p.compare.gone.count == 0 {
		return nil
	}
	number, err := nextRemoval(c, p.group)
	if err != nil {
		return err
	}
	gone, err := p.compare.gone.merge()
	if err != nil {
		return err
	}
	l, err := c.layoutOf(p.group.ID)
	if err != nil {
		return err
	}
	remove := "DELETE FROM " + database.Quote(l.table) + " WHERE ingest_id = +?"
	var entity, ids []byte
	note := func() error {
		if len(ids) == 0 {
			return nil
		}
		p.removed.Entities++
		return c.exec("INSERT INTO __removed (group_id, number, entity, ids) VALUES (?, ?, ?, ?)", p.group.ID, number, binary.BigEndian.AppendUint64(entity, 1<<63), ids)
	}
	for {
		key, id, more, err := gone.next()
		if err != nil {
			return err
		}
		if !more {
			break
		}
		of, _ := cutSortKey(key)
		if string(of) != string(entity) {
			if err := note(); err != nil {
				return err
			}
			entity, ids = append([]byte(nil), of...), nil
		}
		ids = append(ids, id...)
		p.removed.Rows++
		if err := c.exec(remove, int64(binary.BigEndian.Uint64(id))); err != nil {
			return err
		}
	}
	if err := note(); err != nil {
		return err
	}
	return noteTimes(c, p.group, number, p.compare.least, p.compare.latest)
}

// record notes the publication: stored is how many rows of each tick are its own.
func (p *publishing) record(c *conn, open openLoad, stored map[int64]int64) error {
	what := p.publishing
	source, err := json.Marshal(what.Source)
	if err != nil {
		return err
	}
	if what.Confirms {
		if err := c.exec("UPDATE __published SET source = ? WHERE group_id = +? AND name = +?", string(source), p.group.ID, what.Name); err != nil {
			return err
		}
	}
	for _, tick := range what.Ticks {
		rows := what.Rows[tick]
		err := c.exec("INSERT OR REPLACE INTO __published (group_id, name, tick, run_id, version, rows, own, source, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
			p.group.ID, what.Name, tick, p.run, what.Version, rows, stored[tick] == rows, string(source), p.ingestTime)
		if err != nil {
			return err
		}
	}
	if len(what.Ticks) == 0 {
		return nil
	}
	return c.exec("INSERT INTO __publications (group_id, name, run_id, first_id, last_id, ticks) VALUES (?, ?, ?, ?, ?, ?)",
		p.group.ID, what.Name, p.run, open.first, open.last, packIntegers(what.Ticks))
}
