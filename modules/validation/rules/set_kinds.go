package rules

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"

	"featurestore/modules/registry/value"
)

// setKinds measure or collect the values of a feature.
func setKinds() []Kind {
	measure := func(name, types string, takes func(value.Type) bool, doc string, more ...Param) Kind {
		return each(false, name, types, takes, doc+" It is bad if it lies outside min and max.", compileMeasure, append(more, measured("accepted result")...)...)
	}
	values := Param{"values", "list of values", true, "The set"}
	return []Kind{
		measure("completeness", "any", anyType, "The share of rows whose value is not null, 0 to 1. null_policy means nothing to it."),
		measure("distinct_count", "any", anyType, "How many different values there are, nulls left out."),
		measure("distinct_ratio", "any", anyType, "Different values ÷ values, nulls left out."),
		measure("mean", "numbers, BOOLEAN (0 and 1)", numeric, "The mean."),
		measure("median", "numbers, BOOLEAN (0 and 1)", numeric, "The median; of an even number of values, the mean of the two in the middle."),
		measure("sum", "numbers, BOOLEAN (0 and 1)", numeric, "The sum; of integers exact as long as 64 bits hold it."),
		measure("min", "numbers, BOOLEAN, STRING, TIMESTAMP", ordered, "The least value."),
		measure("max", "numbers, BOOLEAN, STRING, TIMESTAMP", ordered, "The greatest value."),
		measure("stddev", "numbers, BOOLEAN (0 and 1)", numeric, "The sample standard deviation (by n − 1); it needs two values."),
		measure("quantile", "numbers, BOOLEAN (0 and 1)", numeric, "The q-quantile, at position q × (n − 1) of the sorted values.",
			Param{"q", "rate", true, "0.5 is the median"},
			Param{"interpolation", "linear, lower, higher, midpoint or nearest", false, "What lies between two values: linear is the default"}),
		each(false, "quantiles", "numbers, BOOLEAN (0 and 1)", numeric,
			"Several quantiles, each of which must lie in its range, ends included; an end that is null is open.", compileQuantiles,
			Param{"q", "list of rates", true, "The quantiles"}, Param{"ranges", "list of lists of two numbers", true, "The least and greatest of each"},
			Param{"interpolation", "linear, lower, higher, midpoint or nearest", false, "What lies between two values: linear is the default"},
			Param{"within", "number", false, "The share of an end by which a quantile may miss it; 0"}),
		each(false, "distinct_in", "any but arrays", scalar, "Every value that occurs is one of values. Nulls are left out.", compileDistinctSet, values),
		each(false, "distinct_contain", "any but arrays", scalar, "Each of values occurs.", compileDistinctSet, values),
		each(false, "distinct_equal", "any but arrays", scalar, "The values that occur are exactly values.", compileDistinctSet, values),
		each(false, "most_common", "any but arrays", scalar,
			"The value that occurs most often is one of values. If several occur as often, it is broken, unless ties says that one of them suffices.",
			compileDistinctSet, values, Param{"ties", "boolean", false, "Of several that occur as often, one suffices"}),
		each(false, "divergence", "any but arrays", scalar,
			"The Kullback-Leibler divergence (in nats) of the values' shares from given ones is at most max. Shares are of values, or of numbers between bins "+
				"(the last one closed; the first may begin at -1e999, the last end at 1e999, for open ends). What lies outside goes against tail_weights or tail_holdout; "+
				"a share that was given as 0 and occurs makes it infinite.",
			compileDivergence,
			Param{"values", "list of values", false, "The values that were expected"}, Param{"bins", "list of numbers", false, "The edges that were expected, ascending"},
			Param{"weights", "list of numbers", true, "Their shares, which add up to 1 with tail_weights"},
			Param{"tail_weights", "list of 2 numbers", false, "The shares below and above the bins"},
			Param{"tail_holdout", "rate", false, "The share held out for what no bin or value has; 0"},
			Param{"internal_holdout", "rate", false, "The share held out for bins whose weight is 0; 0"},
			Param{"max", "number", false, "The greatest divergence; not given: any, so that it is only measured"}),
	}
}

func compileMeasure(c *compiler) {
	f := c.feature()
	t := f.Type
	switch c.kind.Name {
	case "min", "max":
	default:
		t = value.Float
		if c.kind.Name == "sum" || c.kind.Name == "distinct_count" {
			t = value.Invalid
		}
	}
	accepted, warns := c.accepted(t)
	if c.kind.Name == "quantile" {
		if q, ok := c.number("q"); ok && (q < 0 || q > 1) {
			c.wrong("q", "is not between 0 and 1")
		}
		c.word("interpolation", interpolations...)
	}
	c.expect("%s", accepted.text(c.kind.Name+"("+f.Name+")"))
	name, p, rule := c.kind.Name, c.params, c.rule
	c.out.begin = func(r *Run) accumulator {
		return &measuring{measurer: newMeasurer(name, p), rule: rule, accepted: accepted, warns: warns, empty: r.options.Empty}
	}
	c.out.asks = askMetric(name, p, func(v value.Value, reason string, r *Run, _ *tally, o *Outcome) {
		o.measured(v, reason, rule, accepted, warns, r.options.Empty)
	})
}

// accepted reads min, max, warn_min and warn_max for results of type t.
func (c *compiler) accepted(t value.Type) (accepted, warns interval) {
	accepted = c.interval("min", "max", t)
	warns.least, warns.hasLeast = c.bound("warn_min", t)
	warns.most, warns.hasMost = c.bound("warn_max", t)
	if warns.hasLeast && accepted.hasLeast {
		if order, ok := compare(&warns.least, &accepted.least); !ok || order < 0 {
			c.wrong("warn_min", "is below min, so that it would never warn")
		}
	}
	if warns.hasMost && accepted.hasMost {
		if order, ok := compare(&warns.most, &accepted.most); !ok || order > 0 {
			c.wrong("warn_max", "is above max, so that it would never warn")
		}
	}
	return accepted, warns
}

// measuring judges what a measurer finds.
type measuring struct {
	measurer
	rule            *Definition
	accepted, warns interval
	empty           bool
}

func (m *measuring) add(w *window) { w.measure(m.measurer) }

func (m *measuring) finish(t *tally, o *Outcome) {
	if t.reason != "" {
		return
	}
	v, reason := m.result(t)
	o.measured(v, reason, m.rule, m.accepted, m.warns, m.empty)
}

// measured concludes from one result.
func (o *Outcome) measured(v value.Value, reason string, rule *Definition, accepted, warns interval, empty bool) {
	if !v.IsAbsent() {
		o.Measured, o.Observed = v, json.RawMessage(show(v))
	}
	if v.IsAbsent() || reason != "" && !empty {
		o.skip("%s", reason)
		return
	}
	inside, ok := accepted.holds(&v)
	if !ok {
		o.fail("%s cannot be compared with the ends of what is accepted", show(v))
		return
	}
	quiet, ok := warns.holds(&v)
	if !ok {
		o.fail("%s cannot be compared with warn_min and warn_max", show(v))
		return
	}
	o.conclude(rule, !inside, !quiet)
}

func compileDistinctSet(c *compiler) {
	f := c.feature()
	values := c.values("values", f.Type)
	wanted := map[value.Value]struct{}{}
	for _, v := range values {
		wanted[same(v)] = struct{}{}
	}
	ties := c.kind.Name == "most_common" && c.truth("ties")
	words := map[string]string{"distinct_in": "values in ", "distinct_contain": "values contain ", "distinct_equal": "values are ", "most_common": "most common value in "}
	name, rule := c.kind.Name, c.rule
	c.expect("%s%s", words[name], listed(values))
	begin := func(r *Run) *distinctSet {
		return &distinctSet{occurring: occurring{name: name, wanted: wanted, listed: r.options.Listed}, rule: rule, ties: ties, empty: r.options.Empty,
			distincts: distincts{seen: map[value.Value]int64{}}}
	}
	c.out.begin = func(r *Run) accumulator { return begin(r) }
	c.out.asks = func(r *Run, u *unit) *asked {
		d := begin(r)
		return &asked{needs: func(*known) []Measure {
			return []Measure{{Of: Counts, Fields: u.fields}, {Of: Occurrences, Fields: u.fields, Take: func(v value.Value, rows int64) { d.take(same(v), rows) }}}
		}, count: func(k *known, t *tally) bool {
			t.considered, t.null = k.counts(u.fields[0]).Values, k.counts(u.fields[0]).Nulls
			return true
		}, end: d.judge}
	}
}

// occurring notes which values occur: those that count, in their order.
type occurring struct {
	name   string
	wanted map[value.Value]struct{}
	listed int

	most  int64 // rows of one value
	all   int   // values
	found int   // of wanted
	shown []value.Value
	rows  []int64 // of those
}

// take is told of each value once, in ascending order.
func (c *occurring) take(v value.Value, rows int64) {
	if c.name == "most_common" && rows < c.most {
		return
	}
	if c.name == "most_common" && rows > c.most {
		c.all, c.found, c.shown, c.rows = 0, 0, nil, nil
	}
	c.most = max(c.most, rows)
	c.all++
	if _, ok := c.wanted[v]; ok {
		c.found++
	}
	if len(c.shown) < c.listed {
		c.shown, c.rows = append(c.shown, v), append(c.rows, rows)
	}
}

// distinctSet judges which values occur.
type distinctSet struct {
	distincts
	occurring
	rule        *Definition
	ties, empty bool
}

func (d *distinctSet) add(w *window) {
	w.failNulls = false
	w.values(func(i int, v *value.Value, _ []value.Value) {
		if ok, reason := d.distincts.add(v); !ok && w.reason == "" {
			w.reason = reason
		}
	})
}

func (d *distinctSet) finish(t *tally, o *Outcome) {
	if t.reason != "" {
		return
	}
	values := make([]value.Value, 0, len(d.seen))
	for v := range d.seen {
		values = append(values, v)
	}
	slices.SortFunc(values, order)
	for _, v := range values {
		d.take(v, d.seen[v])
	}
	d.judge(t, o)
}

// judge concludes from what occurs.
func (d *distinctSet) judge(t *tally, o *Outcome) {
	o.Observed = listOf(d.shown)
	if d.name != "most_common" {
		o.Details = d.counts()
	}
	if d.all == 0 && !d.empty {
		o.skip("%s", t.nothing())
		return
	}
	fine := false
	switch d.name {
	case "distinct_in":
		fine = d.found == d.all
	case "distinct_contain":
		fine = d.found == len(d.wanted)
	case "distinct_equal":
		fine = d.found == len(d.wanted) && d.found == d.all
	case "most_common":
		fine = d.found > 0 && (d.ties || d.all == 1)
	}
	o.conclude(d.rule, !fine, false)
}

// order sorts values of any types: by type where they cannot be compared.
func order(a, b value.Value) int {
	if o, ok := compare(&a, &b); ok {
		return o
	}
	return cmp.Or(cmp.Compare(a.Type(), b.Type()), cmp.Compare(a.Text(), b.Text()), cmp.Compare(show(a), show(b)))
}

func listOf(values []value.Value) json.RawMessage {
	b := []byte{'['}
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendJSON(b, v)
	}
	return append(b, ']')
}

// counts shows how often each of the values that are shown occurs, and how many there are in all.
func (c *occurring) counts() json.RawMessage {
	b := []byte(`{"distinct":`)
	b = strconv.AppendInt(b, int64(c.all), 10)
	b = append(b, `,"value_counts":[`...)
	for i, v := range c.shown {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"value":`...)
		b = appendJSON(b, v)
		b = append(b, `,"count":`...)
		b = strconv.AppendInt(b, c.rows[i], 10)
		b = append(b, '}')
	}
	return append(b, "]}"...)
}
