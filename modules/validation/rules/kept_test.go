package rules

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"featurestore/modules/registry/value"
)

// Each member in its canonical form; what is so anyway is not there.
func TestReadMember(t *testing.T) {
	for _, c := range []struct{ member, raw, wanted string }{
		{"group", `"orders"`, `"orders"`},
		{"features", `["a", "b"]`, `["a","b"]`},
		{"features", `[]`, ``},
		{"params", `{"min": 1, "max": null}`, `{"min":1}`},
		{"params", `{"values": ["ä", {"b": 1, "a": 2}], "a": 1.50}`, `{"a":1.50,"values":["ä",{"a":2,"b":1}]}`},
		{"params", `{"bins": [-1e999, 1e999]}`, `{"bins":[-1e999,1e999]}`},
		{"params", `{"max": null}`, ``},
		{"params", `{}`, ``},
		{"where", `" a > 1\n"`, `"a > 1"`},
		{"where", `" "`, ``},
		{"null_policy", `"ignore"`, ``},
		{"null_policy", `"fail"`, `"fail"`},
		{"severity", `"error"`, ``},
		{"severity", `"info"`, `"info"`},
		{"action", `"record"`, ``},
		{"action", `"reject_batch"`, `"reject_batch"`},
		{"tolerance", `{"warn_bad_rate": 0.10, "max_bad_count": 5, "max_bad_rate": null}`, `{"max_bad_count":5,"warn_bad_rate":0.1}`},
		{"tolerance", `{"max_bad_rate": null}`, ``},
		{"enabled", `true`, ``},
		{"enabled", `false`, `false`},
		{"for", `3`, `3`},
		{"resolve_after", `1000`, `1000`},
		{"owner", `"a\u0062"`, `"ab"`},
	} {
		canonical, wrong := ReadMember(c.member, c.raw)
		require.Empty(t, wrong, c.raw)
		require.Equal(t, c.wanted, string(canonical), c.raw)
		if canonical != nil {
			again, wrong := ReadMember(c.member, string(canonical))
			require.Empty(t, wrong)
			require.Equal(t, string(canonical), string(again))
		}
	}
	for _, c := range []struct{ member, raw, at, message string }{
		{"features", `["a", 1]`, "features[1]", "expected a string, got a number"},
		{"params", `[1]`, "params", "expected an object, got a list"},
		{"params", `{"pattern": "a\u0000"}`, "params", "pattern: a string holds NUL (\\u0000), which is refused (at byte 14)"},
		{"for", `0`, "for", "expected how many evaluations in a row, 1 to 1000"},
		{"resolve_after", `1001`, "resolve_after", "expected how many evaluations in a row, 1 to 1000"},
		{"for", `true`, "for", "expected how many evaluations in a row, 1 to 1000"},
		{"enabled", `1`, "enabled", "expected true or false, got a number"},
	} {
		_, wrong := ReadMember(c.member, c.raw)
		require.NotEmpty(t, wrong, c.raw)
		require.Equal(t, c.at, wrong[0].At)
		require.Equal(t, c.message, wrong[0].Message)
	}
	_, wrong := ReadMember("params", `{"values": ["`+longText(maxParams)+`"]}`)
	require.Contains(t, wrong[0].Message, "more than 262144")
}

func longText(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'x'
	}
	return string(b)
}

// What is written of a definition and kept is the definition again.
func TestKeptIsWhatWasRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		given := map[string]any{"name": "r", "group": "g", "kind": "range", "features": []string{"a"}}
		may := func(member string, values ...any) {
			if rapid.Bool().Draw(t, "gives "+member) {
				given[member] = rapid.SampledFrom(values).Draw(t, member)
			}
		}
		may("params", json.RawMessage(`{"min": 1.0}`), json.RawMessage(`{"max": 1e3, "min": null}`), json.RawMessage(`{"strict_min": true, "min": 0}`))
		may("where", "b > 1", "a != 2 and b == \"x\"")
		may("null_policy", "ignore", "fail")
		may("tolerance", Tolerance{}, json.RawMessage(`{"max_bad_rate": 0.5, "warn_bad_count": 3}`))
		may("severity", "info", "warn", "error")
		may("action", "record", "quarantine", "reject_batch")
		may("enabled", true, false)
		may("for", 1, 7)
		may("resolve_after", 2)
		may("owner", "me")
		may("description", "what \"it\" is")
		raw, err := json.Marshal(given)
		require.NoError(t, err)
		d, _ := Read(string(raw))
		written, err := d.Written()
		require.NoError(t, err)
		kept, err := Kept("r", 3, written)
		require.NoError(t, err)
		require.Equal(t, 3, kept.Version)
		again, err := kept.Written()
		require.NoError(t, err)
		require.Equal(t, written, again)
		if d.Tolerance != nil && d.Tolerance.empty() {
			d.Tolerance = nil
		}
		d.Version, d.Params, kept.Params = 3, nil, nil
		require.Equal(t, d, kept)
	})
}

// What a rule looks at, wherever it says so.
func TestReads(t *testing.T) {
	for raw, wanted := range map[string][]string{
		`{"name": "r", "kind": "range", "features": ["a", "b"], "params": {"min": 1}, "where": "c > 1 and $env[\"in\"] == 2 and len(a) > limit"}`: {"a", "b", "c", "in", "limit"},
		`{"name": "r", "kind": "expression", "params": {"expr": "a > abs(b)"}, "where": "c == nil"}`:                                              {"c", "a", "b"},
		`{"name": "r", "kind": "row_count", "params": {"min": 1}}`:                                                                                nil,
		`{"name": "r", "kind": "range", "features": ["a"], "where": "a >"}`:                                                                       {"a"},
	} {
		d, _ := Read(raw)
		require.Equal(t, wanted, d.Reads(), raw)
	}
	d, _ := Read(`{"name": "r", "kind": "reference", "features": ["a"], "params": {"group": "g", "feature": "f"}}`)
	target, is := d.Reference()
	require.True(t, is)
	require.Equal(t, Reference{Group: "g", Feature: "f"}, target)
	require.Empty(t, d.Baseline())
	d, _ = Read(`{"name": "r", "kind": "distribution", "features": ["a"], "params": {"baseline": "b"}}`)
	require.Equal(t, "b", d.Baseline())
}

// Rules go on by the names that a field had before.
func TestFormerNames(t *testing.T) {
	fields := []Field{{Name: "price", Type: value.Float, Aliases: []string{"amount", "cost"}}, {Name: "currency", Type: value.String}}
	definitions := []Definition{}
	for _, raw := range []string{
		`{"name": "a", "kind": "range", "features": ["amount"], "params": {"min": 0}, "where": "cost < 10 and price < 20"}`,
		`{"name": "b", "kind": "expression", "params": {"expr": "cost > -1"}}`,
	} {
		d, wrong := Read(raw)
		require.Empty(t, wrong)
		definitions = append(definitions, d)
	}
	set, wrong := Compile(definitions, fields)
	require.Empty(t, wrong)
	require.Equal(t, []string{"price"}, set.Rules()[0].Features)
	require.Equal(t, []string{"amount"}, definitions[0].Features, "what was compiled stays as it is")
	require.Equal(t, []bool{true, false}, set.Reads())
	run := set.Begin(Options{})
	run.Add(&Batch{Values: []value.Value{value.OfFloat(-1), value.Null(), value.OfFloat(30), value.Null()}, Rows: 2, Width: 2, Columns: []int{0, 1}}, nil)
	outcomes := run.Finish()
	require.EqualValues(t, 1, outcomes[0].Considered)
	require.EqualValues(t, 1, outcomes[0].Bad)
	require.Equal(t, []string{"price"}, outcomes[0].Features)
	require.EqualValues(t, 1, outcomes[1].Bad)
	require.Equal(t, []string{"price"}, outcomes[1].Features)

	twice, wrongs := Read(`{"name": "a", "kind": "compare", "features": ["price", "amount"], "params": {"op": "="}}`)
	require.Empty(t, wrongs)
	_, wrong = Compile([]Definition{twice}, fields)
	require.Equal(t, "features[1]: is a former name of price: given twice", wrong[0].String())
}
