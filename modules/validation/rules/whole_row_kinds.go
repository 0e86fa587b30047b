package rules

import (
	"fmt"
	"strings"

	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/jsonscan"
)

// nulls is the param by which kinds of several features say which rows cannot be judged.
var nulls = Param{"null_when", "any, all or never", false, "Which rows count as null: any (the default) if one of the features is null, all if all are, never: none"}

// wholeRowKinds are decided for several features of a row together.
func wholeRowKinds() []Kind {
	return []Kind{
		together(true, "compare", 2, 2, "two that can be compared", anyType,
			"Of two features, a and b in this order, a row is bad unless a op b. Where null_when lets a row with a null be judged, only != holds of it.",
			compilePair, Param{"op", "=, !=, >, >=, < or <=", true, "How a must stand to b"}, nulls),
		together(true, "pair_in_set", 2, 2, "any but arrays", scalar,
			"Of two features, a row is bad if its pair of values is none of pairs. A null in pairs stands for a null.",
			compilePairs, Param{"pairs", "list of lists of two values", true, "What is accepted, such as [[\"DE\", \"EUR\"]]"}, nulls),
		together(true, "sum_equals", 1, maxFeatures, "numbers", numeric,
			"A row is bad if the values of its features do not add up to total, or differ from it by more than within. A sum with a null in it is bad.",
			compileSum, Param{"total", "number", true, "The sum"}, Param{"within", "number", false, "By how much it may differ; 0"}, nulls),
		together(true, "distinct_in_row", 2, maxFeatures, "any but arrays", scalar,
			"A row is bad if two of its features have the same value. Two nulls are the same.", compileDistinct, nulls),
		together(true, "expression", 0, 0, "any", anyType,
			"A row is bad if the expression over features is not true. Rows in which a feature that it reads is null are null, unless it compares with nil itself. "+
				"The expression has at most 4 KiB, no loops, no clock and these functions: "+strings.Join(builtins, ", ")+".",
			compileExpression, Param{"expr", "text", true, "Such as: amount >= 0 and (currency == \"EUR\" or country != \"DE\")"}),
	}
}

// nullWhen reads null_when into the check of whether a row counts as null.
func (c *compiler) nullWhen() func(row []value.Value, at []int) bool {
	switch c.word("null_when", "any", "all", "never") {
	case "all":
		return allNull
	case "never":
		return func([]value.Value, []int) bool { return false }
	}
	return func(row []value.Value, at []int) bool {
		for _, i := range at {
			if row[i].IsNull() {
				return true
			}
		}
		return false
	}
}

func allNull(row []value.Value, at []int) bool {
	for _, i := range at {
		if !row[i].IsNull() {
			return false
		}
	}
	return true
}

func compilePair(c *compiler) {
	isNull := c.nullWhen()
	op := c.word("op", "", "=", "!=", ">", ">=", "<", "<=")
	a, b := c.fields[0], c.fields[1]
	if a.Type != value.Invalid && b.Type != value.Invalid && a.Type != b.Type && !(numeric(a.Type) && numeric(b.Type)) {
		c.found.at("features", "", "%s is %s and %s is %s: they cannot be compared", a.Name, a.Type, b.Name, b.Type)
		return
	}
	if op != "=" && op != "!=" && !(ordered(a.Type) && ordered(b.Type)) {
		c.found.at("features", "", "values of %s have no order: use = or !=", a.Type)
		return
	}
	c.expect("%s %s %s", a.Name, op, b.Name)
	holds := func(order int) bool {
		switch op {
		case "=":
			return order == 0
		case "!=":
			return order != 0
		case ">":
			return order > 0
		case ">=":
			return order >= 0
		case "<":
			return order < 0
		}
		return order <= 0
	}
	c.out.row = func(row []value.Value, at []int) verdict {
		if isNull(row, at) {
			return null
		}
		a, b := &row[at[0]], &row[at[1]]
		if a.IsNull() || b.IsNull() {
			return badIf(op != "!=")
		}
		order, ok := compare(a, b)
		if !ok {
			if op != "=" && op != "!=" {
				return unknown
			}
			return badIf(holds(1) == (*a == *b))
		}
		return badIf(!holds(order))
	}
}

func compilePairs(c *compiler) {
	isNull := c.nullWhen()
	set := map[[2]value.Value]struct{}{}
	for i, raw := range c.list("pairs") {
		at := fmt.Sprintf("params.pairs[%d]", i)
		var pair [2]value.Value
		n := 0
		if jsonscan.KindOf(raw) == jsonscan.Array {
			elements := jsonscan.ElementsOf(raw)
			for element, ok := elements.Next(); ok; element, ok = elements.Next() {
				if n < 2 {
					v, err := constant(element, c.fields[n].Type)
					if err != nil {
						c.found.at(at, element, "%v", err)
					}
					pair[n] = same(v)
				}
				n++
			}
		}
		if n != 2 {
			c.found.at(at, raw, "expected a list of two values")
			continue
		}
		set[pair] = struct{}{}
	}
	c.expect("one of %d pairs", len(set))
	c.out.row = func(row []value.Value, at []int) verdict {
		if isNull(row, at) {
			return null
		}
		_, found := set[[2]value.Value{same(row[at[0]]), same(row[at[1]])}]
		return badIf(!found)
	}
}

func compileSum(c *compiler) {
	isNull := c.nullWhen()
	total, _ := c.number("total")
	within, _ := c.atLeast("within", 0)
	c.expect("sum = %s", c.given["total"])
	if within > 0 {
		c.expect("sum = %s ± %s", c.given["total"], c.given["within"])
	}
	c.out.row = func(row []value.Value, at []int) verdict {
		if isNull(row, at) {
			return null
		}
		sum := 0.0
		for _, i := range at {
			f, ok := number(&row[i])
			switch {
			case row[i].IsNull():
				return bad
			case !ok:
				return unknown
			}
			sum += f
		}
		difference := sum - total
		return badIf(!(difference <= within && -difference <= within))
	}
}

func compileDistinct(c *compiler) {
	isNull := c.nullWhen()
	c.expect("%s differ", strings.Join(c.rule.Features, ", "))
	c.out.row = func(row []value.Value, at []int) verdict {
		if isNull(row, at) {
			return null
		}
		for i, a := range at {
			for _, b := range at[:i] {
				if same(row[a]) == same(row[b]) {
					return bad
				}
			}
		}
		return good
	}
}
