package app

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"featurestore/modules/registry"
	"featurestore/modules/runs"
	"featurestore/modules/validation/alerts"
)

// watch makes alerts of what somebody should know of runs: that one takes much longer than such runs do, until it ends; that one which a
// schedule asked for failed, or one is held, until the next of its kind and subject succeeds.
type watch struct {
	definitions *registry.Registry
	told        *alerts.Alerts
}

// Slow opens an alert.
func (w watch) Slow(ctx context.Context, run runs.Run, usual time.Duration) error {
	outcome := w.outcome(&run, "slow-run", time.Now())
	outcome.Severity, outcome.Status = alerts.Warn, alerts.Failed
	outcome.Observed, outcome.Expected = fmt.Sprintf("under way since %s", run.StartedAt.Format(time.RFC3339)), "about "+usual.Round(time.Millisecond).String()
	outcome.Sentence = fmt.Sprintf("%s takes more than three times as long as the last ones that succeeded, which took about %s", named(&run), usual.Round(time.Millisecond))
	return w.told.Observe(ctx, outcome)
}

// Ended resolves it, and opens or resolves the alert of what came of the run.
func (w watch) Ended(ctx context.Context, run runs.Run) error {
	var outcomes []alerts.Outcome
	if run.Slow {
		outcome := w.outcome(&run, "slow-run", run.FinishedAt)
		outcome.Severity, outcome.Status, outcome.Sentence = alerts.Warn, alerts.Passed, fmt.Sprintf("run %d has ended", run.ID)
		outcomes = append(outcomes, outcome)
	}
	outcome := w.outcome(&run, "failed-run", run.FinishedAt)
	outcome.Severity, outcome.Status, outcome.Expected = alerts.Error, alerts.Skipped, "succeeded"
	outcome.Observed, outcome.Sentence = string(run.State), fmt.Sprintf("%s has %s", named(&run), run.State)
	switch {
	case run.State == runs.Succeeded:
		outcome.Status = alerts.Passed
	case run.State == runs.Failed && run.Schedule != "":
		outcome.Status = alerts.Failed
		outcome.Sentence = fmt.Sprintf("%s, which the schedule %s asked for, failed: %s", named(&run), run.Schedule, run.Reason)
	case run.State == runs.Held:
		outcome.Status = alerts.Failed
		outcome.Sentence = fmt.Sprintf("%s is held: %s; release it with POST /runs/%d/retry?force=true", named(&run), run.Reason, run.ID)
	}
	return w.told.Observe(ctx, append(outcomes, outcome)...)
}

// outcome is one about what the run is about. Its rule has a hyphen and a space, which no name of a rule can have.
func (w watch) outcome(run *runs.Run, rule string, at time.Time) alerts.Outcome {
	group, owner := run.Subject, ""
	catalog := w.definitions.Catalog()
	if pipeline, ok := catalog.Definition(run.Kind, run.Subject); ok {
		var says struct{ Target, Owner string }
		if json.Unmarshal(pipeline.Document, &says) == nil && says.Target != "" {
			group, owner = says.Target, says.Owner
		}
	}
	if g, ok := catalog.Group(group); ok && owner == "" {
		owner = g.Owner
	}
	if group == "" { // it is about the whole store
		group = run.Kind
	}
	return alerts.Outcome{
		Rule: strings.TrimSpace(rule + " " + run.Kind + " " + run.Subject), Group: group, Class: alerts.Source, Owner: owner, Run: run.ID, At: at, For: 1, ResolveAfter: 1,
	}
}

// named is a run in a sentence.
func named(run *runs.Run) string {
	if run.Subject == "" {
		return fmt.Sprintf("the %s (run %d)", run.Kind, run.ID)
	}
	return fmt.Sprintf("the %s of %s (run %d)", run.Kind, run.Subject, run.ID)
}
