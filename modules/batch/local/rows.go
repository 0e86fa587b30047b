package local

import (
	"math"
	"strings"

	"featurestore/modules/batch"
	"featurestore/modules/registry/value"
)

// recordRows is how many rows are written at once, about.
const recordRows = 8 << 10

// rows are some of what is staged, by columns.
type rows struct {
	plan     *batch.Plan
	keys     []column
	ticks    []int64
	features []column
	presence column  // where the plan is partial
	perTick  []int64 // rows of each of the job's ticks
}

// column holds values of one type.
type column struct {
	kind  value.Type
	bits  []uint64 // of BOOLEAN, INTEGER, FLOAT and TIMESTAMP
	texts []string // of STRING
	lists []value.Value
	ok    []bool // no: null
	nulls int
}

func newRows(plan *batch.Plan, ticks int) *rows {
	r := &rows{plan: plan, perTick: make([]int64, ticks), presence: column{kind: value.String}}
	for _, k := range plan.Keys {
		r.keys = append(r.keys, column{kind: k.ValueType})
	}
	for i := range plan.Aggregations {
		r.features = append(r.features, column{kind: plan.Aggregations[i].Type})
	}
	return r
}

// reset empties the rows, to be filled again.
func (r *rows) reset() {
	r.ticks = r.ticks[:0]
	clear(r.perTick)
	for _, columns := range [][]column{r.keys, r.features} {
		for i := range columns {
			columns[i].reset()
		}
	}
	r.presence.reset()
}

func (c *column) reset() {
	clear(c.texts) // they hold the memory of events
	clear(c.lists)
	c.bits, c.texts, c.lists, c.ok, c.nulls = c.bits[:0], c.texts[:0], c.lists[:0], c.ok[:0], 0
}

// add takes what a pass has computed of an entity at those ticks, which count from first among the job's.
func (r *rows) add(p *pass, key []value.Value, first int, ticks []int32) {
	for _, i := range ticks {
		r.ticks = append(r.ticks, p.ticks[first+int(i)])
		r.perTick[first+int(i)]++
	}
	for i := range key {
		r.keys[i].repeat(key[i], len(ticks))
	}
	r.observed(p, ticks)
}

// observed adds the features, and which of them are observed, at those places of a pass's results.
func (r *rows) observed(p *pass, places []int32) {
	for i := range p.results {
		r.features[i].take(&p.results[i], places, r.plan.Aggregations[i].Empty == batch.Zero)
	}
	if r.plan.Partial {
		r.observe(p, places)
	}
}

// repeat adds one value n times.
func (c *column) repeat(v value.Value, n int) {
	for range n {
		c.ok = append(c.ok, true)
		if c.kind == value.String {
			c.texts = append(c.texts, v.Text())
		} else {
			c.bits = append(c.bits, uint64(v.Int()))
		}
	}
}

// take adds a result's values at some ticks; zero says what an empty window comes to, instead of null.
func (c *column) take(r *result, ticks []int32, zero bool) {
	from := len(c.ok)
	c.ok = picked(c.ok, r.ok, ticks)
	for i, ok := range c.ok[from:] {
		switch {
		case ok:
		case zero:
			c.ok[from+i] = true
		default:
			c.nulls++
		}
	}
	switch {
	case c.kind == value.String:
		c.texts = picked(c.texts, r.texts, ticks)
	case c.kind.Array():
		c.lists = picked(c.lists, r.lists, ticks)
	case c.kind == value.Float && r.kind == value.Integer:
		for _, i := range ticks {
			c.bits = append(c.bits, math.Float64bits(float64(int64(r.bits[i]))))
		}
	default:
		c.bits = picked(c.bits, r.bits, ticks)
	}
}

// picked adds those of some places, which ascend: all of them, most often.
func picked[T any](to, of []T, places []int32) []T {
	if len(places) == len(of) {
		return append(to, of...)
	}
	for _, i := range places {
		to = append(to, of[i])
	}
	return to
}

// observe adds which features the rows observe: null stands for all.
func (r *rows) observe(p *pass, ticks []int32) {
	var names []string
	for _, i := range ticks {
		names = names[:0]
		for f := range p.results {
			if a := &r.plan.Aggregations[f]; p.results[f].ok[i] || a.Empty != batch.Nothing {
				names = append(names, a.Feature.Name)
			}
		}
		r.presence.ok = append(r.presence.ok, len(names) < len(p.results))
		if len(names) == len(p.results) {
			r.presence.texts = append(r.presence.texts, "")
			r.presence.nulls++
			continue
		}
		r.presence.texts = append(r.presence.texts, strings.Join(names, " "))
	}
}
