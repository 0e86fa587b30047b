package validation

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"featurestore/app/httpapi"
)

// Routes mounts the module's calls.
func (v *Validation) Routes(api huma.API) {
	httpapi.Direct[driftInput](api, huma.Operation{
		OperationID: "drift", Method: http.MethodPost, Path: "/drift", Tags: []string{"validation"},
		Summary: "Compare two lists of values",
		Description: "Computes how far the current values have moved away from the reference, and stores nothing. Both are counted into bins made from the reference: " +
			"deciles with open ends, or the most frequent categories and one for the others; nulls are a bin too. psi puts a share of 0.0001 in the place of an empty bin's, as " +
			"Evidently does; the verdict goes by score, which is psi with half an observation there, so that small samples do not cry wolf. warn_at and alert_at are " +
			"raised to noise_gate, χ²₀.₉₉(B−1)·(1/n+1/m). Fewer than 50 rows on a side are skipped. A metric that is not defined for the values is null.",
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: httpapi.Schema[driftBody](api)}}},
		Responses:   httpapi.Answers[driftAnswer](api, "The measures and the verdict"),
	}, v.drift)
}
