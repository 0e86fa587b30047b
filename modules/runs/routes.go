package runs

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"featurestore/app/httpapi"
)

// Routes mounts the module's calls.
func (r *Runs) Routes(api huma.API) {
	tags := []string{"Runs"}
	httpapi.Register(api, huma.Operation{
		OperationID: "list-runs", Method: http.MethodGet, Path: "/runs", Tags: tags,
		Summary: "List runs", Description: "The newest first.",
	}, r.listRuns)
	httpapi.Register(api, huma.Operation{
		OperationID: "get-run", Method: http.MethodGet, Path: "/runs/{id}", Tags: tags,
		Summary: "Read a run", Description: "State, progress, result, and why it failed.",
	}, r.getRun)
	httpapi.Register(api, huma.Operation{
		OperationID: "cancel-run", Method: http.MethodPost, Path: "/runs/{id}/cancel", Tags: tags,
		Summary:     "Cancel a run",
		Description: "A queued run is cancelled at once; a running one is asked to stop, which its state shows when it has.",
	}, r.cancelRun)
	httpapi.Register(api, huma.Operation{
		OperationID: "get-run-log", Method: http.MethodGet, Path: "/runs/{id}/log", Tags: tags,
		Summary: "Read the end of a run's log", Description: "The last 200 lines, at most 16 KiB, as text.",
		Responses: map[string]*huma.Response{"200": {
			Description: "Lines, the oldest first",
			Content:     map[string]*huma.MediaType{"text/plain": {Schema: &huma.Schema{Type: huma.TypeString}}},
		}},
	}, r.getLog)
	httpapi.Register(api, huma.Operation{
		OperationID: "retry-run", Method: http.MethodPost, Path: "/runs/{id}/retry", Tags: tags,
		DefaultStatus: http.StatusAccepted,
		Summary:       "Do a run's work once more",
		Description: "A new run with the same parameters, of one that failed, was cancelled, skipped or held. Asked again before that has finished, " +
			"the answer is the same run.",
	}, r.retryRun)
}
