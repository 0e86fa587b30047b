package redis

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"

	"featurestore/modules/registry"
	"featurestore/modules/store"
)

// walkKeys is how many of the server's keys one step looks at.
const walkKeys = 500

// Walk goes by the server's own order of keys; a place is a cursor of SCAN. The server takes any number for a cursor.
func (o *Online) Walk(ctx context.Context, group *registry.Group, from string) (rows []store.StoredRow, next string, err error) {
	var cursor uint64
	switch from {
	case "":
	case store.Anywhere:
		cursor = rand.Uint64()
	default:
		if cursor, err = strconv.ParseUint(from, 10, 64); err != nil {
			return nil, "", fmt.Errorf("walking over group %s: %q is no place to go on from", group.Name, from)
		}
	}
	prefix := o.keys.rows(group)
	page, err := o.bulk.Do(ctx, o.bulk.B().Scan().Cursor(cursor).Match(prefix+"*").Count(walkKeys).Build()).AsScanEntry()
	if err != nil {
		return nil, "", fmt.Errorf("walking over group %s: %w", group.Name, err)
	}
	if len(page.Elements) > 0 {
		values, err := o.bulk.Do(ctx, o.bulk.B().Mget().Key(page.Elements...).Build()).ToArray()
		if err != nil {
			return nil, "", fmt.Errorf("walking over group %s: %w", group.Name, err)
		}
		for i, name := range page.Elements {
			if values[i].IsNil() {
				continue // it went meanwhile
			}
			row, err := values[i].ToString()
			if err != nil {
				return nil, "", fmt.Errorf("walking over group %s: %w", group.Name, err)
			}
			rows = append(rows, store.StoredRow{Key: name[len(prefix):], Row: row})
		}
	}
	if page.Cursor != 0 {
		next = strconv.FormatUint(page.Cursor, 10)
	}
	return rows, next, nil
}
