package value_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry/value"
)

func TestInferJSON(t *testing.T) {
	for raw, want := range map[string]value.Type{
		"1": value.Integer, "-9223372036854775808": value.Integer, "1.0": value.Float, "1e3": value.Float, "true": value.Boolean,
		`"x"`: value.String, `"1"`: value.String, `""`: value.String,
		`"2026-01-31T12:00:00Z"`: value.Timestamp, `"2026-01-31 12:00:00+01:00"`: value.Timestamp,
		`"2026-01-31T12:00:00"`: value.String, `"2026-01-31"`: value.String,
		"{}": value.JSON, "[[1]]": value.JSON, "[[1,null]]": value.JSON, "[null,{}]": value.JSON, "[{}]": value.JSON, `[1,"a"]`: value.JSON, `[1,true,{}]`: value.JSON,
		"[1,2]": value.IntegerArray, "[1,2.5]": value.FloatArray, "[true]": value.BooleanArray, `["a"]`: value.StringArray,
		`["2026-01-31T12:00:00Z"]`: value.TimestampArray, `["2026-01-31T12:00:00Z","x"]`: value.StringArray,
	} {
		got, err := value.InferJSON([]byte(raw), nil)
		require.NoError(t, err, raw)
		require.Equal(t, want, got, raw)
	}
	for raw, want := range map[string]string{
		"null":                "null does not tell the type of the feature: register it first",
		"[]":                  "an empty array does not tell the type of its elements: register the feature first",
		"[1,null]":            "arrays hold no nulls, element 2 is one: register the feature as JSON to keep it as it is",
		"9223372036854775808": "9223372036854775808 is beyond 64 bits, the range of INTEGER",
		"1e400":               "1e400 is beyond the range of FLOAT",
	} {
		_, err := value.InferJSON([]byte(raw), nil)
		require.EqualError(t, err, want)
	}
	got, err := value.InferJSON([]byte(`"2026-01-31"`), time.UTC)
	require.NoError(t, err)
	require.Equal(t, value.Timestamp, got)
}

func TestTextInference(t *testing.T) {
	for cells, want := range map[string]value.Type{
		"":                                  value.Invalid,
		"1|2":                               value.Integer,
		"1||2.5":                            value.Float,
		"1|x":                               value.String,
		"007":                               value.String,
		"1|007":                             value.String,
		"00.5":                              value.String,
		"0|0.5":                             value.Float,
		"9223372036854775808":               value.String,
		"1e400":                             value.String,
		"9007199254740993|1.5":              value.Float,
		"NaN|1.5":                           value.Float,
		"nan|x":                             value.String,
		"true|False":                        value.Boolean,
		"true|1":                            value.String,
		"2026-01-31T12:00:00Z":              value.Timestamp,
		"2026-01-31T12:00:00":               value.String,
		"2026-01-31T12:00:00Z|unknown":      value.String,
		"[1,2]|[1.5]":                       value.FloatArray,
		"[1,2]|[]":                          value.IntegerArray,
		`{"a":1}|{}`:                        value.JSON,
		`{"a":1|{}`:                         value.String,
		"+5":                                value.String,
		"2026-01-31T12:00:00Z|2026-01-31|5": value.String,
	} {
		var n value.TextInference
		for _, cell := range strings.Split(cells, "|") {
			n.Add(cell)
		}
		require.Equal(t, want, n.Type(), cells)
	}
	n := value.TextInference{Zone: time.UTC}
	n.Add("2026-01-31")
	require.Equal(t, value.Timestamp, n.Type())
}
