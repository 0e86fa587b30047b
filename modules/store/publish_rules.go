package store

import (
	"context"
	"slices"
	"strings"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/validation/rules"
)

// begin begins to judge the publication as a whole.
func (p *publishing) begin(ctx context.Context) {
	if p.store.rules == nil {
		return
	}
	if set, options := p.store.rules.Audit(ctx, p.group, p.loaded.Run); set != nil {
		options.Now = p.store.now()
		p.audit, p.columns = set.Begin(options), make([]int, len(set.Fields()))
	}
}

// see looks at rows that are to be stored.
func (p *publishing) see(rows *Rows) error {
	if err := p.ticked(rows); err != nil || p.audit == nil || len(rows.Keys) == 0 {
		return err
	}
	if p.features == nil || !sameFeatures(p.features, rows.Features) {
		p.features = rows.Features
		for i, f := range p.group.Features {
			p.columns[i] = slices.IndexFunc(rows.Features, func(r *registry.Feature) bool { return r.Ordinal == f.Ordinal })
		}
	}
	p.audit.Add(&rules.Batch{
		Values: rows.Values, Rows: len(rows.Keys), Width: len(rows.Features), Columns: p.columns,
		EventTimes: rows.EventTimes, Entity: func(row int) string { return rows.Keys[row].Encoded },
	}, nil)
	return nil
}

// conclude ends that, and adds what came of it to what is said of the load. A publication that is refused is a fault.
func (p *publishing) conclude(j *loadJudge) error {
	if p.audit == nil {
		return nil
	}
	outcomes := p.audit.Finish()
	p.audit, j.outcomes = nil, append(j.outcomes, outcomes...)
	var failed []string
	for i := range outcomes {
		if o := &outcomes[i]; o.Action == rules.RejectBatch && o.Status == rules.Fail && !slices.Contains(failed, o.Rule) {
			failed = append(failed, o.Rule)
		}
	}
	if failed == nil {
		return nil
	}
	named := "the rule "
	if len(failed) > 1 {
		named = "the rules "
	}
	problem := fault.New(fault.Unprocessable, "rule-violated", "nothing was published: what was computed breaks %s%s", named, strings.Join(failed, ", "))
	for i := range outcomes {
		if o := &outcomes[i]; o.Action == rules.RejectBatch && o.Status == rules.Fail {
			problem.At("rule "+o.Rule, string(o.Observed), "expected %s", o.Expected)
		}
	}
	p.refused = true
	return problem
}

// tell reports what rules said, and has the rest judged.
func (p *publishing) tell(ctx context.Context, err error) {
	s, refused, stored := p.store, p.refused || p.judge.refused != nil, err == nil && (p.loaded.Stored > 0 || p.of.Unjudged)
	if s.rules == nil || err != nil && !refused || !stored && len(p.judge.outcomes) == 0 {
		return
	}
	var failed error
	p.loaded.Validation, failed = s.rules.Published(context.WithoutCancel(ctx), p.group, p.loaded.Run, stored && !p.of.More, p.judge.outcomes)
	if failed != nil {
		s.log.Warn("what rules said of a publication could not be recorded", "run", p.loaded.Run, "group", p.group.Name, "error", failed)
	}
}

// way is how the load's rows come in.
func (l *loading) way() string {
	if l.publishing != nil {
		return WayPipeline
	}
	return WayLoad
}
