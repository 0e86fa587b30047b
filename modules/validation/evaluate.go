package validation

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/validation/rules"
)

// job is an evaluation to be made of what is stored.
type job struct {
	group      *registry.Group
	rules      []*rules.Definition // each names features of the group
	window     *Window             // nil: what each rule is usually evaluated on
	lookedAt   string              // the window in words
	way        Way
	load       int64 // the load that it follows, 0: none
	evaluation int64
	revision   int64
	profile    *Profiling // what is to see the rows of the load; nil: nothing
	progress   func(rows int64)
}

// pass is one look at the rows of a window.
type pass struct {
	window   Window
	lookedAt string
	usual    bool
	rules    []*rules.Definition
	profile  *Profiling
}

// evaluate makes a report, and stores nothing. What cannot be evaluated is a result of status error; an error means that ctx has ended.
func (v *Validation) evaluate(ctx context.Context, j *job) (*Report, error) {
	began := v.now()
	report := &Report{Group: j.group.Name, Way: j.way, Run: j.load, Evaluation: j.evaluation, Window: j.window, StartedAt: began, Revision: j.revision, Results: []Result{}}
	passes, err := v.passes(ctx, j, began)
	if err != nil {
		return nil, err
	}
	place := map[string]int{}
	for i, rule := range j.rules {
		place[rule.Name] = i
	}
	for _, p := range passes {
		outcomes, err := v.look(ctx, j, p, began)
		if err != nil {
			return nil, err
		}
		for _, o := range outcomes {
			report.Results = append(report.Results, Result{At: began, Usual: p.usual, LookedAt: p.lookedAt, Outcome: o})
		}
	}
	slices.SortStableFunc(report.Results, func(a, b Result) int { return cmp.Compare(place[a.Rule], place[b.Rule]) })
	report.Took = v.now().Sub(began)
	report.conclude()
	return report, nil
}

// passes puts rules that look at the same rows together.
func (v *Validation) passes(ctx context.Context, j *job, now time.Time) ([]*pass, error) {
	var all []*pass
	in := func(window Window, lookedAt string) *pass {
		for _, p := range all {
			if p.lookedAt == lookedAt {
				return p
			}
		}
		p := &pass{window: window, lookedAt: lookedAt, usual: j.window == nil}
		all = append(all, p)
		return p
	}
	load, known := j.load, j.load != 0
	for _, rule := range j.rules {
		if j.window != nil {
			p := in(*j.window, j.lookedAt)
			p.rules = append(p.rules, rule)
			continue
		}
		window, lookedAt := Window{}, everything
		switch of := rule.LooksAt(); of {
		case rules.All:
		case rules.NewestLoad:
			if !known {
				var err error
				if load, err = v.values.NewestLoad(ctx, j.group); err != nil {
					return nil, err
				}
				known = true
			}
			if load != 0 {
				window, lookedAt = Window{Run: load}, broughtBy(load)
			}
		default:
			last, err := registry.ParseDuration(of)
			if err != nil {
				return nil, fmt.Errorf("read the window of rule %s: %w", rule.Name, err)
			}
			from := now.Add(-last).UnixMicro()
			window, lookedAt = Window{From: &from}, theLast(of)
		}
		p := in(window, lookedAt)
		p.rules = append(p.rules, rule)
	}
	if j.profile != nil {
		in(Window{Run: j.load}, broughtBy(j.load)).profile = j.profile
	}
	return all, nil
}

const everything = "everything that is stored"

// look evaluates the rules of a pass in one go over its rows.
func (v *Validation) look(ctx context.Context, j *job, p *pass, now time.Time) ([]rules.Outcome, error) {
	fields := Fields(j.group)
	set, broken := compileFitting(p.rules, fields)
	options := v.outside(ctx, j.group, p.window)
	options.Now = now.UnixMicro()
	var outcomes []rules.Outcome
	err := v.values.Read(ctx, j.group, p.window, func(rows rules.Source) (err error) {
		watched := &watching{Source: rows, profile: p.profile, progress: j.progress}
		if p.profile == nil {
			outcomes, err = set.Evaluate(ctx, options, watched)
			return err
		}
		run := set.Begin(options) // the profile sees all rows, and so do the rules
		err = watched.Scan(ctx, nil, func(b *rules.Batch) error { run.Add(b, nil); return nil })
		outcomes = run.Finish()
		return err
	})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil && outcomes == nil {
		outcomes = set.Begin(options).Finish()
	}
	for i := range outcomes {
		if err != nil {
			outcomes[i].Unjudged("the rows could not be read: " + reasonOf(err))
		}
		v.nameEntities(j.group, outcomes[i].Examples)
	}
	if err != nil {
		v.log.Warn("rules could not be evaluated", "group", j.group.Name, "error", err)
	}
	return append(outcomes, broken...), nil
}

// outside is what rules on a window of a group are told from outside, but for the time.
func (v *Validation) outside(ctx context.Context, group *registry.Group, window Window) rules.Options {
	fields := Fields(group)
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	return rules.Options{
		TableColumns: names,
		Lookup: func(target rules.Reference, values []value.Value) ([]bool, error) {
			return v.values.Lookup(ctx, target, values)
		},
		Entities: func() (int64, error) { return v.values.CountEntities(ctx, group.EntityType.Name) },
		History: func(rule rules.Definition, feature string, most int) ([]float64, error) {
			return v.repository.measured(ctx, group.Name, subject{rule.Name, feature}, window.Run, most)
		},
		Distribution: v.profiles.Distributions(ctx, group, window),
	}
}

// watching is rows that are counted, and profiled, on their way to rules.
type watching struct {
	rules.Source
	profile  *Profiling // nil: there is none
	progress func(rows int64)
	rows     int64
}

func (w *watching) Scan(ctx context.Context, reads []bool, yield func(*rules.Batch) error) error {
	return w.Source.Scan(ctx, reads, func(b *rules.Batch) error {
		if err := yield(b); err != nil {
			return err
		}
		if w.profile != nil {
			w.profile.Add(b)
		}
		if w.rows > 0 { // one batch is no progress
			w.progress(w.rows)
		}
		w.rows += int64(b.Rows)
		return ctx.Err()
	})
}

// nameEntities writes whose rows examples are, and of when.
func (v *Validation) nameEntities(group *registry.Group, examples []rules.Example) {
	for i := range examples {
		if e := &examples[i]; e.EntityID == nil && e.Entity != "" {
			e.EntityID = v.values.EntityID(group.EntityType, e.Entity)
			if e.Time != value.NoTime {
				e.EventTime = string(value.AppendTime(nil, e.Time))
			}
		}
	}
}

// reasonOf is an error as a person may see it.
func reasonOf(err error) string {
	if problem, ok := fault.As(err); ok {
		return problem.Detail
	}
	return "an error of the server, which its log has"
}

// compileFitting compiles those rules that fit the fields; each of the others is an outcome.
func compileFitting(of []*rules.Definition, fields []rules.Field) (*rules.Set, []rules.Outcome) {
	var definitions []rules.Definition
	for _, rule := range of {
		d := *rule
		d.Enabled = true // one that is asked for by name is evaluated although it is switched off
		definitions = append(definitions, d)
	}
	set, wrong := rules.Compile(definitions, fields)
	if len(wrong) == 0 {
		return set, nil
	}
	var fitting []rules.Definition
	var broken []rules.Outcome
	for i, d := range definitions {
		n := slices.IndexFunc(wrong, func(w rules.Violation) bool { return w.Rule == i })
		if n < 0 {
			fitting = append(fitting, d)
			continue
		}
		o := rules.Outcome{Rule: d.Name, Version: d.Version, Kind: d.Kind, Group: d.Group, Features: append([]string{}, d.Features...), Severity: d.Severity,
			Action: d.Action, Examples: []rules.Example{}}
		o.Unjudged("the rule does not fit the group: " + wrong[n].String())
		broken = append(broken, o)
	}
	set, _ = rules.Compile(fitting, fields) // each of them fits
	return set, broken
}
