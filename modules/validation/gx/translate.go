package gx

import (
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
