package batch

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/runs"
	"featurestore/modules/store"
	"featurestore/modules/store/table"
)

// Values is what runs ask of the store.
type Values interface {
	// Events opens a snapshot of a source group.
	Events(ctx context.Context, group string) (*store.Events, error)

	// Publish stores the rows of some ticks under a run's id, all or none.
	Publish(ctx context.Context, run int64, p store.Publication, rows table.Reader) (*store.Published, error)

	// PublishedTicks are the ticks that a pipeline has published in a group, ascending; from and to are included, nil is no bound.
	PublishedTicks(ctx context.Context, group, pipeline string, from, to *int64) ([]store.PublishedTick, error)
}

// Parts are what a Runner works with.
type Parts struct {
	Definitions *registry.Registry // one that knows PipelineKind
	Plans       *Compiler
	Runs        *runs.Runs
	Values      Values
	Engines     []Engine
	Clock       func() time.Time
	Log         *slog.Logger
}

// Runner does the runs of pipelines, and answers what became of their ticks. Processes without the role have one too: they only ask for runs.
type Runner struct {
	config Config
	Parts
	log     *slog.Logger
	counts  counts
	staging *staging // from Start to Stop
}

// NewRunner makes a runner. Where it is to do runs, HandleRuns is called before runs are started, and Start too.
func NewRunner(config Config, parts Parts) *Runner {
	return &Runner{config: config.Within(0), Parts: parts, log: parts.Log.With("module", "batch"), counts: newCounts()}
}

// HandleRuns has this process do submitted runs.
func (r *Runner) HandleRuns() { r.Runs.Handle(RunKind, concurrency, r.work) }

// concurrency is how many pipelines a process computes at once. Places for heavy runs may be fewer.
const concurrency = 4

// Start makes the folder for what runs compute, and removes what processes left there that were killed.
func (r *Runner) Start(context.Context) (err error) {
	r.staging, err = openStaging(r.config.Folder)
	return err
}

// Stop removes the folder. It is called once the runs have ended.
func (r *Runner) Stop() {
	if r.staging == nil {
		return
	}
	if err := r.staging.close(); err != nil {
		r.log.Warn("the folder for what pipelines compute could not be removed; the next start does it", "error", err)
	}
}

// plan compiles a pipeline as it is defined now.
func (r *Runner) plan(name string) (*Plan, error) {
	return r.Plans.PlanOf(r.Definitions.Catalog(), name)
}

// Folder makes an empty folder for a preview, which removes it.
func (r *Runner) Folder() (string, error) { return r.staging.folder("preview") }

// engine is the one that a plan is computed by; asked: instead of the definition's, "" none.
func (r *Runner) engine(plan *Plan, asked string) (Engine, error) {
	return engineOf(r.Engines, plan, r.config.Engine, asked)
}

// engineOf is the engine of those that there are that a plan is computed by: the one that is asked for, else the definition's, else the usual one.
func engineOf(engines []Engine, plan *Plan, usual, asked string) (Engine, error) {
	name := cmp.Or(asked, plan.Engine, usual)
	names := make([]string, len(engines))
	for i, e := range engines {
		names[i] = e.Name()
		if e.Name() != name {
			continue
		}
		if why := e.Refuses(plan); why != "" {
			return nil, fault.New(fault.Unprocessable, "engine-refuses", "the engine %s cannot compute the pipeline %s: %s", name, plan.Name, why).At("engine", name, "%s", why)
		}
		return e, nil
	}
	return nil, fault.New(fault.Unprocessable, "unknown-engine", "there is no engine %q here: there are %s%s", fault.Shorten(name), strings.Join(names, ", "),
		registry.DidYouMean(name, slices.Values(names))).At("engine", name, "is not there")
}

// Names are the pipelines that there are, in the order in which they were registered.
func (r *Runner) Names() []string {
	var names []string
	for _, d := range r.Definitions.Catalog().Definitions(kindPipeline) {
		names = append(names, d.Name)
	}
	return names
}

// Due asks for the ticks of a pipeline that are due now. A pipeline that there is not, or that cannot be computed here, is a fault.
func (r *Runner) Due(ctx context.Context, pipeline string) (runs.Run, error) {
	plan, err := r.freshPlan(ctx, pipeline)
	if err != nil {
		return runs.Run{}, err
	}
	if _, err := r.engine(plan, ""); err != nil {
		return runs.Run{}, err
	}
	return r.submit(ctx, plan.Name, &Request{}, false)
}

// submit asks for a run, for a person. One run of a pipeline works at a time: a schedule's orders have the same key.
func (r *Runner) submit(ctx context.Context, pipeline string, request *Request, forced bool) (runs.Run, error) {
	form := "due"
	if request.From != nil {
		form = "backfill"
	}
	run, _, err := r.Runs.Order(ctx, runs.Order{
		Kind: RunKind, Subject: pipeline, Parameters: request, Key: RunKind + ":" + pipeline, Form: form, Heavy: true, Now: true, Forced: forced,
	})
	if err != nil {
		return runs.Run{}, fmt.Errorf("ask for a run of the pipeline %s: %w", pipeline, err)
	}
	return run, nil
}
