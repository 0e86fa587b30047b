package sqlite

import (
	"cmp"
	"context"
	"database/sql/driver"
	"fmt"
	"slices"

	"featurestore/modules/registry"
	"featurestore/modules/store"
	"featurestore/modules/store/packed"
)

// manyMerged is how many rows make a call bulk work.
const manyMerged = 256

// Merge reads, merges and writes inside one transaction of the writer, which is the only one to change the file.
func (o *Online) Merge(ctx context.Context, group *registry.Group, fence int64, unmarked bool, rows []store.PackedRow) (store.Merged, error) {
	k := single
	if len(rows) > manyMerged {
		k = bulk
		rows = slices.Clone(rows) // in the order of the index they are written several times as fast
		slices.SortStableFunc(rows, func(a, b store.PackedRow) int { return cmp.Compare(a.Key.Encoded, b.Key.Encoded) })
	}
	for i := range rows {
		if _, err := packed.Open(rows[i].Row); err != nil {
			return store.Merged{}, fmt.Errorf("merging %d rows of group %s: row %d: %w", len(rows), group.Name, i, err)
		}
	}
	m := &merging{group: group, fence: fence, unmarked: unmarked, rows: rows}
	if err := o.writer.do(ctx, k, m.do); err != nil {
		return store.Merged{}, fmt.Errorf("merging %d rows of group %s: %w", len(rows), group.Name, err)
	}
	return m.merged, nil
}

// merging is one call of Merge.
type merging struct {
	group    *registry.Group
	fence    int64
	unmarked bool
	rows     []store.PackedRow
	merged   store.Merged
	buffer   []byte
	dest     [3]driver.Value
}

func (m *merging) do(c *conn) error {
	m.merged = store.Merged{}
	if _, err := c.row(m.dest[:2], "SELECT fence, marker FROM states WHERE group_id = +?", m.group.ID); err != nil {
		return err
	}
	m.merged.Fence = integer(m.dest[0])
	switch marker := text(m.dest[1]); {
	case m.fence < m.merged.Fence:
		m.merged.Refused = true
		return nil
	case marker == "" && !m.unmarked:
		m.merged.Unmarked = true
		return nil
	}
	for _, row := range m.rows {
		if err := m.row(c, row); err != nil {
			return err
		}
	}
	return nil
}

func (m *merging) row(c *conn, row store.PackedRow) error {
	stored, found, err := m.get(c, row.Key)
	if err != nil {
		return err
	}
	var outcome packed.Outcome
	if m.buffer, outcome, err = packed.Merge(m.buffer[:0], stored, row.Row); err != nil {
		outcome = packed.Older // the stored row is damaged: it stays, and who reads it asks the offline store
	}
	expires := m.expires(row, found)
	if outcome == packed.Older {
		m.merged.Older++
		if expires == m.dest[1] {
			return nil
		}
		return c.exec("UPDATE entities SET expires = ? WHERE rowid = +?", expires, m.dest[0])
	}
	m.merged.Written++
	return m.put(c, row.Key, found, expires)
}

// get reads the stored row, "" if there is none, and where it was found into dest.
func (m *merging) get(c *conn, key store.Key) (stored string, found bool, err error) {
	found, err = c.row(m.dest[:], "SELECT rowid, expires, row FROM entities WHERE group_id = +? AND key = +?", m.group.ID, bytesOf(key.Encoded))
	if err != nil || !found {
		return "", false, err
	}
	return stringOf(m.dest[2]), true, nil
}

// put writes the row in buffer where the one in dest was found.
func (m *merging) put(c *conn, key store.Key, found bool, expires driver.Value) error {
	if found {
		return c.exec("UPDATE entities SET expires = ?, row = ? WHERE rowid = +?", expires, m.buffer, m.dest[0])
	}
	return c.exec("INSERT INTO entities (group_id, key, expires, row) VALUES (?, ?, ?, ?)", m.group.ID, bytesOf(key.Encoded), expires, m.buffer)
}

// expires is when the space of a row may be reclaimed that is merged into the one in dest, if that was found.
func (m *merging) expires(row store.PackedRow, found bool) driver.Value {
	expires := driver.Value(nil)
	if row.Expires != 0 {
		expires = row.Expires
	}
	if found {
		expires = later(m.dest[1], expires)
	}
	return expires
}

// later is the later of two times after which a row may be reclaimed; null is never.
func later(a, b driver.Value) driver.Value {
	if a == nil || b == nil {
		return nil
	}
	return max(integer(a), integer(b))
}
