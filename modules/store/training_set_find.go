package store

import (
	"context"
	"runtime/debug"
	"slices"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store/table"
)

// The rows of a chunk are looked up in the order of their keys, so that neighbours share pages of the index and of the rows: in a chunk of a quarter
// of the size, PostgreSQL takes a fifth more time to look the same rows up. The first chunks are smaller, so that they are written while the
// next are looked up.
const (
	firstChunkRows = 8192
	chunkRows      = 131_072
	chunkBytes     = 48 << 20    // that a chunk takes at most, about: of wide rows it has fewer
	chunkShare     = 6           // that part of what Go's memory is limited to: three chunks are under way at a time
	askedValues    = 10 * 32_768 // at a time: what comes of them takes 48 bytes for each until it is in the chunk
)

// rowsTogether is how many rows a chunk may have.
func (j *join) rowsTogether() int {
	const cell, key, number, text = 56, 96, 10, 90 // bytes, those of a short text with it
	row := 8 + cell*int64(len(j.columns)) + key*int64(len(j.keys))
	for _, f := range j.request.features {
		switch t := f.Feature.ValueType; {
		case t == value.String, t == value.JSON, t.Array():
			row += text
		default:
			row += number
		}
		if j.request.EventTimestamps {
			row += 8
		}
	}
	return int(min(max(min(chunkBytes, debug.SetMemoryLimit(-1)/chunkShare)/row, 1024), chunkRows))
}

// chunk is some rows of the spine and what was found for them.
type chunk struct {
	rows  int
	cells []table.Cell // rows × spine columns
	times []int64
	keys  map[string][]Key
	found []found // by feature that is asked for
	head  *Head   // of the first chunk
}

// found is what one feature was at the rows of a chunk.
type found struct {
	values   value.Vector
	statuses []Status
	times    []int64 // of the events; nil where they are not asked for
}

func newFound(rows int, timed bool) found {
	f := found{values: value.NewVector(rows), statuses: make([]Status, rows)}
	if timed {
		f.times = make([]int64, rows)
	}
	return f
}

func (f *found) set(row int32, to Cell) {
	f.values.Set(int(row), to.Value)
	f.statuses[row] = to.Status
	if f.times != nil {
		f.times[row] = to.EventTime
	}
}

func (f *found) at(row int) Cell {
	c := Cell{Value: f.values.At(row), Status: f.statuses[row], EventTime: value.NoTime}
	if f.times != nil {
		c.EventTime = f.times[row]
	}
	return c
}

// find looks up what the features were at the rows of a chunk, and judges it: in the order of the keys, some rows at a time.
func (j *join) find(ctx context.Context, c *chunk) error {
	c.found = make([]found, len(j.request.features))
	for i := range c.found {
		c.found[i] = newFound(c.rows, j.request.EventTimestamps)
	}
	orders := map[string][]int32{}
	for entityType, keys := range c.keys {
		orders[entityType] = KeyOrder(keys, c.times)
	}
	for i := range j.shares {
		sh := &j.shares[i]
		keys := c.keys[sh.group.EntityType.Name]
		for rows := range slices.Chunk(orders[sh.group.EntityType.Name], max(askedValues/len(sh.features), 1024)) {
			asked, times := make([]Key, len(rows)), make([]int64, len(rows))
			for k, row := range rows {
				asked[k], times[k] = keys[row], c.times[row]
			}
			current, err := j.snapshot.AsOf(ctx, sh.group, sh.features, asked, times, j.since(sh.group, times))
			if err != nil {
				return unavailable("look up "+sh.group.Name, err)
			}
			for _, w := range sh.wanted {
				for k, row := range rows {
					at := k*len(sh.features) + w.index
					c.found[w.position].set(row, judge(w.feature, current.Values[at], current.Stamps[at], times[k]))
				}
			}
		}
	}
	return nil
}

// since is how far back an observation can still count; nil where an expired one must be told from none.
func (j *join) since(group *registry.Group, times []int64) []int64 {
	ttl := group.TTL.Microseconds()
	if ttl == 0 || j.request.Statuses || j.request.EventTimestamps {
		return nil
	}
	since := make([]int64, len(times))
	for i, t := range times {
		since[i] = t - ttl
	}
	return since
}
