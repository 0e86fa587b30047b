package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/app/httpapi/httpapitest"
	"featurestore/modules/store"
)

func TestCompactionRoutes(t *testing.T) {
	s := serve(t)
	s.Run(t, "testdata/http_compact/1_before.txt")
	s.later.Store((8 * 24 * time.Hour).Microseconds())
	s.Run(t, "testdata/http_compact/1_behind.txt")
	s.inStep(t)
	s.Run(t, "testdata/http_compact/2_after.txt")
}

func TestNothingReachesBeyondTheHorizon(t *testing.T) {
	s := serveKeeping(t, store.History{})
	s.Run(t, "testdata/http_compact/3_beyond.txt")
	s.inStep(t)
	s.later.Store(time.Second.Microseconds())
	s.Run(t, "testdata/http_compact/4_gone.txt")
}

// A feature is deleted, and asked for as it was known before: the rows that observe it stay as long as that is within the horizon. Times
// before the retention's are refused with known_at, and answered from what is left without.
func TestCompactionKeepsWhatWasKnown(t *testing.T) {
	s := serve(t)
	s.Run(t, "testdata/http_compact/5_known.txt")
	s.inStep(t)
	s.later.Store((8 * 24 * time.Hour).Microseconds())
	spine := func(times ...string) string {
		rows := "customer_id,event_time"
		for _, at := range times {
			rows += "\nc1," + at
		}
		return rows
	}
	ask := func(spine, query string) httpapitest.Answer {
		return s.Call(t, "POST /training-sets?features=scores:score,scores:place"+query, spine, "Content-Type: text/csv")
	}
	recent := spine("2026-05-31T00:00:00Z", "2026-05-20T00:00:00Z")
	before := ask(recent, "")
	require.Equal(t, 200, before.Status, before.Body)
	require.Equal(t, "customer_id,event_time,score,place\nc1,2026-05-31T00:00:00Z,4,7\nc1,2026-05-20T00:00:00Z,2,\n", before.Body)
	token := "&known_at=" + before.Header.Get("Known-At")
	s.later.Add(time.Hour.Microseconds())
	s.must(t, "DELETE /features/customer/scores:place", "")
	s.later.Add(time.Hour.Microseconds())
	require.Equal(t, before.Body, ask(recent, token).Body)
	s.must(t, "POST /compact?wait=30s", `{"group": "scores"}`)
	require.Equal(t, before.Body, ask(recent, token).Body)

	early := spine("2026-05-31T00:00:00Z", "2025-01-15T00:00:00Z")
	refused := ask(early, token)
	require.Equal(t, 410, refused.Status, refused.Body)
	require.Contains(t, refused.Body, "past-retention")
	require.Contains(t, refused.Body, "scores is retained from 2026-05-10T14:00:00Z on")
	now := s.Call(t, "POST /training-sets?features=scores:score", early, "Content-Type: text/csv")
	require.Equal(t, "customer_id,event_time,score\nc1,2026-05-31T00:00:00Z,4\nc1,2025-01-15T00:00:00Z,\n", now.Body, "what is left is the newest of before")
	for query, status := range map[string]int{
		"": 410, "&at=2026-05-20T00:00:00Z": 200, "&at=2025-01-15T00:00:00Z": 410, "&from=2026-05-20T00:00:00Z": 200, "&from=2025-01-15T00:00:00Z": 410,
	} {
		answer := s.Call(t, "GET /history/customer/c1?features=scores:score"+token+query, "")
		require.Equal(t, status, answer.Status, "%s: %s", query, answer.Body)
	}

	s.later.Add((8 * 24 * time.Hour).Microseconds())
	require.Equal(t, 410, ask(recent, token).Status, "beyond the horizon")
	s.must(t, "POST /compact?wait=30s", `{"group": "scores"}`)
	answer := s.Call(t, "GET /history/customer/c1?features=scores:score", "")
	require.Equal(t, 2, strings.Count(answer.Body, "ingest_time"), "%s", answer.Body)
}

func TestGroupsAreCompactedOnTime(t *testing.T) {
	s := serveKeeping(t, store.History{CompactEvery: time.Second})
	s.must(t, "POST /apply", `{"groups": [{"name": "scores", "entity_type": "customer", "features": [{"name": "score", "value_type": "INTEGER"}]},
		{"name": "clicks", "entity_type": "customer", "kind": "events", "features": [{"name": "button", "value_type": "STRING"}]}]}`)
	for range 2 {
		s.must(t, "POST /store/customer/c1?event_time=2026-05-01T00:00:00Z", `{"score": 1}`)
	}
	s.inStep(t)
	s.later.Store(time.Second.Microseconds())
	await(t, func() bool {
		answer := s.Call(t, "GET /history/customer/c1?features=score", "")
		return strings.Count(answer.Body, "ingest_time") == 1
	})
	runs := s.Call(t, "GET /runs?kind=compaction", "").Body
	require.Contains(t, runs, `"subject":"scores"`)
	require.NotContains(t, runs, "clicks", "an event group that keeps everything has nothing to go")
}
