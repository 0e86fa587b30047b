package local

import (
	"context"
	"errors"

	"featurestore/modules/batch"
)

// Places says where the sources of definitions are. Its errors are faults.
type Places interface {
	// Root is the folder that a root is.
	Root(name string) (string, error)

	// URL is that of a named PostgreSQL.
	URL(connection string) (string, error)
}

// Engine computes in this process.
type Engine struct{ places Places }

// New makes the engine.
func New(places Places) *Engine { return &Engine{places} }

// Name is local.
func (e *Engine) Name() string { return batch.Local }

// Refuses nothing: every source can be read here.
func (e *Engine) Refuses(*batch.Plan) string { return "" }

// Compute computes within the job's limits.
func (e *Engine) Compute(ctx context.Context, job *batch.Job) (*batch.Staged, error) {
	if job.Timeout > 0 {
		within, cancel := context.WithTimeoutCause(ctx, job.Timeout, batch.TookTooLong(job.Timeout))
		defer cancel()
		ctx = within
	}
	staged, err := e.compute(ctx, job)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, explain(err, job)
	}
	if job.Progress != nil {
		job.Progress(len(job.Ticks), len(job.Ticks))
	}
	return staged, nil
}

// compute takes the events of a group as they come, and lets DuckDB read all others.
func (e *Engine) compute(ctx context.Context, job *batch.Job) (*batch.Staged, error) {
	if job.Plan.SQL == nil && job.Plan.Source.Group != nil {
		return aggregate(ctx, job, scan(job))
	}
	d, err := open(job)
	if err != nil {
		return nil, err
	}
	defer d.close()
	files, of, err := e.source(ctx, d, job)
	if err != nil {
		return nil, err
	}
	if job.Plan.SQL == nil && len(job.Ticks) == 1 && job.Sample == 0 {
		if p := newProgram(job.Plan); groupable(p) {
			staged, err := d.grouped(ctx, job, p, files, of)
			if !errors.Is(err, errBeyond) {
				return staged, err
			}
		}
	}
	if err := d.relation(ctx, job, files, of); err != nil {
		return nil, err
	}
	if job.Plan.SQL != nil {
		return d.transform(ctx, job)
	}
	return aggregate(ctx, job, d.assembled(job))
}

// source answers files of Parquet that hold the events, and how they are read.
func (e *Engine) source(ctx context.Context, d *database, job *batch.Job) (files []string, of *columns, err error) {
	if from := job.Plan.Source.Files; from != nil {
		root, err := e.places.Root(from.Root)
		if err == nil {
			files, err = filesOf(root, from)
		}
		if err == nil {
			of, err = d.direct(ctx, job.Plan, files)
		}
		if err != nil || of != nil {
			return files, of, err
		}
	}
	into, err := newSpool(job.Plan, job.Folder)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case files != nil:
		err = spoolFiles(ctx, job.Plan, files, into)
	case job.Plan.Source.Table != nil:
		err = e.spoolTable(ctx, job, into)
	default:
		err = spoolGroup(ctx, job, into)
	}
	return []string{into.path}, into.columns(job.Plan), into.end(err)
}

// explain makes a fault of what DuckDB said.
func explain(err error, job *batch.Job) error {
	var said *duckError
	if !errors.As(err, &said) {
		return err
	}
	return said.explain(job)
}
