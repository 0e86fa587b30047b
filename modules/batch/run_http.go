package batch

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"featurestore/app/fault"
	"featurestore/app/httpapi"
	"featurestore/modules/registry/value"
	"featurestore/modules/runs"
)

// RunRoutes mounts the calls about runs and ticks of pipelines.
func (r *Runner) RunRoutes(api huma.API) {
	answers := func(what string) map[string]*huma.Response {
		all := httpapi.Answers[runs.Answer](api, what)
		all["202"] = &huma.Response{Description: "The run that does it", Content: map[string]*huma.MediaType{"application/json": {Schema: httpapi.Schema[runs.Answer](api)}}}
		return all
	}
	httpapi.Register(api, huma.Operation{
		OperationID: "run-pipeline", Method: http.MethodPost, Path: "/pipelines/{name}/run", Tags: []string{"pipelines"},
		Summary: "Compute what is due of a pipeline, and publish it",
		Description: "Starts a run. Due are the ticks up to until (left out: the present) that come after the last one that was ever published (if none was, the newest alone); those whose " +
			"publication was reverted, and those that were held back; and published ones whose source group has got or lost rows in their windows since. Gaps are filled by a back-fill. With ticks, these are computed whether they are published or not. " +
			"Each tick is published whole or not at all, once the target's rules have looked at its rows: one that has under min_rows_ratio of the usual number of rows is held back (the run is held, and an " +
			"alert says so) unless force is given. Running again changes nothing.",
		Responses: answers("With dry_run, the ticks that it would compute; with wait, the run once it has ended"),
	}, r.runPipeline)
	httpapi.Register(api, huma.Operation{
		OperationID: "backfill-pipeline", Method: http.MethodPost, Path: "/pipelines/{name}/backfill", Tags: []string{"pipelines"},
		Summary: "Compute all ticks of a range, and publish them",
		Description: "Starts a run that computes all ticks from from to to, both included, whether they are published or not: in one go over the events for as many ticks as batch.chunk_rows lets through, each piece " +
			"published as it is done. A run that is broken off goes on with what is left. What an earlier run said at a tick and this one does not is taken back.",
		Responses: answers("With dry_run, the ticks that it would compute; with wait, the run once it has ended"),
	}, r.backfillPipeline)
	httpapi.Register(api, huma.Operation{
		OperationID: "list-ticks", Method: http.MethodGet, Path: "/pipelines/{name}/ticks", Tags: []string{"pipelines"},
		Summary:     "List the ticks of a pipeline, and what became of them",
		Description: "The newest first: from the first tick that was ever published to the last that is due, or those of a range, both ends included.",
	}, r.listTicks)
}

// RunOptions is what both calls for a run take.
type RunOptions struct {
	Engine string `query:"engine" doc:"Instead of the definition's; all of them compute the same rows" example:"local"`
	Force  bool   `query:"force" doc:"Publish ticks with far fewer rows than usual too"`
	DryRun bool   `query:"dry_run" doc:"Compute nothing; answer the ticks that would be computed"`
	Wait   string `query:"wait" doc:"How long to wait for the run to end, such as 30s; at most 10m" example:"30s"`
}

type runPipelineInput struct {
	Name  string   `path:"name"`
	Until string   `query:"until" doc:"What is due by then, or by now if that is earlier; without an offset, in the pipeline's tick_zone" example:"2026-01-31"`
	Ticks []string `query:"ticks" doc:"These ticks" example:"2026-01-31T00:00:00Z"`
	RunOptions
}

type backfillInput struct {
	Name string `path:"name"`
	From string `query:"from" required:"true" doc:"The first tick, or a time before it; without an offset, in the pipeline's tick_zone" example:"2025-01-01"`
	To   string `query:"to" required:"true" doc:"The last tick, or a time behind it" example:"2026-01-31"`
	RunOptions
}

// PlannedRun is what a run would compute.
type PlannedRun struct {
	Pipeline string   `json:"pipeline"`
	Version  int      `json:"version"`
	Group    string   `json:"group"`
	Engine   string   `json:"engine"`
	Count    int      `json:"count" doc:"How many ticks it would compute"`
	Late     int      `json:"late" doc:"How many of them again, since their source has changed"`
	Ticks    []Moment `json:"ticks" doc:"The first 1,000 of them"`
}

// askedRunOutput is a PlannedRun or a run.
type askedRunOutput struct {
	Status   int
	Location string `header:"Location"`
	Body     any
}

func (r *Runner) runPipeline(ctx context.Context, in *runPipelineInput) (*askedRunOutput, error) {
	plan, err := r.freshPlan(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	request, now := &Request{Engine: in.Engine}, Moment(r.Clock().UnixMicro())
	if len(in.Ticks) > 0 && in.Until != "" {
		return nil, fault.New(fault.Invalid, "two-ways", "until and ticks both say what is to be computed: give one of them").At("query.ticks", "", "stands beside until")
	}
	for i, text := range in.Ticks {
		at, err := readMoment(plan, fmt.Sprintf("query.ticks[%d]", i), text)
		if err != nil {
			return nil, err
		}
		if *at > now {
			return nil, future(fmt.Sprintf("query.ticks[%d]", i), text, now)
		}
		request.Ticks = append(request.Ticks, *at)
	}
	if in.Until != "" {
		until, err := readMoment(plan, "query.until", in.Until)
		if err != nil {
			return nil, err
		}
		*until = min(*until, now)
		request.Until = until
	}
	return r.asked(ctx, plan, request, &in.RunOptions)
}

func (r *Runner) backfillPipeline(ctx context.Context, in *backfillInput) (*askedRunOutput, error) {
	plan, err := r.freshPlan(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	request := &Request{Engine: in.Engine}
	if request.From, err = readMoment(plan, "query.from", in.From); err != nil {
		return nil, err
	}
	if request.To, err = readMoment(plan, "query.to", in.To); err != nil {
		return nil, err
	}
	if *request.To < *request.From {
		return nil, fault.New(fault.Invalid, "invalid-range", "to is before from").At("query.to", in.To, "is before from, %s", request.From)
	}
	if now := Moment(r.Clock().UnixMicro()); *request.To > now {
		return nil, future("query.to", in.To, now)
	}
	return r.asked(ctx, plan, request, &in.RunOptions)
}

// future refuses a time that has not come.
func future(at, text string, now Moment) error {
	what := strings.TrimPrefix(at, "query.")
	return fault.New(fault.Invalid, "invalid-range", "%s is in the future: what happens until then is not known", what).At(at, text, "is after %s", now)
}

// freshPlan compiles a pipeline by the definitions of now, which another process may have changed.
func (r *Runner) freshPlan(ctx context.Context, name string) (*Plan, error) {
	if _, err := r.Definitions.Refresh(ctx); err != nil {
		return nil, err
	}
	return r.plan(name)
}

func readMoment(plan *Plan, location, text string) (*Moment, error) {
	at, err := value.ParseQueryTime(text, plan.Ticks.Zone())
	if err != nil {
		return nil, fault.New(fault.Invalid, "invalid-time", "%s: %v", location, err).At(location, text, "%v", err)
	}
	return (*Moment)(&at), nil
}

// asked answers what a request is about, or asks for a run of it.
func (r *Runner) asked(ctx context.Context, plan *Plan, request *Request, o *RunOptions) (*askedRunOutput, error) {
	wait, err := runs.ReadWait(o.Wait)
	if err != nil {
		return nil, err
	}
	engine, err := r.engine(plan, o.Engine)
	if err != nil {
		return nil, err
	}
	if o.DryRun {
		planned, err := r.planned(ctx, plan, engine, request)
		return &askedRunOutput{Status: http.StatusOK, Body: planned}, err
	}
	if _, _, err := request.named(plan); err != nil {
		return nil, err
	}
	run, err := r.submit(ctx, plan.Name, request, o.Force)
	if err != nil {
		return nil, err
	}
	if wait > 0 {
		if run, err = r.await(ctx, run.ID, wait); err != nil {
			return nil, err
		}
	}
	out := &askedRunOutput{Status: http.StatusAccepted, Location: fmt.Sprintf("/runs/%d", run.ID), Body: run.Show()}
	if run.State.Finished() {
		out.Status = http.StatusOK
	}
	return out, nil
}

// planned is what a run would compute now.
func (r *Runner) planned(ctx context.Context, plan *Plan, engine Engine, request *Request) (*PlannedRun, error) {
	h, err := r.history(ctx, plan)
	if err != nil {
		return nil, err
	}
	found, err := r.decide(ctx, plan, request, h)
	if err != nil {
		return nil, err
	}
	return &PlannedRun{
		Pipeline: plan.Name, Version: plan.Version, Group: plan.Target.Name, Engine: engine.Name(),
		Count: len(found.ticks), Late: len(found.late), Ticks: moments(found.ticks[:min(len(found.ticks), shownTicks)]),
	}, found.close()
}

func (r *Runner) await(ctx context.Context, run int64, wait time.Duration) (runs.Run, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	return r.Runs.Wait(ctx, run)
}
