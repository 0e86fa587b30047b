package validation

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"featurestore/app/httpapi"
	"featurestore/modules/runs"
)

// Routes mounts the calls of profiles and baselines.
func (p *Profiles) Routes(api huma.API) {
	tags := []string{"validation"}
	answers := httpapi.Answers[ProfileAnswer](api, "The profile")
	answers["202"] = &huma.Response{Description: "With Prefer: respond-async, the run, whose result has profile_id",
		Content: map[string]*huma.MediaType{"application/json": {Schema: httpapi.Schema[runs.Answer](api)}}}
	httpapi.Register(api, huma.Operation{
		OperationID: "post-profile", Method: http.MethodPost, Path: "/profiles", Tags: tags, Summary: "Profile what is stored",
		Description: "Looks at all rows of a window, or of a load, and stores what each feature's values are like. A profile of the same window or load is replaced. It is also done " +
			"after each load. Features tagged pii keep no values. When rows are taken out, by an erasure or a revert, profiles lose what they held and are computed again.",
		Responses: answers,
	}, p.postProfile)
	httpapi.Register(api, huma.Operation{
		OperationID: "list-profiles", Method: http.MethodGet, Path: "/profiles", Tags: tags, Summary: "List profiles, or merge them",
		Description: "The newest first. With merge=true the profiles that lie wholly in the range are answered as one: counts, extremes, mean and deviation as if all rows had been seen at once, " +
			"sketches within the errors that each member states. They are kept for validation.profile_keep; those of loads are merged day by day after a week.",
		Responses: map[string]*huma.Response{"200": {Description: "Profiles, or with merge=true one",
			Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{
				OneOf: []*huma.Schema{httpapi.Schema[profilesBody](api), httpapi.Schema[MergedAnswer](api)}}}}}},
	}, p.listProfiles)
	p.newestRoute(api)
	httpapi.Register(api, huma.Operation{
		OperationID: "get-profile", Method: http.MethodGet, Path: "/profiles/{id}", Tags: tags, Summary: "Read a profile",
	}, p.getProfile)
	httpapi.Register(api, huma.Operation{
		OperationID: "propose-rules", Method: http.MethodPost, Path: "/rules/propose", Tags: tags, Summary: "Propose rules from what is stored",
		Description: "Profiles the window, or takes stored profiles, and proposes rules that the values seen would pass, each with the reason. They warn and record. The list rules can be sent to POST /apply as " +
			"it is, {\"rules\": […]}; with apply they are registered at once, or those that only names. Fewer than 50 values propose nothing.",
	}, p.propose)
	frozen := httpapi.Answers[FrozenAnswer](api, "It was frozen before")
	frozen["201"] = &huma.Response{Description: "It was frozen", Content: map[string]*huma.MediaType{"application/json": {Schema: httpapi.Schema[FrozenAnswer](api)}}}
	httpapi.Register(api, huma.Operation{
		OperationID: "freeze-baseline", Method: http.MethodPost, Path: "/baselines/{name}/freeze", Tags: tags, Summary: "Freeze a baseline",
		Description: "Counts the values that the baseline's source says, once for each version of it. A source window or run needs no body, and is frozen at its first use otherwise; a training set is " +
			"the body, a table in any format whose columns are named after features or group__feature. It can be repeated; another table for a version that is frozen is refused.",
		RequestBody: &huma.RequestBody{Content: map[string]*huma.MediaType{"text/csv": {}, "application/json": {}, "application/vnd.apache.parquet": {}}},
		Responses:   frozen,
	}, p.freeze)
	httpapi.Register(api, huma.Operation{
		OperationID: "get-frozen-baseline", Method: http.MethodGet, Path: "/baselines/{name}/frozen", Tags: tags, Summary: "Read what is frozen of a baseline",
	}, p.getFrozen)
}
