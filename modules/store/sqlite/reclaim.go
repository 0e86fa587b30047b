package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"time"

	"featurestore/modules/registry"
)

// sweepStep is how many rows of a group one transaction removes.
const sweepStep = 1000

// Sweep removes the rows in steps between which other writes have their turn.
func (o *Online) Sweep(ctx context.Context, group *registry.Group, fence int64) (refused bool, err error) {
	for more := true; more; {
		err := o.writer.do(ctx, bulk, func(c *conn) (err error) {
			dest := make([]driver.Value, 1)
			found, err := c.row(dest, "SELECT fence FROM states WHERE group_id = +?", group.ID)
			if refused = found && fence < integer(dest[0]); err != nil || refused {
				more = false
				return err
			}
			more, err = c.row(make([]driver.Value, 1), "SELECT 1 FROM entities WHERE group_id = +? LIMIT 1", group.ID)
			if err != nil || !more {
				return err
			}
			return c.exec("DELETE FROM entities WHERE rowid IN (SELECT rowid FROM entities WHERE group_id = +? LIMIT +?)", group.ID, int64(sweepStep))
		})
		if err != nil {
			return false, fmt.Errorf("sweeping group %s: %w", group.Name, err)
		}
	}
	return refused, nil
}

// The space of expired rows is found by reading the whole table now and then: an index over the times would cost every write more.
const (
	reclaimStep  = 2000                  // rows read at once
	reclaimPause = 20 * time.Millisecond // between steps
)

// reclaim removes expired rows until ctx ends.
func (o *Online) reclaim(ctx context.Context) {
	for wait(ctx, o.options.Reclaim) {
		for from := int64(0); ; {
			next, err := o.reclaimStep(ctx, from)
			if err != nil {
				if ctx.Err() == nil {
					o.options.Log.Error("expired rows could not be removed from the online store", "error", err)
				}
				break
			}
			if next == from || !wait(ctx, reclaimPause) {
				break
			}
			from = next
		}
	}
}

func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// reclaimStep looks at the rows behind a rowid and answers the last one it looked at.
func (o *Online) reclaimStep(ctx context.Context, from int64) (last int64, err error) {
	now := o.options.Now().UnixMilli()
	last = from
	var expired []int64
	err = o.reading(ctx, func(c *conn) error {
		dest := make([]driver.Value, 2)
		return c.each(dest, func() error {
			last = integer(dest[0])
			if expires, ok := dest[1].(int64); ok && expires < now {
				expired = append(expired, last)
			}
			return nil
		}, "SELECT rowid, expires FROM entities NOT INDEXED WHERE rowid > +? ORDER BY rowid LIMIT +?", from, int64(reclaimStep))
	})
	if err != nil || len(expired) == 0 {
		return last, err
	}
	err = o.writer.do(ctx, bulk, func(c *conn) error {
		for _, rowid := range expired {
			if err := c.exec("DELETE FROM entities WHERE rowid = +? AND expires < +?", rowid, now); err != nil {
				return err
			}
		}
		return nil
	})
	return last, err
}
