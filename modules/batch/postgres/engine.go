package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"featurestore/app/fault"
	"featurestore/modules/batch"
	"featurestore/modules/batch/stage"
)

// Engine computes in PostgreSQL.
type Engine struct {
	config batch.Config
	groups bool
}

// New makes the engine. groups says that the offline store is a PostgreSQL.
func New(config batch.Config, groups bool) *Engine { return &Engine{config, groups} }

// Name is postgres.
func (e *Engine) Name() string { return batch.Postgres }

// Refuses plans whose events are in no PostgreSQL.
func (e *Engine) Refuses(plan *batch.Plan) string {
	switch {
	case plan.Source.Files != nil:
		return "the engine postgres computes where the events are, and files are in no PostgreSQL: use the engine local"
	case plan.Source.Group != nil && !e.groups:
		return "the engine postgres computes where the events are, and the offline store is no PostgreSQL: use the engine local"
	}
	return ""
}

// Compute computes in one transaction.
func (e *Engine) Compute(ctx context.Context, job *batch.Job) (*batch.Staged, error) {
	if why := e.Refuses(job.Plan); why != "" {
		return nil, fault.New(fault.Unprocessable, "engine-refuses", "%s", why)
	}
	if job.Timeout > 0 {
		within, cancel := context.WithTimeoutCause(ctx, job.Timeout, batch.TookTooLong(job.Timeout))
		defer cancel()
		ctx = within
	}
	out, err := stage.New(job)
	if err != nil {
		return nil, err
	}
	err = e.source(ctx, job, func(ctx context.Context, tx pgx.Tx, of *relation) error {
		if job.Plan.SQL != nil {
			return transform(ctx, tx, job, of, out)
		}
		return aggregate(ctx, tx, job, of, out)
	})
	if closing := out.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return nil, explain(ctx, err, job)
	}
	if job.Progress != nil {
		job.Progress(len(job.Ticks), len(job.Ticks))
	}
	return out.Staged(), nil
}

// last is the newest tick of a job.
func last(job *batch.Job) int64 { return job.Ticks[len(job.Ticks)-1] }

// errNotHere says that a group's rows are not in a PostgreSQL after all.
var errNotHere = errors.New("the offline store is no PostgreSQL")
