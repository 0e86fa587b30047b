package store_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
	"featurestore/modules/store"
	"featurestore/modules/store/storetest"
)

func TestHTTPQuarantine(t *testing.T) {
	s, _ := serveRuled(t)
	s.Run(t, "testdata/http_rules/1_writes.txt")
	s.Run(t, "testdata/http_quarantine/*.txt")
}

// waitingNow are the entries that wait.
func (s *served) waitingNow(t *testing.T, group string) []*store.Quarantined {
	t.Helper()
	found, err := s.values.Quarantined(t.Context(), store.QuarantineQuery{Group: group, State: store.Waiting})
	require.NoError(t, err)
	return found
}

// Replays go by the rules of the day, and of the group as it is defined then.
func TestReplaysFollowRulesAndDefinitions(t *testing.T) {
	rules, err := storetest.NewLiteralRules(`{"name": "amount_range", "group": "purchases", "kind": "range", "features": ["amount"], "params": {"min": 0}, "action": "quarantine"}`)
	require.NoError(t, err)
	s := serveChecking(t, func(*registry.Registry) store.Rules { return rules }, store.DefaultHistory())
	apply(t, s, `{"entity_types": [{"name": "customer", "join_keys": [{"name": "customer_id", "value_type": "STRING"}]}],
		"groups": [{"name": "purchases", "entity_type": "customer", "features": [{"name": "amount", "value_type": "FLOAT"}, {"name": "quantity", "value_type": "INTEGER"},
			{"name": "place", "value_type": "STRING"}]}]}`, "purchases")
	bar := func(entity, body string) {
		t.Helper()
		answer := s.Call(t, "POST /store/customer/"+entity+"?event_time=2026-05-20T10:00:00Z", body)
		require.Equal(t, 202, answer.Status, answer.Body)
	}
	replay := func(wanted string) {
		t.Helper()
		answer := s.Call(t, "POST /quarantine/replay", `{"group": "purchases"}`)
		require.Equal(t, 200, answer.Status, answer.Body)
		require.Contains(t, answer.Body, wanted)
	}
	bar("follow", `{"purchases:amount": -3, "quantity": 1}`)
	bar("follow2", `{"purchases:amount": -4, "place": "here"}`)
	rules.TakeWritten()

	require.NoError(t, rules.Set(`{"name": "amount_range", "group": "purchases", "kind": "range", "features": ["amount"], "params": {"min": -3}, "action": "reject_batch"}`))
	replay(`"replayed":1,"duplicate":0,"waiting":1`)
	left := s.waitingNow(t, "purchases")
	require.Len(t, left, 1)
	require.Equal(t, []store.Breach{{Rule: "amount_range", Version: 1, Feature: "amount", Value: json.RawMessage("-4.0"), Expected: "-3 <= amount"}}, left[0].Broken, "what it breaks now")
	require.Equal(t, 2, left[0].Version)
	replay(`"replayed":0,"duplicate":0,"waiting":1`)
	require.Equal(t, 2, s.waitingNow(t, "purchases")[0].Version, "nothing has changed")
	require.Empty(t, rules.TakeWritten(), "rows are told of once, when they come")

	// A feature that was renamed is found by its earlier name; one that is gone, or has another type, keeps the row waiting.
	require.NoError(t, rules.Set())
	change := func(call, body string) {
		t.Helper()
		answer := s.Call(t, call, body)
		require.Less(t, answer.Status, 300, answer.Body)
	}
	change("POST /features/customer/purchases:amount/rename", `{"new_name": "sum"}`)
	change("POST /features/customer/purchases:place/archive", "")
	replay(`"reason":"place is archived: restore it before storing values"`)
	change("PUT /quarantine/"+left[0].ID, `{"sum": 4, "quantity": 2}`)
	change("POST /features?allow_breaking=true", `{"name": "quantity", "group": "purchases", "entity_type": "customer", "value_type": "BOOLEAN"}`)
	replay(`"reason":"quantity expected BOOLEAN, got 2"`)
	change("PUT /quarantine/"+left[0].ID, `{"amount": 4, "quantity": true}`)
	replay(`"replayed":1,"duplicate":0,"waiting":0`)
	require.Contains(t, s.Call(t, "GET /get/customer/follow2?features=purchases:sum,purchases:quantity", "").Body, `{"purchases:sum":4.0,"purchases:quantity":true}`)
}

// A group whose rows wait is in use.
func TestGroupsWithRowsInQuarantineStay(t *testing.T) {
	s, _ := serveRuled(t)
	s.Run(t, "testdata/http_rules/1_writes.txt")
	group, _ := s.definitions.Catalog().Group("profile")
	require.NoError(t, s.offline.AppendTogether(t.Context(), &store.Together{}))
	require.NoError(t, s.values.Prepare(t.Context(), group))
	orders, _ := s.definitions.Catalog().Group("orders")
	used, err := s.values.Guards().InUse(t.Context(), orders)
	require.NoError(t, err)
	require.True(t, used)
	fresh := apply(t, s, `{"groups": [{"name": "fresh", "entity_type": "customer", "features": [{"name": "a", "value_type": "INTEGER"}]}]}`, "fresh")
	require.NoError(t, s.values.Prepare(t.Context(), fresh))
	used, err = s.values.Guards().InUse(t.Context(), fresh)
	require.NoError(t, err)
	require.False(t, used)
	s.barDirectly(t, fresh, "x", `{"a":1}`)
	used, err = s.values.Guards().InUse(t.Context(), fresh)
	require.NoError(t, err)
	require.True(t, used)
	used, err = s.values.Guards().Retire(t.Context(), fresh)
	require.NoError(t, err)
	require.True(t, used)
}

func apply(t *testing.T, s *served, definitions, group string) *registry.Group {
	t.Helper()
	answer := s.Call(t, "POST /apply", definitions)
	require.Equal(t, 200, answer.Status, answer.Body)
	found, ok := s.definitions.Catalog().Group(group)
	require.True(t, ok)
	return found
}

// barDirectly brings an entry in behind the store's back.
func (s *served) barDirectly(t *testing.T, group *registry.Group, entity, document string) *store.Quarantined {
	t.Helper()
	key, err := store.ParseKey(group.EntityType, entity)
	require.NoError(t, err)
	e := &store.Quarantined{ID: store.NewQuarantineID(noon.UnixMicro()), Group: group, Key: key, EventTime: noon.UnixMicro() - 1, Document: []byte(document), Checked: 1 << 60, Source: store.Source{Way: store.WayWrite}}
	require.NoError(t, s.offline.AppendTogether(t.Context(), &store.Together{Entries: []*store.Quarantined{e}}))
	return e
}

// An entity of which only the hash is known, as from another copy of the ledger, is found in quarantine and erased there. One that was erased
// before its row came in by a way around the ledger is not replayed.
func TestErasuresReachTheQuarantine(t *testing.T) {
	s, _ := serveRuled(t)
	s.Run(t, "testdata/http_rules/1_writes.txt")
	other, _ := serveRuled(t)
	other.Run(t, "testdata/http_rules/1_writes.txt")
	require.Equal(t, 202, s.Call(t, "POST /store/customer/hashed?event_time=2026-05-20T10:00:00Z", `{"purchases:amount": -3}`).Status)
	require.Equal(t, 200, other.Call(t, "DELETE /store/customer/hashed?wait=30s", "").Status)
	ledger := other.Call(t, "GET /erasures?format=ndjson", "").Body
	answer := s.Call(t, "POST /erasures?wait=30s", ledger, "Content-Type: application/x-ndjson")
	require.Equal(t, 200, answer.Status, answer.Body)
	for _, e := range s.waitingNow(t, "purchases") {
		require.NotEqual(t, "hashed", e.Key.Encoded)
	}
	group, _ := s.definitions.Catalog().Group("purchases")
	e := s.barDirectly(t, group, "hashed", `{"amount":1}`)
	replayed := s.Call(t, "POST /quarantine/replay", fmt.Sprintf(`{"ids": [%q]}`, e.ID))
	require.Contains(t, replayed.Body, `"replayed":0,"duplicate":0,"waiting":0,"erased":1`)
	require.Contains(t, s.Call(t, "GET /history/customer/hashed?features=purchases:amount", "").Body, `"observations":[]`)
}

// After its time an entry is not told of any more; the counts are, and they add up.
func TestEntriesExpire(t *testing.T) {
	s, _ := serveRuled(t)
	s.Run(t, "testdata/http_rules/1_writes.txt")
	came := len(s.waitingNow(t, ""))
	require.Positive(t, came)
	require.NoError(t, s.values.ExpireQuarantine(t.Context()))
	require.Len(t, s.waitingNow(t, ""), came)
	expired, err := s.offline.ExpireQuarantined(t.Context(), -time.Hour, 2)
	require.NoError(t, err)
	require.Equal(t, 2, expired)
	_, err = s.offline.ForgetQuarantined(t.Context(), -time.Hour, 1)
	require.NoError(t, err)
	counts, err := s.offline.CountQuarantined(t.Context())
	require.NoError(t, err)
	states := map[store.QuarantineState]int64{}
	for _, of := range counts {
		for state, n := range of {
			states[state] += n
		}
	}
	require.EqualValues(t, 2, states[store.Expired])
	require.EqualValues(t, came-2, states[store.Waiting])

	metrics := prometheus.NewRegistry()
	metrics.MustRegister(s.values)
	families, err := metrics.Gather()
	require.NoError(t, err)
	i := 0
	for families[i].GetName() != "featurestore_quarantine_entries" {
		i++
	}
	shown := map[string]float64{}
	for _, m := range families[i].GetMetric() {
		labels := map[string]string{}
		for _, l := range m.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		shown[labels["state"]] += m.GetGauge().GetValue()
	}
	require.Equal(t, map[string]float64{"waiting": float64(came - 2), "replayed": 0, "discarded": 0, "expired": 2, "erased": float64(states[store.QuarantineErased]), "reverted": 0}, shown)
}
