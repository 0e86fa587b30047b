package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"featurestore/app/fault"
	"featurestore/config"
	"featurestore/modules/materialization"
	"featurestore/modules/runs"
)

// doOnce starts a process with one role that listens nowhere, has it do something, and stops it. Its runs are claimed as those of any other
// process, so nothing is done twice beside others.
func doOnce(ctx context.Context, c *config.Config, role string, log *slog.Logger, do func(*App) error) (err error) {
	if c.ReadOnly {
		return refuse("read_only is set, and this changes something: run it without")
	}
	alone := *c
	alone.HTTP.Listen = nil
	if alone.Roles = []string{role}; c.Embedded() {
		alone.Roles = []string{config.All} // the folder is this process's alone
	}
	a, err := New(ctx, &alone, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Stop()) }()
	if err := a.Start(ctx); err != nil {
		return err
	}
	return do(a)
}

// Materialize brings the online copies of groups in step with history, of all without a name, and writes a line for each to out. Its error
// says how many could not be.
func Materialize(ctx context.Context, c *config.Config, mode string, groups []string, out io.Writer, log *slog.Logger) error {
	known := []materialization.Mode{materialization.Incremental, materialization.Full, materialization.Rebuild}
	for _, m := range known {
		if string(m) == mode {
			return doOnce(ctx, c, config.Materialization, log, func(a *App) error {
				submitted, err := a.copies.Submit(ctx, groups, m)
				if f, ok := fault.As(err); ok {
					return refuse("%s", f.Detail)
				}
				if err != nil {
					return err
				}
				return a.follow(ctx, submitted, out)
			})
		}
	}
	return refuse("there is no mode %s: use %s, %s or %s", mode, known[0], known[1], known[2])
}

// RunPipelines computes the ticks of pipelines that are due, of all without a name, and writes a line for each to out. Its runs are those that
// schedules order: of a pipeline one runs at a time, wherever it was asked for. Its error says how many did not succeed.
func RunPipelines(ctx context.Context, c *config.Config, names []string, out io.Writer, log *slog.Logger) error {
	return doOnce(ctx, c, config.Batch, log, func(a *App) error {
		if len(names) == 0 {
			names = a.pipelines.Names()
		}
		var ordered []runs.Run
		for _, name := range names {
			run, err := a.pipelines.Due(ctx, name)
			if f, ok := fault.As(err); ok {
				return refuse("%s", f.Detail)
			}
			if err != nil {
				return err
			}
			ordered = append(ordered, run)
		}
		return a.follow(ctx, ordered, out)
	})
}

// follow waits for runs and tells of each how it ended.
func (a *App) follow(ctx context.Context, submitted []runs.Run, out io.Writer) error {
	if len(submitted) == 0 {
		fmt.Fprintln(out, "none defined")
		return nil
	}
	bad := 0
	for _, run := range submitted {
		run, err := a.work.Wait(ctx, run.ID)
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("told to stop before run %d had ended; it goes on in another process", run.ID)
		}
		said := string(run.Result)
		if run.State != runs.Succeeded {
			said = run.Reason
			bad++
		}
		fmt.Fprintf(out, "run %d  %s  %s  %s in %s\n", run.ID, run.Subject, run.State, said, run.FinishedAt.Sub(run.StartedAt).Round(time.Millisecond))
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d did not succeed", bad, len(submitted))
	}
	return nil
}
