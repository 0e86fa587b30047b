package spark

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"featurestore/app/fault"
	"featurestore/modules/batch"
	"featurestore/modules/batch/stage"
)

// Engine computes on Spark.
type Engine struct {
	config  batch.Config
	offline string // the URL of the offline store, where it is a PostgreSQL
	sources Sources
	start   func(ctx context.Context, in *installation, w *work, job *batch.Job, told <-chan struct{}) error // runs the program; tests have one that runs already
}

// Sources is how the other engines read events; they are passed in, since Spark reads the same ones.
type Sources struct {
	// Tables calls use with a query of the events of a plan that are in a PostgreSQL, in the transaction that sees them.
	Tables func(ctx context.Context, job *batch.Job, use func(ctx context.Context, tx pgx.Tx, query string) error) error
	// Spool writes the events of other sources into a file of the job's folder.
	Spool func(ctx context.Context, job *batch.Job) (*batch.Spooled, error)
}

// New makes the engine. offline is the URL of the offline store, "" where it is no PostgreSQL.
func New(config batch.Config, offline string, sources Sources) *Engine {
	return &Engine{config: config, offline: offline, sources: sources, start: start}
}

// Name is spark.
func (e *Engine) Name() string { return batch.Spark }

// Refuses plans where there is no Spark, or nothing to read their source with.
func (e *Engine) Refuses(plan *batch.Plan) string {
	in, why := find(e.config)
	if why == "" && e.byDatabase(plan) && in.driver == "" && !in.hasDriver() {
		why = "the engine spark reads PostgreSQL by its JDBC driver, and there is none: set batch.spark_jar to the file postgresql-42.7.7.jar, which is org.postgresql:postgresql of Maven Central"
	}
	return why
}

// byDatabase tells whether Spark reads the source from a PostgreSQL.
func (e *Engine) byDatabase(plan *batch.Plan) bool {
	return plan.Source.Table != nil || plan.Source.Group != nil && e.offline != ""
}

// Compute starts Spark, and ends it.
func (e *Engine) Compute(ctx context.Context, job *batch.Job) (staged *batch.Staged, err error) {
	if why := e.Refuses(job.Plan); why != "" {
		return nil, fault.New(fault.Unprocessable, "engine-refuses", "%s", why)
	}
	in, _ := find(e.config)
	if job.Timeout > 0 {
		within, cancel := context.WithTimeoutCause(ctx, job.Timeout, batch.TookTooLong(job.Timeout))
		defer cancel()
		ctx = within
	}
	w, err := newWork(job)
	if err != nil {
		return nil, err
	}
	defer func() {
		if removing := os.RemoveAll(w.folder); err == nil && removing != nil {
			err = fmt.Errorf("remove what Spark left: %w", removing)
		}
	}()
	err = w.begin()
	switch {
	case err != nil:
	case e.byDatabase(job.Plan):
		w.driver = true
		err = e.source(ctx, job, w, func(ctx context.Context) error {
			w.describe(job)
			if err := w.tell(); err != nil {
				return err
			}
			return e.start(ctx, in, w, job, told())
		})
	default:
		err = e.beside(ctx, in, w, job)
	}
	if err == nil {
		staged, err = e.finish(ctx, job, w)
	}
	if err != nil {
		return nil, explain(ctx, err, job)
	}
	return staged, nil
}

// beside starts Spark and spools the events meanwhile: the program waits until it is told what to do, and most of its time is the start.
func (e *Engine) beside(ctx context.Context, in *installation, w *work, job *batch.Job) error {
	own, told := *job, make(chan struct{})
	own.Folder = w.folder
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		if w.spooled, err = e.sources.Spool(ctx, &own); err != nil {
			return err
		}
		w.spec.Source = source{Parquet: w.spooled.Path}
		w.describe(job)
		if err = w.tell(); err == nil {
			close(told)
		}
		return err
	})
	group.Go(func() error { return e.start(ctx, in, w, job, told) })
	return group.Wait()
}

// told is for a program that is told before it starts.
func told() <-chan struct{} {
	done := make(chan struct{})
	close(done)
	return done
}

// finish stages what Spark has written.
func (e *Engine) finish(ctx context.Context, job *batch.Job, w *work) (*batch.Staged, error) {
	out, err := stage.New(job)
	if err != nil {
		return nil, err
	}
	take := w.statement.row
	if job.Plan.SQL != nil {
		take = yielded
	}
	for i := range w.spec.Results {
		if err == nil {
			err = w.read(ctx, i, func(row cells) error { return take(job, w.ticks[i], row, out) })
		}
	}
	if closing := out.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return nil, err
	}
	if job.Progress != nil {
		job.Progress(len(job.Ticks), len(job.Ticks))
	}
	return out.Staged(), nil
}

// last is the newest tick of a job.
func last(job *batch.Job) int64 { return job.Ticks[len(job.Ticks)-1] }

func below(folder, name string) string { return filepath.Join(folder, name) }
