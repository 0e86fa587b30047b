package redis

import (
	"context"
	"fmt"
	"strconv"

	"github.com/redis/rueidis"

	"featurestore/modules/registry"
	"featurestore/modules/store"
	"featurestore/modules/store/packed"
)

const (
	mergeRows  = 100       // of one call: few enough that the server is not held up
	mergeBytes = 256 << 10 // of one pipeline, about: it has to be answered within bulkTime
)

// Merge runs the script over the rows, a hundred a call, several calls in one pipeline.
func (o *Online) Merge(ctx context.Context, group *registry.Group, fence int64, unmarked bool, rows []store.PackedRow) (store.Merged, error) {
	head := []string{strconv.FormatInt(fence, 10), "0"}
	if unmarked {
		head[1] = "1"
	}
	states, prefix := []string{o.keys.marker(group), o.keys.state(group)}, o.keys.rows(group)
	client := o.client
	if len(rows) > mergeRows {
		client = o.bulk
	}
	var merged store.Merged
	for i := range rows {
		if _, err := packed.Open(rows[i].Row); err != nil {
			return merged, fmt.Errorf("writing group %s to Redis: row %d: %w", group.Name, i, err)
		}
	}
	for len(rows) > 0 && !merged.Refused && !merged.Unmarked {
		var calls []call
		for size := 0; len(rows) > 0 && size < mergeBytes; {
			n := min(len(rows), mergeRows)
			c := call{keys: append(make([]string, 0, 2+n), states...), arguments: append(make([]string, 0, 2+2*n), head...)}
			for i := range rows[:n] {
				c.keys = append(c.keys, prefix+rows[i].Key.Encoded)
				c.arguments = append(c.arguments, rows[i].Row, strconv.FormatInt(rows[i].Expires, 10))
				size += len(rows[i].Row)
			}
			calls, rows = append(calls, c), rows[n:]
		}
		results, err := run(ctx, client, mergeScript, calls...)
		for i := 0; i < len(results) && err == nil; i++ {
			err = take(&merged, &results[i])
		}
		if err != nil {
			return merged, fmt.Errorf("writing group %s to Redis: %w", group.Name, err)
		}
	}
	return merged, nil
}

// take adds what one call answered: what it was stopped by, rows written, rows older, the fence.
func take(merged *store.Merged, result *rueidis.RedisResult) error {
	answer, err := result.AsIntSlice()
	if err != nil {
		return err
	}
	if len(answer) != 4 {
		return fmt.Errorf("the merging script answered %v", answer)
	}
	merged.Refused = merged.Refused || answer[0] == 1
	merged.Unmarked = merged.Unmarked || answer[0] == 2
	merged.Written += int(answer[1])
	merged.Older += int(answer[2])
	merged.Fence = max(merged.Fence, answer[3])
	return nil
}

// Sweep removes the rows of a group in steps, each of about a thousand keys of the server. Rows that come in meanwhile may stay.
func (o *Online) Sweep(ctx context.Context, group *registry.Group, fence int64) (refused bool, err error) {
	pattern, state := o.keys.rows(group)+"*", o.keys.state(group)
	for cursor := uint64(0); ; {
		page, err := o.bulk.Do(ctx, o.bulk.B().Scan().Cursor(cursor).Match(pattern).Count(1000).Build()).AsScanEntry()
		if err == nil && len(page.Elements) > 0 {
			var results []rueidis.RedisResult
			results, err = run(ctx, o.bulk, sweepScript, call{append([]string{state}, page.Elements...), []string{strconv.FormatInt(fence, 10)}})
			if err == nil {
				var swept int64
				swept, err = results[0].AsInt64()
				refused = swept == 0
			}
		}
		if err != nil {
			return false, fmt.Errorf("sweeping group %s: %w", group.Name, err)
		}
		if cursor = page.Cursor; cursor == 0 || refused {
			return refused, nil
		}
	}
}
