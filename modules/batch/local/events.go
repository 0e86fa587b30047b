package local

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	"featurestore/app/fault"
	"featurestore/modules/batch"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// errEnough ends reading where a sample has its entities.
var errEnough = errors.New("enough entities")

// gathering cuts events that come entity by entity into blocks.
type gathering struct {
	job      *batch.Job
	blocks   *sync.Pool
	yield    func(*block) error
	at       *block
	entities int
}

// entity begins one, whose key belongs to the block from now on.
func (g *gathering) entity(key []value.Value) error {
	if g.at != nil && g.at.full() {
		if err := g.flush(); err != nil {
			return err
		}
	}
	if g.at == nil {
		g.at = g.blocks.Get().(*block)
	}
	if g.entities++; g.job.Sample > 0 && g.entities > g.job.Sample {
		return errEnough
	}
	g.at.entity(key)
	return nil
}

// event begins one of the entity, and answers the columns that its cells are to be added to.
func (g *gathering) event(time, seq int64) ([]cells, error) {
	if g.at.bytes > 2*blockEvents*(bytesOfEvent+bytesOfValue*(1+len(g.at.columns))) && g.job.Memory > 0 && int64(g.at.bytes) > g.job.Memory/4 {
		return nil, fault.New(fault.Unprocessable, "too-much-memory", "the events of %s alone take more memory than the limit of %d MB allows: raise limits.memory",
			g.job.Plan.EntityText(g.at.keys[len(g.at.keys)-1]), g.job.Memory>>20).At("limits.memory", "", "is too small for one entity's events")
	}
	g.at.add(time, seq)
	return g.at.columns, nil
}

func (g *gathering) flush() error {
	if g.at == nil || len(g.at.keys) == 0 {
		return nil
	}
	b := g.at
	g.at = nil
	return g.yield(b)
}

// end hands on the rest, after reading that ended with err.
func (g *gathering) end(err error) error {
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	return g.flush()
}

// scan feeds the events of a source group.
func scan(job *batch.Job) feed {
	return func(ctx context.Context, blocks *sync.Pool, yield func(*block) error) error {
		features, at := featuresOf(job.Plan)
		g := &gathering{job: job, blocks: blocks, yield: yield}
		last, entity := job.Ticks[len(job.Ticks)-1], ""
		return g.end(job.Events.Scan(ctx, features, true, nil, &last, func(rows *store.Rows) error {
			n := len(features)
			for i := range rows.Keys {
				if key := &rows.Keys[i]; g.entities == 0 || key.Encoded != entity {
					entity = key.Encoded
					if err := g.entity(slices.Clone(key.Values)); err != nil {
						return err
					}
				}
				columns, err := g.event(rows.EventTimes[i], rows.IngestIDs[i])
				if err != nil {
					return err
				}
				for c := range columns {
					columns[c].add(rows.Values[i*n+at[c]])
				}
			}
			return nil
		}))
	}
}

// featuresOf are the features that a plan's columns are, each once, in the order in which they are asked for, and which of them each column is.
func featuresOf(plan *batch.Plan) (features []*registry.Feature, at []int) {
	for _, c := range plan.Columns {
		features = append(features, c.Feature)
	}
	slices.SortFunc(features, func(a, b *registry.Feature) int { return cmp.Compare(a.Ordinal, b.Ordinal) })
	features = slices.CompactFunc(features, func(a, b *registry.Feature) bool { return a.Ordinal == b.Ordinal })
	for _, c := range plan.Columns {
		at = append(at, slices.IndexFunc(features, func(f *registry.Feature) bool { return f.Ordinal == c.Feature.Ordinal }))
	}
	return features, at
}

// spoolGroup spools the events of a source group up to the last tick.
func spoolGroup(ctx context.Context, job *batch.Job, into *spool) error {
	features, at := featuresOf(job.Plan)
	last, n := job.Ticks[len(job.Ticks)-1], len(features)
	values := make([]value.Value, len(at))
	return job.Events.Scan(ctx, features, false, nil, &last, func(rows *store.Rows) error {
		for i := range rows.Keys {
			for c := range values {
				values[c] = rows.Values[i*n+at[c]]
			}
			if err := into.add(rows.Keys[i].Values, rows.EventTimes[i], rows.IngestIDs[i], values); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
}
