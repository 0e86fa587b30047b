package materialization

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"featurestore/app/fault"
	"featurestore/modules/registry/value"
	"featurestore/modules/runs"
)

// Feast's bodies of materialization. Whatever range they name, the online copy holds the newest values afterwards: that is what it is for.

// FeastBody is what Feast's clients send.
type FeastBody struct {
	StartTS      *string  `json:"start_ts,omitempty" nullable:"true" doc:"The range of event times, without an offset in UTC; it only must be one" example:"2026-01-01T00:00:00"`
	EndTS        *string  `json:"end_ts,omitempty" nullable:"true" example:"2026-02-01T00:00:00"`
	FeatureViews []string `json:"feature_views,omitempty" nullable:"true" doc:"The groups; null: all that have an online copy"`
	NoTimes      *bool    `json:"disable_event_timestamp,omitempty" nullable:"true" doc:"Not needed"`
	FullNames    *bool    `json:"full_feature_names,omitempty" nullable:"true" doc:"Not needed"`
	Version      *string  `json:"version,omitempty" nullable:"true" doc:"Not needed"`
}

// given tells a body of Feast's from one of ours.
func (b *FeastBody) given() bool {
	return b.StartTS != nil || b.EndTS != nil || b.FeatureViews != nil || b.NoTimes != nil || b.FullNames != nil || b.Version != nil
}

// check reads the times.
func (b *FeastBody) check() error {
	var times []int64
	for _, end := range []struct {
		place string
		text  *string
	}{{"body.start_ts", b.StartTS}, {"body.end_ts", b.EndTS}} {
		if end.text == nil {
			continue
		}
		at, err := value.ParseTime(*end.text, time.UTC)
		if err != nil {
			return fault.New(fault.Unprocessable, "invalid-time", "%s: %s", strings.TrimPrefix(end.place, "body."), err).At(end.place, *end.text, "%s", err)
		}
		times = append(times, at)
	}
	if len(times) == 2 && times[0] > times[1] {
		return fault.New(fault.Unprocessable, "empty-range", "start_ts is after end_ts").At("body.start_ts", *b.StartTS, "is after end_ts")
	}
	return nil
}

// feastRefused is the answer of Feast's server where materialization did not come about.
type feastRefused struct {
	Error string        `json:"error" doc:"Why, in a sentence"`
	Runs  []runs.Answer `json:"runs"`
}

type feastIncrementalInput struct {
	Async bool `query:"async" doc:"Answer 202 at once"`
	Body  feastIncrementalBody
}

type feastIncrementalBody struct {
	EndTS        string   `json:"end_ts" doc:"Without an offset in UTC" example:"2026-02-01T00:00:00"`
	FeatureViews []string `json:"feature_views,omitempty" nullable:"true" doc:"The groups; null: all that have an online copy"`
	FullNames    *bool    `json:"full_feature_names,omitempty" nullable:"true" doc:"Not needed"`
	Version      *string  `json:"version,omitempty" nullable:"true" doc:"Not needed"`
}

func (m *Materialization) materializeIncremental(ctx context.Context, in *feastIncrementalInput) (*materializeOutput, error) {
	body := &FeastBody{EndTS: &in.Body.EndTS, FeatureViews: in.Body.FeatureViews}
	return m.materializeFeast(ctx, body, Incremental, in.Async)
}

// materializeFeast brings groups in step and answers when that is done, unless async. A run that fails does not stop the others.
func (m *Materialization) materializeFeast(ctx context.Context, body *FeastBody, mode Mode, async bool) (*materializeOutput, error) {
	if err := body.check(); err != nil {
		return nil, err
	}
	submitted, err := m.submit(ctx, body.FeatureViews, mode, "body.feature_views")
	if err != nil {
		return nil, err
	}
	out := materializeAnswer{Runs: make([]runs.Answer, 0, len(submitted))}
	var failures []string
	for _, run := range submitted {
		if !async {
			if run, err = m.runs.Wait(ctx, run.ID); err != nil {
				return nil, err
			}
			if ctx.Err() != nil {
				return nil, ctx.Err() // nobody waits; the runs go on
			}
			if run.State != runs.Succeeded {
				failures = append(failures, fmt.Sprintf("%s %s as run %d: %s", run.Subject, run.State, run.ID, run.Reason))
			}
		}
		out.Runs = append(out.Runs, run.Show())
	}
	switch {
	case len(failures) > 0:
		return &materializeOutput{http.StatusConflict, feastRefused{"materialization did not come about: " + strings.Join(failures, "; "), out.Runs}}, nil
	case async:
		return &materializeOutput{http.StatusAccepted, out}, nil
	}
	return &materializeOutput{http.StatusOK, out}, nil
}
