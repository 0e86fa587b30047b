package sqlite

import (
	"context"
	"database/sql/driver"

	"featurestore/modules/store"
)

// The entries of a run that is reverted, of which there may be a million, are hidden with the commit that hides its rows, counted as what became
// of them, and removed in steps after it.

// ofRun is the condition that an entry came with a load of a group.
const ofRun = "run_id = +? AND run_id <> 0 AND group_id = +?"

// revertedEntries are the runs whose entries are being removed.
func revertedEntries(c *conn) (runs []takenRun, err error) {
	dest := make([]driver.Value, 2)
	err = c.each(dest, func() error {
		runs = append(runs, takenRun{integer(dest[0]), integer(dest[1])})
		return nil
	}, "SELECT group_id, run_id FROM __quarantine_reverted")
	return runs, err
}

// releaseRun hides all in quarantine that a run brought, and answers how many entries they are.
func (r *removing) releaseRun(c *conn) (released int64, err error) {
	hidden, err := hiddenEntries(c, "")
	if err != nil {
		return 0, err
	}
	gone, dest := &goneEntries{by: map[goneKind]int64{}}, make([]driver.Value, 2)
	err = c.each(dest, func() error {
		state := store.QuarantineState(text(dest[0]))
		gone.by[goneKind{r.group.ID, state}] = integer(dest[1])
		released += integer(dest[1])
		return nil
	}, "SELECT state, count(*) FROM __quarantine WHERE "+ofRun+hidden+" GROUP BY state", r.what.Run, r.group.ID)
	if err != nil || released == 0 {
		return 0, err
	}
	r.removed.Quarantined = gone.by[goneKind{r.group.ID, store.Waiting}]
	if err := gone.count(c, store.QuarantineReverted); err != nil {
		return 0, err
	}
	return released, c.exec("INSERT OR IGNORE INTO __quarantine_reverted (run_id, group_id) VALUES (?, ?)", r.what.Run, r.group.ID)
}

// revertStep is how many hidden entries one transaction removes.
const revertStep = 500

// removeReverted removes the hidden entries of a run in steps that hold no write up for long.
func (o *Offline) removeReverted(ctx context.Context, run takenRun) error {
	for more := true; more; {
		err := o.writer.do(ctx, bulk, func(c *conn) error {
			left := 0
			err := c.each(make([]driver.Value, 1), func() error { left++; return nil },
				"DELETE FROM __quarantine WHERE number IN (SELECT number FROM __quarantine WHERE "+ofRun+" LIMIT +?) RETURNING 1", run.run, run.group, int64(revertStep))
			if more = left > 0; err != nil || more {
				return err
			}
			return c.exec("DELETE FROM __quarantine_reverted WHERE run_id = +? AND group_id = +?", run.run, run.group)
		})
		if err != nil {
			return err
		}
	}
	return o.checkpoint(ctx)
}

// removeRevertedLater does it meanwhile. What is left when the store is closed is removed after the next start.
func (o *Offline) removeRevertedLater(run takenRun) {
	o.removed.Go(func() {
		if err := o.removeReverted(o.open, run); err != nil && o.open.Err() == nil {
			o.options.Log.Error("rows of a reverted load stay hidden in quarantine until the next start", "run", run.run, "error", err)
		}
	})
}
