package local

import (
	"math"
	"strings"

	"featurestore/modules/batch"
	"featurestore/modules/registry/value"
)

// add makes rows of a chunk: of each entity one, unless it observes nothing. Its error is errBeyond: the pass says of whom numbers are out of range.
func (g *grouping) add(c *chunk, into *rows) error {
	for i := range g.terms {
		if !g.term(&g.terms[i], &g.pass.results[i], c) {
			return errBeyond
		}
	}
	kept := g.pass.rowsOf(c.rows)
	for range kept {
		into.ticks = append(into.ticks, g.tick)
	}
	for k := range into.keys {
		key := c.vector(k)
		for _, row := range kept {
			into.keys[k].repeat(key.value(into.keys[k].kind, int(row)), 1)
		}
	}
	into.observed(g.pass, kept)
	return nil
}

// term is what a term says of each row of a chunk; it is not ok where that is out of range.
func (g *grouping) term(t *term, into *result, c *chunk) (ok bool) {
	if t.Function == batch.Ratio {
		var parts [2]result
		for i, part := range []*term{t.numerator, t.denominator} {
			if !g.term(part, &parts[i], c) {
				return false
			}
			if part.Empty == batch.Zero {
				parts[i].counted()
			}
		}
		return into.ratio(&parts[0], &parts[1]) == nil
	}
	into.reset(t.natural(), c.rows)
	sum := func(place int) vector { return c.vector(len(g.plan.Keys) + place) }
	switch t.Function {
	case batch.Count:
		counts := sum(g.count(t))
		for i := range c.rows {
			into.set(i, uint64(counts.int(i)))
			into.ok[i] = counts.int(i) > 0
		}
	case batch.Sum, batch.Avg, batch.Stddev:
		return g.added(t, into, c.rows, sum)
	default:
		g.extremes(t, into, c.rows, sum(g.most(t)))
	}
	return true
}

// added is sums and what is made of them.
func (g *grouping) added(t *term, into *result, n int, sum func(place int) vector) (ok bool) {
	sums := sum(g.sum(t))
	var counts, squares vector
	if t.Function != batch.Sum {
		counts = sum(g.count(t))
	}
	if t.Function == batch.Stddev {
		squares = sum(g.squared(t))
	}
	for i := range n {
		if sums.null(i) {
			continue
		}
		of := sums.wide(i)
		switch {
		case t.Function == batch.Sum && t.OfType == value.Integer:
			whole, err := of.int()
			if err != nil {
				return false
			}
			into.set(i, uint64(whole))
		case t.Function == batch.Sum:
			into.set(i, math.Float64bits(of.float(t.scale)))
		case t.Function == batch.Avg:
			into.set(i, math.Float64bits(of.float(t.scale)/float64(counts.int(i))))
		case counts.int(i) > 1:
			f, ok := deviation(counts.int(i), of, squares.wide(i), t.scale)
			if !ok {
				return false
			}
			into.set(i, math.Float64bits(f))
		}
	}
	return true
}

// extremes is the least, the greatest, or how long ago the newest was.
func (g *grouping) extremes(t *term, into *result, n int, of vector) {
	for i := range n {
		switch {
		case of.null(i):
		case t.Function == batch.TimeSinceLast && t.Type == value.Integer:
			into.set(i, uint64((g.tick-of.int(i))/microsecondsOfSecond))
		case t.Function == batch.TimeSinceLast:
			into.set(i, math.Float64bits(float64(g.tick-of.int(i))/microsecondsOfSecond))
		case into.kind == value.String:
			into.texts[i], into.ok[i] = strings.Clone(of.text(i)), true
		default:
			into.set(i, of.word(into.kind, i))
		}
	}
}

// set says what a place's value is.
func (r *result) set(i int, bits uint64) { r.bits[i], r.ok[i] = bits, true }
