package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"featurestore/modules/registry"
	"featurestore/modules/store"
)

// publishing is a load's publication.
type publishing struct {
	*store.Publishing
	staged bool // rows go into the staging table first, since some earlier publication may have brought them
}

// Publish copies into the group's table where nothing has been published under the name for any of the ticks, so that there is nothing to compare.
func (o *Offline) Publish(ctx context.Context, group *registry.Group, run int64, what *store.Publishing) (store.Load, error) {
	return o.load(ctx, group, run, &publishing{Publishing: what})
}

// before tells whether ticks of the publication were published before.
func (l *load) before(ctx context.Context) (found bool, err error) {
	err = l.conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM "+l.offline.table("__publications")+" WHERE group_id = $1 AND name = $2 AND ticks && $3)",
		l.group.ID, l.publishing.Name, l.publishing.ticks()).Scan(&found)
	return found, err
}

// ticks is never null.
func (p *publishing) ticks() []int64 { return append([]int64{}, p.Ticks...) }

// publish ends a publication, once its rows and entries are there. What takes entries takes them before the lock of the group's removals, as a
// removal does. The lock is had until the end: so of publications, removals and the steps of a compaction one comes after the other.
func (l *load) publish(ctx context.Context) (err error) {
	removed := store.Removed{}
	if l.publishing.staged {
		if removed.Quarantined, err = l.releaseEarlier(ctx); err != nil {
			return err
		}
	}
	last, err := l.lockRemovals(ctx)
	if err != nil {
		return err
	}
	if !l.publishing.staged {
		// One that began later may have committed.
		if l.publishing.staged, err = l.before(ctx); err == nil && l.publishing.staged {
			if removed.Quarantined, err = l.releaseEarlier(ctx); err == nil {
				err = l.unload(ctx)
			}
		}
		if err != nil {
			return err
		}
	}
	stored := l.publishing.Rows
	if l.publishing.staged {
		if stored, err = l.compare(ctx, last+1, &removed); err != nil {
			return err
		}
		l.duplicates = l.added
		for _, rows := range stored {
			l.duplicates -= rows
		}
	}
	if err := l.record(ctx, stored); err != nil {
		return err
	}
	l.publishing.TakenBack = removed
	if removed.Any() && l.publishing.Removing != nil {
		l.publishing.Removing()
	}
	if l.publishing.Fence != nil {
		return l.publishing.Fence(ctx, asking{l.conn})
	}
	return nil
}

// asking is the load's transaction as a fence has it.
type asking struct{ conn querier }

func (a asking) QueryRow(ctx context.Context, sql string, args ...any) store.Row {
	return a.conn.QueryRow(ctx, sql, args...)
}

// releaseEarlier takes out what waits in quarantine of the ticks' earlier publications: entries that this transaction has not brought.
func (l *load) releaseEarlier(ctx context.Context) (waited int64, err error) {
	o := l.offline
	condition := "id IN (SELECT q.id FROM " + o.table("__quarantine") + " AS q WHERE q.group_id = $1 AND q.state = 'waiting' AND q.event_time = ANY ($3) AND NOT q.xmin = pg_current_xact_id()::xid " +
		"AND q.run_id IN (SELECT run_id FROM " + o.table("__publications") + " WHERE group_id = $1 AND name = $2 AND ticks && $3) ORDER BY q.id FOR UPDATE)"
	var removed int64
	err = l.conn.QueryRow(ctx, o.removeText(condition, store.QuarantineReverted), l.group.ID, l.publishing.Name, l.publishing.ticks()).Scan(&removed, &waited)
	return waited, err
}

// lockRemovals answers the number of the group's last removal, after which none comes until the transaction ends.
func (l *load) lockRemovals(ctx context.Context) (last int64, err error) {
	removals := l.offline.table("__removals")
	if _, err := l.conn.Exec(ctx, "INSERT INTO "+removals+" (group_id, last, forgotten) VALUES ($1, 0, 0) ON CONFLICT DO NOTHING", l.group.ID); err != nil {
		return 0, err
	}
	err = l.conn.QueryRow(ctx, "SELECT last FROM "+removals+" WHERE group_id = $1 FOR UPDATE", l.group.ID).Scan(&last)
	return last, err
}

// record notes the publication: stored is how many rows of each tick are its own.
func (l *load) record(ctx context.Context, stored map[int64]int64) error {
	o, p := l.offline, l.publishing
	source, err := json.Marshal(p.Source)
	if err != nil {
		return err
	}
	ticks, rows, own := p.ticks(), make([]int64, len(p.Ticks)), make([]bool, len(p.Ticks))
	for i, tick := range ticks {
		rows[i], own[i] = p.Rows[tick], stored[tick] == p.Rows[tick]
	}
	if len(ticks) > 0 {
		_, err := l.conn.Exec(ctx, "INSERT INTO "+o.table("__published")+" AS p (group_id, name, tick, run_id, version, rows, own, source, at) "+
			"SELECT $1::bigint, $2::text, u.tick, $3::bigint, $4::bigint, u.rows, u.own, $5::text, $6::bigint FROM unnest($7::bigint[], $8::bigint[], $9::boolean[]) AS u(tick, rows, own) "+
			"ON CONFLICT (group_id, name, tick) DO UPDATE SET run_id = excluded.run_id, version = excluded.version, rows = excluded.rows, own = excluded.own, "+
			"source = excluded.source, at = excluded.at", l.group.ID, p.Name, l.run, p.Version, string(source), l.began, ticks, rows, own)
		if err != nil {
			return err
		}
		_, err = l.conn.Exec(ctx, "INSERT INTO "+o.table("__publications")+" (group_id, name, run_id, ticks, xids) VALUES ($1, $2, $3, $4, ARRAY[pg_current_xact_id()::text::bigint])",
			l.group.ID, p.Name, l.run, ticks)
		if err != nil {
			return err
		}
	}
	if p.Confirms {
		_, err = l.conn.Exec(ctx, "UPDATE "+o.table("__published")+" SET source = $3 WHERE group_id = $1 AND name = $2 AND NOT tick = ANY ($4)", l.group.ID, p.Name, string(source), ticks)
	}
	return err
}

// unload moves the rows that were copied into the group's table to the staging table.
func (l *load) unload(ctx context.Context) error {
	if err := l.stage(ctx); err != nil {
		return err
	}
	columns := joined(l.columns, "")
	_, err := l.conn.Exec(ctx, fmt.Sprintf("WITH moved AS (DELETE FROM %s WHERE ingest_xid = pg_current_xact_id()::text::bigint RETURNING %s) INSERT INTO %s (%s) SELECT %s FROM moved",
		l.offline.table(l.group.Name), columns, stagingTable, columns, columns))
	return err
}

// timesOf are times as parameters.
func timesOf(us []int64) []time.Time {
	times := make([]time.Time, len(us))
	for i, at := range us {
		times[i] = time.UnixMicro(at).UTC()
	}
	return times
}
