package gx

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry/value/jsonscan"
)

// Whatever a suite and columns are, each expectation has a result or a reason, and the answer can be written.
func FuzzSuites(f *testing.F) {
	for _, c := range []struct{ kind, kwargs, data string }{
		{"expect_column_values_to_be_between", `{"column": "a", "min_value": {"$PARAMETER": "now() - timedelta(weeks=1)"}, "mostly": 0.5}`, `{"a": [1, null, "x", 1e999, {}]}`},
		{"expect_column_values_to_be_in_set", `{"column": "a", "value_set": [1, "x", null, [1], {}], "row_condition": "a > 1 & b.isnull()", "condition_parser": "pandas"}`, `{"a": [1], "b": [null]}`},
		{"expect_column_kl_divergence_to_be_less_than", `{"column": "a", "partition_object": {"bins": [0, 1], "weights": [1]}, "threshold": 1}`, `{"a": [1, 2]}`},
		{"expect_column_quantile_values_to_be_between", `{"column": "a", "quantile_ranges": {"quantiles": [0.5, 1], "value_ranges": [[null, 1], [0, null]]}}`, `{"a": [true, false]}`},
		{"expect_compound_columns_to_be_unique", `{"column_list": ["a", "a"], "ignore_row_if": "never"}`, `{"a": ["x", "x"]}`},
		{"expect_column_values_to_be_of_type", `{"column": "a", "type_": "datetime64[ns]"}`, `{"a": []}`},
		{"expect_table_columns_to_match_set", `{"column_set": ["b"], "exact_match": null}`, `{}`},
		{"expect_column_value_lengths_to_be_between", `{"column": "a", "min_value": -1.5, "max_value": 1e300, "strict_max": true}`, `{"a": [1.5]}`},
	} {
		f.Add(c.kind, c.kwargs, c.data)
	}
	for kind := range translators() {
		f.Add(kind, `{"column": "a", "column_A": "a", "column_B": "b", "column_list": ["a", "b"], "value": 1, "value_set": [1], "regex": "a", "threshold": 1, "sum_total": 1}`, `{"a": [1], "b": ["x"]}`)
	}
	f.Fuzz(func(t *testing.T, kind, kwargs, data string) {
		kwargs, data = Lenient(kwargs), Lenient(data)
		for _, text := range []string{kwargs, data} {
			s := jsonscan.New(text)
			if s.Kind() != jsonscan.Object {
				return
			}
			if _, err := s.Value(); err != nil || s.End() != nil {
				return
			}
		}
		name, err := json.Marshal(kind)
		require.NoError(t, err)
		suite, err := ReadSuite(`[{"type": `+string(name)+`, "kwargs": `+kwargs+`}]`, now)
		if err != nil {
			return
		}
		require.Equal(t, 1, len(suite.Expectations)+len(suite.NotImported))
		for _, left := range suite.NotImported {
			require.NotEmpty(t, left.Reason)
		}
		definitions, left := suite.Importable("g")
		require.Equal(t, 1, len(definitions)+len(left))
		columns, err := ReadColumns(data, map[string]string{"t": "datetime64"}, 10_000)
		if err != nil {
			return
		}
		answer, err := Evaluate(context.Background(), suite, columns)
		require.NoError(t, err)
		_, err = json.Marshal(answer)
		require.NoError(t, err)
	})
}
