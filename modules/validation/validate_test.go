package validation

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/app/httpapi/httpapitest"
)

// Whatever is sent, the answer is an evaluation or a problem of the caller.
func FuzzValidate(f *testing.F) {
	f.Add("rules", `{"rules": [{"name": "r", "kind": "range", "features": ["a"], "params": {"min": 1}}], "columns": {"a": [1, null, 2.5]}, "types": {"a": "FLOAT"}}`)
	f.Add("rules", `{"rules": [{"name": "r", "kind": "unique", "features": ["a"]}], "rows": [{"a": "x"}, {"a": {"b": [1]}}, {}], "entity_columns": ["a"]}`)
	f.Add("gx", `{"suite": {"expectations": [{"expectation_type": "expect_column_values_to_be_unique", "kwargs": {"column": "a"}}]}, "columns": {"a": [1, NaN, Infinity]}}`)
	f.Add("gx", `{"suite": [], "columns": {}, "schema": {"a": "str"}}`)
	f.Add("rules", `{"rules": 5, "columns": []}`)
	f.Add("gx", `"NaN`)
	handler := httpapitest.Serve(quiet, detached(f, DefaultConfig()).Routes)
	f.Fuzz(func(t *testing.T, format, body string) {
		if format != "gx" {
			format = "rules"
		}
		for _, path := range []string{"/validate?format=" + format, "/rules/import?format=gx"} {
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "http://localhost"+path, strings.NewReader(body)))
			require.Less(t, answer.Code, 500, answer.Body.String())
			require.True(t, json.Valid(answer.Body.Bytes()))
		}
	})
}

// What takes longer than it may is a problem of the caller, not a server that hangs.
func TestTooMuchWork(t *testing.T) {
	config := DefaultConfig()
	config.MaxInlineTime = time.Nanosecond
	server := httpapitest.Listen(t, httpapitest.Serve(quiet, detached(t, config).Routes))
	for path, body := range map[string]string{
		"POST /validate":           `{"rules": [{"name": "r", "kind": "not_null", "features": ["a"]}], "columns": {"a": [1]}}`,
		"POST /validate?format=gx": `{"suite": [{"type": "expect_column_values_to_be_unique", "kwargs": {"column": "a"}}], "columns": {"a": [1]}}`,
	} {
		answer := server.Call(t, path, body)
		require.Equal(t, http.StatusUnprocessableEntity, answer.Status, answer.Body)
		require.Contains(t, answer.Body, "took-too-long")
	}
}
