package sqlite

import (
	"context"
	"fmt"

	"featurestore/modules/registry"
	"featurestore/modules/store"
	"featurestore/modules/store/packed"
)

// Drop reads, drops, merges and writes inside one transaction of the writer.
func (o *Online) Drop(ctx context.Context, group *registry.Group, fence int64, rows []store.Dropping) (store.Merged, error) {
	k := single
	if len(rows) > manyMerged {
		k = bulk
	}
	m := &merging{group: group, fence: fence, unmarked: true}
	err := o.writer.do(ctx, k, func(c *conn) error {
		if err := m.do(c); err != nil || m.merged.Refused {
			return err
		}
		for _, row := range rows {
			if err := m.drop(c, row); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return store.Merged{}, fmt.Errorf("taking back values of %d rows of group %s: %w", len(rows), group.Name, err)
	}
	return m.merged, nil
}

func (m *merging) drop(c *conn, row store.Dropping) error {
	stored, found, err := m.get(c, row.Key)
	if err != nil {
		return err
	}
	ids := make(map[int64]bool, len(row.IDs))
	for _, id := range row.IDs {
		ids[id] = true
	}
	var outcome packed.Outcome
	if m.buffer, outcome, err = packed.Drop(m.buffer[:0], stored, ids, row.Row); err != nil {
		return err
	}
	if outcome == packed.Older {
		m.merged.Older++
		if !found || row.Row == "" {
			return nil
		}
		return c.exec("UPDATE entities SET expires = ? WHERE rowid = +?", m.expires(row.PackedRow, found), m.dest[0])
	}
	m.merged.Written++
	if len(m.buffer) == 0 {
		return c.exec("DELETE FROM entities WHERE rowid = +?", m.dest[0])
	}
	expires := m.dest[1] // of a row that only loses something
	if row.Row != "" {
		expires = m.expires(row.PackedRow, found)
	}
	return m.put(c, row.Key, found, expires)
}
