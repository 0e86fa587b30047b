package gx

import (
	"encoding/json"
	"fmt"
	"strings"

	"featurestore/modules/registry/value"
	"featurestore/modules/validation/rules"
)

// expectationOf names, for kinds of rules, the expectation that says the same. The others are custom expectations to whoever reads a result:
// their type is "featurestore_" and the kind.
var expectationOf = map[string]string{
	"not_null": "expect_column_values_to_not_be_null", "null": "expect_column_values_to_be_null", "range": "expect_column_values_to_be_between",
	"in_set": "expect_column_values_to_be_in_set", "not_in_set": "expect_column_values_to_not_be_in_set", "regex": "expect_column_values_to_match_regex",
	"length": "expect_column_value_lengths_to_be_between", "unique": "expect_column_values_to_be_unique", "unique_together": "expect_compound_columns_to_be_unique",
	"distinct_in": "expect_column_distinct_values_to_be_in_set", "distinct_contain": "expect_column_distinct_values_to_contain_set",
	"distinct_equal": "expect_column_distinct_values_to_equal_set", "distinct_count": "expect_column_unique_value_count_to_be_between",
	"distinct_ratio": "expect_column_proportion_of_unique_values_to_be_between", "completeness": "expect_column_proportion_of_non_null_values_to_be_between",
	"mean": "expect_column_mean_to_be_between", "median": "expect_column_median_to_be_between", "sum": "expect_column_sum_to_be_between",
	"min": "expect_column_min_to_be_between", "max": "expect_column_max_to_be_between", "stddev": "expect_column_stdev_to_be_between",
	"row_count": "expect_table_row_count_to_be_between", "column_count": "expect_table_column_count_to_be_between",
	"pair_in_set": "expect_column_pair_values_to_be_in_set", "distinct_in_row": "expect_select_column_values_to_be_unique_within_record",
}

// OfOutcomes is what became of rules of our own in Great Expectations' form, one result per outcome. Success of a result is that the rule held
// or only warned; where there were no rows to judge, that nothing speaks against it, as there.
func OfOutcomes(outcomes []*rules.Outcome) *Answer {
	answer := &Answer{Success: true, Results: []Result{}, NotImported: []NotImported{}}
	for _, o := range outcomes {
		result := ofOutcome(o)
		answer.Success = answer.Success && result.Success
		answer.Results = append(answer.Results, result)
	}
	return answer
}

func ofOutcome(o *rules.Outcome) Result {
	result := Result{ExpectationConfig: configOf(o), Result: json.RawMessage("{}")}
	if o.Status == rules.Failed {
		reason := o.Reason
		result.ExceptionInfo = ExceptionInfo{RaisedException: true, ExceptionMessage: &reason}
		return result
	}
	result.Success = o.Status == rules.Pass || o.Status == rules.Warned || o.Status == rules.Skipped && o.Considered == 0
	w := &writer{b: []byte{'{'}}
	if len(o.Observed) > 0 {
		w.raw("observed_value", string(o.Observed))
		if len(o.Details) > 0 {
			w.raw("details", string(o.Details))
		}
		result.Result = append(w.b, '}')
		return result
	}
	w.raw("element_count", fmt.Sprint(o.Considered+o.Null))
	w.raw("unexpected_count", fmt.Sprint(o.Bad))
	w.percent("unexpected_percent", o.Bad, o.Considered)
	var list, indexes []string
	for i := range o.Examples {
		list, indexes = append(list, elementOf(o, &o.Examples[i])), append(indexes, fmt.Sprint(o.Examples[i].Row))
	}
	w.raw("partial_unexpected_list", "["+strings.Join(list, ",")+"]")
	w.raw("missing_count", fmt.Sprint(o.Null))
	w.percent("missing_percent", o.Null, o.Considered+o.Null)
	w.percent("unexpected_percent_total", o.Bad, o.Considered+o.Null)
	w.percent("unexpected_percent_nonmissing", o.Bad, o.Considered)
	w.raw("partial_unexpected_index_list", "["+strings.Join(indexes, ",")+"]")
	result.Result = append(w.b, '}')
	return result
}

// elementOf is an unexpected element: the value of the one feature, else an object of them.
func elementOf(o *rules.Outcome, example *rules.Example) string {
	values := map[string]json.RawMessage{}
	if len(o.Features) != 1 || json.Unmarshal(example.Values, &values) != nil {
		return string(example.Values)
	}
	if one, ok := values[o.Features[0]]; ok {
		return string(one)
	}
	return "null"
}

// configOf says which rule it was, as an expectation's configuration says it.
func configOf(o *rules.Outcome) json.RawMessage {
	kind := expectationOf[o.Kind]
	if kind == "" {
		kind = "featurestore_" + o.Kind
	}
	kwargs := "{}"
	switch {
	case len(o.Features) == 1:
		kwargs = `{"column":` + string(value.AppendJSONString(nil, o.Features[0])) + "}"
	case len(o.Features) > 1:
		kwargs = `{"column_list":` + string(value.AppendJSONStrings(nil, o.Features)) + "}"
	}
	w := &writer{b: []byte{'{'}}
	text := func(name, s string) { w.raw(name, string(value.AppendJSONString(nil, s))) }
	text("type", kind)
	w.raw("kwargs", kwargs)
	meta := &writer{b: []byte{'{'}}
	for _, m := range [][2]string{{"rule", o.Rule}, {"kind", o.Kind}, {"group", o.Group}, {"status", string(o.Status)}, {"severity", string(o.Severity)},
		{"expected", o.Expected}, {"reason", o.Reason}} {
		if m[1] != "" {
			meta.raw(m[0], string(value.AppendJSONString(nil, m[1])))
		}
	}
	if o.Version > 0 {
		meta.raw("version", fmt.Sprint(o.Version))
	}
	w.raw("meta", string(append(meta.b, '}')))
	return append(w.b, '}')
}
