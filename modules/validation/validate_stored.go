package validation

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value/jsonscan"
	"featurestore/modules/runs"
	"featurestore/modules/validation/rules"
)

// storedRequest is a body of POST /validate about what is stored.
type storedRequest struct {
	group   *registry.Group
	names   []string // nil: all rules of the group
	unsaved []rules.Definition
	window  *WindowRequest
}

// aboutStored tells whether a body of POST /validate names a group.
func aboutStored(text string) bool {
	found := false
	s := jsonscan.New(text)
	_ = s.Object(func(name string) error { // what is wrong is said when it is read
		found = found || name == "group"
		_, err := s.Value()
		return err
	})
	return found
}

// readStored reads a body and names everything that is wrong with it.
func (v *Validation) readStored(text string, dry bool) (*storedRequest, error) {
	problem := fault.New(fault.Unprocessable, "invalid-validation", "the request is not valid; violations lists what is wrong")
	wrong := func(location, value, format string, args ...any) {
		if len(problem.Violations) < maxViolations {
			problem.At(location, value, format, args...)
		}
	}
	r := &storedRequest{}
	name := ""
	s := jsonscan.New(text)
	err := s.Object(func(member string) (err error) {
		switch member {
		case "group":
			name, err = s.Text()
		case "rules":
			r.names = []string{}
			return s.Array(func(i int) error {
				raw, err := s.Value()
				if i == maxRules {
					wrong("rules", "", "are more than %d", maxRules)
				}
				if i >= maxRules || err != nil {
					return err
				}
				r.rule("rules["+strconv.Itoa(i)+"]", raw, dry, wrong)
				return nil
			})
		case "window":
			r.window = &WindowRequest{}
			return s.Object(func(member string) (err error) {
				switch member {
				case "from":
					r.window.From, err = s.Text()
				case "to":
					r.window.To, err = s.Text()
				case "last":
					r.window.Last, err = s.Text()
				case "run":
					var raw string
					if raw, err = s.Value(); err == nil {
						if r.window.Run, err = strconv.ParseInt(raw, 10, 64); err != nil || r.window.Run < 1 {
							wrong("window.run", raw, "expected the id of a run")
							err = nil
						}
					}
				default:
					wrong("window."+member, "", "unknown member%s", registry.DidYouMean(member, slices.Values([]string{"from", "to", "last", "run"})))
					_, err = s.Value()
				}
				return err
			})
		case "rows", "columns", "types", "time_column", "entity_columns", "now":
			wrong(member, "", "stands beside group: rules are evaluated on what is stored of the group, or on the data of the call")
			_, err = s.Value()
		default:
			wrong(member, "", "unknown member%s", registry.DidYouMean(member, slices.Values([]string{"group", "rules", "window"})))
			_, err = s.Value()
		}
		return err
	})
	if err == nil {
		err = s.End()
	}
	if err != nil {
		return nil, jsonscan.Fault(err)
	}
	catalog := v.guards.Definitions().Catalog()
	group, ok := catalog.Group(name)
	if !ok {
		return nil, located(catalog.UnknownGroup(name), "group", name)
	}
	r.group = group
	v.resolve(r, wrong)
	if r.window != nil {
		if _, _, err := r.window.read(v.now()); err != nil {
			if p, ok := fault.As(err); ok {
				for _, violation := range p.Violations {
					violation.Location = strings.TrimPrefix(violation.Location, "body.")
					problem.Violations = append(problem.Violations, violation)
				}
			}
		}
	}
	if len(problem.Violations) > 0 {
		if v := problem.Violations[0]; len(problem.Violations) == 1 {
			problem.Detail = v.Location + ": " + v.Message
		}
		return nil, problem
	}
	return r, nil
}

// rule takes one of the rules that a body lists: a name, or the definition of one that is not saved.
func (r *storedRequest) rule(at, raw string, dry bool, wrong func(location, value, format string, args ...any)) {
	switch jsonscan.KindOf(raw) {
	case jsonscan.String:
		name, err := jsonscan.New(raw).Text()
		if err != nil {
			wrong(at, raw, "%v", err)
			return
		}
		r.names = append(r.names, name)
	case jsonscan.Object:
		if !dry {
			wrong(at, "", "is a definition: what is not saved is evaluated with dry_run=true only; without it, name rules that are saved")
			return
		}
		d, problems := rules.Read(raw)
		for _, p := range problems {
			wrong(within(at, p.At), p.Value, "%s", p.Message)
		}
		r.unsaved = append(r.unsaved, d)
	default:
		wrong(at, raw, "expected the name of a rule, or with dry_run=true a definition")
	}
}

// resolve checks the rules that are asked for against the group.
func (v *Validation) resolve(r *storedRequest, wrong func(location, value, format string, args ...any)) {
	definitions := v.guards.Definitions()
	for _, name := range r.names {
		rule, err := definitions.Rule(name)
		switch {
		case err != nil:
			wrong("rules", name, "%s", sentenceOf(err))
		case rule.Group != r.group.Name:
			wrong("rules", name, "is about the group %s, not %s", rule.Group, r.group.Name)
		}
	}
	for i := range r.unsaved {
		d := &r.unsaved[i]
		if d.Group != "" && d.Group != r.group.Name {
			wrong("rules", d.Name, "is about the group %s, not %s", d.Group, r.group.Name)
		}
		if slices.Contains(r.names, d.Name) {
			wrong("rules", d.Name, "is given twice")
		}
		d.Group, d.Enabled = r.group.Name, true
	}
	if _, violations := rules.Compile(r.unsaved, Fields(r.group)); len(violations) > 0 {
		for _, w := range violations {
			wrong(within("rules["+strconv.Itoa(w.Rule)+"]", w.At), w.Value, "%s", w.Message)
		}
	}
}

// validateStored evaluates rules on what is stored, by a run, or for a trial that leaves nothing behind.
func (v *Validation) validateStored(ctx context.Context, text string, in *validateInput) (*validateOutput, error) {
	request, err := v.readStored(text, in.DryRun)
	if err != nil {
		return nil, err
	}
	if in.DryRun {
		report, err := v.try(ctx, request)
		if err != nil {
			return nil, err
		}
		return report.answer(in.Format, would)
	}
	run, err := v.work.Submit(ctx, EvaluationKind, request.group.Name, evaluationRequest{Way: ByCall, Rules: request.names, Window: request.window})
	if err != nil {
		return nil, err
	}
	if prefersAsync(in.Prefer) {
		out, err := answer(run.Show())
		if err == nil {
			out.Status, out.Location, out.PreferenceApplied = http.StatusAccepted, fmt.Sprintf("/runs/%d", run.ID), "respond-async"
		}
		return out, err
	}
	if run, err = v.work.Wait(ctx, run.ID); err != nil {
		return nil, err
	}
	switch {
	case !run.State.Finished(): // nobody waits any more
		return nil, ctx.Err()
	case run.State != runs.Succeeded:
		return nil, fault.New(fault.Conflict, "evaluation-failed", "the rules were not evaluated: run %d has %s: %s", run.ID, run.State, run.Reason)
	}
	report, err := v.repository.of(ctx, run.ID)
	if err != nil {
		return nil, err
	}
	if report == nil {
		return nil, fmt.Errorf("run %d has succeeded and there is no report of it", run.ID)
	}
	return report.answer(in.Format, (*Result).sentence)
}

// try evaluates without storing anything. A few at a time do.
func (v *Validation) try(ctx context.Context, request *storedRequest) (*Report, error) {
	select {
	case v.trying <- struct{}{}:
		defer func() { <-v.trying }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	catalog := v.guards.Definitions().Catalog()
	j, err := v.job(ctx, catalog, request.group.Name, &evaluationRequest{Way: ByCall, Rules: request.names, Window: request.window})
	if err != nil {
		return nil, err
	}
	for i := range request.unsaved {
		j.rules = append(j.rules, &request.unsaved[i])
	}
	return v.evaluate(ctx, j)
}

// would says what a rule would have done.
func would(r *Result) string {
	switch {
	case r.Status == rules.Failed || r.Status == rules.Skipped:
		return "says nothing: " + r.Reason
	case len(r.Observed) > 0 && r.Bad == 0 && r.Status == rules.Pass:
		return fmt.Sprintf("would have passed: observed %s, expected %s", rounded(r.Observed), r.Expected)
	case len(r.Observed) > 0 && r.Bad == 0:
		return fmt.Sprintf("would have said %s: observed %s, expected %s", r.Status, rounded(r.Observed), r.Expected)
	}
	return "would have flagged " + flagged(r.Bad, r.Considered)
}
