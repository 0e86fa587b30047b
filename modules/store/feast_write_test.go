package store_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

const counters = `{"entity_types": [{"name": "counter", "join_keys": [{"name": "counter_id", "value_type": "INTEGER"}]}],
	"groups": [{"name": "counts", "entity_type": "counter", "features": [{"name": "n", "value_type": "INTEGER"}]}]}`

// push sends rows with these ids and numbers, all of one time.
func (s *served) push(t *testing.T, ids, numbers []int) (stored, duplicate int, online string) {
	t.Helper()
	times := make([]string, len(ids))
	for i := range times {
		times[i] = "2026-05-01T00:00:00"
	}
	body, err := json.Marshal(map[string]any{"push_source_name": "counts", "df": map[string]any{"counter_id": ids, "n": numbers, "event_timestamp": times}})
	require.NoError(t, err)
	answer := s.Call(t, "POST /push", string(body))
	require.Equal(t, 200, answer.Status, answer.Body)
	var counts struct {
		Received, Stored, Duplicate int
		Online                      string
	}
	require.NoError(t, json.Unmarshal([]byte(answer.Body), &counts))
	require.Equal(t, len(ids), counts.Received)
	require.Equal(t, counts.Received, counts.Stored+counts.Duplicate)
	return counts.Stored, counts.Duplicate, counts.Online
}

func numbers(from, n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = from + i
	}
	return out
}

// A write can end between its commit and its online half. The client sends the rows again: they are not stored again, but brought online.
func TestRowsThatAreThereAreBroughtOnline(t *testing.T) {
	s := serve(t)
	require.Equal(t, 200, s.Call(t, "POST /apply", counters).Status)
	s.push(t, []int{1}, []int{1})
	group, _ := s.definitions.Catalog().Group("counts")
	at := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	rows := &store.Rows{Group: group, Features: group.Features, EventTimes: []int64{at}, Values: []value.Value{value.OfInt(7)},
		Keys: []store.Key{store.NewKey([]value.Value{value.OfInt(2)})}}
	require.NoError(t, s.offline.Append(t.Context(), []*store.Rows{rows}))
	get := func() string { return s.Call(t, "GET /get/counter/2/n", "").Body }
	require.Contains(t, get(), `"NOT_FOUND"`, "the control: nobody has brought it online")
	stored, duplicate, online := s.push(t, []int{1, 2}, []int{1, 7})
	require.Equal(t, []any{0, 2, "written"}, []any{stored, duplicate, online})
	require.Contains(t, get(), `"value":7`)
}

// A frame of many commits, sent again with some rows changed.
func TestALargeFrame(t *testing.T) {
	s := serve(t)
	require.Equal(t, 200, s.Call(t, "POST /apply", counters).Status)
	const n = 10_000
	stored, duplicate, online := s.push(t, numbers(0, n), numbers(0, n))
	require.Equal(t, []any{n, 0, "written"}, []any{stored, duplicate, online})
	changed := numbers(0, n)
	changed[1], changed[5000], changed[n-1] = -1, -2, -3
	stored, duplicate, _ = s.push(t, numbers(0, n), changed)
	require.Equal(t, []int{3, n - 3}, []int{stored, duplicate})
	rows := s.Call(t, "GET /rows/counts?format=ndjson", "").Body
	require.Equal(t, n+3, strings.Count(rows, "\n"))
}

// Definitions change while frames are stored: a frame that is overtaken goes on where it was.
func TestFramesWhileColumnsAreAdded(t *testing.T) {
	s := serve(t)
	require.Equal(t, 200, s.Call(t, "POST /apply", counters).Status)
	const writers, frames, n = 3, 4, 5000
	s.push(t, []int{-1}, []int{0}) // whoever writes while the group's table is being made is told "pending"
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for f := range frames {
				from := (w*frames + f) * n
				stored, duplicate, online := s.push(t, numbers(from, n), numbers(from, n))
				if stored != n || duplicate != 0 || online != "written" {
					t.Errorf("%d stored, %d duplicate, %s", stored, duplicate, online)
				}
			}
		})
	}
	all.Go(func() {
		for i := range 12 {
			feature := fmt.Sprintf(`{"groups": [{"name": "counts", "features": [{"name": "added_%d", "value_type": "FLOAT"}]}]}`, i)
			if answer := s.Call(t, "POST /apply", feature); answer.Status != 200 {
				t.Errorf("apply: %s", answer.Body)
			}
		}
	})
	all.Wait()
	rows := s.Call(t, "GET /rows/counts?format=csv", "").Body
	require.Equal(t, 1+writers*frames*n, strings.Count(rows, "\n")-1)
}

// Feast's writes honour a key as other writes do: the first answer is replayed, though its rows would be counted as duplicates now, and another
// body is refused. Without one they are counted anew.
func TestFramesWithKeys(t *testing.T) {
	s := serve(t)
	require.Equal(t, 200, s.Call(t, "POST /apply", counters).Status)
	for i, c := range []struct{ path, name string }{{"/push", "push_source_name"}, {"/write-to-online-store", "feature_view_name"}} {
		body := func(n int) string {
			return fmt.Sprintf(`{%q: "counts", "df": {"counter_id": [%d], "n": [%d], "event_timestamp": ["2026-05-01T00:00:00"]}}`, c.name, i, n)
		}
		key := "Idempotency-Key: frame" + c.name
		s.down.Store(new("offline"))
		require.Equal(t, 503, s.Call(t, "POST "+c.path, body(1), key).Status)
		s.down.Store(nil)
		bad := s.Call(t, "POST "+c.path, strings.Replace(body(1), "[1]", `["x"]`, 1), key)
		require.Equal(t, 422, bad.Status, "what is refused does not use the key up: %s", bad.Body)
		first := s.Call(t, "POST "+c.path, body(1), key)
		require.Equal(t, 200, first.Status, first.Body)
		require.Contains(t, first.Body, `"stored":1`)
		require.Empty(t, first.Header.Get("Idempotency-Replayed"))
		again := s.Call(t, "POST "+c.path, body(1), key)
		require.Equal(t, first.Body, again.Body)
		require.Equal(t, "true", again.Header.Get("Idempotency-Replayed"))
		other := s.Call(t, "POST "+c.path, body(2), key)
		require.Equal(t, 422, other.Status)
		require.Contains(t, other.Body, "idempotency-key-reused")
		require.Equal(t, 400, s.Call(t, "POST "+c.path, body(2), "Idempotency-Key: ").Status)
		without := s.Call(t, "POST "+c.path, body(1))
		require.Contains(t, without.Body, `"stored":0,"duplicate":1`)
		require.Contains(t, s.Call(t, fmt.Sprintf("GET /get/counter/%d/n", i), "").Body, `"value":1`)
	}
}
