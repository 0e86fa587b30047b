package gx

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// verdict is one case of testdata/verdicts.jsonl.gz: data, an expectation, and what Great Expectations itself said of them.
type verdict struct {
	Type    string            `json:"type"`
	Title   string            `json:"title"`
	Data    json.RawMessage   `json:"data"`
	Schema  map[string]string `json:"schema"`
	Kwargs  json.RawMessage   `json:"kwargs"`
	Success bool              `json:"success"`
	Result  map[string]any    `json:"result"`
}

func readVerdicts(t *testing.T) []verdict {
	file, err := os.Open("testdata/verdicts.jsonl.gz")
	require.NoError(t, err)
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	require.NoError(t, err)
	var cases []verdict
	lines := bufio.NewScanner(unzipped)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var c verdict
		require.NoError(t, json.Unmarshal([]byte(Lenient(lines.Text())), &c))
		cases = append(cases, c)
	}
	require.NoError(t, lines.Err())
	return cases
}

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// evaluate gives the verdict on a case: how the answer differs from Great Expectations', "" if it does not.
func (c verdict) evaluate(t *testing.T, version string, schema map[string]string) (imported bool, difference string) {
	suite := fmt.Sprintf(`{"expectation_suite_name":"s","expectations":[{"expectation_type":%q,"kwargs":%s}]}`, c.Type, c.Kwargs)
	if version == "1.x" {
		suite = fmt.Sprintf(`{"name":"s","expectations":[{"type":%q,"kwargs":%s,"meta":{}}]}`, c.Type, c.Kwargs)
	}
	read, err := ReadSuite(suite, now)
	require.NoError(t, err)
	if len(read.NotImported) > 0 {
		return false, read.NotImported[0].Reason
	}
	columns, err := ReadColumns(string(c.Data), schema, 1_000_000)
	require.NoError(t, err)
	answer, err := Evaluate(context.Background(), read, columns)
	require.NoError(t, err)
	got := answer.Results[0]
	if got.Success != c.Success {
		message := ""
		if got.ExceptionInfo.RaisedException {
			message = *got.ExceptionInfo.ExceptionMessage
		}
		return true, fmt.Sprintf("success is %v, not %v: %s %s", got.Success, c.Success, got.Result, message)
	}
	var result map[string]any
	require.NoError(t, json.Unmarshal(got.Result, &result))
	for _, member := range []string{"unexpected_count", "missing_count", "observed_value", "element_count", "unexpected_percent"} {
		want, stated := c.Result[member]
		if stated && !alike(want, result[member]) {
			return true, fmt.Sprintf("%s is %v, not %v", member, result[member], want)
		}
	}
	return true, ""
}

// alike compares two values of JSON, numbers to a relative 1e-9.
func alike(a, b any) bool {
	switch a := a.(type) {
	case float64:
		b, ok := b.(float64)
		return ok && math.Abs(a-b) <= 1e-9*math.Max(1, math.Abs(a))
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !alike(a[i], b[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for name := range a {
			if !alike(a[name], b[name]) {
				return false
			}
		}
		return true
	}
	return a == b
}

// deviations are the cases whose verdict is not Great Expectations', with the reason: "type/title".
// Without types, a column of texts that look like times is one of texts.
var deviations = map[string]string{
	"expect_column_values_to_be_of_type/positive_pandas_datetime_no_timezone": "only with types: the request says that the column holds times",
}

func TestVerdictsOfGreatExpectations(t *testing.T) {
	cases := readVerdicts(t)
	require.Len(t, cases, 230)
	for _, version := range []string{"0.x", "1.x"} {
		for _, schema := range []bool{false, true} {
			imported, agreed := 0, 0
			kinds := map[string]bool{}
			for _, c := range cases {
				types := map[string]string(nil)
				if schema {
					types = c.Schema
				}
				taken, difference := c.evaluate(t, version, types)
				if taken {
					imported++
					kinds[c.Type] = true
				}
				if taken && difference == "" {
					agreed++
					continue
				}
				name := c.Type + "/" + c.Title
				if deviations[name] == "" || schema {
					t.Errorf("%s, with types %v, %s: %s (imported %v)", version, schema, name, strings.ReplaceAll(difference, "\x00", ""), taken)
				}
			}
			t.Logf("suites of %s, types given %v: %d kinds and %d of %d cases imported, %d agree (%.1f %%)", version, schema, len(kinds), imported, len(cases), agreed,
				100*float64(agreed)/float64(imported))
			require.GreaterOrEqual(t, len(kinds), 26)
			require.GreaterOrEqual(t, float64(agreed), 0.95*float64(imported))
		}
	}
}

// What Great Expectations means, in cases of our own, each with the reason for which it is there.
func TestSemantics(t *testing.T) {
	content, err := os.ReadFile("testdata/semantics.jsonl")
	require.NoError(t, err)
	for line := range strings.Lines(string(content)) {
		var c verdict
		require.NoError(t, json.Unmarshal([]byte(Lenient(line)), &c), line)
		t.Run(c.Title, func(t *testing.T) {
			imported, difference := c.evaluate(t, "0.x", nil)
			require.True(t, imported, difference)
			require.Empty(t, difference)
		})
	}
}
