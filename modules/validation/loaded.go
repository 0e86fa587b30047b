package validation

import (
	"context"

	"featurestore/modules/registry"
	"featurestore/modules/validation/rules"
)

// Loaded reports what the row rules of a group said of a load, under its run, and has the rest judged by a run, which it answers: set rules, and what the
// rows are like. 0: there is nothing to do.
func (v *Validation) Loaded(ctx context.Context, group *registry.Group, load int64, stored bool, outcomes []rules.Outcome) (run int64, err error) {
	return v.brought(ctx, ByLoad, group, load, stored, outcomes)
}

// Audit is the enabled rules of a group that judge as a whole what a pipeline is about to publish, and what they are told from outside; nil: there
// are none.
func (v *Validation) Audit(ctx context.Context, group *registry.Group, run int64) (*rules.Set, rules.Options) {
	set := v.guards.Judged(group).Loaded
	if set == nil {
		return nil, rules.Options{}
	}
	return set, v.outside(ctx, group, Window{Run: run})
}

// Published reports what row rules, and those of Audit, said of what a pipeline has published, or would have, under its run. After the last such it has
// the rest judged by a run, which it answers: the rules that look at more than that, and what the rows are like.
func (v *Validation) Published(ctx context.Context, group *registry.Group, run int64, last bool, outcomes []rules.Outcome) (evaluation int64, err error) {
	return v.brought(ctx, ByPipeline, group, run, last, outcomes)
}

// brought reports what was found on the way in, and asks for a run.
func (v *Validation) brought(ctx context.Context, way Way, group *registry.Group, load int64, judge bool, outcomes []rules.Outcome) (run int64, err error) {
	if len(outcomes) > 0 {
		v.counts.count(group.Name, outcomes)
		now := v.now()
		report := &Report{Group: group.Name, Way: way, Run: load, Window: &Window{Run: load}, StartedAt: now, Revision: v.guards.Definitions().Catalog().Revision()}
		for _, o := range outcomes {
			v.nameEntities(group, o.Examples)
			report.Results = append(report.Results, Result{At: now, Usual: true, LookedAt: broughtBy(load), Outcome: o})
		}
		report.onTheWay()
		report.conclude()
		err = v.keep(ctx, report, group, nil)
	}
	if !judge {
		return 0, err
	}
	submitted, failed := v.work.Submit(ctx, EvaluationKind, group.Name, evaluationRequest{Way: way, Load: load})
	if err == nil {
		err = failed
	}
	return submitted.ID, err
}

func isSetRule(rule *rules.Definition) bool { return rule.Enabled && !rules.IsRow(rule.Kind) }

// Guard is the enabled row rules of a group, of any severity and action; nil: there are none. It is cheap enough for every write.
func (v *Validation) Guard(group *registry.Group) *rules.Set { return v.guards.Guard(group) }
