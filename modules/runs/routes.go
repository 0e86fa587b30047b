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
}
