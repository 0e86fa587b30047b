package web

import (
	"encoding/json"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

// What a form shows of a value is that value again when it is sent as it stands, whatever its type.
func TestValuesAreSentAsTheyWereShown(t *testing.T) {
	for _, c := range []struct{ valueType, raw string }{
		{"STRING", `"Paris"`}, {"STRING", `"12"`}, {"STRING", `"null"`}, {"STRING", `""`}, {"STRING", `" \"quoted\"\n"`}, {"TIMESTAMP", `"2026-01-01T00:00:00Z"`},
		{"INTEGER", `9007199254740993`}, {"FLOAT", `-1.5e-300`}, {"BOOLEAN", `true`}, {"STRING[]", `["a","null"]`}, {"JSON", `"12"`}, {"JSON", `{"a":[1,null]}`}, {"JSON", `12`},
	} {
		as, text := writtenAs(c.valueType, json.RawMessage(c.raw))
		require.Equal(t, "value", as)
		require.JSONEq(t, c.raw, string(valueOf(c.valueType, text)), "%s %s", c.valueType, c.raw)
	}
	as, _ := writtenAs("STRING", json.RawMessage(" null "))
	require.Equal(t, "null", as)
	for text, wanted := range map[string]string{" 5 ": `5`, "five": `"five"`, "": `""`, `1, "other": 2`: `"1, \"other\": 2"`} {
		require.Equal(t, wanted, string(valueOf("INTEGER", text)), "nothing but one value gets into the document")
	}
}

// Rows are named by their ids, or by what they have in common; a form that names none asks for none.
func TestSelected(t *testing.T) {
	for _, c := range []struct {
		form   url.Values
		wanted map[string]any
	}{
		{url.Values{"id": {"a", "b"}, "group": {"orders"}, "all": {"true"}}, map[string]any{"ids": []string{"a", "b"}}},
		{url.Values{"group": {"orders"}, "rule": {""}, "run_id": {"17"}}, map[string]any{"group": "orders", "run_id": int64(17)}},
		{url.Values{"rule": {"range"}, "run_id": {"seventeen"}}, map[string]any{"rule": "range", "run_id": "seventeen"}},
		{url.Values{"all": {"true"}}, map[string]any{"all": true}},
		{url.Values{}, map[string]any{}},
	} {
		require.Equal(t, c.wanted, selected(c.form))
	}
}
