package rules

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"

	"featurestore/modules/registry/value"
)

// shares are what a divergence is measured against: of values, or of numbers between bins.
type shares struct {
	values         []value.Value
	bins           []float64
	weights        []float64
	tails          []float64 // below and above the bins; nil: none given
	tail, internal float64   // held out
}

func (c *compiler) numbers(name string) []float64 {
	var numbers []float64
	for _, raw := range c.list(name) {
		f, err := strconv.ParseFloat(raw, 64)
		if err != nil && !math.IsInf(f, 0) || math.IsNaN(f) {
			c.wrong(name, "expected a list of numbers")
			return nil
		}
		numbers = append(numbers, f)
	}
	return numbers
}

func compileDivergence(c *compiler) {
	s := &shares{values: c.values("values", c.feature().Type), bins: c.numbers("bins"), weights: c.numbers("weights"), tails: c.numbers("tail_weights")}
	s.tail, _ = c.atLeast("tail_holdout", 0)
	s.internal, _ = c.atLeast("internal_holdout", 0)
	limit, limited := c.atLeast("max", 0)
	sum := 0.0
	for _, w := range append(slices.Clone(s.weights), s.tails...) {
		if !(w >= 0 && w <= 1) {
			c.wrong("weights", "a share is not between 0 and 1")
		}
		sum += w
	}
	open := len(s.bins) > 0 && (math.IsInf(s.bins[0], -1) || math.IsInf(s.bins[len(s.bins)-1], 1))
	both := open && math.IsInf(s.bins[0], -1) && math.IsInf(s.bins[len(s.bins)-1], 1)
	switch {
	case c.has("values") == c.has("bins"):
		c.found.at("params", "", "give values or bins")
	case c.has("values") && len(s.values) != len(s.weights), c.has("bins") && len(s.bins) != len(s.weights)+1:
		c.wrong("weights", "there is one for each value, or for each two edges")
	case c.has("tail_weights") && (len(s.tails) != 2 || open || c.has("values") || s.tail > 0):
		c.wrong("tail_weights", "are two, beside bins with finite ends and without tail_holdout")
	case math.Abs(sum-1) > 1.001e-5:
		c.wrong("weights", "add up to %v, not to 1", sum)
	case s.tail+s.internal > 1:
		c.wrong("tail_holdout", "more than everything is held out")
	case c.has("values") && s.internal > 0:
		c.wrong("internal_holdout", "is for bins only")
	case both && s.tail > 0:
		c.wrong("tail_holdout", "means nothing where both ends are open")
	}
	for i := 1; i < len(s.bins); i++ {
		if !(s.bins[i-1] < s.bins[i]) {
			c.wrong("bins", "ascend")
			break
		}
	}
	if len(s.bins) > 0 && !numeric(c.feature().Type) {
		c.wrong("bins", "are for numbers, %s is %s", c.feature().Name, c.feature().Type)
	}
	c.expect("divergence of %s <= %s", c.feature().Name, c.given["max"])
	rule := c.rule
	c.out.begin = func(*Run) accumulator {
		return &divergence{shares: s, rule: rule, limit: limit, limited: limited, counts: make([]float64, len(s.weights)), seen: distincts{seen: map[value.Value]int64{}}}
	}
}

// divergence counts values into shares.
type divergence struct {
	*shares
	rule         *Definition
	limit        float64
	limited      bool
	n            float64
	counts       []float64
	below, above float64
	seen         distincts
}

func (d *divergence) add(w *window) {
	w.failNulls = false
	w.values(func(i int, v *value.Value, _ []value.Value) {
		d.n++
		if len(d.bins) == 0 {
			if ok, reason := d.seen.add(v); !ok {
				w.reason = reason
			}
			return
		}
		f, ok := number(v)
		if !ok {
			w.reason = notNumber(v)
			return
		}
		last := len(d.bins) - 1
		switch at, exact := slices.BinarySearch(d.bins, f); {
		case f < d.bins[0]:
			d.below++
		case f > d.bins[last]:
			d.above++
		case f == d.bins[last]:
			d.counts[last-1]++
		case exact:
			d.counts[at]++
		default:
			d.counts[at-1]++
		}
	})
}

func (d *divergence) finish(t *tally, o *Outcome) {
	if t.reason != "" || d.n == 0 {
		return
	}
	observed, expected, details := d.binned()
	if len(d.bins) == 0 {
		observed, expected, details = d.categories()
	}
	kl := entropy(observed, expected)
	o.Details = details
	o.Observed = json.RawMessage("null")
	if !math.IsInf(kl, 0) && !math.IsNaN(kl) {
		v := value.OfFloat(kl)
		o.Measured, o.Observed = v, json.RawMessage(show(v))
	}
	o.conclude(d.rule, d.limited && !(kl <= d.limit), false)
}

// categories are the shares of values: those that were expected, then others that occur.
func (d *divergence) categories() (observed, expected []float64, details json.RawMessage) {
	all := slices.Clone(d.values)
	known := map[value.Value]bool{}
	for _, v := range d.values {
		known[same(v)] = true
	}
	var others []value.Value
	for v := range d.seen.seen {
		if !known[v] {
			others = append(others, v)
		}
	}
	slices.SortFunc(others, order)
	all = append(all, others...)
	for i, v := range all {
		observed = append(observed, float64(d.seen.seen[same(v)])/d.n)
		switch {
		case i >= len(d.weights):
			expected = append(expected, d.tail/float64(len(others)))
		case len(others) > 0:
			expected = append(expected, d.weights[i]*(1-d.tail))
		default:
			expected = append(expected, d.weights[i])
		}
	}
	b := []byte(`{"observed_partition":{"values":`)
	b = append(append(b, listOf(all)...), `,"weights":`...)
	b = append(append(b, numbersOf(observed)...), `},"expected_partition":{"values":`...)
	b = append(append(b, listOf(all)...), `,"weights":`...)
	return observed, expected, append(append(b, numbersOf(expected)...), "}}"...)
}

// binned are the shares of bins, with what lies below and above them.
func (d *divergence) binned() (observed, expected []float64, details json.RawMessage) {
	if len(d.bins) == 0 {
		return nil, nil, nil
	}
	empty := 0.0
	for _, w := range d.weights {
		if w == 0 {
			empty++
		}
	}
	for i, w := range d.weights {
		observed = append(observed, d.counts[i]/d.n)
		if w == 0 && d.internal > 0 {
			expected = append(expected, d.internal/empty)
		} else {
			expected = append(expected, w*(1-d.tail-d.internal))
		}
	}
	low, high := math.IsInf(d.bins[0], -1), math.IsInf(d.bins[len(d.bins)-1], 1)
	below, above := d.tail, d.tail
	switch {
	case d.tails != nil:
		below, above = d.tails[0], d.tails[1]
	case !low && !high:
		below, above = d.tail/2, d.tail/2
	}
	if !low {
		observed, expected = append([]float64{d.below / d.n}, observed...), append([]float64{below}, expected...)
	}
	if !high {
		observed, expected = append(observed, d.above/d.n), append(expected, above)
	}
	bins := d.bins
	if low {
		bins = bins[1:]
	}
	if high {
		bins = bins[:len(bins)-1]
	}
	side := func(shares []float64) []byte {
		last := len(shares) - 1
		b := append([]byte(`{"bins":`), numbersOf(bins)...)
		b = append(append(b, `,"weights":`...), numbersOf(shares[1:max(1, last)])...)
		return append(append(append(b, `,"tail_weights":`...), numbersOf([]float64{shares[0], shares[last]})...), '}')
	}
	b := append([]byte(`{"observed_partition":`), side(observed)...)
	b = append(append(b, `,"expected_partition":`...), side(expected)...)
	return observed, expected, append(b, '}')
}

// entropy is the Kullback-Leibler divergence in nats of p from q, each scaled to a sum of 1: Σ p ln(p/q).
func entropy(p, q []float64) float64 {
	sumP, sumQ := 0.0, 0.0
	for i := range p {
		sumP, sumQ = sumP+p[i], sumQ+q[i]
	}
	total := 0.0
	for i := range p {
		a, b := p[i]/sumP, q[i]/sumQ
		switch {
		case a == 0:
		case b == 0:
			return math.Inf(1)
		default:
			total += a * math.Log(a/b)
		}
	}
	return total
}

func numbersOf(numbers []float64) []byte {
	b := []byte{'['}
	for i, f := range numbers {
		if i > 0 {
			b = append(b, ',')
		}
		if math.IsNaN(f) || math.IsInf(f, 0) {
			b = append(b, "null"...)
			continue
		}
		b = value.AppendJSON(b, value.OfFloat(f))
	}
	return append(b, ']')
}
