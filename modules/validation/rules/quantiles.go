package rules

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"

	"featurestore/app/fault"
	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/jsonscan"
)

// quantileRange is what one quantile must lie in.
type quantileRange struct{ q, least, most float64 }

func compileQuantiles(c *compiler) {
	qs, lists := c.list("q"), c.list("ranges")
	if len(qs) != len(lists) || len(qs) == 0 {
		c.wrong("ranges", "there is one for each of q, of which there is at least one")
		return
	}
	within, _ := c.atLeast("within", 0)
	how := c.word("interpolation", interpolations...)
	ranges := make([]quantileRange, len(qs))
	for i := range qs {
		rate := rateOf(qs[i], fmt.Sprintf("params.q[%d]", i), c.found)
		ends, ok := endsOf(lists[i])
		if !ok {
			c.found.at(fmt.Sprintf("params.ranges[%d]", i), fault.Shorten(lists[i]), "expected a list of two numbers or nulls")
		}
		if rate != nil && ok {
			ranges[i] = quantileRange{*rate, ends[0], ends[1]}
		}
	}
	c.expect("quantiles %s of %s in %s", c.given["q"], c.feature().Name, c.given["ranges"])
	rule := c.rule
	judge := func(n int, sorted func(i int) float64, o *Outcome) {
		broken := false
		values, success := make([]float64, len(ranges)), make([]bool, len(ranges))
		for i, r := range ranges {
			f := quantileOf(n, sorted, r.q, how)
			values[i] = f
			success[i] = near(f, r.least, within) || near(f, r.most, within) || f >= r.least && f <= r.most
			broken = broken || !success[i]
		}
		details, _ := json.Marshal(map[string][]bool{"success_details": success})
		o.Observed = json.RawMessage(`{"quantiles":` + c.given["q"] + `,"values":` + string(numbersOf(values)) + "}")
		o.Details = details
		o.conclude(rule, broken, false)
	}
	c.out.begin = func(*Run) accumulator {
		h := &holder{}
		return &simple{take: func(w *window) { w.measure(h) }, end: func(t *tally, o *Outcome) {
			if t.reason == "" && len(h.values) > 0 {
				slices.Sort(h.values)
				judge(len(h.values), func(i int) float64 { return h.values[i] }, o)
			}
		}}
	}
	c.out.asks = askQuantiles(ranges, judge)
}

// near tells whether f misses an end by no more than the share within of it and 1e-8.
func near(f, end, within float64) bool {
	return within > 0 && !math.IsInf(end, 0) && math.Abs(f-end) <= within*math.Abs(end)+1e-8
}

// endsOf reads [least, most], either of them null for open.
func endsOf(raw string) (ends [2]float64, ok bool) {
	ends = [2]float64{math.Inf(-1), math.Inf(1)}
	if jsonscan.KindOf(raw) != jsonscan.Array {
		return ends, false
	}
	n := 0
	elements := jsonscan.ElementsOf(raw)
	for one, more := elements.Next(); more; one, more = elements.Next() {
		if n == 2 {
			return ends, false
		}
		if one != "null" {
			f, err := strconv.ParseFloat(one, 64)
			if jsonscan.KindOf(one) != jsonscan.Number || err != nil && !math.IsInf(f, 0) {
				return ends, false
			}
			ends[n] = f
		}
		n++
	}
	return ends, n == 2
}

// measure hands the values that are not null to a measurer.
func (w *window) measure(m measurer) {
	w.failNulls = false
	w.values(func(i int, v *value.Value, _ []value.Value) {
		if w.reason == "" {
			if ok, reason := m.add(v); !ok {
				w.reason = reason
			}
		}
	})
}
