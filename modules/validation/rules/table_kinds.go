package rules

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"featurestore/app/fault"
	"featurestore/modules/registry/value"
)

// tableKinds judge the rows as a whole, or beside what is known elsewhere.
func tableKinds() []Kind {
	return []Kind{
		together(false, "row_count", 0, 0, "any", nil, "How many rows there are, or where chooses. It is bad if it lies outside min and max.",
			compileCount, measured("number of rows")...),
		together(false, "column_count", 0, 0, "any", nil, "How many columns the data have. It is bad if it lies outside min and max.",
			compileCount, measured("number of columns")...),
		together(false, "columns", 0, 0, "any", nil,
			"The data have the named columns. exact: and no others. in_order: exactly these in this order. position: the one named column stands there.",
			compileColumns, Param{"names", "list of texts", true, "Columns"}, Param{"exact", "boolean", false, "No others"},
			Param{"in_order", "boolean", false, "In this order, and no others"}, Param{"position", "count", false, "Of one column, from 0"}),
		together(false, "correlation", 2, 2, "numbers", numeric,
			"The correlation of two features over the rows where neither is null, −1 to 1. It is bad if it lies outside min and max. It needs two rows, and values that vary.",
			compileCorrelation, append([]Param{{"method", "pearson or spearman", false, "pearson is the default; spearman correlates ranks, ties by their mean"}}, measured("correlation")...)...),
		referenceKind(),
		together(false, "freshness", 0, 1, "any", anyType,
			"The newest event time of the rows (of one feature: where it is not null) is at most max_age before now. Without max_age it is twice the feature's frequency.",
			compileFreshness, Param{"max_age", "duration", false, "How old the newest may be"}, Param{"warn_age", "duration", false, "Above it the rule warns"}),
		each(false, "entity_completeness", "any", anyType,
			"The share of all entities for which some row has a value that is not null. It is bad if it lies outside min and max.",
			compileEntities, measured("share of entities")...),
		together(false, "history", 0, 1, "by metric", anyType,
			"A metric beside what it was in its last runs: it is bad if it differs by more than max_change × the size of the last one, or lies more than max_deviations "+
				"standard deviations from the mean of the last ones. With fewer than 2 runs to compare with (1 for max_change) it is skipped.",
			compileHistory, Param{"metric", strings.Join(historyMetrics, ", "), true, "What is measured; row_count without a feature, the others of one"},
			Param{"max_change", "number", false, "The largest relative change from the last run"},
			Param{"max_deviations", "number", false, "How many standard deviations from the mean of the last runs"},
			Param{"runs", "count", false, "How many of the last runs count, at most 1000; 30"}),
		each(false, "distribution", "any", anyType,
			"The distribution of the values beside a baseline: how far it has drifted. See POST /drift for the measures. psi is judged with half an observation in the place of none, its "+
				"thresholds raised to what chance alone brings about in samples of this size; other metrics count only beyond that, too. Fewer than 50 rows on a side are skipped.",
			compileDistribution, Param{"baseline", "text", true, "The name of a baseline, or previous_period: the period before the window that is judged, as long as that; of a load the load before it"},
			Param{"metric", strings.Join(distributionMetrics, ", "), false, "The measure; by default psi"},
			Param{"warn", "number", false, "From it on the rule warns; 0.1"}, Param{"max", "number", false, "From it on it is broken; 0.2"}),
	}
}

func referenceKind() Kind {
	k := each(false, "reference", "BOOLEAN, INTEGER, STRING, TIMESTAMP", scalar,
		"A row is bad if its value does not exist as an entity of entity_type, or as a value of another group's feature. Nulls are left out.",
		compileReference, Param{"entity_type", "text", false, "Whose entities are looked up"},
		Param{"group", "text", false, "Instead of entity_type: the group"}, Param{"feature", "text", false, "and its feature that has the values"})
	k.Rows = true
	return k
}

// simple is an accumulator of two functions.
type simple struct {
	take func(w *window)
	end  func(t *tally, o *Outcome)
}

func (s *simple) add(w *window) {
	if s.take != nil {
		s.take(w)
	}
}

func (s *simple) finish(t *tally, o *Outcome) { s.end(t, o) }

func compileCount(c *compiler) {
	accepted, warns := c.accepted(value.Invalid)
	c.expect("%s", accepted.text(c.kind.Name))
	rule, columns := c.rule, c.kind.Name == "column_count"
	c.rows(func(r *Run, t *tally, o *Outcome) {
		n := t.considered
		if columns {
			n = int64(len(r.tableColumns()))
		}
		o.measured(value.OfInt(n), "", rule, accepted, warns, true) // no row at all can be too few
	})
}

// rows completes a kind that counts the rows and then judges something else, or their number.
func (c *compiler) rows(end func(r *Run, t *tally, o *Outcome)) {
	c.out.begin = func(r *Run) accumulator {
		return &simple{take: func(w *window) { w.each(func(int, []value.Value) { w.considered++ }) }, end: func(t *tally, o *Outcome) { end(r, t, o) }}
	}
	c.out.asks = askRows(end)
}

// tableColumns are the columns that the data have.
func (r *Run) tableColumns() []string {
	if r.options.TableColumns != nil {
		return r.options.TableColumns
	}
	var names []string
	for i, has := range r.columns {
		if has {
			names = append(names, r.set.fields[i].Name)
		}
	}
	return names
}

func compileColumns(c *compiler) {
	names := c.texts("names")
	exact, inOrder := c.truth("exact"), c.truth("in_order")
	position, placed := c.params.count("position")
	if placed && (len(names) != 1 || exact || inOrder) {
		c.wrong("position", "is for one column, without exact and in_order")
	}
	quoted, _ := json.Marshal(names)
	c.expect("columns include %s", quoted)
	if exact || inOrder {
		c.expect("columns are %s", quoted)
	}
	rule := c.rule
	c.rows(func(r *Run, _ *tally, o *Outcome) {
		columns := r.tableColumns()
		missing, others := without(names, columns), without(columns, names)
		broken := len(missing) > 0
		switch {
		case placed:
			broken = broken || position >= int64(len(columns)) || columns[position] != names[0]
		case inOrder:
			broken = !slices.Equal(columns, names)
		case exact:
			broken = broken || len(others) > 0
		}
		o.Observed = value.AppendJSONStrings(nil, columns)
		o.Details = json.RawMessage(fmt.Sprintf(`{"missing":%s,"unexpected":%s}`, value.AppendJSONStrings(nil, missing), value.AppendJSONStrings(nil, others)))
		o.conclude(rule, broken, false)
	})
}

// without are the names that are not among others, in their order, each once.
func without(names, others []string) []string {
	left := []string{}
	for _, name := range names {
		if !slices.Contains(others, name) && !slices.Contains(left, name) {
			left = append(left, name)
		}
	}
	return left
}

func compileCorrelation(c *compiler) {
	spearman := c.word("method", "pearson", "spearman") == "spearman"
	accepted, warns := c.accepted(value.Float)
	c.expect("%s", accepted.text(fmt.Sprintf("correlation(%s, %s)", c.fields[0].Name, c.fields[1].Name)))
	rule := c.rule
	c.out.begin = func(*Run) accumulator {
		var a, b []float64
		return &simple{take: func(w *window) {
			w.each(func(i int, row []value.Value) {
				x, y := &row[w.at[0]], &row[w.at[1]]
				if x.IsNull() || y.IsNull() {
					w.null++
					return
				}
				fx, okX := number(x)
				fy, okY := number(y)
				if !okX || !okY || len(a) == maxHeld {
					w.reason = "values that are no numbers have no correlation"
					if okX && okY {
						w.reason = tooMany
					}
					return
				}
				w.considered++
				a, b = append(a, fx), append(b, fy)
			})
		}, end: func(t *tally, o *Outcome) {
			if t.reason != "" || len(a) == 0 {
				return
			}
			if spearman {
				a, b = ranks(a), ranks(b)
			}
			r := correlation(a, b)
			if math.IsNaN(r) {
				o.measured(value.Value{}, "a correlation needs two rows and values that vary", rule, accepted, warns, false)
				return
			}
			o.measured(value.OfFloat(r), "", rule, accepted, warns, false)
		}}
	}
}

// correlation is Pearson's; NaN if one of them does not vary.
func correlation(a, b []float64) float64 {
	meanA, meanB := meanOf(a), meanOf(b)
	ab, aa, bb := 0.0, 0.0, 0.0
	for i := range a {
		x, y := a[i]-meanA, b[i]-meanB
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	return max(-1, min(1, ab/math.Sqrt(aa*bb)))
}

// ranks are the positions of values in their order, equal ones at the mean of theirs.
func ranks(values []float64) []float64 {
	at := make([]int, len(values))
	for i := range at {
		at[i] = i
	}
	slices.SortFunc(at, func(i, j int) int {
		switch {
		case values[i] < values[j]:
			return -1
		case values[i] > values[j]:
			return 1
		}
		return 0
	})
	ranks := make([]float64, len(values))
	for i := 0; i < len(at); {
		j := i
		for j < len(at) && values[at[j]] == values[at[i]] {
			j++
		}
		for _, n := range at[i:j] {
			ranks[n] = float64(i+j-1) / 2
		}
		i = j
	}
	return ranks
}

func compileReference(c *compiler) {
	target := Reference{EntityType: c.text("entity_type"), Group: c.text("group"), Feature: c.text("feature")}
	if (target.EntityType == "") == (target.Group == "" && target.Feature == "") || (target.Group == "") != (target.Feature == "") {
		c.found.at("params", "", "give entity_type, or group and feature")
		return
	}
	c.expect("exists as %s", target)
	c.out.begin = func(r *Run) accumulator {
		seen := map[value.Value]*occurrence{}
		return &simple{take: func(w *window) {
			w.values(func(i int, v *value.Value, _ []value.Value) {
				if o := seen[*v]; o != nil {
					o.n++
				} else if len(seen) < maxHeld {
					seen[*v] = &occurrence{place: w.place(i), n: 1}
				} else {
					w.reason = tooMany
				}
			})
		}, end: func(t *tally, o *Outcome) {
			if t.reason != "" || len(seen) == 0 {
				return
			}
			if r.options.Lookup == nil {
				o.fail("values cannot be looked up here: it needs what is stored")
				return
			}
			asked := slices.Collect(maps.Keys(seen))
			found, err := r.options.Lookup(target, asked)
			if err != nil {
				o.fail("%s", sentence(err, "values cannot be looked up"))
				return
			}
			for i, v := range asked {
				if !found[i] {
					t.bad += seen[v].n
					t.offer(seen[v].place, []value.Value{v}, []int{0})
				}
			}
		}}
	}
}

func (r Reference) String() string {
	if r.EntityType != "" {
		return "an entity of " + r.EntityType
	}
	return r.Group + ":" + r.Feature
}

// sentence is an error as a reason that a person may see: that of a fault, else a neutral one.
func sentence(err error, neutral string) string {
	if problem, ok := fault.As(err); ok {
		return problem.Detail
	}
	return neutral
}
