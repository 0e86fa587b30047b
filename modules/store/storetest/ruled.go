package storetest

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"featurestore/app/httpapi/httpapitest"
	"featurestore/modules/registry"
	"featurestore/modules/store"
)

// RunRuled sends random calls of every kind, with and without keys, some of them twice, to a store with random rules, erases entities in
// between, and compares what each call answers, what rules are told, and what is in history and in quarantine in the end with
// a model of it.
func RunRuled(t *testing.T, pair Pair, checks int) {
	SetChecks(t, checks)
	literal, err := NewLiteralRules()
	require.NoError(t, err)
	world := NewRuledWorld(t, pair, literal)
	log := slog.New(slog.DiscardHandler)
	server := httpapitest.Listen(t, httpapitest.Serve(log, world.Store.Routes, world.Runs.Routes, world.Store.RunRoutes))
	number := 0
	var rows store.Loaded
	rapid.Check(t, func(t *rapid.T) {
		number++
		r := &ruled{T: t, world: world, server: server, literal: literal, number: number, cutOffs: map[string]int64{}, told: map[string]Said{}, total: &rows}
		r.begin()
		for range rapid.IntRange(3, 12).Draw(t, "steps") {
			r.step()
		}
		r.compare()
	})
	require.Equal(t, rows.Received, rows.Stored+rows.Duplicate+rows.Rejected+rows.Quarantined+rows.Erased)
	t.Logf("measured: %d rounds of calls, %d rows: %d stored, %d duplicate, %d rejected, %d quarantined, %d erased", number, rows.Received, rows.Stored, rows.Duplicate,
		rows.Rejected, rows.Quarantined, rows.Erased)
	require.True(t, t.Failed() || testing.Short() || min(rows.Stored, rows.Duplicate, rows.Quarantined, rows.Erased) > 0, "something of each")
}

// ruled is one round of calls, to two groups of its own: one of features, and one of events with an id column.
type ruled struct {
	*rapid.T
	world   *World
	server  *httpapitest.Server
	literal *LiteralRules
	number  int
	rules   []modelRule
	told    map[string]Said // what rules are to be told
	rows    []modelRow      // in history
	held    []modelRow      // in quarantine
	cutOffs map[string]int64
	sent    []sentCall // with keys, which are remembered
	keys    int
	moments int64
	total   *store.Loaded
}

// modelRow is one group's row. A value that is nil was not observed.
type modelRow struct {
	group, entity    string
	at               int64
	id               string // of an event
	amount, quantity *cell
	label            *cell
	unreadable       bool
	observation      int
}

// cell is an observed value.
type cell struct {
	null   bool
	number int
	text   string
}

// modelRule is a rule and what it means.
type modelRule struct {
	name, group, action string
	tolerated           int // bad rows; of reject_batch
	bad                 func(*modelRow) bool
}

func (r *ruled) features() string   { return fmt.Sprint("ruled_", r.number) }
func (r *ruled) events() string     { return fmt.Sprint("ruled_events_", r.number) }
func (r *ruled) entityType() string { return fmt.Sprint("ruled_account_", r.number) }

// begin defines the groups and random rules about them.
func (r *ruled) begin() {
	require.NoError(r, r.world.Apply(map[string]any{
		"entity_types": []any{map[string]any{"name": r.entityType(), "join_keys": []map[string]string{{"name": "id", "value_type": "STRING"}}}},
		"groups": []any{
			map[string]any{"name": r.features(), "entity_type": r.entityType(), "features": []map[string]string{
				{"name": "amount", "value_type": "FLOAT"}, {"name": "quantity", "value_type": "INTEGER"}, {"name": "label", "value_type": "STRING"}}},
			map[string]any{"name": r.events(), "entity_type": r.entityType(), "kind": "events", "id_column": "event_id", "features": []map[string]string{
				{"name": "event_id", "value_type": "STRING"}, {"name": "total", "value_type": "INTEGER"}}}},
	}))
	var raws []string
	add := func(group, text string, bad func(*modelRow) bool) {
		rule := modelRule{name: fmt.Sprintf("rule_%d_%d", r.number, len(r.rules)), group: group, bad: bad,
			action: rapid.SampledFrom([]string{"quarantine", "quarantine", "quarantine", "reject_batch", "record"}).Draw(r.T, "action")}
		tolerance := ""
		if rule.tolerated = rapid.IntRange(0, 1).Draw(r.T, "tolerated"); rule.tolerated > 0 {
			tolerance = fmt.Sprintf(`, "tolerance": {"max_bad_count": %d}`, rule.tolerated)
		}
		r.rules = append(r.rules, rule)
		raws = append(raws, fmt.Sprintf(`{"name": %q, "group": %q, "action": %q%s, %s}`, rule.name, group, rule.action, tolerance, text))
	}
	for range rapid.IntRange(0, 4).Draw(r.T, "rules") {
		switch rapid.IntRange(0, 4).Draw(r.T, "kind") {
		case 0:
			least := rapid.IntRange(-9, 0).Draw(r.T, "least")
			add(r.features(), fmt.Sprintf(`"kind": "range", "features": ["amount"], "params": {"min": %d}`, least), func(row *modelRow) bool {
				return row.amount != nil && !row.amount.null && row.amount.number < least
			})
		case 1:
			add(r.features(), `"kind": "not_null", "features": ["quantity"]`, func(row *modelRow) bool { return row.quantity != nil && row.quantity.null })
		case 2:
			add(r.features(), `"kind": "in_set", "features": ["label"], "params": {"values": ["a", "b", "c"]}`, func(row *modelRow) bool {
				return row.label != nil && !row.label.null && !strings.Contains("abc", row.label.text)
			})
		case 3:
			add(r.features(), `"kind": "compare", "features": ["quantity", "amount"], "params": {"op": "<="}`, func(row *modelRow) bool {
				return row.amount != nil && row.quantity != nil && !row.amount.null && !row.quantity.null && row.quantity.number > row.amount.number
			})
		case 4:
			most := rapid.IntRange(0, 9).Draw(r.T, "most")
			add(r.events(), fmt.Sprintf(`"kind": "range", "features": ["total"], "params": {"max": %d}`, most), func(row *modelRow) bool {
				return row.quantity != nil && !row.quantity.null && row.quantity.number > most
			})
		}
	}
	require.NoError(r, r.literal.Set(raws...))
	r.literal.TakeWritten()
	r.literal.TakeLoads()
}

// verdict is what becomes of the rows of a call.
type verdict struct {
	refused bool
	kept    []modelRow
	held    []modelRow
	erased  []modelRow
	told    map[string]Said
	refuses map[string]bool // the rules that refuse
}

// toldOfCall is what is told of a call that is no load: of one that is refused only what refuses it.
func (v *verdict) toldOfCall() map[string]Said {
	if !v.refused {
		return v.told
	}
	told := map[string]Said{}
	for name, said := range v.told {
		if v.refuses[name] {
			told[name] = said
		}
	}
	return told
}

// judge applies the ledger and the rules to the rows of a call.
func (r *ruled) judge(rows []modelRow) (v verdict) {
	v.told, v.refuses = map[string]Said{}, map[string]bool{}
	refusing := map[string]bool{}
	var alive []modelRow
	for _, row := range rows {
		if cutOff, erased := r.cutOffs[row.entity]; erased && row.at <= cutOff {
			v.erased = append(v.erased, row)
		} else {
			alive = append(alive, row)
		}
	}
	for _, rule := range r.rules {
		said := Said{}
		for i := range alive {
			if alive[i].group == rule.group {
				said.Rows++
				if rule.bad(&alive[i]) {
					said.Bad++
				}
			}
		}
		if said.Rows > 0 {
			v.told[rule.name] = said
		}
		if rule.action == "reject_batch" && said.Bad > int64(rule.tolerated) {
			v.refused, refusing[rule.group], v.refuses[rule.name] = true, true, true
		}
	}
	if v.refused {
		for _, rule := range r.rules {
			if !refusing[rule.group] {
				delete(v.told, rule.name)
			}
		}
		return v
	}
	for _, row := range alive {
		if slices.ContainsFunc(r.rules, func(rule modelRule) bool {
			return rule.group == row.group && rule.action == "quarantine" && rule.bad(&row)
		}) {
			v.held = append(v.held, row)
		} else {
			v.kept = append(v.kept, row)
		}
	}
	return v
}

// store takes the rows that a call stores into the model, and answers which of its observations have nothing but rows that were there already.
func (r *ruled) store(v verdict) (duplicates map[int]bool, rows int) {
	duplicates = map[int]bool{}
	for _, row := range v.kept {
		known := row.id != "" && slices.ContainsFunc(r.rows, func(other modelRow) bool { return other.id == row.id })
		if before, seen := duplicates[row.observation]; !seen || before {
			duplicates[row.observation] = known
		}
		if !known {
			r.rows = append(r.rows, row)
			rows++
		}
	}
	r.held = append(r.held, v.held...)
	return duplicates, rows
}

func (r *ruled) tell(told map[string]Said) {
	for name, said := range told {
		before := r.told[name]
		r.told[name] = Said{before.Rows + said.Rows, before.Bad + said.Bad}
	}
}

// erase erases an entity, in the middle of the round.
func (r *ruled) erase() {
	entity := r.drawEntity()
	answer := r.server.Call(r.world.TB, "DELETE /store/"+r.entityType()+"/"+entity+"?wait=60s", "")
	require.Equal(r, 200, answer.Status, answer.Body)
	require.Contains(r, answer.Body, `"state":"succeeded"`)
	cutOff := r.world.Now().UnixMicro()
	r.cutOffs[entity] = cutOff
	gone := func(row modelRow) bool { return row.entity == entity && row.at <= cutOff }
	r.rows, r.held = slices.DeleteFunc(r.rows, gone), slices.DeleteFunc(r.held, gone)
	r.world.SetClock(cutOff + 3600*second)
}

// compare wants the model's rows in history and in quarantine, and that rules were told of each call once.
func (r *ruled) compare() {
	told := r.literal.TakeWritten()
	for _, load := range r.literal.TakeLoads() {
		for rule, said := range load.Rules {
			told[rule] = Said{told[rule].Rows + said.Rows, told[rule].Bad + said.Bad}
		}
	}
	for name, said := range told {
		if said == (Said{}) {
			delete(told, name)
		}
	}
	require.Equal(r, r.told, told)
	moment := func(entity string, at int64) string { return fmt.Sprint(entity, " ", at) }
	for _, name := range []string{r.features(), r.events()} {
		group := r.world.Group(name)
		var wanted, found []string
		for _, row := range r.rows {
			if row.group == name {
				wanted = append(wanted, moment(row.entity, row.at))
			}
		}
		snapshot, err := r.world.Store.Offline().Snapshot(r.world.ctx)
		require.NoError(r, err)
		require.NoError(r, snapshot.Observations(r.world.ctx, group, group.Features, store.Range{}, func(rows *store.Rows) error {
			for i, key := range rows.Keys {
				found = append(found, moment(key.Encoded, rows.EventTimes[i]))
			}
			return nil
		}))
		require.NoError(r, snapshot.Close())
		require.ElementsMatch(r, wanted, found, name)

		wanted, found = nil, nil
		for _, row := range r.held {
			if row.group == name {
				wanted = append(wanted, moment(row.entity, row.at))
			}
		}
		entries, err := r.world.Store.Offline().ListQuarantined(r.world.ctx, store.QuarantineFilter{Groups: []*registry.Group{group}, State: store.Waiting})
		require.NoError(r, err)
		for _, e := range entries {
			found = append(found, moment(e.Key.Encoded, e.EventTime))
			require.True(r, json.Valid(e.Document))
			require.NotEmpty(r, e.Broken)
		}
		require.ElementsMatch(r, wanted, found, "in quarantine of %s", name)
	}
}
