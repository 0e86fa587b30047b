package local

import (
	"context"
	"sort"

	"featurestore/modules/batch"
	"featurestore/modules/registry/value"
)

// pass computes one entity after the other: the rows of all ticks in one look at its events. It belongs to one goroutine.
type pass struct {
	program *program
	ticks   []int64
	series  []series
	ends    [][]int32 // of the inputs: how many rows are not after each tick
	bounds  []bounds
	results []result // of the terms
	parts   [2]result
	kept    []int32 // the ticks of which there are rows, by their place among those that the entity exists at
}

func newPass(p *program, ticks []int64) *pass {
	of := &pass{program: p, ticks: ticks, series: make([]series, len(p.inputs)), ends: make([][]int32, len(p.inputs)), bounds: make([]bounds, len(p.windows)), results: make([]result, len(p.terms))}
	for i := range p.inputs {
		of.series[i].input = &p.inputs[i]
	}
	return of
}

// block computes the entities of a block, and calls full each time rows hold as much as is written at once, and at the end. It answers the rows to
// go on with.
func (p *pass) block(ctx context.Context, b *block, full func(*rows) (*rows, error), out *rows) (err error) {
	from := 0
	for i, key := range b.keys {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := p.entity(b, key, from, b.ends[i], out); err != nil {
			return err
		}
		from = b.ends[i]
		if len(out.ticks) >= recordRows {
			if out, err = full(out); err != nil {
				return err
			}
		}
	}
	_, err = full(out)
	return err
}

// entity adds the rows of one entity, whose events are those from to before to.
func (p *pass) entity(b *block, key []value.Value, from, to int, out *rows) error {
	first := sort.Search(len(p.ticks), func(i int) bool { return p.ticks[i] >= b.times[from] })
	ticks := p.ticks[first:]
	if len(ticks) == 0 {
		return nil
	}
	if failed, err := p.compute(b, from, to, ticks); err != nil {
		return p.program.plan.OutOfRange(failed, key, err)
	}
	out.add(p, key, first, p.rowsOf(len(ticks)))
	return nil
}

// compute computes the terms at some ticks, and answers with an error the aggregation that has failed.
func (p *pass) compute(b *block, from, to int, ticks []int64) (failed *batch.Aggregation, err error) {
	for i := range p.series {
		p.series[i].fill(b, from, to)
		p.ends[i] = until(p.ends[i], p.series[i].times, ticks)
	}
	for i, w := range p.program.windows {
		p.bounds[i].fill(p.series[w.input].times, ticks, w.length, p.ends[w.input])
	}
	for i := range p.program.terms {
		t := &p.program.terms[i]
		if err := p.term(t, &p.results[i], ticks); err != nil {
			return t.Aggregation, err
		}
	}
	return nil, nil
}

func (p *pass) term(t *term, into *result, ticks []int64) error {
	if t.Function != batch.Ratio {
		return into.of(t, &p.series[t.input], &p.bounds[t.window], ticks)
	}
	for i, part := range []*term{t.numerator, t.denominator} {
		if err := p.parts[i].of(part, &p.series[part.input], &p.bounds[part.window], ticks); err != nil {
			return err
		}
		if part.Empty == batch.Zero {
			p.parts[i].counted()
		}
	}
	return into.ratio(&p.parts[0], &p.parts[1])
}

// rowsOf are the ticks of which there are rows: all, unless a row that observes nothing does not exist.
func (p *pass) rowsOf(n int) []int32 {
	p.kept = p.kept[:0]
	for i := range n {
		kept := !p.program.drops
		for r := 0; !kept && r < len(p.results); r++ {
			kept = p.results[r].ok[i]
		}
		if kept {
			p.kept = append(p.kept, int32(i))
		}
	}
	return p.kept
}
