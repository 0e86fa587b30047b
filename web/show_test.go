package web

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// JSON is shown as it is: numbers digit for digit, markup as a person wrote it.
func TestShowJSON(t *testing.T) {
	for raw, shown := range map[string]string{
		``: "", `null`: "null", `"a\u003cb"`: "a<b", `1234567`: "1\u202f234\u202f567", `9007199254740993`: "9007199254740993", `0.1`: "0.1", `true`: "true",
		`{"b": "\u003cb\u003e", "a": [9007199254740993, "\\u003c"]}`: `{"b":"<b>","a":[9007199254740993,"\\u003c"]}`,
	} {
		require.Equal(t, shown, showJSON(json.RawMessage(raw)), raw)
	}
	require.Equal(t, "{\n  \"b\": \"<b>\",\n  \"n\": 9007199254740993\n}", textOf(json.RawMessage(`{"b":"\u003cb\u003e","n":9007199254740993}`)))
	require.Empty(t, textOf(nil))
}
