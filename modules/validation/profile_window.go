package validation

import (
	"context"
	"fmt"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

// asked reads which rows of a group a call is about; nil: all.
func (p *Profiles) asked(ctx context.Context, group *registry.Group, request *WindowRequest) (Window, error) {
	if request == nil {
		return Window{}, nil
	}
	window, _, err := request.read(p.clock())
	if err != nil {
		return Window{}, err
	}
	if window.Run == 0 {
		return *window, nil
	}
	if window.From != nil || window.To != nil {
		return Window{}, fault.New(fault.Unprocessable, "invalid-window", "give run alone, or from, to or last").At("body.window.run", fmt.Sprint(window.Run), "stands beside times")
	}
	run, err := p.work.Get(ctx, window.Run)
	if err != nil {
		return Window{}, err
	}
	if run.Kind != "load" || run.Subject != group.Name {
		return Window{}, fault.New(fault.Unprocessable, "not-a-load", "run %d is a %s of %s, not a load of %s", run.ID, run.Kind, run.Subject, group.Name).
			At("body.window.run", fmt.Sprint(run.ID), "is no load of the group")
	}
	return *window, nil
}

// queryWindow reads the ends of a window that a query gives, "" being open.
func queryWindow(from, to string) (w Window, err error) {
	problem := fault.New(fault.Unprocessable, "invalid-window", "the window is not valid: from and to are times such as 2026-01-31T00:00:00Z, from before to")
	for _, end := range []struct {
		name, text string
		into       **int64
	}{{"from", from, &w.From}, {"to", to, &w.To}} {
		if end.text == "" {
			continue
		}
		us, err := value.ParseQueryTime(end.text, nil)
		if err != nil {
			problem.At("query."+end.name, end.text, "%v", err)
			continue
		}
		*end.into = &us
	}
	if w.From != nil && w.To != nil && *w.From >= *w.To {
		problem.At("query.to", to, "is not after from")
	}
	if len(problem.Violations) > 0 {
		return w, problem
	}
	return w, nil
}
