package sqlite

import (
	"context"
	"database/sql/driver"
	"encoding/hex"
	"fmt"
	"math/rand/v2"

	"featurestore/modules/registry"
	"featurestore/modules/store"
)

const (
	walkRows  = 500 // of one page
	walkTries = 64  // rows of other groups that a walk from anywhere meets before it begins at the beginning
)

// Walk goes by key; a place is the last key in hexadecimal.
func (o *Online) Walk(ctx context.Context, group *registry.Group, from string) (rows []store.StoredRow, next string, err error) {
	err = o.reading(ctx, func(c *conn) error {
		after := []byte{}
		condition := "key >= +?"
		switch from {
		case "":
		case store.Anywhere:
			if after, err = anywhere(c, group); err != nil {
				return err
			}
		default:
			condition = "key > +?"
			if after, err = hex.DecodeString(from); err != nil {
				return fmt.Errorf("%q is no place to go on from", from)
			}
		}
		var dest [2]driver.Value
		return c.each(dest[:], func() error {
			rows = append(rows, store.StoredRow{Key: stringOf(dest[0]), Row: stringOf(dest[1])})
			return nil
		}, "SELECT key, row FROM entities INDEXED BY by_key WHERE group_id = +? AND "+condition+" ORDER BY key LIMIT +?", group.ID, after, int64(walkRows))
	})
	if err != nil {
		return nil, "", fmt.Errorf("walking over group %s online: %w", group.Name, err)
	}
	if len(rows) == walkRows {
		next = hex.EncodeToString(bytesOf(rows[len(rows)-1].Key))
	}
	return rows, next, nil
}

// anywhere is the key of a row of the group, found by its place in the file.
func anywhere(c *conn, group *registry.Group) ([]byte, error) {
	var dest [2]driver.Value
	if _, err := c.row(dest[:1], "SELECT max(rowid) FROM entities"); err != nil {
		return nil, err
	}
	last := integer(dest[0])
	for range walkTries {
		if _, err := c.row(dest[:], "SELECT group_id, key FROM entities WHERE rowid >= +? ORDER BY rowid LIMIT 1", rand.Int64N(max(1, last))); err != nil {
			return nil, err
		}
		if key, ok := dest[1].([]byte); ok && integer(dest[0]) == group.ID {
			return key, nil
		}
	}
	return []byte{}, nil
}
