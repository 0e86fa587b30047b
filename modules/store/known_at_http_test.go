package store_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/store"
)

const knownSpine = "label,customer_id,event_time\n1,k1,2026-05-20T00:00:00Z\n2,k2,2026-05-20T00:00:00Z\n3,nobody,2026-05-20T00:00:00Z\n4,k1,2026-05-05T12:00:00Z\n"

// training asks for the training set of a service, as CSV, and answers it with its token.
func (s *served) training(t *testing.T, query string) (body, token string) {
	t.Helper()
	answer := s.Call(t, "POST /training-sets?"+query, knownSpine, "Content-Type: text/csv")
	require.Equal(t, 200, answer.Status, answer.Body)
	return answer.Body, answer.Header.Get("Known-At")
}

func (s *served) must(t *testing.T, request, body string, headers ...string) {
	t.Helper()
	answer := s.Call(t, request, body, headers...)
	require.Less(t, answer.Status, 300, answer.Body)
}

// known registers a service over two groups, one of drafts, and stores something.
func (s *served) known(t *testing.T) {
	s.must(t, "POST /apply", `{"groups": [
		{"name": "visits", "entity_type": "customer", "ttl": "10d", "features": [{"name": "count", "value_type": "INTEGER"}, {"name": "page", "value_type": "STRING"}]}]}`)
	s.must(t, "POST /store/customer/k1?event_time=2026-05-01T00:00:00Z", `{"size": 43, "visits:page": "/"}`)
	s.must(t, "POST /store/customer/k1?event_time=2026-05-15T00:00:00Z", `{"visits:count": 5}`)
	s.must(t, "POST /store/customer/k2?event_time=2026-05-15T00:00:00Z", `{"visits:count": null, "size": 40}`)
	s.must(t, "POST /apply", `{"services": [{"name": "known", "features": ["visits:count", "visits:page", "customer:size"]}]}`)
}

// changes are all that may happen to what a training set was made of.
func (s *served) changes(t *testing.T) []func() {
	call := func(request, body string, headers ...string) func() {
		return func() { s.must(t, request, body, headers...) }
	}
	return []func(){
		call("POST /store/customer/k1?event_time=2026-05-15T00:00:00Z", `{"visits:count": 6}`),
		call("POST /store/customer/nobody?event_time=2026-05-18T00:00:00Z", `{"visits:page": "/late"}`),
		call("POST /rows/visits", "customer_id,event_time,count,page\nk1,2026-05-19T00:00:00Z,7,/x\nk2,2026-05-19T00:00:00Z,8,/y\n", "Content-Type: text/csv"),
		call("POST /store/customer/k1?event_time=2026-05-16T00:00:00Z", `{"size": 43.5}`), // the draft widens
		call("POST /apply", `{"groups": [{"name": "visits", "ttl": "1d"}]}`),
		call("POST /apply", `{"groups": [{"name": "visits", "features": [{"name": "more", "value_type": "FLOAT"}]}]}`),
		call("POST /store/customer/k1?event_time=2026-05-17T00:00:00Z", `{"visits:count": 9, "visits:page": null, "more": 0.5}`),
		call("POST /apply?allow_breaking=true", `{"groups": [{"name": "visits", "features": [{"name": "count", "value_type": "STRING"}]}]}`),
		call("POST /store/customer/k2?event_time=2026-05-18T00:00:00Z", `{"visits:count": "many"}`),
		call("POST /features/customer/visits:page/rename", `{"new_name": "path"}`),
		call("PUT /services/known", `{"features": ["visits:path", "profile:vip"]}`),
		call("DELETE /services/known", ""),
	}
}

func TestTrainingSetsAsKnownThen(t *testing.T) {
	s := serve(t)
	s.Run(t, "testdata/http/1_storing.txt")
	s.known(t)
	type told struct{ query, body, token string }
	var all []told
	tell := func(query string) {
		body, token := s.training(t, query)
		require.Regexp(t, `^[A-Za-z0-9_-]{30,80}$`, token)
		all = append(all, told{query, body, token})
	}
	queries := []string{"service=known", "features=visits:count,visits:page,customer:size&statuses=true&event_timestamps=true&full_feature_names=true"}
	for _, q := range queries {
		tell(q)
	}
	for i, change := range s.changes(t) {
		change()
		switch i {
		case 1, 6:
			tell(queries[0])
		case 8:
			tell("features=visits:count,visits:count@1,more")
		}
		for _, a := range all {
			body, token := s.training(t, a.query+"&known_at="+a.token)
			require.Equal(t, a.body, body, "after change %d", i)
			require.Equal(t, a.token, token)
		}
	}
	require.Equal(t, 404, s.Call(t, "POST /training-sets?service=known", knownSpine, "Content-Type: text/csv").Status)
	require.NotEqual(t, all[0].body, all[2].body)

	// Entities as they were known.
	then := s.Call(t, "GET /history/customer/k1?features=visits:count&at=2026-05-20T00:00:00Z&known_at="+all[0].token, "")
	require.Contains(t, then.Body, `"visits:count":5`)
	then = s.Call(t, "GET /history/customer/k1?features=size,page&known_at="+all[0].token, "")
	require.Contains(t, then.Body, `"size":43}`, "not widened yet")
	require.NotContains(t, then.Body, "2026-05-16")

	// A copy of the token that lost a letter, one of another store, and one that is too old.
	token := all[0].token
	require.Contains(t, s.Call(t, "POST /training-sets?service=known&known_at="+token[:20]+token[21:], knownSpine, "Content-Type: text/csv").Body, "invalid-known-at")
	other := serve(t)
	other.Run(t, "testdata/http/1_storing.txt")
	other.known(t)
	answer := other.Call(t, "POST /training-sets?service=known&known_at="+token, knownSpine, "Content-Type: text/csv")
	require.Equal(t, 410, answer.Status)
	require.Contains(t, answer.Body, "another-store")
	s.later.Store((7*24*time.Hour + time.Second).Microseconds())
	for _, request := range []string{"POST /training-sets?service=known&known_at=", "GET /history/customer/k1?features=size&known_at="} {
		answer = s.Call(t, request+token, knownSpine, "Content-Type: text/csv")
		require.Equal(t, 410, answer.Status, answer.Body)
		require.Contains(t, answer.Body, "beyond-horizon")
		require.Contains(t, answer.Body, "what was known before 2026-06-01T12:00:01Z can no longer be told")
	}
}

func TestTrainingSetsAsKnownAtATime(t *testing.T) {
	s := serve(t)
	s.Run(t, "testdata/http/1_storing.txt")
	s.known(t)
	at := func(minute int64) string {
		return url.QueryEscape(noon.Add(time.Duration(minute) * time.Minute).Format(time.RFC3339))
	}
	move := func(minute int64) { s.later.Store(minute * time.Minute.Microseconds()) }
	move(10)
	told := map[string]string{}
	var token string
	told[at(5)], token = s.training(t, "service=known&known_at="+at(5))
	now, _ := s.training(t, "service=known")
	require.Equal(t, now, told[at(5)])
	for i, change := range s.changes(t) {
		minute := int64(20 + 10*i)
		move(minute)
		change()
		move(minute + 5)
		if i < 10 { // the last two change the service
			told[at(minute)], _ = s.training(t, "service=known&known_at="+at(minute))
			now, _ := s.training(t, "service=known")
			require.Equal(t, now, told[at(minute)])
		}
		for text, body := range told {
			again, _ := s.training(t, "service=known&known_at="+text)
			require.Equal(t, body, again, "as known at %s after change %d", text, i)
		}
	}
	again, same := s.training(t, "service=known&known_at="+token)
	require.Equal(t, told[at(5)], again, "a time has a token too")
	require.Equal(t, token, same)
	answer := s.Call(t, "POST /training-sets?service=known&time_zone=Europe/Berlin&known_at=2026-06-01T14:05:00", knownSpine, "Content-Type: text/csv")
	require.Equal(t, told[at(5)], answer.Body)

	answer = s.Call(t, "POST /training-sets?service=known&known_at="+at(-1), knownSpine, "Content-Type: text/csv")
	require.Equal(t, 404, answer.Status, "the service was not there yet")
	move(100_000)
	answer = s.Call(t, "POST /training-sets?service=known&known_at="+at(5), knownSpine, "Content-Type: text/csv")
	require.Equal(t, 410, answer.Status, answer.Body)
}

func TestTheHorizonIsASetting(t *testing.T) {
	s := serveKeeping(t, store.History{Horizon: time.Minute})
	s.Run(t, "testdata/http/1_storing.txt")
	s.known(t)
	body, token := s.training(t, "service=known")
	s.later.Store(time.Minute.Microseconds())
	again, _ := s.training(t, "service=known&known_at="+token)
	require.Equal(t, body, again)
	s.later.Add(1)
	require.Equal(t, 410, s.Call(t, "POST /training-sets?service=known&known_at="+token, knownSpine, "Content-Type: text/csv").Status)
}

// Where the token cannot be had, the training set goes without.
func TestATrainingSetWithoutToken(t *testing.T) {
	s := serve(t)
	s.Run(t, "testdata/http/1_storing.txt")
	s.known(t)
	body, token := s.training(t, "service=known")
	require.NotEmpty(t, token)
	clock := "clock"
	s.down.Store(&clock)
	without, none := s.training(t, "service=known")
	require.Equal(t, body, without)
	require.Empty(t, none)
	again, _ := s.training(t, "service=known&known_at="+token)
	require.Equal(t, body, again)
	answer := s.Call(t, "POST /training-sets?service=known&known_at=2026-05-31T00:00:00Z", knownSpine, "Content-Type: text/csv")
	require.Equal(t, 503, answer.Status, answer.Body)
}
