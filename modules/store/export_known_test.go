package store_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A group is exported as it was known, whatever was stored and changed since.
func TestExportsAsKnownThen(t *testing.T) {
	s := serve(t)
	s.Run(t, "testdata/http/1_storing.txt")
	s.known(t)
	_, token := s.training(t, "service=known")
	export := func(query string) string {
		answer := s.Call(t, "GET /rows/visits?"+query, "")
		require.Equal(t, 200, answer.Status, answer.Body)
		return answer.Body
	}
	queries := []string{"", "&latest=true", "&presence=true", "&format=ndjson", "&from=2026-05-10T00:00:00Z"}
	told := map[string]string{}
	for _, q := range queries {
		told[q] = export(q)
	}
	require.Contains(t, told[""], "k1")
	for i, change := range s.changes(t) {
		change()
		s.later.Add(time.Hour.Microseconds())
		for _, q := range queries {
			require.Equal(t, told[q], export("known_at="+token+q), "%q after change %d", q, i)
		}
	}
	require.NotEqual(t, told[""], export(""))
	moment := url.QueryEscape(noon.Add(90 * time.Minute).Format(time.RFC3339))
	require.NotEqual(t, told[""], export("known_at="+moment), "at another moment")
	for query, slug := range map[string]string{
		"known_at=yesterday":               "invalid-known-at",
		"known_at=A" + token:               "invalid-known-at",
		"known_at=2126-01-01T00:00:00Z":    "known-at-open",
		"known_at=2026-05-01T00:00:00Z":    "beyond-horizon",
		"known_at=" + token + "&from=then": "invalid-time",
	} {
		answer := s.Call(t, "GET /rows/visits?"+query, "")
		require.GreaterOrEqual(t, answer.Status, 400, query)
		require.Contains(t, answer.Body, slug, query)
	}
}

// What retention has removed is not exported as if it had never been known.
func TestExportsAsKnownReachAsFarAsTheRetention(t *testing.T) {
	s := serve(t)
	s.Run(t, "testdata/http_compact/5_known.txt")
	s.inStep(t)
	s.later.Store((8 * 24 * time.Hour).Microseconds())
	asked := s.Call(t, "POST /training-sets?features=scores:score", "customer_id,event_time\nc1,2026-05-31T00:00:00Z\n", "Content-Type: text/csv")
	token := asked.Header.Get("Known-At")
	require.NotEmpty(t, token)
	latest := s.Call(t, "GET /rows/scores?latest=true&known_at="+token, "")
	require.Equal(t, 200, latest.Status, latest.Body)
	s.later.Add(time.Hour.Microseconds())
	s.must(t, "POST /compact?wait=30s", `{"group": "scores"}`)
	for query, status := range map[string]int{"": 410, "&from=2025-01-15T00:00:00Z": 410, "&from=2026-05-20T00:00:00Z": 200, "&latest=true": 200} {
		answer := s.Call(t, "GET /rows/scores?known_at="+token+query, "")
		require.Equal(t, status, answer.Status, "%s: %s", query, answer.Body)
		if query == "&latest=true" {
			require.Equal(t, latest.Body, answer.Body)
		}
	}
	require.Equal(t, 200, s.Call(t, "GET /rows/scores", "").Status, "what is left")
}
