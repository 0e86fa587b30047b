package gx

import (
	"regexp"
	"slices"
	"strings"

	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/jsonscan"
)

func (k *keywords) values() {
	if k.get("value_set") == "" { // of the kinds that look at values one by one, it holds of anything
		switch k.e.Rule.Kind {
		case "distinct_in":
			k.e.Rule.Kind = "distinct_contain"
		case "in_set", "not_in_set":
			k.e.Rule.Kind = "not_in_set"
		case "most_common":
		default:
			k.refuse("value_set is not given")
		}
		k.set("values", "[]")
		return
	}
	list := k.list("value_set")
	if len(list) == 0 && k.e.Rule.Kind == "distinct_in" {
		k.e.Rule.Kind = "distinct_contain"
	}
	left := slices.DeleteFunc(slices.Clone(list), func(raw string) bool { return raw == "null" }) // a null is missing, and in no set
	if k.e.Rule.Kind == "distinct_contain" || k.e.Rule.Kind == "distinct_equal" {
		left = list
	}
	k.set("values", "["+strings.Join(left, ",")+"]")
}

func (k *keywords) pattern(name, match string) {
	raw := k.get(name)
	if raw == "" {
		k.refuse("%s is not given", name)
		return
	}
	k.expressions([]string{k.text(name)}, match)
}

func (k *keywords) patterns(match string) {
	list := k.texts("regex_list")
	if k.get("regex_list") == "" {
		k.refuse("regex_list is not given")
	}
	if match == "" {
		match = k.matchOn()
	}
	k.expressions(list, match)
}

func (k *keywords) matchOn() string {
	switch on := k.text("match_on"); on {
	case "", "any":
		return "any"
	case "all":
		return "all"
	default:
		k.refuse("match_on is %q: any and all are known", on)
		return "any"
	}
}

func (k *keywords) like(name, match string) {
	var list []string
	if strings.HasSuffix(name, "_list") {
		list = k.texts(name)
		if match == "" {
			match = k.matchOn()
		}
	} else {
		list = []string{k.text(name)}
	}
	if k.get(name) == "" {
		k.refuse("%s is not given", name)
	}
	for i, pattern := range list {
		quoted := regexp.QuoteMeta(pattern)
		list[i] = "(?s)^" + strings.NewReplacer("%", ".*", "_", ".").Replace(quoted) + "$"
	}
	k.expressions(list, match)
}

// expressions takes Python's patterns, as far as RE2 can: \Z is \z there.
func (k *keywords) expressions(list []string, match string) {
	for i, pattern := range list {
		list[i] = strings.ReplaceAll(pattern, `\Z`, `\z`)
		if _, err := regexp.Compile(list[i]); err != nil {
			k.refuse("the pattern %q is none of RE2, which has no look-around and no back-references: %s", pattern,
				strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
	}
	if len(list) == 1 && match != "none" {
		k.params["pattern"] = list[0]
		return
	}
	if list == nil {
		list = []string{}
	}
	k.params["patterns"], k.params["match"] = list, match
}

// length takes one end of a length; ends that are no whole numbers are moved inwards.
func (k *keywords) length(name, raw string, upper bool) {
	if raw == "" || infinite(raw) {
		return
	}
	v, err := value.ParseJSON(value.Float, []byte(raw))
	if err != nil || jsonscan.KindOf(raw) != jsonscan.Number {
		k.refuse("a length is %s, which is no number", raw)
		return
	}
	f := v.Float()
	n := int64(max(-1e15, min(1e15, f)))
	switch strict := k.params["strict_"+name] != nil; {
	case upper && f < float64(n):
		n--
	case !upper && f > float64(n) && !strict:
		n++
	case upper && f > float64(n) && strict: // below 4.5 is at most 4
		delete(k.params, "strict_max")
	}
	if n < 0 {
		if upper {
			k.refuse("no text is shorter than nothing")
		}
		delete(k.params, "strict_"+name)
		return
	}
	k.params[name] = n
}

func translateLengths(k *keywords) {
	k.column()
	for _, name := range []string{"strict_min", "strict_max"} {
		if k.truth(name) {
			k.params[name] = true
		}
	}
	k.length("min", k.get("min_value"), false)
	k.length("max", k.get("max_value"), true)
	if k.params["min"] == nil && k.params["max"] == nil {
		if k.raw["min_value"] == "" && k.raw["max_value"] == "" {
			k.refuse("min_value and max_value cannot both be missing")
		}
		k.params["min"] = 0
	}
}

func (k *keywords) parses(as, format string) {
	k.params["as"] = as
	if format != "" {
		k.params["format"] = k.text("strftime_format")
	}
}

func translateSchema(k *keywords) {
	k.column()
	raw := k.needed("json_schema")
	if raw != "" && jsonscan.KindOf(raw) != jsonscan.Object {
		k.refuse("json_schema is no object")
	}
	k.set("schema", raw)
}

func (k *keywords) ordered(direction string) {
	k.params["direction"] = direction
	if k.truth("strictly") {
		k.params["strict"] = true
	}
}

func translateScores(k *keywords) {
	k.column()
	raw := k.needed("threshold")
	if strings.HasPrefix(raw, "-") && k.truth("double_sided") {
		raw = raw[1:]
	}
	k.set("threshold", raw)
	if !k.truth("double_sided") {
		k.params["sides"] = "upper"
	}
	k.params["without_spread"] = "bad"
}

func (k *keywords) pair() {
	k.needed("column_A")
	k.needed("column_B")
	a, b := k.text("column_A"), k.text("column_B")
	k.e.Rule.Features = []string{a, b}
	switch when := k.text("ignore_row_if"); when {
	case "", "both_values_are_missing":
		k.params["null_when"] = "all"
	case "either_value_is_missing":
		k.params["null_when"] = "any"
	case "neither", "never":
		k.params["null_when"] = "never"
	default:
		k.refuse("ignore_row_if is %q, which is not known", when)
	}
}

func (k *keywords) several() {
	k.needed("column_list")
	k.e.Rule.Features = k.texts("column_list")
	switch when := k.text("ignore_row_if"); when {
	case "", "all_values_are_missing":
		k.params["null_when"] = "all"
	case "any_value_is_missing":
		k.params["null_when"] = "any"
	case "never":
		k.params["null_when"] = "never"
	default:
		k.refuse("ignore_row_if is %q, which is not known", when)
	}
}

func translateQuantiles(k *keywords) {
	k.column()
	raw := k.needed("quantile_ranges")
	if raw == "" {
		return
	}
	if jsonscan.KindOf(raw) != jsonscan.Object {
		k.refuse("quantile_ranges is no object")
		return
	}
	m, err := membersOf(raw)
	if err != nil || jsonscan.KindOf(m["quantiles"]) != jsonscan.Array || jsonscan.KindOf(m["value_ranges"]) != jsonscan.Array {
		k.refuse("quantile_ranges has no quantiles or no value_ranges")
		return
	}
	k.set("q", m["quantiles"])
	k.set("ranges", m["value_ranges"])
	k.params["within"] = 1e-4
	how := strings.Trim(k.get("allow_relative_error"), `"`)
	if how == "" || how == "false" {
		how = "nearest"
	}
	if !slices.Contains([]string{"linear", "lower", "higher", "midpoint", "nearest"}, how) {
		k.refuse("allow_relative_error is %s: for pandas it names an interpolation", how)
	}
	k.params["interpolation"] = how
}

func translateMostCommon(k *keywords) {
	k.column()
	k.values()
	if k.truth("ties_okay") {
		k.params["ties"] = true
	}
}

func translateDivergence(k *keywords) {
	k.column()
	raw := k.needed("partition_object")
	if raw == "" {
		k.reason = "partition_object is not given: a distribution that is taken from the data itself says nothing"
		return
	}
	if jsonscan.KindOf(raw) != jsonscan.Object {
		k.refuse("partition_object is no object")
		return
	}
	m, err := membersOf(raw)
	if err != nil {
		k.refuse("partition_object: %v", err)
		return
	}
	for _, name := range []string{"values", "bins", "weights", "tail_weights"} {
		if m[name] != "" && m[name] != "null" {
			k.set(name, m[name])
		}
	}
	k.set("tail_holdout", k.get("tail_weight_holdout"))
	k.set("internal_holdout", k.get("internal_weight_holdout"))
	k.set("max", k.get("threshold"))
	if k.get("bucketize_data") == "false" && k.params["bins"] != nil {
		k.refuse("bucketize_data is false, which means nothing beside bins")
	}
}

func translateOrderedColumns(k *keywords) {
	if k.get("column_list") == "" { // it holds of any table
		k.params["names"] = []string{}
		return
	}
	k.params["names"], k.params["in_order"] = k.texts("column_list"), true
}

func translateColumnSet(k *keywords) {
	names := []string{}
	if k.get("column_set") != "" {
		names = k.texts("column_set")
	}
	k.params["names"] = names
	if k.truth("exact_match") || k.raw["exact_match"] == "" { // null is false
		k.params["exact"] = true
	}
}

func translateColumn(k *keywords) {
	name := k.needed("column")
	if name == "" {
		return
	}
	k.params["names"] = []string{k.text("column")}
	raw := k.get("column_index")
	if raw == "" || raw == "0" {
		return
	}
	v, err := value.ParseJSON(value.Integer, []byte(raw))
	if err != nil || v.Int() < 0 {
		k.refuse("column_index is %s: a position counts from 0", raw)
		return
	}
	k.params["position"] = v.Int()
}
