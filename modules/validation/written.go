package validation

import (
	"context"
	"errors"
	"sync"
	"time"

	"featurestore/modules/registry"
	"featurestore/modules/validation/rules"
)

// written adds up what rules said of rows that were written singly, until it is reported. It holds one outcome for each rule and feature.
type written struct {
	mu     sync.Mutex
	groups map[string]*tally
}

// tally is what was written to one group.
type tally struct {
	group *registry.Group
	since time.Time
	order []subject
	found map[subject]*rules.Outcome
}

// subject is what an outcome is about.
type subject struct{ rule, feature string }

// Written takes what the row rules of a group said of one call's rows. It is cheap, and never fails; what was not reported when the process
// is killed is not reported.
func (v *Validation) Written(group *registry.Group, outcomes []rules.Outcome) {
	if len(outcomes) == 0 {
		return
	}
	v.counts.count(group.Name, outcomes)
	v.written.add(group, v.now(), outcomes)
}

func (w *written) add(group *registry.Group, now time.Time, outcomes []rules.Outcome) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.groups == nil {
		w.groups = map[string]*tally{}
	}
	t := w.groups[group.Name]
	if t == nil {
		t = &tally{since: now, found: map[subject]*rules.Outcome{}}
		w.groups[group.Name] = t
	}
	t.group = group
	for i := range outcomes {
		t.take(&outcomes[i])
	}
}

func (t *tally) take(o *rules.Outcome) {
	s := subject{o.Rule, FeatureOf(o)}
	if so := t.found[s]; so != nil {
		so.Sum(o)
		return
	}
	first := *o
	t.order, t.found[s] = append(t.order, s), &first
}

// due takes out what is to be reported.
func (w *written) due() map[string]*tally {
	w.mu.Lock()
	defer w.mu.Unlock()
	groups := w.groups
	w.groups = nil
	return groups
}

// back puts what could not be reported back, beneath what came in since.
func (w *written) back(name string, t *tally) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.groups == nil {
		w.groups = map[string]*tally{}
	}
	if since := w.groups[name]; since != nil {
		for _, s := range since.order {
			t.take(since.found[s])
		}
	}
	w.groups[name] = t
}

// reportWritten stores a report of what was written to each group since the last one.
func (v *Validation) reportWritten(ctx context.Context) error {
	var errs []error
	for name, t := range v.written.due() {
		report := &Report{Group: name, Way: ByWrite, StartedAt: t.since, Took: v.now().Sub(t.since), Revision: v.guards.Definitions().Catalog().Revision()}
		for _, s := range t.order {
			o := *t.found[s]
			rule, err := v.guards.Definitions().Rule(o.Rule)
			if err != nil { // deleted meanwhile
				rule = &rules.Definition{Severity: o.Severity}
			}
			o.Settle(rule)
			v.nameEntities(t.group, o.Examples)
			report.Results = append(report.Results, Result{At: v.now(), Usual: err == nil, LookedAt: singly, Outcome: o})
		}
		report.onTheWay()
		report.conclude()
		if err := v.keep(ctx, report, t.group, nil); err != nil {
			v.written.back(name, t)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

const singly = "what was written singly"
