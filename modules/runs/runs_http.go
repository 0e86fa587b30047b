package runs

import (
	"context"
	"encoding/json"
	"time"

	"featurestore/app/httpapi"
)

// Answer is a run as the API shows it.
type Answer struct {
	ID              int64           `json:"id"`
	Kind            string          `json:"kind" doc:"load, materialization, check, revert, compaction, erasure, validate or profile"`
	Subject         string          `json:"subject" doc:"What it is about: a group"`
	State           State           `json:"state" enum:"queued,running,succeeded,failed,cancelled"`
	Parameters      json.RawMessage `json:"parameters,omitempty"`
	Progress        json.RawMessage `json:"progress,omitempty"`
	Result          json.RawMessage `json:"result,omitempty"`
	Reason          string          `json:"reason,omitempty" doc:"Why it failed or was cancelled"`
	Attempts        int             `json:"attempts" doc:"How many processes have started it"`
	CreatedAt       time.Time       `json:"created_at"`
	StartedAt       *time.Time      `json:"started_at,omitempty"`
	FinishedAt      *time.Time      `json:"finished_at,omitempty"`
	CancelRequested bool            `json:"cancel_requested,omitempty"`
}

// Show makes the answer for a run; other modules answer with it too.
func (run Run) Show() Answer {
	given := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		return &t
	}
	return Answer{
		ID: run.ID, Kind: run.Kind, Subject: run.Subject, State: run.State,
		Parameters: run.Parameters, Progress: run.Progress, Result: run.Result, Reason: run.Reason, Attempts: run.Attempts,
		CreatedAt: run.CreatedAt, StartedAt: given(run.StartedAt), FinishedAt: given(run.FinishedAt),
		CancelRequested: run.CancelRequested,
	}
}

type runOutput struct{ Body Answer }

type listInput struct {
	httpapi.Page
	Kind    string `query:"kind" doc:"Of this kind only"`
	Subject string `query:"subject" doc:"About this subject only"`
	State   State  `query:"state" enum:"queued,running,succeeded,failed,cancelled" doc:"In this state only"`
}

type listOutput struct {
	Body struct {
		Runs          []Answer `json:"runs"`
		NextPageToken string   `json:"next_page_token,omitempty" doc:"Absent on the last page"`
	}
}

func (r *Runs) listRuns(ctx context.Context, in *listInput) (*listOutput, error) {
	before, err := in.Last()
	if err != nil {
		return nil, err
	}
	found, err := r.List(ctx, Filter{Kind: in.Kind, Subject: in.Subject, State: in.State, Before: before, Limit: in.Limit + 1})
	if err != nil {
		return nil, err
	}
	out := &listOutput{}
	found, out.Body.NextPageToken = httpapi.CutPage(&in.Page, found, func(run Run) int64 { return run.ID })
	for _, run := range found {
		out.Body.Runs = append(out.Body.Runs, run.Show())
	}
	return out, nil
}

func (r *Runs) getRun(ctx context.Context, in *struct {
	ID   int64  `path:"id" minimum:"1"`
	Wait string `query:"wait" doc:"Wait so long for the run to finish, at most 10m: 30s"`
}) (*runOutput, error) {
	if in.Wait == "" {
		run, err := r.Get(ctx, in.ID)
		return &runOutput{run.Show()}, err
	}
	wait, err := ReadWait(in.Wait)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	run, err := r.Wait(ctx, in.ID)
	return &runOutput{run.Show()}, err
}

func (r *Runs) cancelRun(ctx context.Context, in *struct {
	ID int64 `path:"id" minimum:"1"`
}) (*runOutput, error) {
	run, err := r.Cancel(ctx, in.ID)
	return &runOutput{run.Show()}, err
}
