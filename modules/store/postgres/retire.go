package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"featurestore/modules/registry"
	"featurestore/modules/store"
)

// Retire turns the sign of the layout's version, which no insert asks for then. A group that has no table yet gets one, so that nobody
// else makes it.
func (o *Offline) Retire(ctx context.Context, group *registry.Group) (used bool, err error) {
	err = o.changing(ctx, group, func(tx pgx.Tx) error {
		found, exists, err := o.readLayout(ctx, tx, group.ID, " FOR UPDATE")
		if err != nil {
			return err
		}
		if !exists {
			found = wanted(group)
			if err := o.createTable(ctx, tx, group, found); err != nil {
				return err
			}
		}
		if found.version > group.SchemaVersion {
			return fmt.Errorf("version %d: %w", group.SchemaVersion, store.ErrOutdated)
		}
		table := o.table(found.table)
		if _, err := tx.Exec(ctx, `LOCK TABLE `+table+` IN SHARE MODE`); err != nil { // which waits for those who are writing
			return err
		}
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM `+table+`) OR `+o.waits(), group.ID).Scan(&used); err != nil || used {
			return err
		}
		for _, table := range []string{"__published", "__publications"} {
			if _, err := tx.Exec(ctx, `DELETE FROM `+o.table(table)+` WHERE group_id = $1`, group.ID); err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, `UPDATE `+o.table("__layouts")+` SET version = -$2::integer WHERE group_id = $1`, group.ID, group.SchemaVersion)
		return err
	})
	return used && err == nil, err
}

// Reopen turns the signs back.
func (o *Offline) Reopen(ctx context.Context, groups []*registry.Group) error {
	ids, versions := make([]int64, len(groups)), make([]int32, len(groups))
	for i, g := range groups {
		ids[i], versions[i] = g.ID, int32(g.SchemaVersion)
	}
	_, err := o.writers.Exec(ctx, `UPDATE `+o.table("__layouts")+` l SET version = g.version
		FROM unnest($1::bigint[], $2::integer[]) g(id, version) WHERE l.group_id = g.id AND l.version = -g.version`, ids, versions)
	if err != nil {
		return fmt.Errorf("reopening groups: %w", err)
	}
	return nil
}
