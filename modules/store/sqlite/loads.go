package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"

	"featurestore/app/database"
)

// openLoad is a load whose rows are being inserted: all ids from first to last are its own, and none of its rows shows.
type openLoad struct {
	first, last int64
	group       int64
}

// openLoads reads the loads that are open.
func openLoads(c *conn) (loads []openLoad, err error) {
	dest := make([]driver.Value, 3)
	err = c.each(dest, func() error {
		loads = append(loads, openLoad{integer(dest[0]), integer(dest[1]), integer(dest[2])})
		return nil
	}, "SELECT first_id, last_id, group_id FROM __loads ORDER BY first_id")
	return loads, err
}

// reserve opens a load of n rows: from now on its ids are taken, and positions stay below them.
func (o *Offline) reserve(c *conn, group, run, n int64) (openLoad, error) {
	load := openLoad{o.ledger.nextID, o.ledger.nextID + n - 1, group}
	o.ledger.nextID += n
	return load, c.exec("INSERT INTO __loads (first_id, last_id, group_id, run_id) VALUES (?, ?, ?, ?)", load.first, load.last, group, run)
}

// end closes a load: what has been inserted of it shows from now on.
func (l openLoad) end(c *conn) error {
	return c.exec("DELETE FROM __loads WHERE first_id = +?", l.first)
}

// removeStep is how many rows of an abandoned load one transaction removes.
const removeStep = 5000

// remove takes an open load back, in steps that hold no write up for long.
func (o *Offline) remove(ctx context.Context, load openLoad) error {
	for first := load.first; first <= load.last; first += removeStep {
		last := min(first+removeStep-1, load.last)
		err := o.writer.do(ctx, bulk, func(c *conn) error {
			if err := c.exec("DELETE FROM __quarantine WHERE number BETWEEN ? AND ?", first, last); err != nil {
				return err
			}
			if l, err := c.layoutOf(load.group); err != nil || l == nil {
				return err
			} else if err := c.exec("DELETE FROM "+database.Quote(l.table)+" WHERE ingest_id BETWEEN ? AND ?", first, last); err != nil || last < load.last {
				return err
			}
			return load.end(c)
		})
		if err != nil {
			return fmt.Errorf("removing what there is of an unfinished load: %w", err)
		}
	}
	return o.checkpoint(ctx)
}

// removeAbandoned begins to remove loads that were open when the file was last closed, and what is hidden in quarantine.
func (o *Offline) removeAbandoned(loads []openLoad, reverted []takenRun) {
	var ctx context.Context
	ctx, o.removing = context.WithCancel(context.Background())
	o.open = ctx
	for _, run := range reverted {
		o.removeRevertedLater(run)
	}
	o.removed.Go(func() {
		defer close(o.swept)
		for _, load := range loads {
			if err := o.remove(ctx, load); err != nil {
				if ctx.Err() == nil {
					o.options.Log.Error("an unfinished load stays hidden until the next start", "error", err)
				}
				return
			}
		}
	})
}
