package rules

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"strings"

	"featurestore/modules/registry/value"
)

// orderKinds count bad rows, but only beside others can it be said which rows are bad.
func orderKinds() []Kind {
	rows := func(k Kind) Kind { k.Rows = true; return k }
	direction := Param{"direction", "increasing or decreasing", false, "increasing is the default"}
	strict := Param{"strict", "boolean", false, "Equal values in succession are bad too"}
	among := Param{"among", "all, entity or observation", false, "Which rows count as another: all is the default; entity: those of the same entity; observation: those of the same entity and " +
		"event time, such as an event that was sent twice"}
	return []Kind{
		rows(each(false, "unique", "any but arrays", scalar, "A row is bad if another row has the same value; all of them are. Nulls are left out.", compileUnique, among)),
		rows(together(false, "unique_together", 2, maxFeatures, "any but arrays", scalar,
			"A row is bad if another row has the same values in all of the features; all of them are. A null equals a null.", compileUnique,
			Param{"null_when", "all, any or never", false, "Which rows count as null: all (the default) if all of the features are null, any if one is, never: none"},
			among)),
		rows(each(false, "outliers", "numbers", numeric,
			"A row is bad if its value lies too far from the others. zscore: (value − mean) ÷ standard deviation (by n − 1); mad: (value − median) ÷ (1.4826 × the "+
				"median of distances from the median). Bad is what is not below threshold. Where more than half of the values are the same, whatever differs from them is an outlier to mad.",
			compileOutliers, Param{"method", "zscore or mad", false, "zscore is the default; one huge value does not blind mad"},
			Param{"threshold", "number", true, "How far is too far, such as 3"},
			Param{"sides", "both or upper", false, "both is the default; upper: only what is too great"},
			Param{"without_spread", "good or bad", false, "What all values are where a z-score has no spread to divide by; good is the default"})),
		rows(each(false, "ordered_rows", "numbers, STRING, TIMESTAMP", ordered,
			"In the order of the rows, a value is bad if it is below the one before it (increasing) or above it (decreasing). Nulls are left out.",
			compileOrderedRows, direction, strict)),
		rows(each(false, "monotonic", "numbers, STRING, TIMESTAMP", ordered,
			"In the order of event time, an entity's value is bad if it is below its value before (increasing) or above it (decreasing): a lifetime total never "+
				"falls. Of observations of one event time, the later row is the later one. Nulls are left out.",
			compileMonotonic, direction, strict)),
		rows(each(false, "change", "numbers", numeric,
			"In the order of event time, an entity's value is bad if it differs by more than max_absolute from its value before, or by more than max_relative × the "+
				"size of that one (0.5 is half). A change from 0 is relatively infinite. Nulls are left out.",
			compileMonotonic, Param{"max_absolute", "number", false, "The largest change"}, Param{"max_relative", "number", false, "The largest change as a share"})),
	}
}

// uniqueness notes for each value where it was first, and how often it occurs.
type uniqueness struct {
	one    map[value.Value]*occurrence
	many   map[string]*occurrence
	each   bool // of many: by one feature, whose nulls are left out
	isNull func(row []value.Value, at []int) bool
	entity bool // only rows of the same entity are alike
	time   bool // and of the same event time
	key    []byte
}

type occurrence struct {
	place
	n      int64
	values []value.Value
}

func compileUnique(c *compiler) {
	among := c.word("among", "all", "entity", "observation")
	u := uniqueness{each: c.kind.each, entity: among != "all", time: among == "observation"}
	of := map[string]string{"entity": " among rows of one entity", "observation": " among rows of one entity and event time"}[among]
	when := ""
	if u.each {
		c.expect("values of %s differ%s", c.feature().Name, of)
	} else {
		u.isNull, when = c.nullWhen(), c.word("null_when", "all", "any", "never")
		if !c.has("null_when") {
			u.isNull = allNull
		}
		c.expect("values of %s together differ%s", strings.Join(c.rule.Features, ", "), of)
	}
	if !u.entity {
		c.out.asks = askUnique(when)
	}
	c.out.begin = func(*Run) accumulator {
		u := u
		if u.each && !u.entity {
			u.one = map[value.Value]*occurrence{}
		} else {
			u.many = map[string]*occurrence{}
		}
		return &u
	}
}

func (u *uniqueness) add(w *window) {
	again := func(i int, row []value.Value, first *occurrence) {
		if first.n++; first.n == 2 {
			w.tally.bad++
			whole := make([]value.Value, len(row))
			for n, at := range w.at {
				whole[at] = first.values[n]
			}
			w.offer(first.place, whole, w.at)
		}
		w.tally.bad++
		w.example(i, row)
	}
	begin := func(i int, row []value.Value) *occurrence {
		if len(u.one)+len(u.many) >= maxHeld {
			w.reason = tooMany
		}
		o := &occurrence{place: w.place(i), n: 1}
		for _, at := range w.at {
			o.values = append(o.values, row[at])
		}
		return o
	}
	look := func(i int, row []value.Value) {
		u.keyOf(w, i, row)
		if first := u.many[string(u.key)]; first != nil {
			again(i, row, first)
		} else if w.reason == "" {
			u.many[string(u.key)] = begin(i, row)
		}
	}
	switch {
	case u.entity && w.Rows > 0 && (w.Entity == nil || u.time && w.EventTimes == nil):
		w.reason = "the data say neither whose the values are nor of when: it needs entities and event times"
	case u.one != nil:
		w.values(func(i int, v *value.Value, row []value.Value) {
			key := same(*v)
			if first := u.one[key]; first != nil {
				again(i, row, first)
			} else if w.reason == "" {
				u.one[key] = begin(i, row)
			}
		})
	case u.each:
		w.values(func(i int, _ *value.Value, row []value.Value) { look(i, row) })
	default:
		w.each(func(i int, row []value.Value) {
			if u.isNull(row, w.at) {
				w.null++
				return
			}
			w.considered++
			look(i, row)
		})
	}
}

// keyOf makes the key that rows have in common which are alike.
func (u *uniqueness) keyOf(w *window, i int, row []value.Value) {
	u.key = u.key[:0]
	if u.entity {
		entity := w.Entity(i)
		u.key = append(binary.AppendUvarint(u.key, uint64(len(entity))), entity...)
	}
	if u.time {
		u.key = binary.BigEndian.AppendUint64(u.key, uint64(w.EventTimes[i]))
	}
	for _, at := range w.at {
		v := same(row[at])
		u.key = append(appendJSON(append(u.key, byte(v.Type())), v), 0)
	}
}

func (u *uniqueness) finish(*tally, *Outcome) {}

// held is one value of a feature with where it stands.
type held struct {
	place
	number float64
	value  value.Value
}

// holding holds all values of a feature until the end.
type holding struct {
	values  []held
	numbers bool
	entity  bool // with entity and event time
	judge   func(values []held, bad func(held))
}

func (h *holding) add(w *window) {
	if h.entity && (w.Entity == nil || w.EventTimes == nil) && w.Rows > 0 {
		w.reason = "the data say neither whose the values are nor of when: it needs entities and event times"
		return
	}
	w.values(func(i int, v *value.Value, _ []value.Value) {
		one := held{place: w.place(i), value: *v}
		if h.numbers {
			f, ok := number(v)
			if !ok {
				w.reason = notNumber(v)
				return
			}
			one.number = f
		}
		if len(h.values) == maxHeld {
			w.reason = tooMany
			return
		}
		h.values = append(h.values, one)
	})
}

func (h *holding) finish(t *tally, o *Outcome) {
	if t.reason != "" {
		return
	}
	h.judge(h.values, func(one held) {
		t.bad++
		t.offer(one.place, []value.Value{one.value}, []int{0})
	})
}

func compileOutliers(c *compiler) {
	method := c.word("method", "zscore", "mad")
	threshold, _ := c.atLeast("threshold", 0)
	upper := c.word("sides", "both", "upper") == "upper"
	flatIsBad := c.word("without_spread", "good", "bad") == "bad"
	c.expect("%s of %s < %s", method, c.feature().Name, c.given["threshold"])
	c.out.begin = func(*Run) accumulator {
		return &holding{numbers: true, judge: func(values []held, bad func(held)) {
			numbers := make([]float64, len(values))
			for i, v := range values {
				numbers[i] = v.number
			}
			center, spread := spreadOf(numbers, method)
			for _, v := range values {
				score := (v.number - center) / spread
				if math.IsNaN(score) { // nothing differs from the middle, or there is but one value
					if flatIsBad && method == "zscore" {
						bad(v)
					}
					continue
				}
				if !upper {
					score = math.Abs(score)
				}
				if !(score < threshold) {
					bad(v)
				}
			}
		}}
	}
}

// spreadOf is the middle of numbers, whose order it may change, and how far they spread.
func spreadOf(numbers []float64, method string) (center, spread float64) {
	if len(numbers) == 0 {
		return 0, 0
	}
	if method == "zscore" {
		spread, _ = deviation(numbers)
		return meanOf(numbers), spread
	}
	slices.Sort(numbers)
	center = quantile(numbers, 0.5, "linear")
	for i, f := range numbers {
		numbers[i] = math.Abs(f - center)
	}
	slices.Sort(numbers)
	return center, 1.4826 * quantile(numbers, 0.5, "linear")
}

// step is what inOrder is made of.
func (c *compiler) step() Step {
	return Step{Decreasing: c.word("direction", "increasing", "decreasing") == "decreasing", Strict: c.truth("strict")}
}

// inOrder tells whether a value may follow another one.
func (c *compiler) inOrder() func(before, after *held) bool {
	decreasing, strict := c.step().Decreasing, c.step().Strict
	return func(before, after *held) bool {
		order, ok := compare(&after.value, &before.value)
		if decreasing {
			order = -order
		}
		return ok && (order > 0 || order == 0 && !strict)
	}
}

func compileOrderedRows(c *compiler) {
	fine := c.inOrder()
	c.expect("%s is %s", c.feature().Name, c.word("direction", "increasing", "decreasing"))
	c.out.begin = func(*Run) accumulator {
		return &holding{judge: func(values []held, bad func(held)) {
			for i := 1; i < len(values); i++ {
				if !fine(&values[i-1], &values[i]) {
					bad(values[i])
				}
			}
		}}
	}
}

func compileMonotonic(c *compiler) {
	name := c.feature().Name
	var fine func(before, after *held) bool
	if c.kind.Name == "monotonic" {
		fine = c.inOrder()
		c.out.asks = askSteps(c.step())
		c.expect("%s of an entity is %s", name, c.word("direction", "increasing", "decreasing"))
	} else {
		absolute, hasAbsolute := c.atLeast("max_absolute", 0)
		relative, hasRelative := c.atLeast("max_relative", 0)
		if !c.has("max_absolute") && !c.has("max_relative") {
			c.found.at("params", "", "max_absolute or max_relative must be given")
		}
		step := Step{Change: true}
		var limits []string
		if hasAbsolute {
			step.Absolute = &absolute
			limits = append(limits, c.given["max_absolute"])
		}
		if hasRelative {
			step.Relative = &relative
			limits = append(limits, c.given["max_relative"]+" × its value before")
		}
		c.out.asks = askSteps(step)
		c.expect("change of %s of an entity <= %s", name, strings.Join(limits, " and "))
		fine = func(before, after *held) bool {
			change := math.Abs(after.number - before.number)
			return !(hasAbsolute && change > absolute || hasRelative && change > relative*math.Abs(before.number))
		}
	}
	numbers := c.kind.Name == "change"
	c.out.begin = func(*Run) accumulator {
		return &holding{numbers: numbers, entity: true, judge: func(values []held, bad func(held)) {
			slices.SortStableFunc(values, func(a, b held) int {
				return cmp.Or(cmp.Compare(a.entity, b.entity), cmp.Compare(a.time, b.time))
			})
			for i := 1; i < len(values); i++ {
				if values[i-1].entity == values[i].entity && !fine(&values[i-1], &values[i]) {
					bad(values[i])
				}
			}
		}}
	}
}
