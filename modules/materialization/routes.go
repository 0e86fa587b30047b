package materialization

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"featurestore/app/fault"
	"featurestore/app/httpapi"
	"featurestore/modules/runs"
)

// Routes mounts this module's operations.
func (m *Materialization) Routes(api huma.API) {
	m.standingRoutes(api)
	httpapi.Register(api, huma.Operation{
		OperationID: "materialize", Method: http.MethodPost, Path: "/materialize", Tags: []string{"materialization"},
		DefaultStatus: http.StatusAccepted,
		Summary:       "Bring the online copy of groups in step with history",
		Description: "Starts one run per group and answers 202 with them; with wait, 200 once they have ended. incremental copies what came in " +
			"since the watermark, full every entity's newest values; both can be repeated at any time: newer values win. rebuild empties the online " +
			"copy first; until it is complete again reads are answered from the offline store and say so. The body of Feast's clients, told by its " +
			"members start_ts, end_ts and feature_views, is a full one, answered 200 when it is done.",
		Responses: httpapi.Answers[materializeAnswer](api, "The runs have ended"),
	}, m.materialize)
	httpapi.Register(api, huma.Operation{
		OperationID: "materialize-incremental", Method: http.MethodPost, Path: "/materialize-incremental", Tags: []string{"materialization"},
		Summary:     "Bring the online copy of groups in step with history, as Feast's clients ask for it",
		Description: "Copies what came in since the watermark, and answers when that is done; 409 with {\"error\"} where it cannot be.",
		Responses:   httpapi.Answers[materializeAnswer](api, "The runs have ended"),
	}, m.materializeIncremental)
	httpapi.Register(api, huma.Operation{
		OperationID: "check", Method: http.MethodPost, Path: "/materialize/check", Tags: []string{"materialization"},
		DefaultStatus: http.StatusAccepted,
		Summary:       "Compare a group's online copy with its history",
		Description: "Starts a run and answers 202 with it; with wait, 200 once it has ended. Its result counts entities that are equal, different, missing (history has " +
			"them, online not) and extra (online has them, history not), with up to 20 examples. Writes that go on meanwhile are no differences. With all, everything is " +
			"compared; a sample takes so many entities of the history by chance, those of many observations more likely, and looks online for some that are extra.",
	}, m.check)
}

type materializeInput struct {
	Wait  string           `query:"wait" doc:"How long to wait for the runs to end, such as 30s; at most 10m" example:"30s"`
	Async bool             `query:"async" doc:"With a body of Feast's: answer 202 at once"`
	Body  *materializeBody // optional
}

type materializeBody struct {
	FeastBody
	Groups []string `json:"groups,omitempty" doc:"The groups; left out: all that have an online copy" maxItems:"1000"`
	Mode   Mode     `json:"mode,omitempty" enum:"incremental,full,rebuild" default:"incremental"`
}

type materializeAnswer struct {
	Runs []runs.Answer `json:"runs" doc:"One run per group, in the order asked for"`
}

// materializeOutput is 200 or 202 with a materializeAnswer or, to a body of Feast's, 409 with a feastRefused.
type materializeOutput struct {
	Status int
	Body   any
}

func (m *Materialization) materialize(ctx context.Context, in *materializeInput) (*materializeOutput, error) {
	if in.Body != nil && in.Body.given() {
		if len(in.Body.Groups) > 0 {
			return nil, fault.New(fault.Unprocessable, "two-bodies", "groups stand beside start_ts, end_ts or feature_views: give the one or the other").
				At("body.groups", "", "stands beside members of Feast's body")
		}
		return m.materializeFeast(ctx, &in.Body.FeastBody, Full, in.Async)
	}
	wait, err := runs.ReadWait(in.Wait)
	if err != nil {
		return nil, err
	}
	asked := materializeBody{Mode: Incremental}
	if in.Body != nil {
		asked = *in.Body
	}
	submitted, err := m.Submit(ctx, asked.Groups, asked.Mode)
	if err != nil {
		return nil, err
	}
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	out, status := materializeAnswer{}, http.StatusOK
	for _, run := range submitted {
		if wait > 0 {
			if run, err = m.runs.Wait(waiting, run.ID); err != nil {
				return nil, err
			}
		}
		if !run.State.Finished() {
			status = http.StatusAccepted
		}
		out.Runs = append(out.Runs, run.Show())
	}
	return &materializeOutput{status, out}, nil
}
