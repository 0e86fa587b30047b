package runs

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"featurestore/app/fault"
	"featurestore/app/httpapi"
)

// Answer is a run as the API shows it.
type Answer struct {
	ID              int64           `json:"id"`
	Kind            string          `json:"kind" doc:"load, materialization, check, revert, compaction, erasure, validate, profile or pipeline"`
	Subject         string          `json:"subject" doc:"What it is about: a group, a pipeline"`
	State           State           `json:"state" enum:"queued,running,succeeded,failed,cancelled,skipped,held" doc:"skipped: there was nothing to do, or it was not started in time; held: what it came to waits for somebody to decide, who retries it with force or leaves it"`
	Schedule        string          `json:"schedule,omitempty" doc:"That asked for it"`
	Tick            *time.Time      `json:"tick,omitempty" doc:"That it is for"`
	Parameters      json.RawMessage `json:"parameters,omitempty"`
	Progress        json.RawMessage `json:"progress,omitempty"`
	Result          json.RawMessage `json:"result,omitempty"`
	Reason          string          `json:"reason,omitempty" doc:"Why it failed, was cancelled, skipped or held; of a queued one, why its last attempt failed"`
	WaitsFor        string          `json:"waits_for,omitempty" doc:"What keeps a queued run from being started, where one is read"`
	Rows            *int64          `json:"rows,omitempty" doc:"That it wrote"`
	Inputs          json.RawMessage `json:"inputs,omitempty" doc:"What it read"`
	Outputs         json.RawMessage `json:"outputs,omitempty" doc:"What it wrote"`
	Attempts        int             `json:"attempts" doc:"How often it was started"`
	Retries         int             `json:"retries,omitempty" doc:"How many attempts that fail are followed by another"`
	Ended           []Attempt       `json:"ended_attempts,omitempty" doc:"The last 20 attempts that did not end the run"`
	Owner           string          `json:"owner,omitempty" doc:"The host and process that works on it, or last did"`
	HeartbeatAt     *time.Time      `json:"heartbeat_at,omitempty" doc:"The last sign of life of that process"`
	NotBefore       *time.Time      `json:"not_before,omitempty" doc:"When it may start; of one that is tried again, when"`
	Deadline        *time.Time      `json:"deadline,omitempty" doc:"Not started by then it is skipped, not done by then it fails"`
	Key             string          `json:"concurrency_key,omitempty" doc:"Of the runs with it one runs at a time"`
	Heavy           bool            `json:"heavy,omitempty" doc:"It takes one of the places for heavy runs (runs.heavy), and is not started in quiet hours"`
	Slow            bool            `json:"slow,omitempty" doc:"It takes, or took, three times as long as such runs mostly do"`
	RetryOf         int64           `json:"retry_of,omitempty" doc:"The run that it repeats"`
	Forced          bool            `json:"forced,omitempty" doc:"What would hold it does not"`
	CreatedAt       time.Time       `json:"created_at"`
	StartedAt       *time.Time      `json:"started_at,omitempty" doc:"Of the last attempt"`
	FinishedAt      *time.Time      `json:"finished_at,omitempty"`
	CancelRequested bool            `json:"cancel_requested,omitempty"`
}

// Show makes the answer for a run, but for which process does it: other modules answer with it.
func (run Run) Show() Answer {
	given := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		return &t
	}
	return Answer{
		ID: run.ID, Kind: run.Kind, Subject: run.Subject, State: run.State, Schedule: run.Schedule, Tick: given(run.Tick),
		Parameters: run.Parameters, Progress: run.Progress, Result: run.Result, Reason: run.Reason,
		Rows: run.Rows, Inputs: run.Inputs, Outputs: run.Outputs, Attempts: run.Attempts, Retries: run.Retries, Ended: run.Ended,
		NotBefore: given(run.NotBefore), Deadline: given(run.Deadline),
		Key: run.Key, Heavy: run.Heavy, Slow: run.Slow, RetryOf: run.RetryOf, Forced: run.Forced,
		CreatedAt: run.CreatedAt, StartedAt: given(run.StartedAt), FinishedAt: given(run.FinishedAt),
		CancelRequested: run.CancelRequested,
	}
}

// shown is the whole answer.
func (run Run) shown() Answer {
	answer := run.Show()
	answer.Owner = run.Process
	if !run.HeartbeatAt.IsZero() {
		answer.HeartbeatAt = &run.HeartbeatAt
	}
	return answer
}

type runOutput struct{ Body Answer }

type listInput struct {
	httpapi.Page
	Kind     string `query:"kind" doc:"Of this kind only"`
	Subject  string `query:"subject" doc:"About this subject only"`
	State    State  `query:"state" enum:"queued,running,succeeded,failed,cancelled,skipped,held" doc:"In this state only"`
	Schedule string `query:"schedule" doc:"That this schedule asked for"`
	Since    string `query:"since" doc:"Created then or later" example:"2026-11-01T00:00:00Z"`
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
	filter := Filter{Kind: in.Kind, Subject: in.Subject, State: in.State, Schedule: in.Schedule, Before: before, Limit: in.Limit + 1}
	if in.Since != "" { // a plus sign that was not escaped arrives as a space
		if filter.Since, err = time.Parse(time.RFC3339Nano, strings.ReplaceAll(in.Since, " ", "+")); err != nil {
			return nil, fault.New(fault.Invalid, "invalid-time", "since is a time with its offset, such as 2026-11-01T00:00:00Z").
				At("query.since", in.Since, "write it as 2026-11-01T00:00:00Z")
		}
	}
	found, err := r.List(ctx, filter)
	if err != nil {
		return nil, err
	}
	out := &listOutput{}
	found, out.Body.NextPageToken = httpapi.CutPage(&in.Page, found, func(run Run) int64 { return run.ID })
	for _, run := range found {
		out.Body.Runs = append(out.Body.Runs, run.shown())
	}
	return out, nil
}

func (r *Runs) getRun(ctx context.Context, in *struct {
	ID   int64  `path:"id" minimum:"1"`
	Wait string `query:"wait" doc:"Wait so long for the run to finish, at most 10m: 30s"`
}) (*runOutput, error) {
	wait, err := ReadWait(in.Wait)
	if err != nil {
		return nil, err
	}
	run, err := r.Get(ctx, in.ID)
	if err == nil && wait > 0 {
		ctx, cancel := context.WithTimeout(ctx, wait)
		defer cancel()
		run, err = r.Wait(ctx, in.ID)
	}
	if err != nil {
		return nil, err
	}
	out := &runOutput{run.shown()}
	out.Body.WaitsFor, err = r.WaitsFor(context.WithoutCancel(ctx), &run)
	return out, err
}

func (r *Runs) getLog(ctx context.Context, in *struct {
	ID int64 `path:"id" minimum:"1"`
}) (*httpapi.Bytes, error) {
	text, err := r.Log(ctx, in.ID)
	return &httpapi.Bytes{ContentType: "text/plain; charset=utf-8", Body: []byte(text)}, err
}

func (r *Runs) cancelRun(ctx context.Context, in *struct {
	ID int64 `path:"id" minimum:"1"`
}) (*runOutput, error) {
	run, err := r.Cancel(ctx, in.ID)
	return &runOutput{run.shown()}, err
}

func (r *Runs) retryRun(ctx context.Context, in *struct {
	ID    int64 `path:"id" minimum:"1"`
	Force bool  `query:"force" doc:"In spite of what held it: releases a held run"`
	Now   bool  `query:"now" doc:"Start it in quiet hours too"`
}) (*runOutput, error) {
	run, err := r.Retry(ctx, in.ID, in.Force, in.Now)
	return &runOutput{run.shown()}, err
}
