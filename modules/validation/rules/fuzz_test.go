package rules

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/jsonscan"
)

// oddFields and oddBatch are features of every type and of mixed types, with values that break what is careless.
var oddFields = []Field{{Name: "a", Type: value.Integer}, {Name: "b", Type: value.Float}, {Name: "c", Type: value.String}, {Name: "t", Type: value.Timestamp},
	{Name: "j", Type: value.JSON}, {Name: "v", Type: value.FloatArray}, {Name: "f", Type: value.Boolean}, {Name: "x", PII: true}}

func oddBatch() *Batch {
	columns := [][]value.Value{
		{value.OfInt(math.MinInt64), value.OfInt(math.MaxInt64), value.Null(), {}, value.OfInt(0)},
		{value.OfFloat(math.MaxFloat64), value.OfFloat(-math.MaxFloat64), value.OfFloat(5e-324), value.Null(), value.OfFloat(0)},
		{value.OfString(""), value.OfString("2026-02-30"), value.OfString("ä\u0000"), value.Null(), value.OfString(`{"a": 1}`)},
		{value.OfTime(0), value.OfTime(math.MaxInt64 / 2), value.Null(), {}, value.OfTime(-1)},
		{value.OfJSON(`{"a":[1,{"b":null}]}`), value.OfJSON(`5`), value.Null(), value.OfJSON(`[]`), value.OfJSON(`"s"`)},
		{value.OfFloats(nil), value.OfFloats([]float64{1, 2}), value.Null(), {}, value.OfFloats([]float64{0})},
		{value.OfBool(true), value.OfBool(false), value.Null(), {}, value.OfBool(true)},
		{value.OfInt(1), value.OfString("1"), value.OfBool(true), value.OfFloat(math.Inf(1)), value.Null()},
	}
	b := &Batch{Rows: 5, Width: len(columns), EventTimes: []int64{0, 5, math.MaxInt64 / 2, -7, 5}, Entity: func(row int) string { return fmt.Sprint(row % 2) }}
	for i := range columns {
		b.Columns = append(b.Columns, i)
	}
	for row := range b.Rows {
		for _, column := range columns {
			b.Values = append(b.Values, column[row])
		}
	}
	return b
}

// Whatever a rule says, it is refused with reasons or evaluated; an outcome's counts add up, and it can be written.
func FuzzRules(f *testing.F) {
	f.Add(`{"name": "r", "kind": "range", "features": ["a", "b"], "params": {"min": 1, "max": 2.5}, "where": "a > 1 and c != nil", "tolerance": {"max_bad_rate": 0.1}}`)
	f.Add(`{"name": "r", "kind": "expression", "params": {"expr": "(a ?? 0) + b > 1 and c matches '^a' or len(v) > 1 and f"}}`)
	f.Add(`{"name": "r", "kind": "json_schema", "features": ["j"], "params": {"schema": {"$ref": "#"}}}`)
	f.Add(`{"name": "r", "kind": "divergence", "features": ["b"], "params": {"bins": [-1e999, 0, 1e999], "weights": [0.5, 0.5], "tail_holdout": 0.5}}`)
	f.Add(`{"name": "r", "kind": "distribution", "features": ["b"], "params": {"baseline": "b", "metric": "ks", "warn": 0.1}}`)
	for _, kind := range kindNames() {
		for _, features := range []string{`[]`, `["a"]`, `["b", "a"]`, `["x"]`, `["c"]`} {
			f.Add(fmt.Sprintf(`{"name": "r", "kind": %q, "features": %s, "null_policy": "fail", "params": {"min": 0, "max": 1, "values": [1, "x", null], "pattern": "a", "types": ["INTEGER"],
				"as": "date", "format": "%%d", "op": ">", "pairs": [[1, null]], "total": 1, "threshold": 1, "max_absolute": 1, "q": 0.5, "names": ["a"], "entity_type": "e", "max_age": "1d",
				"metric": "mean", "max_change": 1, "baseline": "b", "weights": [1], "schema": {"type": "object"}, "ranges": [[1, 2]], "expr": "a > 1"}}`, kind, features))
		}
	}
	batch := oddBatch()
	options := Options{Lookup: func(_ Reference, values []value.Value) ([]bool, error) { return make([]bool, len(values)), nil },
		Entities: func() (int64, error) { return 2, nil },
		History:  func(Definition, string, int) ([]float64, error) { return []float64{1, 2, math.MaxFloat64}, nil },
		Distribution: func(Definition, Field) (Distribution, error) {
			return &counting{answer: Comparison{Score: math.NaN(), Verdict: Fail}}, nil
		}}
	f.Fuzz(func(t *testing.T, raw string) {
		if s := jsonscan.New(raw); s.Kind() == jsonscan.Invalid {
			return
		}
		d, found := Read(raw)
		// A kind's params are refused one by one; those that are left make a rule of it.
		for range 30 {
			dropped := false
			for _, p := range found {
				if name, ok := strings.CutPrefix(p.At, "params."); ok && strings.Contains(p.Message, "has no such param") {
					params := map[string]json.RawMessage{}
					if json.Unmarshal(d.Params, &params) == nil {
						delete(params, name)
						d.Params, _ = json.Marshal(params)
						dropped = true
					}
				}
			}
			if !dropped {
				break
			}
			again, err := json.Marshal(d)
			require.NoError(t, err)
			d, found = Read(string(again))
		}
		if len(found) > 0 {
			return
		}
		var written strings.Builder
		encoder := json.NewEncoder(&written)
		encoder.SetEscapeHTML(false)
		require.NoError(t, encoder.Encode(d))
		again, problems := Read(strings.TrimSpace(written.String()))
		require.Empty(t, problems, "what was read can be written and read again")
		require.Equal(t, d, again)
		set, wrong := Compile([]Definition{d}, oddFields)
		if len(wrong) > 0 {
			return
		}
		run := set.Begin(options)
		run.Add(batch, func(b *Bad) { require.Less(t, b.Row, batch.Rows) })
		run.Add(&Batch{Width: batch.Width, Columns: batch.Columns, EventTimes: []int64{}, Entity: batch.Entity}, nil)
		for _, o := range run.Finish() {
			_, err := json.Marshal(o)
			require.NoError(t, err)
			require.LessOrEqual(t, o.Bad, o.Considered)
			require.LessOrEqual(t, o.Considered+o.Null, o.Rows)
			require.Contains(t, []Status{Pass, Warned, Fail, Failed, Skipped}, o.Status)
			if o.Status == Failed || o.Status == Skipped {
				require.NotEmpty(t, o.Reason)
			}
		}
	})
}

// Whatever an expression says, it is refused or evaluated, with nulls and without.
func FuzzExpressions(f *testing.F) {
	for _, source := range []string{"a > 1", "b * 2 + a ** 2 >= 1 or not f", "c matches '(a|b)+' and c contains 'x'", "t > date('2026-01-01') - duration('1h')", "x == nil ? true : x > 'a'",
		"v[0] > 1", "len(c) % 2 == 0", "$env['a'] == 1", "max(a, b) < 1", "a in [1, 2, 3]", "c[0:2] == 'ab'", "[1, 2][a] == 1", "{'a': 1}.a == a", "a | max(b) > 2", "t.Year() == 2026",
		"let y = a; y > 1", "(((((((((a)))))))) == 1", "c ?? 'x' == 'y'", "#", ";", "a..b"} {
		f.Add(source)
	}
	batch := oddBatch()
	f.Fuzz(func(t *testing.T, source string) {
		raw, err := json.Marshal(map[string]any{"name": "r", "kind": "expression", "params": map[string]string{"expr": source}, "where": source})
		require.NoError(t, err)
		d, found := Read(string(raw))
		if len(found) > 0 {
			return
		}
		set, wrong := Compile([]Definition{d}, oddFields)
		if len(wrong) > 0 {
			return
		}
		run := set.Begin(Options{})
		run.Add(batch, nil)
		run.Finish()
	})
}

// No format and no text crashes, or takes for ever.
func FuzzDates(f *testing.F) {
	f.Add("%Y-%m-%d", "2026-01-31")
	f.Add("%d%d%d%m%m%m%H%H%H%S%S%f%f%f", "11111111111111111111111111")
	f.Add("%c %z %Z %j %U %p", "Mon Jan 05 10:00:00 2026 +0100 UTC 366 53 PM")
	f.Add("", "Jan 5th, 2026 10:00:00.5 PM +01:00")
	f.Fuzz(func(t *testing.T, format, text string) {
		commonDate(text)
		if layout, err := newDateFormat(format); err == nil {
			layout.reads(text)
		}
	})
}
