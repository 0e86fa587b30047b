package gx

import (
	"regexp"
	"slices"
	"strings"

	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/jsonscan"
)

// shape is which members a result has.
type shape uint8

const (
	mapped    shape = iota // counts of unexpected and missing elements
	nullness               // the same without what is missing: nulls are what it is about
	paired                 // of two columns
	joined                 // of several columns
	aggregate              // an observed value
	typed                  // a dtype, or mapped
	bare                   // nothing
)

func (s shape) counts() bool { return s <= joined || s == typed }

// translator makes a rule of one type of expectation.
type translator struct {
	kind      string // of the rule
	shape     shape
	text      bool // what it judges is the text of a value, as str() writes it
	translate func(*keywords)
}

func translators() map[string]translator {
	between := func(kind string) translator {
		return translator{kind: kind, shape: aggregate, translate: func(k *keywords) { k.column(); k.between() }}
	}
	table := func(kind string) translator {
		return translator{kind: kind, shape: aggregate, translate: func(k *keywords) { k.between() }}
	}
	equal := func(kind string) translator {
		return translator{kind: kind, shape: aggregate, translate: func(k *keywords) {
			raw := k.needed("value")
			if raw != "" && jsonscan.KindOf(raw) != jsonscan.Number {
				k.refuse("value is no number")
			}
			k.set("min", raw)
			k.set("max", raw)
		}}
	}
	set := func(kind string, s shape) translator {
		return translator{kind: kind, shape: s, translate: func(k *keywords) { k.column(); k.values() }}
	}
	patterns := func(match string) translator {
		return translator{kind: "regex", text: true, translate: func(k *keywords) { k.column(); k.patterns(match) }}
	}
	return map[string]translator{
		"expect_column_values_to_not_be_null": {kind: "not_null", shape: nullness, translate: (*keywords).column},
		"expect_column_values_to_be_null":     {kind: "null", shape: nullness, translate: (*keywords).column},
		"expect_column_values_to_be_unique":   {kind: "unique", translate: (*keywords).column},
		"expect_column_values_to_be_between": {kind: "range", translate: func(k *keywords) {
			k.column()
			if k.between(); k.params["min"] == nil && k.params["max"] == nil {
				k.refuse("min_value and max_value cannot both be missing")
			}
		}},
		"expect_column_values_to_be_in_set":     set("in_set", mapped),
		"expect_column_values_to_not_be_in_set": set("not_in_set", mapped),
		"expect_column_values_to_match_regex": {kind: "regex", text: true, translate: func(k *keywords) {
			k.column()
			k.pattern("regex", "all")
		}},
		"expect_column_values_to_not_match_regex": {kind: "regex", text: true, translate: func(k *keywords) {
			k.column()
			k.pattern("regex", "none")
		}},
		"expect_column_values_to_match_regex_list":            patterns(""),
		"expect_column_values_to_not_match_regex_list":        patterns("none"),
		"expect_column_values_to_match_like_pattern":          {kind: "regex", text: true, translate: func(k *keywords) { k.column(); k.like("like_pattern", "all") }},
		"expect_column_values_to_not_match_like_pattern":      {kind: "regex", text: true, translate: func(k *keywords) { k.column(); k.like("like_pattern", "none") }},
		"expect_column_values_to_match_like_pattern_list":     {kind: "regex", text: true, translate: func(k *keywords) { k.column(); k.like("like_pattern_list", "") }},
		"expect_column_values_to_not_match_like_pattern_list": {kind: "regex", text: true, translate: func(k *keywords) { k.column(); k.like("like_pattern_list", "none") }},
		"expect_column_value_lengths_to_equal": {kind: "length", text: true, translate: func(k *keywords) {
			k.column()
			raw := k.needed("value")
			k.length("min", raw, false)
			k.length("max", raw, true)
		}},
		"expect_column_value_lengths_to_be_between":     {kind: "length", text: true, translate: translateLengths},
		"expect_column_values_to_match_strftime_format": {kind: "parses_as", translate: func(k *keywords) { k.column(); k.parses("date", k.needed("strftime_format")) }},
		"expect_column_values_to_be_dateutil_parseable": {kind: "parses_as", translate: func(k *keywords) { k.column(); k.parses("date", "") }},
		"expect_column_values_to_be_json_parseable":     {kind: "parses_as", translate: func(k *keywords) { k.column(); k.parses("json", "") }},
		"expect_column_values_to_match_json_schema":     {kind: "json_schema", translate: translateSchema},
		"expect_column_values_to_be_of_type":            {kind: "type", shape: typed, translate: translateType},
		"expect_column_values_to_be_in_type_list":       {kind: "type", shape: typed, translate: translateTypes},
		"expect_column_values_to_be_increasing":         {kind: "ordered_rows", translate: func(k *keywords) { k.column(); k.ordered("increasing") }},
		"expect_column_values_to_be_decreasing":         {kind: "ordered_rows", translate: func(k *keywords) { k.column(); k.ordered("decreasing") }},
		"expect_column_value_z_scores_to_be_less_than":  {kind: "outliers", translate: translateScores},

		"expect_column_pair_values_to_be_equal": {kind: "compare", shape: paired, translate: func(k *keywords) {
			k.pair()
			k.params["op"] = "="
		}},
		"expect_column_pair_values_a_to_be_greater_than_b": {kind: "compare", shape: paired, translate: func(k *keywords) {
			k.pair()
			k.params["op"] = ">"
			if k.truth("or_equal") {
				k.params["op"] = ">="
			}
		}},
		"expect_column_pair_values_to_be_in_set": {kind: "pair_in_set", shape: paired, translate: func(k *keywords) {
			k.pair()
			k.list("value_pairs_set")
			k.set("pairs", k.needed("value_pairs_set"))
		}},
		"expect_compound_columns_to_be_unique":                   {kind: "unique_together", shape: joined, translate: (*keywords).several},
		"expect_select_column_values_to_be_unique_within_record": {kind: "distinct_in_row", shape: joined, translate: (*keywords).several},
		"expect_multicolumn_values_to_be_unique":                 {kind: "distinct_in_row", shape: joined, translate: (*keywords).several},
		"expect_multicolumn_sum_to_equal": {kind: "sum_equals", shape: joined, translate: func(k *keywords) {
			k.several()
			k.set("total", k.needed("sum_total"))
		}},

		"expect_column_mean_to_be_between":                          between("mean"),
		"expect_column_median_to_be_between":                        between("median"),
		"expect_column_sum_to_be_between":                           between("sum"),
		"expect_column_min_to_be_between":                           between("min"),
		"expect_column_max_to_be_between":                           between("max"),
		"expect_column_stdev_to_be_between":                         between("stddev"),
		"expect_column_unique_value_count_to_be_between":            between("distinct_count"),
		"expect_column_proportion_of_unique_values_to_be_between":   between("distinct_ratio"),
		"expect_column_proportion_of_non_null_values_to_be_between": between("completeness"),
		"expect_column_quantile_values_to_be_between":               {kind: "quantiles", shape: aggregate, translate: translateQuantiles},
		"expect_column_most_common_value_to_be_in_set":              {kind: "most_common", shape: aggregate, translate: translateMostCommon},
		"expect_column_distinct_values_to_be_in_set":                set("distinct_in", aggregate),
		"expect_column_distinct_values_to_contain_set":              set("distinct_contain", aggregate),
		"expect_column_distinct_values_to_equal_set":                set("distinct_equal", aggregate),
		"expect_column_kl_divergence_to_be_less_than":               {kind: "divergence", shape: aggregate, translate: translateDivergence},
		"expect_table_row_count_to_be_between":                      table("row_count"),
		"expect_table_row_count_to_equal":                           equal("row_count"),
		"expect_table_column_count_to_be_between":                   table("column_count"),
		"expect_table_column_count_to_equal":                        equal("column_count"),
		"expect_table_columns_to_match_ordered_list":                {kind: "columns", shape: aggregate, translate: translateOrderedColumns},
		"expect_table_columns_to_match_set":                         {kind: "columns", shape: aggregate, translate: translateColumnSet},
		"expect_column_to_exist":                                    {kind: "columns", shape: bare, translate: translateColumn},
	}
}

// refused says why a known type of expectation is not imported.
func refused(kind string) string {
	switch kind {
	case "expect_column_pair_cramers_phi_value_to_be_less_than", "expect_column_chisquare_test_p_value_to_be_greater_than",
		"expect_column_bootstrapped_ks_test_p_value_to_be_greater_than", "expect_column_parameterized_distribution_ks_test_p_value_to_be_greater_than":
		return kind + " is a statistical test on a sample of its own: use a rule of kind distribution, which compares with a baseline"
	case "expect_table_row_count_to_equal_other_table":
		return kind + " needs a second table, which a rule does not have"
	case "unexpected_rows_expectation", "expect_query_results_to_match_comparison":
		return kind + " is a query in SQL, which a rule cannot run: use a rule of kind expression"
	}
	return ""
}

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
}

func translateOrderedColumns(k *keywords) {
	if k.get("column_list") == "" {
		k.refuse("column_list is not given: without one it holds of any table")
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
	if raw := k.get("exact_match"); raw == "" || k.truth("exact_match") {
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

func translateType(k *keywords) {
	k.column()
	name := k.text("type_")
	if k.get("type_") == "" {
		k.refuse("type_ is not given: without one it holds of anything")
		return
	}
	k.types([]string{name})
}

func translateTypes(k *keywords) {
	k.column()
	if k.get("type_list") == "" {
		k.types(nil)
		return
	}
	k.types(k.texts("type_list"))
}

// types takes names of types of Python, numpy, pandas and SQL.
func (k *keywords) types(names []string) {
	var types []string
	if names == nil { // any
		types = []string{"BOOLEAN", "INTEGER", "FLOAT", "STRING", "TIMESTAMP", "JSON", "BOOLEAN[]", "INTEGER[]", "FLOAT[]", "STRING[]", "TIMESTAMP[]"}
		k.e.dtypes = []string{"*"}
	}
	for _, name := range names {
		known := knownType(name)
		if len(known.types) == 0 {
			k.refuse("the type %q is not known", name)
			return
		}
		k.e.dtypes = append(k.e.dtypes, known.dtypes...)
		for _, t := range known.types {
			if !slices.Contains(types, t) {
				types = append(types, t)
			}
		}
	}
	if len(types) == 0 && names != nil {
		k.refuse("type_list is empty")
	}
	k.params["types"] = types
}

// typeNames are a type of rules and the dtypes that a name of a type means; "native:" marks a name that counts for single values in a
// column of objects too.
type typeNames struct{ types, dtypes []string }

func knownType(name string) typeNames {
	switch lower := strings.ToLower(name); {
	case lower == "int" || lower == "long":
		return typeNames{[]string{"INTEGER"}, []string{"int64", "native:INTEGER"}}
	case name == "int64" || lower == "int_" || name == "Int64" || name == "i8":
		return typeNames{[]string{"INTEGER"}, []string{"int64"}}
	case lower == "float":
		return typeNames{[]string{"FLOAT"}, []string{"float64", "native:FLOAT"}}
	case name == "float64" || lower == "float_" || lower == "double" || name == "Float64":
		return typeNames{[]string{"FLOAT"}, []string{"float64"}}
	case lower == "bool":
		return typeNames{[]string{"BOOLEAN"}, []string{"bool_", "native:BOOLEAN"}}
	case lower == "bool_" || lower == "boolean":
		return typeNames{[]string{"BOOLEAN"}, []string{"bool_"}}
	case lower == "str" || lower == "string_types":
		return typeNames{[]string{"STRING"}, []string{"native:STRING"}}
	case lower == "string" || lower == "text" || lower == "str_" || strings.HasPrefix(lower, "varchar") || strings.HasPrefix(lower, "char"):
		return typeNames{[]string{"STRING"}, []string{""}}
	case lower == "object" || lower == "object_" || name == "O":
		return typeNames{[]string{"STRING", "JSON"}, []string{"object_"}}
	case lower == "list":
		return typeNames{[]string{"JSON", "BOOLEAN[]", "INTEGER[]", "FLOAT[]", "STRING[]", "TIMESTAMP[]"}, []string{"native:list"}}
	case lower == "dict":
		return typeNames{[]string{"JSON"}, []string{"native:dict"}}
	case strings.HasPrefix(lower, "datetime") || strings.HasPrefix(lower, "timestamp") || lower == "date":
		return typeNames{[]string{"TIMESTAMP"}, []string{"datetime64"}}
	case regexp.MustCompile(`^u?int(8|16|32|64)?(dtype)?$|^(big|small|tiny)?int(eger)?$`).MatchString(lower):
		return typeNames{[]string{"INTEGER"}, []string{""}}
	case regexp.MustCompile(`^float(16|32|64)?(dtype)?$|^(real|numeric|decimal|double_precision)`).MatchString(lower):
		return typeNames{[]string{"FLOAT"}, []string{""}}
	}
	return typeNames{}
}
