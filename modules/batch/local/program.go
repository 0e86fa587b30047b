package local

import (
	"math"
	"strings"

	"featurestore/modules/batch"
	"featurestore/modules/registry/value"
)

// program is what a plan's aggregations have in common: those that look at the same rows and column share an input, those that do so over the same
// length share a window.
type program struct {
	plan    *batch.Plan
	inputs  []input
	windows []window
	terms   []term // as many as the plan's aggregations, in their order
	drops   bool   // a row can observe nothing, and then does not exist
}

// input is the considered rows of one column under one condition.
type input struct {
	of       int // as Aggregation.Of
	kind     value.Type
	where    *batch.Condition
	scale    float64 // of FLOAT that is added up: 10^decimals
	added    bool
	squared  bool
	distinct bool
	ordered  bool // rows of one time and seq are told apart by their values
}

// window is how far one looks back on an input.
type window struct {
	input  int
	length int64 // µs; 0: without end
}

// term is an aggregation.
type term struct {
	*batch.Aggregation
	input                  int
	window                 int
	scale                  int64
	numerator, denominator *term // of a ratio, which has no input itself
}

func newProgram(plan *batch.Plan) *program {
	p := &program{plan: plan, drops: true}
	for i := range plan.Aggregations {
		p.terms = append(p.terms, p.term(&plan.Aggregations[i]))
		p.drops = p.drops && plan.Aggregations[i].Empty == batch.Nothing
	}
	return p
}

func (p *program) term(a *batch.Aggregation) term {
	t := term{Aggregation: a, scale: 1}
	if a.Function == batch.Ratio {
		numerator, denominator := p.term(a.Numerator), p.term(a.Denominator)
		t.numerator, t.denominator = &numerator, &denominator
		return t
	}
	adds := a.Function == batch.Sum || a.Function == batch.Avg || a.Function == batch.Stddev
	if adds && a.OfType == value.Float {
		t.scale = int64(math.Pow10(a.Decimals))
	}
	t.input = p.input(a, adds, float64(t.scale))
	in := &p.inputs[t.input]
	in.added = in.added || adds
	in.squared = in.squared || a.Function == batch.Stddev
	in.distinct = in.distinct || a.Function == batch.CountDistinct
	in.ordered = in.ordered || a.Function == batch.First || a.Function == batch.Last || a.Function == batch.LastN
	t.window = p.window(window{t.input, a.Window.Microseconds()})
	return t
}

// input finds the input that an aggregation reads. Inputs that are added up with different decimals are different ones.
func (p *program) input(a *batch.Aggregation, adds bool, scale float64) int {
	for i := range p.inputs {
		in := &p.inputs[i]
		if in.of == a.Of && sourceOf(in.where) == sourceOf(a.Where) && (!adds || !in.added || in.scale == scale) {
			if adds {
				in.scale = scale
			}
			return i
		}
	}
	p.inputs = append(p.inputs, input{of: a.Of, kind: a.OfType, where: a.Where, scale: scale})
	return len(p.inputs) - 1
}

// sourceOf is a condition as it was written: conditions on one plan that are written alike are the same.
func sourceOf(c *batch.Condition) string {
	if c == nil {
		return ""
	}
	return strings.TrimSpace(c.Source)
}

func (p *program) window(w window) int {
	for i := range p.windows {
		if p.windows[i] == w {
			return i
		}
	}
	p.windows = append(p.windows, w)
	return len(p.windows) - 1
}
