package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"

	"featurestore/app/database"
	"featurestore/modules/registry"
	"featurestore/modules/store"
)

// Retire turns the sign of the layout's version, which no write asks for then. A group that has no table yet gets one, so that nobody
// else makes it.
func (o *Offline) Retire(ctx context.Context, group *registry.Group) (used bool, err error) {
	err = o.writer.do(ctx, alone, func(c *conn) error {
		found, err := c.layoutOf(group.ID)
		if err != nil {
			return err
		}
		o.layoutChanges(c)
		if found == nil {
			made := wantedLayout(group)
			found = &made
			if err := createTable(c, group, made); err != nil {
				return err
			}
		}
		if found.version > group.SchemaVersion {
			return fmt.Errorf("version %d: %w", group.SchemaVersion, store.ErrOutdated)
		}
		used, err = c.row(make([]driver.Value, 1), "SELECT 1 FROM "+database.Quote(found.table)+" UNION ALL SELECT 1 FROM __loads WHERE group_id = +? LIMIT 1", group.ID)
		if err == nil && !used {
			used, err = c.waits(group.ID)
		}
		if err != nil || used {
			return err
		}
		for _, table := range []string{"__published", "__publications"} {
			if err := c.exec("DELETE FROM "+table+" WHERE group_id = +?", group.ID); err != nil {
				return err
			}
		}
		return c.exec("UPDATE __layouts SET version = ? WHERE group_id = +?", int64(-group.SchemaVersion), group.ID)
	})
	if err != nil {
		return false, fmt.Errorf("retiring group %s: %w", group.Name, err)
	}
	return used, nil
}

// Reopen turns the signs back.
func (o *Offline) Reopen(ctx context.Context, groups []*registry.Group) error {
	var some bool
	err := o.writer.do(ctx, bare, func(c *conn) (err error) {
		some, err = c.row(make([]driver.Value, 1), "SELECT 1 FROM __layouts WHERE version < 0 LIMIT 1")
		return err
	})
	if err != nil || !some {
		return err
	}
	err = o.writer.do(ctx, alone, func(c *conn) error {
		for _, g := range groups {
			found, err := c.layoutOf(g.ID)
			if err != nil {
				return err
			}
			if found == nil || found.version != -g.SchemaVersion {
				continue
			}
			o.layoutChanges(c)
			if err := c.exec("UPDATE __layouts SET version = ? WHERE group_id = +?", int64(g.SchemaVersion), g.ID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("reopening groups: %w", err)
	}
	return nil
}
