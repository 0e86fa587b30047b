package validation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/runs"
	"featurestore/modules/validation/rules"
)

// EvaluationKind is the kind of the runs that evaluate rules on what is stored.
const EvaluationKind = "validate"

// evaluations is how many of them a process does at a time.
const evaluations = 2

// evaluationRequest is what such a run is asked to do.
type evaluationRequest struct {
	Way    Way            `json:"way"`
	Load   int64          `json:"load_run_id,omitempty"` // the load that it follows
	Rules  []string       `json:"rules,omitempty"`       // left out: all
	Window *WindowRequest `json:"window,omitempty"`      // left out: what each rule is usually evaluated on
}

// WholeGroup is what such a run is asked that evaluates all enabled rules of its group on what is stored, for whoever orders it.
func WholeGroup() any { return evaluationRequest{Way: ByCall} }

// is tells whether a run was asked to do the same.
func (r *evaluationRequest) is(run runs.Run) bool {
	text, err := json.Marshal(r)
	return err == nil && string(text) == string(run.Parameters)
}

// evaluated is what the run comes to.
type evaluated struct {
	Report int64                `json:"report_id,omitempty"` // 0: no rule was to be judged
	Status rules.Status         `json:"status"`
	Rows   int64                `json:"rows"`
	Counts map[rules.Status]int `json:"results"`
}

func (r *Report) summary() evaluated {
	counts := map[rules.Status]int{}
	for i := range r.Results {
		counts[r.Results[i].Status]++
	}
	return evaluated{r.ID, r.Status, r.Rows, counts}
}

// workEvaluation does one run that was asked for. One that was begun again after its report was stored only says so.
func (v *Validation) workEvaluation(ctx context.Context, run *runs.Active) (any, error) {
	var request evaluationRequest
	if err := json.Unmarshal(run.Parameters(), &request); err != nil {
		return nil, fmt.Errorf("read the parameters of run %d: %w", run.ID(), err)
	}
	if report, err := v.repository.of(ctx, run.ID()); err != nil || report != nil {
		if err != nil {
			return nil, err
		}
		return report.summary(), nil
	}
	catalog, err := v.definitions.Refresh(ctx) // what was stored may follow newer definitions than this process has heard of
	if err != nil {
		return nil, err
	}
	j, err := v.job(ctx, catalog, run.Subject(), &request)
	if err != nil {
		return nil, err
	}
	j.evaluation = run.ID()
	j.progress = func(rows int64) { run.Progress(map[string]int64{"rows": rows}) }
	for range maxTries {
		if request.Load != 0 {
			if j.profile, err = v.profiles.Begin(ctx, j.group, Window{Run: request.Load}, nil); err != nil {
				return nil, err
			}
		}
		report, err := v.evaluate(ctx, j)
		if err != nil {
			return nil, err
		}
		if err = v.keep(ctx, report, j.group, j.profile); err == nil {
			if report.ID == 0 && !report.empty() { // another process has done it meanwhile
				if report, err = v.repository.of(ctx, run.ID()); err != nil || report == nil {
					return nil, err
				}
			}
			return report.summary(), nil
		}
		if !errors.Is(err, errTakenOut) {
			return nil, err
		}
	}
	return nil, fault.New(fault.Busy, "rows-being-removed", "rows of %s are being taken out: try again when that is over", j.group.Name)
}

// job is what a request asks to evaluate. Rules that were deleted since are left out.
func (v *Validation) job(ctx context.Context, catalog *registry.Catalog, name string, request *evaluationRequest) (*job, error) {
	group, ok := catalog.Group(name)
	if !ok {
		return nil, catalog.UnknownGroup(name)
	}
	j := &job{group: group, way: request.Way, load: request.Load, revision: catalog.Revision(), progress: func(int64) {}}
	if request.Window != nil {
		var err error
		if j.window, j.lookedAt, err = request.Window.read(v.now()); err != nil {
			return nil, err
		}
	}
	var again map[string]bool
	if request.Way == ByLoad || request.Way == ByPipeline {
		var err error
		if again, err = v.looksAgain(ctx, group.Name, request.Load); err != nil {
			return nil, err
		}
	}
	for _, rule := range v.guards.Definitions().RulesOf(group.Name) {
		switch {
		case request.Rules != nil:
			if !slices.Contains(request.Rules, rule.Name) {
				continue
			}
		case !rule.Enabled, judgedBefore(request.Way, rule) && !again[rule.Name]:
			continue
		}
		j.rules = append(j.rules, rule)
	}
	if request.Way == BySchedule {
		var err error
		if j.rules, err = v.inTime(ctx, group); err != nil {
			return nil, err
		}
	}
	return j, nil
}

// judgedBefore tells whether what came in a way has been judged by a rule before it was stored.
func judgedBefore(way Way, rule *rules.Definition) bool {
	switch way {
	case ByLoad:
		return rules.IsRow(rule.Kind)
	case ByPipeline:
		return rules.IsRow(rule.Kind) || rule.LooksAt() == rules.NewestLoad
	}
	return false
}

// inTime are the rules of a group that the ticker has evaluated: those that judge the whole, since what they find can change by itself or by
// single writes, and row rules as long as something is found. One about the newest load was evaluated after it, and is again when a later one that
// it looked at was reverted.
func (v *Validation) inTime(ctx context.Context, group *registry.Group) ([]*rules.Definition, error) {
	again, err := v.looksAgain(ctx, group.Name, 0)
	if err != nil {
		return nil, err
	}
	var of []*rules.Definition
	all := v.guards.Definitions().RulesOf(group.Name)
	var past map[string]bool
	if slices.ContainsFunc(all, func(rule *rules.Definition) bool { return rule.Enabled && rule.LooksAt() == rules.NewestLoad }) {
		load, err := v.values.NewestLoad(ctx, group)
		if err != nil {
			return nil, err
		}
		if past, err = v.repository.lookedPast(ctx, group.Name, load); err != nil {
			return nil, err
		}
		if load == 0 {
			for _, rule := range all {
				past[rule.Name] = past[rule.Name] || isSetRule(rule)
			}
		}
	}
	for _, rule := range all {
		switch {
		case !rule.Enabled:
			continue
		case rule.LooksAt() == rules.NewestLoad:
			if !past[rule.Name] {
				continue
			}
		case !isSetRule(rule) && !again[rule.Name]:
			continue
		}
		of = append(of, rule)
	}
	return of, nil
}
