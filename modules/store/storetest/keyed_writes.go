package storetest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/app/fault"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/table"
)

const (
	keyClients = 64
	keySends   = 4 // of each key
)

// RunKeyedWrites has 64 clients send each of some keys several times, closely together, to two stores over one offline store, as two
// processes are. Beside them, requests without keys go through the same commits. The control sends the same without keys.
func RunKeyedWrites(t *testing.T, pair Pair, keys int) {
	w := NewWorld(t, pair)
	require.NoError(t, w.Apply(map[string]any{
		"entity_types": []any{map[string]any{"name": "account", "join_keys": []map[string]string{{"name": "id", "value_type": "STRING"}}}},
		"groups": []any{
			map[string]any{"name": "keyed", "entity_type": "account", "kind": "events", "features": columnsAsJSON(counts)},
			map[string]any{"name": "control", "entity_type": "account", "kind": "events", "features": columnsAsJSON(counts)},
			map[string]any{"name": "balance", "entity_type": "account", "features": columnsAsJSON([]Column{{"amount", value.Integer}})}},
	}))
	var sends []int
	for from := 0; from < keys; from += 50 {
		var window []int
		for range keySends {
			for k := from; k < min(keys, from+50); k++ {
				window = append(window, k)
			}
		}
		rand.Shuffle(len(window), func(i, j int) { window[i], window[j] = window[j], window[i] })
		sends = append(sends, window...)
	}
	var mu sync.Mutex
	answers := make([]string, keys)
	var replayed, inFlight, neighbours atomic.Int64
	began := time.Now()
	w.sendAll(t, sends, func(s *store.Store, key int) {
		for {
			written, err := s.WriteOnce(w.ctx, "account", w.entry("keyed", key), onceOf(key))
			if fault.Is(err, "idempotency-key-in-flight") {
				inFlight.Add(1)
				time.Sleep(time.Millisecond)
				continue
			}
			if err != nil {
				t.Errorf("key %d: %v", key, err)
				return
			}
			if written.Replayed {
				replayed.Add(1)
			}
			mu.Lock()
			defer mu.Unlock()
			// Between the commit and its online half another process can only say that the rows are not online.
			answer := strings.ReplaceAll(string(written.Answer), `"written"`, `"pending"`)
			if answers[key] == "" {
				answers[key] = answer
			}
			if answers[key] != answer {
				t.Errorf("key %d was answered with %s and with %s", key, answers[key], answer)
			}
			return
		}
	}, func(s *store.Store, i int) {
		o := []store.Observation{{Entity: entityOf(i), EventTime: start, Fields: []store.Field{{Name: "balance:amount", Cell: table.ValueCell(value.OfInt(int64(i)))}}}}
		if _, err := s.Write(w.ctx, "account", o); err != nil {
			t.Errorf("a neighbour without a key: %v", err)
		}
		neighbours.Add(1)
	})
	require.Equal(t, keys, w.rowsOf(t, "keyed"), "each key is stored once")
	require.EqualValues(t, len(sends)-keys, replayed.Load())
	require.EqualValues(t, neighbours.Load()+int64(keys+1)/2, w.rowsOf(t, "balance"), "in all groups, and neighbours too")
	took := time.Since(began)

	w.sendAll(t, sends, func(s *store.Store, key int) {
		if _, err := s.Write(w.ctx, "account", w.entry("control", key)); err != nil {
			t.Errorf("control: %v", err)
		}
	}, func(*store.Store, int) {})
	require.Equal(t, len(sends), w.rowsOf(t, "control"), "without keys every send is stored")
	t.Logf("measured: %d requests with %d keys by %d clients in %s: %d rows, %d replays, %d told to come again; without keys %d rows",
		len(sends), keys, keyClients, took.Round(time.Millisecond), keys, replayed.Load(), inFlight.Load(), len(sends))
}

// sendAll has the clients take the sends in their order, each to one of the two stores; every eighth time a neighbour goes along.
func (w *World) sendAll(t *testing.T, sends []int, send, neighbour func(s *store.Store, i int)) {
	var next atomic.Int64
	var clients sync.WaitGroup
	for range keyClients {
		clients.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(sends) || t.Failed() {
					return
				}
				s := []*store.Store{w.Store, w.blind}[rand.IntN(2)]
				send(s, sends[i])
				if i%8 == 0 {
					neighbour(s, i)
				}
			}
		})
	}
	clients.Wait()
}

// entry is a request about two rows; one names its time.
func (w *World) entry(group string, key int) []store.Observation {
	field := []store.Field{{Name: group + ":a", Cell: table.ValueCell(value.OfInt(int64(key)))}}
	if key%2 == 0 {
		field = append(field, store.Field{Name: "amount", Cell: table.ValueCell(value.OfInt(int64(key)))})
	}
	at := int64(value.NoTime)
	if key%3 == 0 {
		at = start - int64(key)
	}
	return []store.Observation{{Entity: entityOf(-1 - key), EventTime: at, Fields: field}}
}

func entityOf(i int) store.Entity {
	return store.Entity{Members: []store.Field{{Name: "id", Cell: table.TextCell(fmt.Sprint(i))}}}
}

func onceOf(key int) *store.Once {
	return &store.Once{Key: sha256.Sum256(fmt.Append(nil, key)), Fingerprint: sha256.Sum256(fmt.Append(nil, "request ", key)),
		Answer: func(b []byte, w *store.Written) []byte {
			for _, at := range w.EventTimes {
				if at == value.NoTime {
					b = append(b, store.MarkTime, ' ')
				} else {
					b = fmt.Append(b, at, " ")
				}
			}
			return append(b, store.MarkOutcome)
		}}
}

// rowsOf counts the observations of a group.
func (w *World) rowsOf(t *testing.T, group string) (n int) {
	t.Helper()
	snapshot, err := w.Store.Offline().Snapshot(context.Background())
	require.NoError(t, err)
	defer snapshot.Close()
	g := w.Group(group)
	require.NoError(t, snapshot.Observations(w.ctx, g, g.Features, store.Range{}, func(rows *store.Rows) error {
		n += len(rows.Keys)
		return nil
	}))
	return n
}
