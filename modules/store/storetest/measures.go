package storetest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/valuetest"
	"featurestore/modules/store"
	"featurestore/modules/validation/rules"
)

// RunMeasures evaluates random rules on random groups, of partial rows, nulls, several layouts, corrections, removed runs and open loads:
// what comes of measures of the engine is what comes of the rows themselves.
func RunMeasures(t *testing.T, engine OfflineEngine, checks int) {
	SetChecks(t, checks)
	opened := engine.Open(t, "measured")
	defer shut(t, opened)
	groups, judged, scanned, ends := int64(0), 0, 0, map[rules.Status]int{}
	rapid.Check(t, func(t *rapid.T) {
		groups++
		w := &weighing{T: t, ctx: context.Background(), store: opened, group: groups}
		defer w.close()
		w.grow()
		for range 2 {
			a, b := w.compare(ends)
			judged, scanned = judged+a, scanned+b
		}
	})
	t.Logf("measured: %d outcomes of %d groups as the rows have them, in %d evaluations that also scanned: %v", judged, groups, scanned, ends)
	for _, status := range []rules.Status{rules.Pass, rules.Warned, rules.Fail, rules.Skipped} {
		require.Positive(t, ends[status], status)
	}
}

// weighing is one check.
type weighing struct {
	*rapid.T
	ctx    context.Context
	store  store.Offline
	group  int64
	newest *registry.Group
	open   []store.Load // some of them are committed
	places []store.Position
}

func (w *weighing) close() {
	for _, load := range w.open {
		require.NoError(w, load.Abort(w.ctx))
	}
}

// grow makes a group and its history.
func (w *weighing) grow() {
	types := rapid.SliceOfN(rapid.SampledFrom([]value.Type{value.Boolean, value.Integer, value.Integer, value.Float, value.Float, value.String, value.Timestamp,
		value.JSON, value.FloatArray, value.StringArray}), 1, 5).Draw(w.T, "types")
	var columns []Column
	for i, t := range types {
		columns = append(columns, Column{fmt.Sprintf("f%d", i), t})
	}
	entityType := rapid.SampledFrom([]*registry.EntityType{Customers, Drivers, Trips}).Draw(w.T, "entity type")
	w.newest = Group(w.group, fmt.Sprintf("d%d", w.group), entityType, columns...)
	if rapid.IntRange(0, 9).Draw(w.T, "no table") == 0 {
		return
	}
	w.ensure()
	for n := range rapid.IntRange(0, 7).Draw(w.T, "steps") {
		snapshot, err := w.store.Snapshot(w.ctx)
		require.NoError(w, err)
		w.places = append(w.places, snapshot.Position())
		require.NoError(w, snapshot.Close())
		switch rapid.SampledFrom([]string{"append", "append", "append", "load", "open", "remove", "column", "retype", "widen"}).Draw(w.T, "step") {
		case "append":
			require.NoError(w, w.store.Append(w.ctx, []*store.Rows{w.rows()}))
		case "load", "open":
			rows := w.rows()
			rows.Run = w.run(int64(n))
			load, err := w.store.Load(w.ctx, w.newest, rows.Run)
			require.NoError(w, err)
			w.open = append(w.open, load)
			require.NoError(w, load.Add(w.ctx, rows))
			if n > 4 {
				return // the layout cannot change any more
			}
			require.NoError(w, load.Commit(w.ctx))
		case "remove":
			_, err := w.store.Remove(w.ctx, w.newest, store.Selection{Run: w.run(rapid.Int64Range(0, int64(n)).Draw(w.T, "removed run"))})
			require.NoError(w, err)
		case "column":
			w.newest = WithColumn(w.newest, Column{fmt.Sprintf("added%d", n), rapid.SampledFrom(valuetest.Types).Draw(w.T, "added")})
			w.ensure()
		case "retype":
			if f := w.newest.Features[0]; f.Widened == "" { // otherwise the next column has the name of the one that it was widened into
				w.newest = Retyped(w.newest, f.Name, rapid.SampledFrom(valuetest.Types[:5]).Draw(w.T, "retyped"))
				w.ensure()
			}
		case "widen":
			if f := w.newest.Features[0]; f.ValueType == value.Integer && f.Widened == "" {
				w.newest = Widened(w.newest, f.Name)
				w.ensure()
			}
		}
	}
}

func (w *weighing) run(n int64) int64 { return w.group*10 + n + 1 }

func (w *weighing) ensure() {
	_, err := w.store.EnsureLayout(w.ctx, w.newest)
	require.NoError(w, err)
}

func (w *weighing) rows() *store.Rows {
	var seen []Seen
	for range rapid.SampledFrom([]int{1, 3, 10, 30}).Draw(w.T, "rows") {
		values := Values{}
		partial := rapid.IntRange(0, 2).Draw(w.T, "partial") == 0
		for i, f := range w.newest.Features {
			if i == 0 || !partial || rapid.Bool().Draw(w.T, "given") {
				values[f.Name] = w.value(f.ValueType)
			}
		}
		if partial && len(values) > 1 && rapid.Bool().Draw(w.T, "without the first") {
			delete(values, w.newest.Features[0].Name)
		}
		seen = append(seen, Seen{w.key(), noon + rapid.Int64Range(0, 5).Draw(w.T, "at"), values})
	}
	return RowsOf(w.newest, seen...)
}

func (w *weighing) key() store.Key {
	n := rapid.Int64Range(0, 4).Draw(w.T, "entity")
	switch w.newest.EntityType {
	case Customers:
		return TextKey([]string{"x", "X", "ä", "z'", "a b"}[n])
	case Drivers:
		return IntKey(n - 2)
	}
	return TripKey(n%2, []string{"eu", "EU", "é"}[n%3])
}

// value is one of few, so that they occur again, or one that is most likely to come out changed.
func (w *weighing) value(t value.Type) value.Value {
	few := map[value.Type][]value.Value{
		value.Boolean: {value.OfBool(true), value.OfBool(false)}, value.Integer: {value.OfInt(-2), value.OfInt(0), value.OfInt(1), value.OfInt(3), value.OfInt(40)},
		value.Float:  {value.OfFloat(0.1), value.OfFloat(0.2), value.OfFloat(3), value.OfFloat(-7.25), value.OfFloat(1e10), value.OfFloat(1e-7)},
		value.String: {value.OfString("a"), value.OfString("B"), value.OfString("ä"), value.OfString("z"), value.OfString("")},
	}
	switch n := rapid.IntRange(0, 19).Draw(w.T, "sort"); {
	case n < 3:
		return value.Null()
	case n > 3 && few[t] != nil:
		return rapid.SampledFrom(few[t]).Draw(w.T, "value")
	}
	return rapid.SampledFrom(valuetest.Boundaries(t)).Draw(w.T, "boundary")
}

// definitions are random rules over the group's features.
func (w *weighing) definitions() []rules.Definition {
	var raws []string
	add := func(format string, args ...any) { raws = append(raws, fmt.Sprintf(format, args...)) }
	bounds := func() string {
		return rapid.SampledFrom([]string{`{"min": -1.0123, "max": 30.0456}`, `{"max": 1e300}`, `{"min": 0.512345, "warn_min": 2.5123}`, `{"min": -1e300, "warn_max": 0.78912}`}).Draw(w.T, "bounds")
	}
	more := func() string {
		return rapid.SampledFrom([]string{``, ``, `, "null_policy": "fail"`, `, "severity": "warn"`}).Draw(w.T, "more")
	}
	add(`"kind": "row_count", "params": {"min": 3, "warn_min": 10}`)
	add(`"kind": "freshness", "params": {"max_age": "1h"}`)
	add(`"kind": "column_count", "params": {"max": 9}`)
	for _, f := range w.newest.Features {
		name, t := `"features": ["`+f.Name+`"]`, f.ValueType
		for _, kind := range []string{"not_null", "null"} {
			add(`"kind": %q, %s%s`, kind, name, more())
		}
		for _, kind := range []string{"completeness", "distinct_count", "distinct_ratio", "entity_completeness"} {
			add(`"kind": %q, %s, "params": %s%s`, kind, name, bounds(), more())
		}
		add(`"kind": "freshness", %s, "params": {"max_age": "10s", "warn_age": "1s"}`, name)
		add(`"kind": "history", %s, "params": {"metric": "distinct_count", "max_change": 0.512}`, name)
		if !t.Array() {
			add(`"kind": "unique", %s%s`, name, more())
			list := w.list(t)
			for _, kind := range []string{"distinct_in", "distinct_contain", "distinct_equal", "most_common", "in_set", "not_in_set"} {
				add(`"kind": %q, %s, "params": {"values": %s}%s`, kind, name, list, more())
			}
		}
		if t <= value.Timestamp {
			end := w.list(t)
			add(`"kind": "range", %s, "params": {"min": %s}%s`, name, end[1:len(end)-1], more())
			add(`"kind": "min", %s, "params": {"min": %s}`, name, end[1:len(end)-1])
			add(`"kind": "max", %s, "params": {"max": %s}`, name, end[1:len(end)-1])
			add(`"kind": "monotonic", %s, "params": {"direction": %q, "strict": %v}%s`, name, rapid.SampledFrom([]string{"increasing", "decreasing"}).Draw(w.T, "direction"),
				rapid.Bool().Draw(w.T, "strict"), more())
		}
		if t <= value.Float {
			for _, kind := range []string{"mean", "sum", "stddev", "median"} {
				add(`"kind": %q, %s, "params": %s%s`, kind, name, bounds(), more())
				add(`"kind": "history", %s, "params": {"metric": %q, "max_deviations": 2.512345}`, name, kind)
			}
			add(`"kind": "quantile", %s, "params": {"q": %v, "interpolation": %q, "max": 3.0123}`, name, rapid.Float64Range(0, 1).Draw(w.T, "q"),
				rapid.SampledFrom([]string{"linear", "lower", "higher", "midpoint", "nearest"}).Draw(w.T, "interpolation"))
			add(`"kind": "quantiles", %s, "params": {"q": [0, 0.25, 0.9, 1], "ranges": [[null, 0.15], [-8, 3], [0, null], [0, 1e300]]}`, name)
			add(`"kind": "change", %s, "params": {"max_absolute": %v}`, name, rapid.SampledFrom([]float64{0, 2.5, 39.5, 1e12}).Draw(w.T, "absolute"))
			add(`"kind": "change", %s, "params": {"max_relative": %v}%s`, name, rapid.SampledFrom([]float64{0, 1e-300, 0.5, 45, 1e100}).Draw(w.T, "relative"), more())
			add(`"kind": "positive", %s%s`, name, more())
			add(`"kind": "finite", %s`, name)
		}
	}
	if n := len(w.newest.Features); n > 1 {
		add(`"kind": "distinct_count", "features": [%q], "where": "%s != nil", "params": {"max": 3}`, w.newest.Features[0].Name, w.newest.Features[1].Name)
		if !w.newest.Features[0].ValueType.Array() && !w.newest.Features[1].ValueType.Array() {
			add(`"kind": "unique_together", "features": [%q, %q], "params": {"null_when": %q}`, w.newest.Features[0].Name, w.newest.Features[1].Name,
				rapid.SampledFrom([]string{"all", "any", "never"}).Draw(w.T, "null_when"))
		}
	}
	var definitions []rules.Definition
	for i, raw := range raws {
		if rapid.IntRange(0, 2).Draw(w.T, "left out") == 0 {
			continue
		}
		d, wrong := rules.Read(fmt.Sprintf(`{"name": "r%d", %s}`, i, raw))
		require.Empty(w, wrong, raw)
		definitions = append(definitions, d)
	}
	return definitions
}

// list is a JSON list of one value that is not null.
func (w *weighing) list(t value.Type) string {
	v := w.value(t)
	for v.IsNull() {
		v = w.value(t)
	}
	return "[" + string(value.AppendJSON(nil, v)) + "]"
}

// compare evaluates rules in both ways on one snapshot, and answers how many outcomes there were, and whether rows were scanned.
func (w *weighing) compare(ends map[rules.Status]int) (outcomes, scans int) {
	fields := make([]rules.Field, len(w.newest.Features))
	names := make([]string, len(fields))
	for i, f := range w.newest.Features {
		fields[i], names[i] = rules.Field{Name: f.Name, Type: f.ValueType}, f.Name
	}
	set, wrong := rules.Compile(w.definitions(), fields)
	require.Empty(w, wrong)
	snapshot, err := w.store.Snapshot(w.ctx)
	require.NoError(w, err)
	defer snapshot.Close()
	if rapid.IntRange(0, 4).Draw(w.T, "as known") == 0 {
		known, err := snapshot.Known(w.ctx)
		require.NoError(w, err)
		snapshot.AsKnown(known)
	}
	source := &weighed{snapshot: snapshot, group: w.newest, merged: rapid.Bool().Draw(w.T, "merged")}
	switch rapid.IntRange(0, 5).Draw(w.T, "range") {
	case 0:
		n := rapid.Int64Range(0, 4).Draw(w.T, "run")
		source.of.Run, source.merged = w.run(n), false
		if n < int64(len(w.places)) {
			source.of.After = w.places[n]
		}
	case 1:
		source.of.From = new(noon + rapid.Int64Range(0, 3).Draw(w.T, "from"))
	case 2:
		source.of.From, source.of.To = new(noon+1), new(noon+rapid.Int64Range(1, 5).Draw(w.T, "to"))
	case 3:
		if len(w.places) > 0 {
			source.of.After, source.merged = rapid.SampledFrom(w.places).Draw(w.T, "after"), false
		}
	}
	options := rules.Options{Now: noon + rapid.SampledFrom([]int64{3, 7_000_000, 2_000_000_000}).Draw(w.T, "now"), TableColumns: names,
		Entities: func() (int64, error) { return 5, nil },
		History:  func(rules.Definition, string, int) ([]float64, error) { return []float64{3.0123, 2, 1}, nil }}
	run := set.Begin(options)
	sizes := make([]float64, len(fields))
	require.NoError(w, source.Scan(w.ctx, nil, func(b *rules.Batch) error {
		run.Add(b, nil)
		for i, v := range b.Values {
			switch v.Type() {
			case value.Integer, value.Float:
				sizes[i%b.Width] += math.Abs(v.AsFloat().Float())
			case value.Boolean:
				sizes[i%b.Width]++
			}
		}
		return nil
	}))
	wanted := run.Finish()
	source.scans = 0
	got, err := set.Evaluate(w.ctx, options, source)
	require.NoError(w, err)
	require.Len(w, got, len(wanted))
	for i := range got {
		ends[got[i].Status]++
		within := 0.0
		if len(got[i].Features) == 1 {
			within = sizes[slices.Index(names, got[i].Features[0])] * 1e-12
		}
		near(&got[i], &wanted[i], within)
		require.Equal(w, wanted[i], got[i], "%s of %v: %s", got[i].Kind, got[i].Features, set.Rules()[i].Params)
	}
	return len(got), source.scans
}

// near makes one number the same as the other if it is within so much of it, of kinds of which no more is promised.
func near(got, wanted *rules.Outcome, within float64) {
	switch got.Kind {
	case "mean", "sum", "stddev", "history":
		var a, b float64
		if json.Unmarshal(got.Observed, &a) == nil && json.Unmarshal(wanted.Observed, &b) == nil && math.Abs(a-b) <= within {
			got.Observed, got.Measured = wanted.Observed, wanted.Measured
		}
	}
}

// weighed is a group in a snapshot.
type weighed struct {
	snapshot store.Snapshot
	group    *registry.Group
	of       store.Range
	merged   bool
	scans    int
}

func (s *weighed) Measure(ctx context.Context, measures []rules.Measure) ([]rules.Measured, error) {
	return s.snapshot.Measure(ctx, s.group, s.group.Features, s.of, s.merged, measures)
}

// Scan puts rows of one entity and time together by brute force, and yields an entity's newest first.
func (s *weighed) Scan(ctx context.Context, _ []bool, yield func(*rules.Batch) error) error {
	s.scans++
	type row struct {
		key    string
		at     int64
		values []value.Value
	}
	var rows []row
	err := s.snapshot.Observations(ctx, s.group, s.group.Features, s.of, func(r *store.Rows) error {
		for i, key := range r.Keys {
			rows = append(rows, row{key.Encoded, r.EventTimes[i], slices.Clone(r.Row(i))})
		}
		return nil
	})
	if err != nil {
		return err
	}
	if s.merged {
		slices.SortStableFunc(rows, func(a, b row) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(b.at, a.at)) })
		var merged []row
		for _, r := range rows {
			last := len(merged) - 1
			if last < 0 || merged[last].key != r.key || merged[last].at != r.at {
				merged = append(merged, r)
				continue
			}
			for i, v := range r.values {
				if !v.IsAbsent() {
					merged[last].values[i] = v
				}
			}
		}
		rows = merged
	}
	if len(rows) == 0 {
		return nil
	}
	b := &rules.Batch{Rows: len(rows), Width: len(s.group.Features), Entity: func(i int) string { return rows[i].key }}
	for i := range s.group.Features {
		b.Columns = append(b.Columns, i)
	}
	for _, r := range rows {
		b.Values, b.EventTimes = append(b.Values, r.values...), append(b.EventTimes, r.at)
	}
	return yield(b)
}
