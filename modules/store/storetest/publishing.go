package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/app/fault"
	"featurestore/modules/materialization"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/table"
)

// hourOf are ticks of publications in a world: whole hours before its clock.
func hourOf(n int64) int64 { return start + (n-10)*3600*second }

// publishWith publishes a CSV table whose last column is the hour of the tick, as a run of its own.
func (w *World) publishWith(p store.Publication, rows string) (*store.Published, error) {
	w.Helper()
	run, err := w.Runs.Begin(w.ctx, "pipeline", p.Name, nil)
	require.NoError(w, err)
	published, err := w.publishAs(run.ID(), p, rows)
	require.NoError(w, run.Finish(w.ctx, nil, err))
	return published, err
}

func (w *World) publishAs(run int64, p store.Publication, rows string) (*store.Published, error) {
	w.Helper()
	p.Group, p.Name, p.Version = "totals", "daily", 1
	var b strings.Builder
	for i, line := range strings.Split(rows, "\n") {
		at := strings.LastIndexByte(line, ',') + 1
		switch n := int64(0); {
		case i == 0:
			b.WriteString(line + "\n")
		default:
			_, err := fmt.Sscan(line[at:], &n)
			require.NoError(w, err)
			fmt.Fprintf(&b, "%s%s\n", line[:at], value.AppendTime(nil, hourOf(n)))
		}
	}
	reader, _, err := table.NewReader(strings.NewReader(b.String()), table.ReadOptions{ContentType: "text/csv"})
	require.NoError(w, err)
	return w.Store.Publish(w.ctx, run, p, reader)
}

// totals is a world with the group that is published to, and its rules.
func totals(t *testing.T, pair Pair, raws ...string) (*World, *LiteralRules) {
	literal, err := NewLiteralRules(raws...)
	require.NoError(t, err)
	w := NewRuledWorld(t, pair, literal)
	require.NoError(t, w.Apply(map[string]any{
		"entity_types": []any{map[string]any{"name": "customer", "join_keys": []map[string]string{{"name": "id", "value_type": "STRING"}}}},
		"groups": []any{
			map[string]any{"name": "totals", "entity_type": "customer", "features": []map[string]string{{"name": "a", "value_type": "INTEGER"}, {"name": "b", "value_type": "INTEGER"}}},
			map[string]any{"name": "purchases", "entity_type": "customer", "kind": "events", "features": []map[string]string{{"name": "amount", "value_type": "INTEGER"}}},
		},
	}))
	return w, literal
}

// RunPublishing holds a whole store to what it says of publications.
func RunPublishing(t *testing.T, pair Pair) {
	t.Run("the online copy follows, also what is taken back", func(t *testing.T) { publishingOnline(t, pair) })
	t.Run("rules judge before anything is stored", func(t *testing.T) { publishingRuled(t, pair) })
	t.Run("erased entities stay away, and counts add up", func(t *testing.T) { publishingErased(t, pair) })
	t.Run("what makes no sense is refused, and changes nothing", func(t *testing.T) { publishingRefused(t, pair) })
	t.Run("a source tells what has changed", func(t *testing.T) { publishingSource(t, pair) })
	t.Run("a revert ends what was published, and history and online say what they did", func(t *testing.T) { publishingReverted(t, pair) })
}

func publishingOnline(t *testing.T, pair Pair) {
	w, _ := totals(t, pair)
	group := w.Group("totals")
	ticks := store.Publication{Ticks: []int64{hourOf(1), hourOf(2)}}
	p, err := w.publishWith(ticks, "id,a,b,event_time\nx,1,2,1\ny,3,4,1\nx,5,6,2\nz,7,8,2")
	require.NoError(t, err)
	require.EqualValues(t, 4, p.Stored)
	w.Materialize(materialization.Incremental, group)
	require.Equal(t, []value.Value{value.OfInt(5), value.OfInt(3), value.OfInt(7)}, w.online(group, "x", "y", "z"))
	p, err = w.publishWith(ticks, "id,a,b,event_time\nx,1,2,1\ny,3,4,1\nx,5,7,2")
	require.NoError(t, err)
	require.Equal(t, [3]int64{1, 2, 1}, [3]int64{p.Stored, p.Duplicate, p.TakenBack})
	require.Equal(t, []value.Value{value.OfInt(5), value.OfInt(3), value.Null()}, w.online(group, "x", "y", "z"), "what was taken back is gone at once")
	w.Materialize(materialization.Incremental, group)
	w.requireClean(group, 2)
	_, err = w.publishWith(store.Publication{Ticks: []int64{hourOf(2)}}, "id,a,b,event_time")
	require.NoError(t, err)
	require.Equal(t, []value.Value{value.OfInt(1), value.OfInt(3), value.Null()}, w.online(group, "x", "y", "z"), "the tick before stands again")
	w.Materialize(materialization.Incremental, group)
	w.requireClean(group, 2)
}

func publishingRuled(t *testing.T, pair Pair) {
	w, literal := totals(t, pair,
		`{"name": "a_range", "group": "totals", "kind": "range", "features": ["a"], "params": {"min": 0}, "action": "quarantine"}`,
		`{"name": "b_range", "group": "totals", "kind": "range", "features": ["b"], "params": {"max": 100}, "action": "reject_batch"}`,
		`{"name": "enough", "group": "totals", "kind": "row_count", "params": {"min": 2}, "action": "reject_batch"}`,
		`{"name": "mean", "group": "totals", "kind": "mean", "features": ["a"], "params": {"max": 5}, "window": "load"}`)
	group := w.Group("totals")
	tick := store.Publication{Ticks: []int64{hourOf(1)}}
	p, err := w.publishWith(tick, "id,a,b,event_time\nx,1,2,1\ny,-3,4,1\nz,11,1,1")
	require.NoError(t, err)
	require.Equal(t, [4]int64{3, 2, 1, 0}, [4]int64{p.Received, p.Stored, p.Quarantined, p.Rejected})
	require.EqualValues(t, 1000+p.Run, p.Validation)
	told := literal.TakeLoads()
	require.Len(t, told, 1)
	require.True(t, told[0].Stored)
	require.Equal(t, map[string]Said{"a_range": {3, 1}, "b_range": {3, 0}, "enough": {2, 0}, "mean": {2, 0}}, told[0].Rules, "those about the whole see what is stored")
	entries, err := w.Store.Offline().ListQuarantined(w.ctx, store.QuarantineFilter{Groups: []*registry.Group{group}})
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.Equal(t, store.Source{Way: store.WayPipeline, Run: p.Run, Row: 2}, entries[0].Source)

	for _, refused := range []struct{ rows, rule string }{{"id,a,b,event_time\nx,1,2,1\ny,-3,4,1", "enough"}, {"id,a,b,event_time\nx,1,2,1\ny,3,4,1\nz,1,101,1", "b_range"}} {
		p, err := w.publishWith(tick, refused.rows)
		problem, ok := fault.As(err)
		require.True(t, ok, "%v", err)
		require.Equal(t, "rule-violated", problem.Slug)
		require.Contains(t, problem.Detail, "the rule "+refused.rule)
		require.NotEmpty(t, problem.Violations)
		require.Zero(t, p.Stored)
		told := literal.TakeLoads()
		require.Len(t, told, 1, "it is told of")
		require.False(t, told[0].Stored)
		require.Contains(t, told[0].Rules, refused.rule)
		found, err := w.Store.PublishedTicks(w.ctx, "totals", "daily", nil, nil)
		require.NoError(t, err)
		require.Len(t, found, 1)
		require.NotEqual(t, p.Run, found[0].Run)
		require.Equal(t, 2, w.rowsOf(t, "totals"))
	}
	tick.More = true
	p, err = w.publishWith(tick, "id,a,b,event_time\nx,1,2,1\nz,12,1,1")
	require.NoError(t, err)
	require.Equal(t, [3]int64{1, 1, 1}, [3]int64{p.Stored, p.Duplicate, p.Released})
	require.False(t, literal.TakeLoads()[0].Stored, "more follows: what is left is judged after that")
}

func publishingErased(t *testing.T, pair Pair) {
	w, _ := totals(t, pair)
	tick := store.Publication{Ticks: []int64{hourOf(1)}}
	_, err := w.publishWith(tick, "id,a,b,event_time\nx,1,2,1\ny,3,4,1\nz,1,1,1")
	require.NoError(t, err)
	w.Erase(w.Group("totals").EntityType, TextKey("y"))
	p, err := w.publishWith(tick, "id,a,b,event_time\nx,1,2,1\ny,3,4,1\nz,2,1,1")
	require.NoError(t, err)
	require.Equal(t, [6]int64{3, 1, 1, 0, 0, 1}, [6]int64{p.Received, p.Stored, p.Duplicate, p.Rejected, p.Quarantined, p.Erased})
	require.Zero(t, p.TakenBack)
	require.Zero(t, w.rowsOfKey(w.Group("totals"), "y"))
	found, err := w.Store.PublishedTicks(w.ctx, "totals", "daily", nil, nil)
	require.NoError(t, err)
	require.EqualValues(t, 2, found[0].Rows)
}

var errNotHeld = errors.New("it is another's now")

func publishingRefused(t *testing.T, pair Pair) {
	w, _ := totals(t, pair)
	tick := store.Publication{Ticks: []int64{hourOf(1)}}
	_, err := w.publishWith(tick, "id,a,b,event_time\nx,1,2,1")
	require.NoError(t, err)
	one := "id,a,b,event_time\nx,9,9,1"
	for what, refused := range map[string]func() error{
		"a row of another tick": func() error { _, err := w.publishWith(tick, one+"\ny,1,1,2"); return err },
		"a row that is bad":     func() error { _, err := w.publishWith(tick, one+"\ny,word,1,1"); return err },
		"an unknown column":     func() error { _, err := w.publishWith(tick, "id,a,c,event_time\nx,9,9,1"); return err },
		"a stale owner": func() error {
			stale := tick
			stale.Fence = func(context.Context, store.Querier) error { return errNotHeld }
			_, err := w.publishWith(stale, one)
			require.ErrorIs(t, err, errNotHeld)
			return err
		},
		"ticks that do not ascend": func() error {
			_, err := w.publishWith(store.Publication{Ticks: []int64{hourOf(2), hourOf(1)}}, one)
			return err
		},
		"a group of events": func() error {
			_, err := w.Store.Publish(w.ctx, 1, store.Publication{Group: "purchases", Name: "daily", Ticks: tick.Ticks}, nil)
			require.True(t, fault.Is(err, "not-publishable"))
			return err
		},
		"no group": func() error {
			_, err := w.Store.Publish(w.ctx, 1, store.Publication{Group: "nothing", Name: "daily"}, nil)
			return err
		},
	} {
		require.Error(t, refused(), what)
		require.Equal(t, 1, w.rowsOf(t, "totals"), what)
		found, err := w.Store.PublishedTicks(w.ctx, "totals", "daily", nil, nil)
		require.NoError(t, err)
		require.Len(t, found, 1, what)
		require.EqualValues(t, 1, found[0].Rows)
	}
}

func publishingSource(t *testing.T, pair Pair) {
	w, _ := totals(t, pair)
	events, err := w.Store.Events(w.ctx, "purchases")
	require.NoError(t, err)
	place := events.Place()
	require.NoError(t, events.Close())
	ticks := []int64{hourOf(1), hourOf(2), hourOf(3)}
	late := func() []int64 {
		events, err := w.Store.Events(w.ctx, "purchases")
		require.NoError(t, err)
		times, err := events.Late(w.ctx, place, ticks)
		require.NoError(t, err)
		require.NoError(t, events.Close())
		return times
	}
	require.Empty(t, late())
	group := w.Group("purchases")
	rows := RowsOf(group, Seen{TextKey("x"), hourOf(1) + 5, Values{"amount": value.OfInt(1)}}, Seen{TextKey("x"), hourOf(1), Values{"amount": value.OfInt(2)}}, Seen{TextKey("y"), hourOf(3), Values{"amount": value.Null()}})
	require.NoError(t, w.Store.Prepare(w.ctx, group))
	require.NoError(t, w.Store.Offline().Append(w.ctx, []*store.Rows{rows}))
	require.Equal(t, []int64{hourOf(1), hourOf(1) + 5, hourOf(3)}, late())

	events, err = w.Store.Events(w.ctx, "purchases")
	require.NoError(t, err)
	var found []string
	from, to := hourOf(1)-1, hourOf(3)-1
	require.NoError(t, events.Scan(w.ctx, group.Features, true, &from, &to, func(rows *store.Rows) error {
		for i, key := range rows.Keys {
			found = append(found, fmt.Sprint(key.Encoded, " ", rows.EventTimes[i]-hourOf(1), " ", string(value.AppendJSON(nil, rows.Row(i)[0]))))
		}
		return nil
	}))
	require.Equal(t, []string{"x 0 2", "x 5 1"}, found)
	place = events.Place()
	require.NoError(t, events.Close())
	require.Empty(t, late())
	place.Store = "another"
	require.Equal(t, ticks, late(), "of another store all may have changed")

	totals := w.Group("totals")
	require.NoError(t, w.Store.Prepare(w.ctx, totals))
	for _, values := range []Values{ab(1, 2), a(3), {"b": value.Null()}} {
		require.NoError(t, w.Store.Offline().Append(w.ctx, []*store.Rows{RowsOf(totals, Seen{TextKey("x"), hourOf(1), values})}))
	}
	require.NoError(t, w.Store.Offline().Append(w.ctx, []*store.Rows{RowsOf(totals, Seen{TextKey("x"), hourOf(2), a(4)})}))
	events, err = w.Store.Events(w.ctx, "totals")
	require.NoError(t, err)
	found = nil
	require.NoError(t, events.Scan(w.ctx, totals.Features, false, nil, nil, func(rows *store.Rows) error {
		for i := range rows.Keys {
			found = append(found, fmt.Sprint(rows.EventTimes[i] == hourOf(1), " ", string(value.AppendJSON(nil, rows.Row(i)[0])), " ", string(value.AppendJSON(nil, rows.Row(i)[1]))))
		}
		return nil
	}))
	require.Equal(t, []string{"true 3 null", "false 4 null"}, found, "one row for each event time, by rule 1")
	require.NoError(t, events.Close())
}

func publishingReverted(t *testing.T, pair Pair) {
	w, _ := totals(t, pair)
	group := w.Group("totals")
	tick := store.Publication{Ticks: []int64{hourOf(1)}}
	_, err := w.publishWith(tick, "id,a,b,event_time\nx,1,2,1")
	require.NoError(t, err)
	second, err := w.publishWith(tick, "id,a,b,event_time\nx,5,2,1\ny,1,1,1")
	require.NoError(t, err)
	w.Materialize(materialization.Incremental, group)
	would, err := w.Store.Revertable(w.ctx, second.Run)
	require.NoError(t, err)
	require.Equal(t, [2]int64{2, 2}, [2]int64{would.Rows, would.Entities})
	for range 2 { // again, without harm
		require.NoError(t, w.Revert(second.Run))
		require.Equal(t, []value.Value{value.OfInt(1), value.Null()}, w.online(group, "x", "y"))
		found, err := w.Store.PublishedTicks(w.ctx, "totals", "daily", nil, nil)
		require.NoError(t, err)
		require.Empty(t, found)
	}
	again, err := w.publishWith(tick, "id,a,b,event_time\nx,5,2,1\ny,1,1,1")
	require.NoError(t, err)
	require.Equal(t, [2]int64{2, 0}, [2]int64{again.Stored, again.Duplicate})
	nothing, err := w.Runs.Begin(w.ctx, "pipeline", "daily", nil)
	require.NoError(t, err)
	require.NoError(t, nothing.Finish(w.ctx, nil, nil))
	_, err = w.Store.SubmitRevert(w.ctx, nothing.ID())
	require.True(t, fault.Is(err, "run-without-rows"))
}
