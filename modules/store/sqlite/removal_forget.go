package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"

	"featurestore/app/database"
	"featurestore/modules/registry"
)

// ForgetRemovals removes the hidden rows of runs in steps, and then the notes.
func (o *Offline) ForgetRemovals(ctx context.Context, group *registry.Group, upTo int64) error {
	if err := o.forgetRemovals(ctx, group, upTo); err != nil {
		return fmt.Errorf("forgetting what was taken back from group %s: %w", group.Name, err)
	}
	return nil
}

func (o *Offline) forgetRemovals(ctx context.Context, group *registry.Group, upTo int64) error {
	steps, err := o.hiddenRows(ctx, group, upTo)
	if err != nil {
		return err
	}
	for _, step := range steps {
		if err := o.removeHidden(ctx, step); err != nil {
			return err
		}
	}
	err = o.writer.do(ctx, single, func(c *conn) error {
		if err := c.exec("DELETE FROM __removed WHERE group_id = +? AND number <= +?", group.ID, upTo); err != nil {
			return err
		}
		return c.exec("UPDATE __removals SET forgotten = max(forgotten, min(last, ?)) WHERE group_id = +?", upTo, group.ID)
	})
	if err != nil || len(steps) == 0 {
		return err
	}
	if err := o.checkpoint(ctx); err != nil {
		o.options.Log.Warn("the log could not be cut after rows were removed; it is tried again after the next bulk work", "error", err)
	}
	return nil
}

// hiddenRun is where the rows of a run that was taken back lie.
type hiddenRun struct {
	table            string // quoted
	run, first, last int64
}

func (o *Offline) hiddenRows(ctx context.Context, group *registry.Group, upTo int64) (found []hiddenRun, err error) {
	opened, err := o.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	c := opened.(*snapshot).conn
	l, err := c.layoutOf(group.ID)
	if err != nil || l == nil {
		return nil, err
	}
	dest := make([]driver.Value, 1)
	err = c.each(dest, func() error {
		found = append(found, hiddenRun{table: database.Quote(l.table), run: integer(dest[0])})
		return nil
	}, "SELECT run_id FROM __removed WHERE group_id = +? AND number <= +? AND run_id IS NOT NULL", group.ID, upTo)
	dest = make([]driver.Value, 2)
	for i := 0; i < len(found) && err == nil; i++ {
		_, err = c.row(dest, "SELECT min(t.ingest_id), max(t.ingest_id) FROM "+found[i].table+" AS t NOT INDEXED WHERE t.run_id = +?", found[i].run)
		found[i].first, found[i].last = integer(dest[0]), integer(dest[1])
	}
	return found, err
}

// removeHidden removes rows in steps that hold no write up for long.
func (o *Offline) removeHidden(ctx context.Context, h hiddenRun) error {
	if h.last == 0 {
		return nil
	}
	for first := h.first; first <= h.last; first += removeStep {
		err := o.writer.do(ctx, bulk, func(c *conn) error {
			return c.exec("DELETE FROM "+h.table+" WHERE ingest_id BETWEEN ? AND ? AND run_id = +?", first, min(first+removeStep-1, h.last), h.run)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
