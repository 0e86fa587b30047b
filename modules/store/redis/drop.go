package redis

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"

	"featurestore/modules/registry"
	"featurestore/modules/store"
	"featurestore/modules/store/packed"
)

// Drop runs its script over the rows as Merge does its own.
func (o *Online) Drop(ctx context.Context, group *registry.Group, fence int64, rows []store.Dropping) (store.Merged, error) {
	var merged store.Merged
	for i := range rows {
		if rows[i].Row == "" {
			continue
		}
		if _, err := packed.Open(rows[i].Row); err != nil {
			return merged, fmt.Errorf("taking values of group %s back from Redis: row %d: %w", group.Name, i, err)
		}
	}
	state, prefix := o.keys.state(group), o.keys.rows(group)
	for len(rows) > 0 && !merged.Refused {
		var calls []call
		for size := 0; len(rows) > 0 && size < mergeBytes; {
			n := min(len(rows), mergeRows)
			c := call{keys: []string{state}, arguments: []string{strconv.FormatInt(fence, 10)}}
			for i := range rows[:n] {
				c.keys = append(c.keys, prefix+rows[i].Key.Encoded)
				c.arguments = append(c.arguments, rows[i].Row, strconv.FormatInt(rows[i].Expires, 10), idBytes(rows[i].IDs))
				size += len(rows[i].Row) + 8*len(rows[i].IDs)
			}
			calls, rows = append(calls, c), rows[n:]
		}
		results, err := run(ctx, o.bulk, dropScript, calls...)
		for i := 0; i < len(results) && err == nil; i++ {
			err = take(&merged, &results[i])
		}
		if err != nil {
			return merged, fmt.Errorf("taking values of group %s back from Redis: %w", group.Name, err)
		}
	}
	return merged, nil
}

// idBytes are ingest ids as they stand in stamps.
func idBytes(ids []int64) string {
	b := make([]byte, 0, 8*len(ids))
	for _, id := range ids {
		b = binary.BigEndian.AppendUint64(b, uint64(id)^1<<63)
	}
	return string(b)
}
