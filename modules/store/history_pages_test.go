package store_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Pages hold as many observations of the features as they are asked for, whatever lies between them, and together they are the whole.
func TestHistoryPagesAreFull(t *testing.T) {
	s := serve(t)
	s.Call(t, "POST /apply", `{"groups": [{"name": "one", "entity_type": "pager", "features": [{"name": "a", "value_type": "INTEGER"}, {"name": "b", "value_type": "INTEGER"}]},
		{"name": "two", "entity_type": "pager", "features": [{"name": "c", "value_type": "INTEGER"}]}]}`)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var rows []string
	row := func(minute int, features string) {
		rows = append(rows, fmt.Sprintf(`{"entity_id": "p", "event_time": %q, "features": {%s}}`, start.Add(time.Duration(minute)*time.Minute).Format(time.RFC3339), features))
	}
	for i := range 40 {
		row(100*i/3, fmt.Sprintf(`"a": %d`, i))
		row(100*i/3, fmt.Sprintf(`"c": %d`, i))
		for j := range i {
			row(100*i/3+j%3, fmt.Sprintf(`"b": %d`, j))
		}
	}
	for i := range 1500 {
		row(2000+i, `"b": 0`)
	}
	s.Call(t, "POST /store/pager", `{"rows": [`+strings.Join(rows, ",")+`]}`)

	type page struct {
		Observations  []json.RawMessage
		NextPageToken string `json:"next_page_token"`
	}
	get := func(query string) (got page) {
		answer := s.Call(t, "GET /history/pager/p?features="+query, "")
		require.NoError(t, json.Unmarshal([]byte(answer.Body), &got), answer.Body)
		return got
	}
	for _, features := range []string{"a", "a,c", "c", "a,b,c"} {
		whole := get(features + "&limit=10000")
		require.Empty(t, whole.NextPageToken)
		require.GreaterOrEqual(t, len(whole.Observations), 40)
		for _, limit := range []int{1, 7, 39, 40, 80, 900} {
			var all []json.RawMessage
			for token, more := "", true; more; {
				got := get(fmt.Sprintf("%s&limit=%d%s", features, limit, token))
				all = append(all, got.Observations...)
				if more = got.NextPageToken != ""; more {
					require.Len(t, got.Observations, limit)
					token = "&page_token=" + got.NextPageToken
				}
			}
			require.Equal(t, whole.Observations, all, "%s, %d on a page", features, limit)
		}
	}
}
