package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// broken is a compaction that goes wrong in one way.
type broken struct {
	what   string
	change func(group *registry.Group, what *store.Compaction) *registry.Group
}

// narrower is the same group as somebody sees it who knows fewer of its features.
func narrower(group *registry.Group, features, older []*registry.Feature) *registry.Group {
	fewer := *group
	fewer.Features, fewer.Older = features, older
	return &fewer
}

// RunCompactions tells random histories to an engine, compacts them as of a moment, with and without a retention, and compares all answers
// with those of an oracle that forgets nothing: of every time that is retained, now and as they were known at each later moment, and after runs
// are reverted that still can be. It also sees that nothing stays that could go. As controls, compactions that mind too little are
// found out: one that takes each row for a whole one, one that does not know of older generations, one that takes what was superseded since the moment, and one
// that lets loads stand for others that are reverted later.
func RunCompactions(t *testing.T, engine OfflineEngine, histories int) {
	o := &offline{T: t, ctx: context.Background(), engine: engine, store: engine.Open(t, "compactions")}
	t.Cleanup(func() { shut(t, o.store) })
	var removed store.Compacted
	for i := range histories {
		h := o.pastOf(uint64(i))
		so, err := h.check(broken{})
		require.NoError(t, err, "history %d", i)
		removed.Add(so)
	}
	t.Logf("measured: %d histories of %d rows, of which %d superseded and %d past retention went: every answer is what it was", histories, removed.Read, removed.Superseded, removed.Retired)
	require.Positive(t, removed.Superseded)
	require.Positive(t, removed.Retired)
	for c, control := range []broken{
		{"takes each row for a whole one", func(group *registry.Group, _ *store.Compaction) *registry.Group {
			return narrower(group, group.Features[:1], nil)
		}},
		{"knows no older generations", func(group *registry.Group, _ *store.Compaction) *registry.Group {
			return narrower(group, group.Features, nil)
		}},
		{"takes what was superseded since", func(group *registry.Group, what *store.Compaction) *registry.Group {
			what.Settled = 1 << 60
			return group
		}},
		{"lets loads that are reverted later stand for others", func(group *registry.Group, what *store.Compaction) *registry.Group {
			what.Unsettled = store.NoRun
			return group
		}},
	} {
		found := 0
		for i := range 400 {
			if _, err := o.pastOf(uint64(1_000_000*(c+1) + i)).check(control); err != nil {
				found = i + 1
				break
			}
		}
		require.Positive(t, found, "a compaction that %s is found out", control.what)
		t.Logf("measured: control: a compaction that %s is found out by the answers about history %d", control.what, found)
	}
}

// past is one random history of a group.
type past struct {
	*offline
	random *rand.Rand
	group  *registry.Group
	oracle Oracle          // all that was ever stored
	before int64           // its runs are those after it
	runs   map[int64]int64 // of rows, by ingest id
	marks  []mark
	keys   []store.Key
}

// mark is a moment, and the ingest ids that were stored until then.
type mark struct {
	at    int64
	known map[int64]bool
	shown store.Known // the same, as the engine names it
}

const (
	pastTimes = 6 // event times from noon on
	pastRuns  = 10
)

// pastOf tells a history: whole and partial rows, nulls, corrections and loads, while a column is added and a type changes.
func (o *offline) pastOf(seed uint64) *past {
	o.Helper()
	h := &past{offline: o, random: rand.New(rand.NewPCG(seed, 1)), before: int64(seed) * pastRuns, runs: map[int64]int64{}}
	h.group = Group(int64(seed)+1, fmt.Sprintf("past_%d", seed), Trips, counts...)
	for i := range int64(3) {
		h.keys = append(h.keys, TripKey(i%2, []string{"a", "a'"}[i/2]))
	}
	o.ensure(h.group)
	for call := range 8 {
		switch call {
		case 3:
			h.group = WithColumn(h.group, Column{"d", value.Integer})
			o.ensure(h.group)
		case 5:
			h.group = Retyped(h.group, "b", value.String)
			o.ensure(h.group)
		}
		if run := int64(0); h.random.IntN(3) == 0 {
			run = h.before + int64(call+1)
			h.tell(run)
		} else {
			h.tell(0)
		}
		if h.random.IntN(2) == 0 || call == 6 {
			h.mark()
		}
	}
	return h
}

// tell stores a few rows, as a load if run is not 0.
func (h *past) tell(run int64) {
	h.Helper()
	var seen []Seen
	for range h.random.IntN(12) + 1 {
		values, whole := Values{}, h.random.IntN(3) == 0
		for len(values) == 0 {
			for _, f := range h.group.Features {
				if !whole && h.random.IntN(2) == 0 {
					continue
				}
				switch {
				case h.random.IntN(5) == 0:
					values[f.Name] = value.Null()
				case f.ValueType == value.String:
					values[f.Name] = value.OfString(fmt.Sprint(h.random.IntN(1000)))
				default:
					values[f.Name] = value.OfInt(h.random.Int64N(1000))
				}
			}
		}
		seen = append(seen, Seen{h.keys[h.random.IntN(len(h.keys))], noon + h.random.Int64N(pastTimes), values})
	}
	rows := RowsOf(h.group, seen...)
	if run == 0 {
		h.append(rows)
	} else {
		h.load(run, rows)
	}
	h.look(func(s store.Snapshot) { // a load's ids are known afterwards only
		stored := h.read(s)
		for _, f := range stored {
			if _, known := h.runs[f.Stamp.IngestID]; !known {
				h.oracle = append(h.oracle, f)
			}
		}
		for _, f := range stored {
			if _, known := h.runs[f.Stamp.IngestID]; !known {
				h.runs[f.Stamp.IngestID] = run
			}
		}
	})
}

// read is all that is stored.
func (h *past) read(s store.Snapshot) (facts Oracle) {
	h.Helper()
	require.NoError(h, s.Observations(h.ctx, h.group, h.group.Stored(), store.Range{}, func(rows *store.Rows) error {
		facts.Learn(rows)
		return nil
	}))
	return facts
}

func (h *past) mark() {
	h.Helper()
	m := mark{at: h.moment(), known: map[int64]bool{}}
	for id := range h.runs {
		m.known[id] = true
	}
	h.look(func(s store.Snapshot) {
		var err error
		m.shown, err = s.Known(h.ctx)
		require.NoError(h, err)
	})
	h.marks = append(h.marks, m)
}

// check compacts as of one of the marks and answers what it finds wrong; wrong is what is wrong with the compaction, if anything.
func (h *past) check(wrong broken) (compacted store.Compacted, err error) {
	h.Helper()
	at := h.random.IntN(len(h.marks))
	what := store.Compaction{Settled: h.marks[at].at, Unsettled: h.before + h.random.Int64N(pastRuns), RetainFrom: value.NoTime}
	from := int64(0)
	if h.random.IntN(2) == 0 {
		from = noon + h.random.Int64N(pastTimes+1)
		what.RetainFrom = from
	}
	wanted := h.unneeded(what, h.marks[at].known)
	group, unsettled := h.group, what.Unsettled
	if wrong.change != nil {
		group = wrong.change(group, &what)
	}
	if compacted, err = h.store.Compact(h.ctx, group, what, func(store.Compacted) error { return nil }); err != nil {
		return compacted, err
	}
	h.look(func(s store.Snapshot) { err = h.compare(s, h.oracle, from) })
	for _, m := range h.marks[at:] {
		if err == nil {
			h.look(func(s store.Snapshot) {
				s.AsKnown(m.shown)
				err = h.compare(s, slices.DeleteFunc(slices.Clone(h.oracle), func(f Fact) bool { return !m.known[f.Stamp.IngestID] }), from)
			})
		}
	}
	for run := max(h.before+1, unsettled); run < h.before+pastRuns && err == nil; run++ {
		if h.random.IntN(2) == 0 {
			continue
		}
		_, err = h.store.Remove(h.ctx, h.group, store.Selection{Run: run})
		h.oracle = slices.DeleteFunc(h.oracle, func(f Fact) bool { return h.runs[f.Stamp.IngestID] == run })
		if err == nil {
			h.look(func(s store.Snapshot) { err = h.compare(s, h.oracle, from) })
		}
	}
	if wrong.change != nil { // it is to be found out by its answers
		return compacted, err
	}
	// A row whose only stand-ins of its event time are past retention themselves counts as past retention.
	if err == nil && (compacted.Read != wanted.Read || compacted.Removed() != wanted.Removed() || compacted.Superseded > wanted.Superseded) {
		err = fmt.Errorf("%+v went, not %+v", compacted, wanted)
	}
	return compacted, err
}

// unneeded counts by the definition what a compaction finds.
func (h *past) unneeded(what store.Compaction, settled map[int64]bool) (wanted store.Compacted) {
	rows := map[int64][]Fact{}
	for _, f := range h.oracle {
		rows[f.Stamp.IngestID] = append(rows[f.Stamp.IngestID], f)
	}
	stands := func(for_ Fact, with func(at int64) bool) bool {
		return slices.ContainsFunc(h.oracle, func(f Fact) bool {
			run := h.runs[f.Stamp.IngestID]
			return f.Key == for_.Key && f.Ordinal == for_.Ordinal && f.Stamp.Newer(for_.Stamp) && with(f.Stamp.EventTime) &&
				settled[f.Stamp.IngestID] && (run == 0 || run < what.Unsettled)
		})
	}
	for _, row := range rows {
		wanted.Read++
		id, run := row[0].Stamp.IngestID, h.runs[row[0].Stamp.IngestID]
		superseded := settled[id] && (run == 0 || run < what.Unsettled)
		retired := superseded
		for _, f := range row {
			at := f.Stamp.EventTime
			superseded = superseded && stands(f, func(other int64) bool { return other == at })
			retired = retired && at < what.RetainFrom && stands(f, func(other int64) bool { return other <= what.RetainFrom })
		}
		switch {
		case superseded:
			wanted.Superseded++
		case retired:
			wanted.Retired++
		}
	}
	return wanted
}

// compare asks the engine as of all times from one on, and for the newest.
func (h *past) compare(s store.Snapshot, oracle Oracle, from int64) error {
	features := h.group.Stored()
	n := len(features)
	var keys []store.Key
	var times []int64
	for at := max(from, noon-1); at <= noon+pastTimes+1; at++ {
		for _, key := range h.keys {
			keys, times = append(keys, key), append(times, at)
		}
	}
	current, err := s.AsOf(h.ctx, h.group, features, keys, times, nil)
	if err != nil {
		return err
	}
	wrong := func(how string, f *registry.Feature, key store.Key, at int64, v value.Value, stamp store.Stamp) error {
		if newest, _ := oracle.Newest(f, key, at); newest.Value != v || newest.Stamp != stamp {
			return fmt.Errorf("%s: %s of %q at noon+%d is %v of %v, not %v of %v", how, f.Name, key.Encoded, at-noon, v, stamp, newest.Value, newest.Stamp)
		}
		return nil
	}
	for i, key := range keys {
		for j, f := range features {
			if err := wrong("as of", f, key, times[i], current.Values[i*n+j], current.Stamps[i*n+j]); err != nil {
				return err
			}
		}
	}
	return s.Current(h.ctx, h.group, features, func(c *store.Current) error {
		for i, key := range c.Keys {
			for j, f := range features {
				if err := wrong("current", f, key, 1<<62, c.Values[i*n+j], c.Stamps[i*n+j]); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
