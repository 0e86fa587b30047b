package batchtest

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/batch"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/storetest"
)

// situation is one computation: what there is and what is asked.
type situation struct {
	keys       []registry.JoinKey
	columns    []storetest.Column // of the events
	events     []Event            // in the order of their ingestion
	outputs    []storetest.Column // features of the target
	cycle      string             // of ticks: a word or a cron spec
	zone       string             // "": UTC
	aggregates []Aggregate
	sql        string            // "": aggregates
	source     map[string]string // members of the source, besides what its home says
	ticks      []int64
	sample     int
	limit      time.Duration // 0: none that is reached
}

// told is a situation that a world has: a plan, and where its events are.
type told struct {
	*world
	*situation
	plan  *batch.Plan
	group string // of the events; "": a table or files
}

// tell registers what a situation needs and puts its events into a home. Its error is that of the definition.
func (w *world) tell(s *situation, h *home) (*told, error) {
	w.Helper()
	w.number++
	require.NoError(w, w.apply(map[string]any{
		"entity_types": []any{map[string]any{"name": w.own("customer"), "join_keys": keyDocuments(s.keys)}},
		"groups":       []any{map[string]any{"name": w.own("target"), "entity_type": w.own("customer"), "features": columnDocuments(s.outputs)}},
	}))
	source, group := h.lay(w, s)
	for name, text := range s.source {
		source[name] = text
	}
	pipeline := map[string]any{"name": w.own("pipeline"), "source": source, "target": w.own("target"), "tick": s.cycle, "engine": w.Engine.Name()}
	if strings.Contains(s.cycle, " ") {
		pipeline["tick"] = map[string]string{"cron": s.cycle}
	}
	if s.zone != "" {
		pipeline["tick_zone"] = s.zone
	}
	if s.sql != "" {
		pipeline["sql"] = s.sql
	} else {
		var aggregates []any
		for i := range s.aggregates {
			aggregates = append(aggregates, s.aggregates[i].document())
		}
		pipeline["aggregate"] = aggregates
	}
	if err := w.apply(map[string]any{"pipelines": []any{pipeline}}); err != nil {
		return nil, err
	}
	plan, err := w.compiler.PlanOf(w.registry.Catalog(), w.own("pipeline"))
	require.NoError(w, err)
	return &told{world: w, situation: s, plan: plan, group: group}, nil
}

func keyDocuments(keys []registry.JoinKey) (documents []any) {
	for _, k := range keys {
		documents = append(documents, map[string]string{"name": k.Name, "value_type": k.ValueType.String()})
	}
	return documents
}

func columnDocuments(columns []storetest.Column) (documents []any) {
	for _, c := range columns {
		documents = append(documents, map[string]string{"name": c.Name, "value_type": c.Type.String()})
	}
	return documents
}

// document is the aggregate as a definition says it.
func (a *Aggregate) document() map[string]any {
	d := map[string]any{"function": a.Function, "window": windowText(a.Window)}
	for name, text := range map[string]string{"feature": a.Feature, "of": a.Of, "where": a.Where, "empty": a.Empty} {
		if text != "" {
			d[name] = text
		}
	}
	if a.N > 0 {
		d["n"] = a.N
	}
	if a.Decimals >= 0 {
		d["decimals"] = a.Decimals
	}
	if a.Function == "ratio" {
		d["numerator"], d["denominator"] = a.Numerator.document(), a.Denominator.document()
	}
	return d
}

func windowText(window time.Duration) string {
	switch {
	case window == 0:
		return "lifetime"
	case window%time.Hour == 0:
		return fmt.Sprintf("%dh", window/time.Hour)
	}
	return fmt.Sprintf("%ds", window/time.Second)
}

// job is the computation, with a folder of its own.
func (t *told) job(events batch.Events) *batch.Job {
	from, found := t.plan.Ticks.Before(t.ticks[0])
	require.True(t, found)
	folder, err := os.MkdirTemp(t.TempDir(), "job-")
	require.NoError(t, err)
	return &batch.Job{Plan: t.plan, Ticks: t.ticks, From: from, Events: events, Folder: folder, Memory: 256 << 20, Threads: 2, Timeout: cmp.Or(t.limit, time.Hour), Sample: t.sample}
}

// compute runs the engine and answers the rows as lines, sorted.
func (t *told) compute() ([]string, error) {
	t.Helper()
	require.Empty(t, t.Engine.Refuses(t.plan))
	job, done := t.batchOf()
	defer done()
	before := 0
	job.Progress = func(done, of int) {
		require.Equal(t, len(job.Ticks), of)
		require.True(t, before <= done && done <= of, "progress goes from %d to %d of %d", before, done, of)
		before = done
	}
	staged, err := t.Engine.Compute(t.ctx, job)
	if err != nil {
		return nil, err
	}
	rows := t.staged(job, staged)
	lines := make([]string, len(rows))
	for i := range rows {
		lines[i] = t.line(&rows[i])
	}
	sort.Strings(lines)
	return lines, nil
}

// line writes a row down: the entity, the tick, and what is observed.
func (s *situation) line(r *Row) string {
	b := append(storeKeyText(r.Key), " @"...)
	b = value.AppendTime(b, r.Tick)
	for i, v := range r.Values {
		if !v.IsAbsent() {
			b = append(append(append(b, ' '), s.outputs[i].Name...), '=')
			b = value.AppendJSON(b, v)
		}
	}
	return string(b)
}

func storeKeyText(key store.Key) (b []byte) {
	for i, v := range key.Values {
		if i > 0 {
			b = append(b, ',')
		}
		b = value.AppendJSON(b, v)
	}
	return b
}

// oracle is the oracle over the events as a home keeps them.
func (s *situation) oracle(h *home) *Oracle {
	types := map[string]value.Type{}
	for _, c := range s.columns {
		types[c.Name] = c.Type
	}
	return &Oracle{Events: h.keeps(s.events), Types: types, Aggregates: s.aggregates}
}

// expected are the oracle's rows as lines, sorted.
func (s *situation) expected(h *home) ([]string, error) {
	rows, err := s.oracle(h).Rows(s.ticks)
	if err != nil {
		return nil, err
	}
	lines := make([]string, len(rows))
	for i := range rows {
		lines[i] = s.line(&rows[i])
	}
	sort.Strings(lines)
	return lines, nil
}

// difference says what is missing of the wanted lines, and what is there besides; both are sorted. "": nothing.
func difference(wanted, got []string) string {
	var b strings.Builder
	for _, line := range wanted {
		if _, found := slices.BinarySearch(got, line); !found {
			b.WriteString("\n- " + line)
		}
	}
	for i, line := range got {
		if _, found := slices.BinarySearch(wanted, line); !found || i > 0 && got[i-1] == line {
			b.WriteString("\n+ " + line)
		}
	}
	return b.String()
}
