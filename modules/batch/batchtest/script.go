package batchtest

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/storetest"
)

// Scripts are files of cases in the form of package storetest: what stands before the first case holds for all of them.
//
//	columns n INTEGER, x FLOAT
//
//	case the window begins just behind its length before the tick
//	  aggregate spent FLOAT sum of x over 1d
//	  events:
//	    c1 @5d x=1.5
//	    c1 @5d+1us x=2.5
//	  at 6d:
//	    c1 spent=2.5
//
// Times count from 2020-01-01: 5d, 4d23h, 5d+1us, 5d-1us; or 2020-06-01T00:00:00Z. Values are JSON. A case is told in every home of events that the engine
// computes from, and the oracle has to agree.
//
//	keys NAME TYPE, …                  join keys; customer_id STRING unless said
//	columns NAME TYPE, …               of events
//	tick CYCLE [ZONE]                  hourly, daily, month_end or a cron spec in quotes; hourly unless said
//	aggregate F TYPE FUNCTION …        a feature: [of COLUMN] [over WINDOW] [where "…"] [empty E] [n N] [decimals D]; lifetime unless said
//	ratio F [over WINDOW] [empty E] = FUNCTION … / FUNCTION …
//	output F TYPE                      a feature that SQL computes
//	sql:                               the lines below
//	source MEMBER TEXT                 a member of the definition's source
//	only HOME …                        the homes in which the case holds; all unless said
//	sample N                           at most so many entities
//	events:                            lines ID @TIME COLUMN=VALUE …, in the order of ingestion
//	at TIME …:                         these ticks: lines ID [@TICK] F=VALUE …, where a feature that is left out is not observed; without a tick: the only one
//	between TIME TIME:                 all ticks of the cycle, both ends included
//	refuse SLUG at TIME …              the computation ends with that problem
const scripts = "../batchtest/testdata/*.test"

// base is 2020-01-01T00:00:00Z in µs.
const base int64 = 1_577_836_800_000_000

func runScripts(t *testing.T, s Subject) {
	read, err := storetest.ReadScripts(scripts)
	require.NoError(t, err)
	require.NotEmpty(t, read)
	w, cases, told := newWorld(t, s, "s"), 0, 0
	for _, script := range read {
		t.Run(strings.TrimSuffix(filepath.Base(script.Path), ".test"), func(t *testing.T) {
			for _, c := range script.Cases {
				cases++
				t.Run(c.Name, func(t *testing.T) {
					w.tb = t
					told += w.script(script.Path, c)
				})
			}
		})
	}
	w.tb = t
	t.Logf("measured: %d scripted cases, told %d times in %d homes", cases, told, len(s.homes()))
}

// script runs a case in all homes and answers how many there were.
func (w *world) script(path string, c storetest.Case) (told int) {
	run := &scriptRun{situation: situation{cycle: "hourly"}}
	for i := range c.Statements {
		statement := &c.Statements[i]
		require.NoError(w, run.read(statement), "%s:%d", path, statement.Line)
	}
	require.NotEmpty(w, run.asked, "%s: %s asks nothing", path, c.Name)
	able := slices.DeleteFunc(w.homes(), func(h *home) bool { return len(run.only) > 0 && !slices.Contains(run.only, h.name) })
	if w.OneHome && len(able) > 0 {
		i := w.number % len(able)
		able = able[i : i+1]
	}
	for _, h := range able {
		told++
		w.tb.(*testing.T).Run(h.name, func(t *testing.T) {
			outer := w.tb
			w.tb = t
			defer func() { w.tb = outer }()
			tells, err := w.tell(&run.situation, h)
			require.NoError(t, explained(err), "%s: %s", path, c.Name)
			for i := range run.asked {
				tells.check(path, h, &run.asked[i])
			}
		})
	}
	return told
}

// explained shows what a problem is about.
func explained(err error) error {
	if problem, ok := fault.As(err); ok {
		return fmt.Errorf("%s: %w %v", problem.Slug, err, problem.Violations)
	}
	return err
}

// scriptRun is a case as it is read.
type scriptRun struct {
	situation
	only  []string
	asked []question
}

// question is one computation and what must come of it.
type question struct {
	line    int
	between bool
	times   []int64
	refuse  string
	rows    []storetest.Line
}

// check asks the engine, and the oracle of what is declared.
func (t *told) check(path string, h *home, q *question) {
	t.Helper()
	t.ticks = q.times
	if q.between {
		t.ticks = slices.Collect(t.plan.Ticks.Between(q.times[0], q.times[1]))
	}
	got, err := t.compute()
	if q.refuse != "" {
		problem, ok := fault.As(err)
		require.True(t, ok && problem.Slug == q.refuse, "%s:%d: wanted the problem %s, got %v", path, q.line, q.refuse, err)
		require.NotContains(t, strings.TrimSuffix(problem.Detail, "."), ". ", "a problem is one sentence")
		return
	}
	require.NoError(t, explained(err), "%s:%d", path, q.line)
	var wanted []string
	for _, line := range q.rows {
		row, err := t.expectedRow(line.Words)
		require.NoError(t, err, "%s:%d", path, line.Number)
		wanted = append(wanted, t.line(&row))
	}
	sort.Strings(wanted)
	require.Empty(t, difference(wanted, got), "%s:%d", path, q.line)
	if t.sql != "" || t.sample > 0 {
		return
	}
	for i := range t.aggregates {
		t.aggregates[i].judgeBy(&t.plan.Aggregations[i], t.plan.Columns)
	}
	oracle, err := t.expected(h)
	require.NoError(t, err, "%s:%d: the oracle", path, q.line)
	require.Empty(t, difference(wanted, oracle), "%s:%d: the oracle", path, q.line)
}

// expectedRow reads ID [@TICK] F=VALUE ….
func (t *told) expectedRow(words []string) (Row, error) {
	e, err := readEvent(t.plan.Target.EntityType, t.outputs, words)
	if err != nil {
		return Row{}, err
	}
	row := Row{Key: e.Key, Tick: e.At}
	if row.Tick == value.NoTime {
		if len(t.ticks) != 1 {
			return Row{}, fmt.Errorf("which tick?")
		}
		row.Tick = t.ticks[0]
	}
	for _, o := range t.outputs {
		row.Values = append(row.Values, e.Values[o.Name])
	}
	return row, nil
}

// readEvent reads ID [@TIME] COLUMN=VALUE ….
func readEvent(entityType *registry.EntityType, columns []storetest.Column, words []string) (e Event, err error) {
	e = Event{At: value.NoTime, Values: map[string]value.Value{}}
	if e.Key, err = store.ParseKey(entityType, words[0]); err != nil {
		return e, err
	}
	for _, word := range words[1:] {
		if at, ok := strings.CutPrefix(word, "@"); ok {
			if e.At, err = parseTime(at); err != nil {
				return e, err
			}
			continue
		}
		name, raw, _ := strings.Cut(word, "=")
		column, err := columnOf(columns, name)
		if err != nil {
			return e, err
		}
		if e.Values[name], err = value.ParseJSON(column.Type, []byte(raw)); err != nil {
			return e, err
		}
	}
	return e, nil
}

func parseTime(text string) (int64, error) {
	if strings.Contains(text, "T") {
		return value.ParseTime(text, nil)
	}
	d, err := storetest.ParseSpan(text)
	return base + d, err
}

func (r *scriptRun) read(s *storetest.Statement) (err error) {
	words := slices.Clone(s.Words)
	last := len(words) - 1
	words[last] = strings.TrimSuffix(words[last], ":")
	if words[last] == "" {
		words = words[:last]
	}
	rest := words[1:]
	switch words[0] {
	case "keys":
		columns, err := readColumns(rest)
		for _, c := range columns {
			r.keys = append(r.keys, registry.JoinKey{Name: c.Name, ValueType: c.Type})
		}
		return err
	case "columns":
		r.columns, err = readColumns(rest)
	case "tick":
		r.cycle, err = unquoted(rest[0])
		if len(rest) > 1 {
			r.zone = rest[1]
		}
	case "aggregate", "ratio":
		var a Aggregate
		if a, err = readAggregate(words); err == nil {
			r.aggregates = append(r.aggregates, a)
			r.outputs = append(r.outputs, storetest.Column{Name: a.Feature, Type: a.Type})
		}
	case "output":
		outputs, err := readColumns(rest)
		r.outputs = append(r.outputs, outputs...)
		return err
	case "sql":
		for _, line := range s.Block {
			r.sql += strings.Join(line.Words, " ") + "\n"
		}
	case "source":
		if r.source == nil {
			r.source = map[string]string{}
		}
		r.source[rest[0]], err = unquoted(strings.Join(rest[1:], " "))
	case "only":
		r.only = rest
	case "sample":
		r.sample, err = strconv.Atoi(rest[0])
	case "events":
		if len(r.keys) == 0 {
			r.keys = []registry.JoinKey{{Name: "customer_id", ValueType: value.String}}
		}
		for _, line := range s.Block {
			e, err := readEvent(&registry.EntityType{JoinKeys: r.keys}, r.columns, line.Words)
			if err != nil {
				return fmt.Errorf("line %d: %w", line.Number, err)
			}
			r.events = append(r.events, e)
		}
	case "at", "between":
		q := question{line: s.Line, between: words[0] == "between", refuse: s.Refuse, rows: s.Block}
		for _, text := range rest {
			at, err := parseTime(text)
			if err != nil {
				return err
			}
			q.times = append(q.times, at)
		}
		r.asked = append(r.asked, q)
	default:
		return fmt.Errorf("there is no statement %q", words[0])
	}
	return err
}

// readColumns reads NAME TYPE, ….
func readColumns(words []string) (columns []storetest.Column, err error) {
	for part := range strings.SplitSeq(strings.Join(words, " "), ",") {
		name, kind, _ := strings.Cut(strings.TrimSpace(part), " ")
		t, ok := value.ParseType(kind)
		if !ok {
			return nil, fmt.Errorf("%q is no type", kind)
		}
		columns = append(columns, storetest.Column{Name: name, Type: t})
	}
	return columns, nil
}

func unquoted(word string) (string, error) {
	if !strings.HasPrefix(word, `"`) {
		return word, nil
	}
	return strconv.Unquote(word)
}

// readAggregate reads what stands behind aggregate or ratio.
func readAggregate(words []string) (a Aggregate, err error) {
	if words[0] == "aggregate" {
		if a, err = readFunction(words[3:]); err != nil {
			return a, err
		}
		a.Feature = words[1]
		var ok bool
		if a.Type, ok = value.ParseType(words[2]); !ok {
			return a, fmt.Errorf("%q is no type", words[2])
		}
		return a, nil
	}
	equal, by := slices.Index(words, "="), slices.Index(words, "/")
	if equal < 0 || by < equal {
		return a, fmt.Errorf("a ratio is F … = FUNCTION … / FUNCTION …")
	}
	if a, err = readFunction(append([]string{"ratio"}, words[2:equal]...)); err != nil {
		return a, err
	}
	a.Feature, a.Type = words[1], value.Float
	above, err := readFunction(words[equal+1 : by])
	if err != nil {
		return a, err
	}
	below, err := readFunction(words[by+1:])
	for _, part := range []*Aggregate{&above, &below} {
		part.Type = value.Float
		part.Window = cmp.Or(part.Window, a.Window)
	}
	a.Numerator, a.Denominator = &above, &below
	return a, err
}

// readFunction reads FUNCTION [of COLUMN] [over WINDOW] [where "…"] [empty E] [n N] [decimals D].
func readFunction(words []string) (a Aggregate, err error) {
	a = Aggregate{Function: words[0], Decimals: -1}
	for i := 1; i+1 < len(words) && err == nil; i += 2 {
		text := words[i+1]
		switch words[i] {
		case "of":
			a.Of = text
		case "over":
			var us int64
			us, err = storetest.ParseSpan(text)
			a.Window = time.Duration(us) * time.Microsecond
		case "where":
			a.Where, err = unquoted(text)
		case "empty":
			a.Empty = text
		case "n":
			a.N, err = strconv.Atoi(text)
		case "decimals":
			a.Decimals, err = strconv.Atoi(text)
		default:
			err = fmt.Errorf("%q is nothing that an aggregate has", words[i])
		}
	}
	return a, err
}
