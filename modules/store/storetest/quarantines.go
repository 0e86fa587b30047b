package storetest

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"featurestore/app/httpapi/httpapitest"
	"featurestore/modules/registry"
	"featurestore/modules/store"
)

// RunQuarantines does random things to rows in quarantine, under rules that change, and compares what is in history, what waits, and what is
// counted with a model after each: of all that ever came in, every one waits, or was replayed, discarded, expired, erased or reverted.
func RunQuarantines(t *testing.T, pair Pair, checks int) {
	SetChecks(t, checks)
	literal, err := NewLiteralRules()
	require.NoError(t, err)
	world := NewRuledWorld(t, pair, literal)
	server := httpapitest.Listen(t, httpapitest.Serve(slog.New(slog.DiscardHandler), world.Store.Routes, world.Runs.Routes, world.Store.RunRoutes))
	number := 0
	total := states{}
	rapid.Check(t, func(t *rapid.T) {
		number++
		q := &quarantines{T: t, world: world, server: server, literal: literal, number: number, ended: states{}}
		q.begin()
		t.Repeat(map[string]func(*rapid.T){
			"write": q.write, "write more": q.write, "load": q.load, "rule": q.change, "replay": q.replay, "replay more": q.replay, "amend": q.amend, "discard": q.discard,
			"expire": q.expire, "forget": q.forget, "erase": q.erase, "revert": q.revert, "retract": q.retract, "": q.compare,
		})
		for state, n := range q.ended {
			total[state] += n
		}
		total[store.Waiting] += int64(len(q.waiting))
	})
	t.Logf("measured: %d rounds, what became of entries: %v", number, total)
	if number < 20 { // too few for everything to have become of some
		return
	}
	for _, state := range []store.QuarantineState{store.Waiting, store.Replayed, store.Discarded, store.Expired, store.QuarantineErased, store.QuarantineReverted} {
		require.Positive(t, total[state], "%s", state)
	}
}

// quarantines is one round, with a group and an entity type of its own.
type quarantines struct {
	*rapid.T
	world   *World
	server  *httpapitest.Server
	literal *LiteralRules
	number  int
	least   int // what the rule asks of a value
	moments int64
	rows    []barredModel // in history
	waiting []barredModel // in quarantine, the oldest first
	runs    []int64       // loads that were not reverted
	came    int64         // entries that ever came in
	ended   states
}

// barredModel is a row.
type barredModel struct {
	entity string
	at     int64
	n      int
	run    int64
}

func (q *quarantines) group() string      { return fmt.Sprint("barred_", q.number) }
func (q *quarantines) entityType() string { return fmt.Sprint("barred_account_", q.number) }

func (q *quarantines) begin() {
	require.NoError(q, q.world.Apply(map[string]any{
		"entity_types": []any{map[string]any{"name": q.entityType(), "join_keys": []map[string]string{{"name": "id", "value_type": "STRING"}}}},
		"groups": []any{map[string]any{"name": q.group(), "entity_type": q.entityType(), "features": []map[string]string{
			{"name": "n", "value_type": "INTEGER"}, {"name": "note", "value_type": "STRING"}}}},
	}))
	q.judgeBy(0)
}

// judgeBy puts another rule in the place of the one that there is.
func (q *quarantines) judgeBy(least int) {
	q.least = least
	require.NoError(q, q.literal.Set(fmt.Sprintf(`{"name": "least_%d", "group": %q, "kind": "range", "features": ["n"], "params": {"min": %d}, "action": "quarantine"}`, q.number, q.group(), least)))
}

func (q *quarantines) change(t *rapid.T) { q.judgeBy(rapid.IntRange(-6, 1).Draw(t, "least")) }

// draw makes a row of its own event time.
func (q *quarantines) draw(t *rapid.T) barredModel {
	q.moments++
	return barredModel{entity: q.entity(t), at: q.world.Now().UnixMicro() - 3600*second + q.moments, n: rapid.IntRange(-5, 5).Draw(t, "n")}
}

func (q *quarantines) entity(t *rapid.T) string {
	return rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "entity")
}

func (q *quarantines) call(status int, request, body string, headers ...string) string {
	answer := q.server.Call(q.world.TB, request, body, headers...)
	require.Equal(q, status, answer.Status, "%s %s: %s", request, body, answer.Body)
	return answer.Body
}

// come takes rows in that were sent.
func (q *quarantines) come(rows []barredModel) (held int) {
	for _, row := range rows {
		if row.n < q.least {
			q.waiting = append(q.waiting, row)
			q.came++
			held++
		} else {
			q.rows = append(q.rows, row)
		}
	}
	return held
}

func (q *quarantines) write(t *rapid.T) {
	var rows []barredModel
	var sent []string
	for range rapid.IntRange(1, 4).Draw(t, "rows") {
		row := q.draw(t)
		rows = append(rows, row)
		sent = append(sent, fmt.Sprintf(`{"entity_id": %q, "event_time": %q, "features": {"%s:n": %d, "%s:note": "x"}}`, row.entity, timeText(row.at), q.group(), row.n, q.group()))
	}
	status := 200
	if slices.ContainsFunc(rows, func(row barredModel) bool { return row.n < q.least }) {
		status = 202
	}
	body := q.call(status, "POST /store/"+q.entityType(), `{"rows": [`+strings.Join(sent, ",")+`]}`)
	require.Contains(t, body, fmt.Sprintf(`"quarantined":%d`, q.come(rows)))
}

func (q *quarantines) load(t *rapid.T) {
	table := "id,event_time,n\n"
	var rows []barredModel
	for range rapid.IntRange(1, 8).Draw(t, "rows") {
		row := q.draw(t)
		rows = append(rows, row)
		table += fmt.Sprintf("%s,%s,%d\n", row.entity, timeText(row.at), row.n)
	}
	var loaded store.Loaded
	require.NoError(t, json.Unmarshal([]byte(q.call(200, "POST /rows/"+q.group(), table, "Content-Type: text/csv")), &loaded))
	for i := range rows {
		rows[i].run = loaded.Run
	}
	require.EqualValues(t, q.come(rows), loaded.Quarantined)
	q.runs = append(q.runs, loaded.Run)
}

// some are the newest of those that wait, at most so many, and what is left.
func (q *quarantines) some(limit int) (newest, rest []barredModel) {
	cut := max(0, len(q.waiting)-limit)
	return q.waiting[cut:], q.waiting[:cut:cut]
}

func (q *quarantines) replay(t *rapid.T) {
	limit := rapid.IntRange(1, 6).Draw(t, "limit")
	newest, rest := q.some(limit)
	left, replayed := []barredModel{}, 0
	for _, row := range newest {
		if row.n < q.least {
			left = append(left, row)
		} else {
			q.rows = append(q.rows, row)
			replayed++
		}
	}
	body := q.call(200, fmt.Sprintf("POST /quarantine/replay?limit=%d", limit), fmt.Sprintf(`{"group": %q}`, q.group()))
	require.Contains(t, body, fmt.Sprintf(`"selected":%d,"replayed":%d,"duplicate":0,"waiting":%d,"erased":0,"gone":0`, len(newest), replayed, len(left)))
	q.waiting = append(rest, left...)
	q.ended[store.Replayed] += int64(replayed)
}

// entries are those that wait, the oldest first.
func (q *quarantines) entries() []*store.Quarantined {
	found, err := q.world.Store.Quarantined(q.world.ctx, store.QuarantineQuery{Group: q.group(), State: store.Waiting})
	require.NoError(q, err)
	slices.Reverse(found)
	return found
}

func (q *quarantines) amend(t *rapid.T) {
	entries := q.entries()
	if len(entries) == 0 {
		return
	}
	i := rapid.IntRange(0, len(entries)-1).Draw(t, "entry")
	q.waiting[i].n = rapid.IntRange(-1, 5).Draw(t, "n")
	q.call(200, "PUT /quarantine/"+entries[i].ID, fmt.Sprintf(`{"n": %d}`, q.waiting[i].n))
}

func (q *quarantines) discard(t *rapid.T) {
	limit := rapid.IntRange(1, 2).Draw(t, "limit")
	newest, rest := q.some(limit)
	q.call(200, fmt.Sprintf("POST /quarantine/discard?limit=%d", limit), fmt.Sprintf(`{"group": %q}`, q.group()))
	q.ended[store.Discarded] += int64(len(newest))
	q.waiting = rest
}

// expire ends all waiting, so seldom that there is something to expire.
func (q *quarantines) expire(t *rapid.T) {
	if rapid.Bool().Draw(t, "not yet") {
		return
	}
	_, err := q.world.Store.Offline().ExpireQuarantined(q.world.ctx, -48*time.Hour, 1_000_000)
	require.NoError(t, err)
	q.ended[store.Expired] += int64(len(q.waiting))
	q.waiting = nil
}

func (q *quarantines) forget(t *rapid.T) {
	_, err := q.world.Store.Offline().ForgetQuarantined(q.world.ctx, -48*time.Hour, 1_000_000)
	require.NoError(t, err)
}

// leave takes rows out that are meant, and answers how many of them waited.
func (q *quarantines) leave(meant func(barredModel) bool, become store.QuarantineState) int64 {
	before := len(q.waiting)
	q.rows, q.waiting = slices.DeleteFunc(q.rows, meant), slices.DeleteFunc(q.waiting, meant)
	n := int64(before - len(q.waiting))
	q.ended[become] += n
	return n
}

func (q *quarantines) erase(t *rapid.T) {
	entity := q.entity(t)
	require.Contains(t, q.call(200, "DELETE /store/"+q.entityType()+"/"+entity+"?wait=60s", ""), `"state":"succeeded"`)
	q.leave(func(row barredModel) bool { return row.entity == entity }, store.QuarantineErased)
	q.world.SetClock(q.world.Now().UnixMicro() + 2*3600*second)
}

func (q *quarantines) revert(t *rapid.T) {
	if len(q.runs) == 0 {
		return
	}
	i := rapid.IntRange(0, len(q.runs)-1).Draw(t, "load")
	run := q.runs[i]
	q.runs = slices.Delete(q.runs, i, i+1)
	require.Contains(t, q.call(200, fmt.Sprintf("POST /runs/%d/revert?wait=60s", run), ""), `"state":"succeeded"`)
	q.leave(func(row barredModel) bool { return row.run == run }, store.QuarantineReverted)
}

func (q *quarantines) retract(t *rapid.T) {
	all := slices.Concat(q.rows, q.waiting)
	if len(all) == 0 {
		return
	}
	one := rapid.SampledFrom(all).Draw(t, "row")
	q.call(200, "DELETE /history/"+q.entityType()+"/"+one.entity+"?event_time="+timeText(one.at), "")
	q.leave(func(row barredModel) bool { return row.entity == one.entity && row.at == one.at }, store.QuarantineReverted)
}

func (q *quarantines) compare(t *rapid.T) {
	show := func(entity string, at, n int64) string { return fmt.Sprintf("%s %d %d", entity, at, n) }
	var wanted, found []string
	for _, row := range q.rows {
		wanted = append(wanted, show(row.entity, row.at, int64(row.n)))
	}
	group := q.world.Group(q.group())
	snapshot, err := q.world.Store.Offline().Snapshot(q.world.ctx)
	require.NoError(t, err)
	require.NoError(t, snapshot.Observations(q.world.ctx, group, []*registry.Feature{FeatureOf(group, "n")}, store.Range{}, func(rows *store.Rows) error {
		for i, key := range rows.Keys {
			found = append(found, show(key.Encoded, rows.EventTimes[i], rows.Values[i].Int()))
		}
		return nil
	}))
	require.NoError(t, snapshot.Close())
	require.ElementsMatch(t, wanted, found, "in history")
	for _, run := range q.runs {
		brought := 0
		for _, row := range q.rows {
			if row.run == run {
				brought++
			}
		}
		require.Equal(t, brought, q.world.scanned(group, run), "of run %d, with what was replayed of it", run)
	}
	wanted, found = nil, nil
	for _, row := range q.waiting {
		wanted = append(wanted, show(row.entity, row.at, int64(row.n)))
	}
	for _, e := range q.entries() {
		var document struct{ N int64 }
		require.NoError(t, json.Unmarshal(e.Document, &document))
		found = append(found, show(e.Key.Encoded, e.EventTime, document.N))
	}
	require.Equal(t, wanted, found, "in quarantine")
	counts, err := q.world.Store.Offline().CountQuarantined(q.world.ctx)
	require.NoError(t, err)
	sum := int64(0)
	for state, n := range counts[group.ID] {
		sum += n
		if state == store.Waiting {
			require.EqualValues(t, len(q.waiting), n)
		} else {
			require.Equal(t, q.ended[state], n, "%s", state)
		}
	}
	require.Equal(t, q.came, sum, "all that came in are counted, whatever became of them")
}
