package rules

import (
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/jsonscan"
)

// rowKinds are decided for each value of a feature by itself.
func rowKinds() []Kind {
	return []Kind{
		each(true, "not_null", "any", anyType,
			"A value is bad if it is null. Nulls are what it considers, so that null_policy means nothing to it.",
			func(c *compiler) {
				c.out.takesNull = true
				c.expect("not null")
				c.out.asks = askCounts(func(c *Measured) int64 { return c.Nulls })
				c.out.one = func(v *value.Value) verdict { return badIf(v.IsNull()) }
			}),
		each(true, "null", "any", anyType,
			"A value is bad if it is not null: for features that are no longer to be filled.",
			func(c *compiler) {
				c.out.takesNull = true
				c.expect("null")
				c.out.asks = askCounts(func(c *Measured) int64 { return c.Values })
				c.out.one = func(v *value.Value) verdict { return badIf(!v.IsNull()) }
			}),
		each(true, "range", "numbers, BOOLEAN (0 and 1), STRING (by bytes), TIMESTAMP", ordered,
			"A value is bad if it is below min or above max; at one of them only if that end is strict. Integers and floats are compared exactly. An "+
				"end that is not given is open, one is needed.",
			compileRange, between("value")...),
		each(true, "positive", "numbers", numeric,
			"A value is bad if it is not above 0; with zero, 0 is accepted too.", compilePositive,
			Param{"zero", "boolean", false, "0 is accepted"}),
		each(true, "finite", "numbers", numeric,
			"A value is bad if it is an infinity or not a number. The store refuses such, so that this is for data from elsewhere.",
			func(c *compiler) {
				c.expect("a finite number")
				c.out.asks = askEnds
				c.out.one = func(v *value.Value) verdict {
					f, ok := number(v)
					return orUnknown(ok, !math.IsInf(f, 0) && !math.IsNaN(f))
				}
			}),
		each(true, "in_set", "any but arrays", scalar, "A value is bad if it is none of values. 1 and 1.0 are the same.",
			func(c *compiler) { compileMembership(c, true) }, Param{"values", "list of values", true, "What is accepted"}),
		each(true, "not_in_set", "any but arrays", scalar, "A value is bad if it is one of values. 1 and 1.0 are the same.",
			func(c *compiler) { compileMembership(c, false) }, Param{"values", "list of values", true, "What is refused"}),
		each(true, "regex", "STRING, JSON", textual,
			"A text is bad if the pattern is found nowhere in it; anchor it with ^ and $ to match it whole. Patterns are RE2's: no look-around, no "+
				"back-references, linear time.",
			compileRegex, Param{"pattern", "text", false, "One pattern"},
			Param{"patterns", "list of texts", false, "Several, instead of pattern"},
			Param{"match", "all, any or none", false, "How many of the patterns must be found: all is the default; none refuses texts in which any is found"}),
		each(true, "length", "STRING, JSON", textual,
			"A text is bad if it has fewer than min or more than max characters (code points, not bytes).",
			compileLength, Param{"min", "count", false, "The least length"}, Param{"max", "count", false, "The greatest length"},
			Param{"strict_min", "boolean", false, "min itself is bad"}, Param{"strict_max", "boolean", false, "max itself is bad"}),
		each(true, "type", "any", anyType,
			"A value is bad if it is of none of the value types. A feature has but one; it is inline data that mixes them.",
			compileType, Param{"types", "list of texts", true, "Value types, such as INTEGER or FLOAT[]"}),
		each(true, "parses_as", "STRING, JSON", textual,
			"A text is bad if it cannot be read as: integer (64 bits; 1.0 is one, 007 is none), float (finite), boolean (true or false), timestamp "+
				"(RFC 3339 with an offset), date (by format, or without one in a common form), json (RFC 8259, no member twice). Whatever is no text is bad.",
			compileParses, Param{"as", "integer, float, boolean, timestamp, date or json", true, "What it is to be read as"},
			Param{"format", "text", false, "Of a date: directives %Y %y %m %d %e %H %I %p %M %S %f %z %Z %j %b %B %a %A %U %W %w %G %V %u %c %x %X %%, the rest to the letter"}),
		each(true, "json_schema", "STRING, JSON", textual,
			"A text is bad if it is no JSON, or if the JSON breaks the schema: the keywords of JSON Schema for types, numbers, texts, lists, objects, "+
				"enum, const and for combining schemas; $ref only within the schema. Others are refused when the rule is made.",
			compileSchemaRule, Param{"schema", "object", true, "The JSON Schema"}),
		each(true, "array_length", "arrays", func(t value.Type) bool { return t.Array() || t == value.Invalid },
			"An array is bad if it has fewer than min or more than max elements.", compileArrayLength,
			Param{"min", "count", false, "The least number of elements"}, Param{"max", "count", false, "The greatest"}),
	}
}

func badIf(is bool) verdict {
	if is {
		return bad
	}
	return good
}

func orUnknown(ok, fine bool) verdict {
	if !ok {
		return unknown
	}
	return badIf(!fine)
}

func scalar(t value.Type) bool { return !t.Array() }

func compileRange(c *compiler) {
	n := c.interval("min", "max", c.feature().Type)
	if !n.hasLeast && !n.hasMost {
		if !c.has("min") && !c.has("max") {
			c.found.at("params", "", "min or max must be given")
		}
		return
	}
	c.expect("%s", n.text(c.feature().Name))
	c.out.one = rangeCheck(n, c.feature().Type)
	c.out.asks = askEnds
}

// rangeCheck takes the short way where values and ends are of one sort of number.
func rangeCheck(n interval, t value.Type) func(*value.Value) verdict {
	integers := t == value.Integer && (!n.hasLeast || n.least.Type() == value.Integer) && (!n.hasMost || n.most.Type() == value.Integer)
	floats := t == value.Float && small(n.least) && small(n.most)
	switch {
	case integers:
		least, most := int64(math.MinInt64), int64(math.MaxInt64)
		if n.hasLeast {
			least = n.least.Int()
		}
		if n.hasMost {
			most = n.most.Int()
		}
		return func(v *value.Value) verdict {
			i := v.Int()
			return badIf(i < least || i > most || n.strictLeast && i == least || n.strictMost && i == most)
		}
	case floats:
		least, most := math.Inf(-1), math.Inf(1)
		if n.hasLeast {
			least, _ = number(&n.least)
		}
		if n.hasMost {
			most, _ = number(&n.most)
		}
		return func(v *value.Value) verdict {
			f := v.Float()
			return badIf(f < least || f > most || n.strictLeast && f == least || n.strictMost && f == most)
		}
	}
	return func(v *value.Value) verdict {
		inside, ok := n.holds(v)
		return orUnknown(ok, inside)
	}
}

// small tells whether a number is the same as a float.
func small(v value.Value) bool {
	switch v.Type() {
	case value.Integer:
		return v.Int() > -1<<53 && v.Int() < 1<<53
	case value.Float, value.Invalid:
		return true
	}
	return false
}

func compilePositive(c *compiler) {
	zero := c.truth("zero")
	c.expect("%s > 0", c.feature().Name)
	if zero {
		c.expect("%s >= 0", c.feature().Name)
	}
	c.out.asks = askEnds
	c.out.one = func(v *value.Value) verdict {
		f, ok := number(v)
		return orUnknown(ok, f > 0 || zero && f == 0)
	}
}

func compileMembership(c *compiler, in bool) {
	values := c.values("values", c.feature().Type)
	set := make(map[value.Value]struct{}, len(values))
	for _, v := range values {
		set[same(v)] = struct{}{}
	}
	c.expect("one of %s", listed(values))
	if !in {
		c.expect("none of %s", listed(values))
	}
	c.out.asks = askEach
	if c.feature().Type == value.Float || c.feature().Type == value.Invalid {
		c.out.one = func(v *value.Value) verdict {
			_, found := set[same(*v)]
			return badIf(found != in)
		}
		return
	}
	c.out.one = func(v *value.Value) verdict {
		_, found := set[*v]
		return badIf(found != in)
	}
}

func compileRegex(c *compiler) {
	sources := c.texts("patterns")
	if c.has("pattern") {
		if c.has("patterns") {
			c.wrong("patterns", "give pattern or patterns, not both")
		}
		sources = []string{c.text("pattern")}
	}
	if !c.has("pattern") && !c.has("patterns") {
		c.found.at("params", "", "pattern or patterns must be given")
		return
	}
	var patterns []*regexp.Regexp
	for _, source := range sources {
		if len(source) > MaxSource {
			c.found.at("params", "", "a pattern has %d bytes, more than %d", len(source), MaxSource)
			return
		}
		pattern, err := regexp.Compile(source)
		if err != nil {
			c.found.at("params", source, "%s: patterns are RE2's, without look-around and back-references", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
			return
		}
		patterns = append(patterns, pattern)
	}
	match := c.word("match", "all", "any", "none")
	c.expect("%s of %s found", match, strings.Join(sources, ", "))
	c.out.one = func(v *value.Value) verdict {
		if t := v.Type(); t != value.String && t != value.JSON {
			return unknown
		}
		found := func(pattern *regexp.Regexp) bool { return pattern.MatchString(v.Text()) }
		switch match {
		case "any":
			return badIf(!slices.ContainsFunc(patterns, found))
		case "none":
			return badIf(slices.ContainsFunc(patterns, found))
		}
		for _, pattern := range patterns {
			if !found(pattern) {
				return bad
			}
		}
		return good
	}
	if len(patterns) == 1 && match != "none" {
		only := patterns[0]
		c.expect("%s found", only)
		c.out.one = func(v *value.Value) verdict {
			if t := v.Type(); t != value.String && t != value.JSON {
				return unknown
			}
			return badIf(!only.MatchString(v.Text()))
		}
	}
}

// lengths are the params of a kind that counts.
func (c *compiler) lengths() (least, most int64) {
	least, hasLeast := c.params.count("min")
	most, hasMost := c.params.count("max")
	if !c.has("min") && !c.has("max") {
		c.found.at("params", "", "min or max must be given")
	}
	if hasLeast && hasMost && least > most {
		c.wrong("max", "is below min, %d", least)
	}
	n := interval{least: value.OfInt(least), most: value.OfInt(most), hasLeast: hasLeast, hasMost: hasMost,
		strictLeast: c.given["strict_min"] == "true", strictMost: c.given["strict_max"] == "true"}
	c.expect("%s", n.text("length"))
	if n.strictLeast {
		least++
	}
	if !hasMost {
		most = math.MaxInt64
	} else if n.strictMost {
		most--
	}
	return least, most
}

func compileLength(c *compiler) {
	c.truth("strict_min")
	c.truth("strict_max")
	least, most := c.lengths()
	c.out.one = func(v *value.Value) verdict {
		if t := v.Type(); t != value.String && t != value.JSON {
			return unknown
		}
		n := int64(utf8.RuneCountInString(v.Text()))
		return badIf(n < least || n > most)
	}
}

func compileArrayLength(c *compiler) {
	least, most := c.lengths()
	c.out.one = func(v *value.Value) verdict {
		n := int64(0)
		switch {
		case v.Type().Array():
			n = int64(v.Len())
		case v.Type() == value.JSON && jsonscan.KindOf(v.Text()) == jsonscan.Array:
			elements := jsonscan.ElementsOf(v.Text())
			for _, ok := elements.Next(); ok; _, ok = elements.Next() {
				n++
			}
		default:
			return unknown
		}
		return badIf(n < least || n > most)
	}
}

func compileType(c *compiler) {
	var types [value.TimestampArray + 1]bool
	names := c.texts("types")
	for _, name := range names {
		t, ok := value.ParseType(name)
		if !ok {
			c.wrong("types", "%q is no value type: use BOOLEAN, INTEGER, FLOAT, STRING, TIMESTAMP, JSON or one of the first five with []", name)
			continue
		}
		types[t] = true
	}
	c.expect("of type %s", strings.Join(names, " or "))
	c.out.one = func(v *value.Value) verdict { return badIf(!types[v.Type()]) }
}

func compileParses(c *compiler) {
	as := c.word("as", "", "integer", "float", "boolean", "timestamp", "date", "json")
	format := c.text("format")
	if format != "" && as != "date" {
		c.wrong("format", "is for dates only")
	}
	c.expect("can be read as %s", as)
	var reads func(text string) bool
	types := map[string]value.Type{"integer": value.Integer, "float": value.Float, "boolean": value.Boolean, "timestamp": value.Timestamp}
	switch as {
	case "date":
		reads = commonDate
		if format != "" {
			layout, err := newDateFormat(format)
			if err != nil {
				c.wrong("format", "%v", err)
				return
			}
			c.expect("can be read as a date by %s", format)
			reads = layout.reads
		}
	case "json":
		reads = isJSON
	default:
		reads = func(text string) bool {
			_, err := value.ParseText(types[as], text, nil)
			return err == nil
		}
	}
	c.out.one = func(v *value.Value) verdict {
		t := v.Type()
		return badIf(t != value.JSON && t != value.String || !reads(v.Text()))
	}
}

func isJSON(text string) bool {
	s := jsonscan.New(text)
	_, err := s.Value()
	return err == nil && s.End() == nil
}
