package validation

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"featurestore/app/httpapi"
	"featurestore/modules/registry"
	"featurestore/modules/runs"
	"featurestore/modules/validation/gx"
)

// Routes mounts the module's calls.
func (v *Validation) Routes(api huma.API) {
	httpapi.Direct[driftInput](api, huma.Operation{
		OperationID: "drift", Method: http.MethodPost, Path: "/drift", Tags: []string{"validation"},
		Summary: "Compare two lists of values, or what is stored with a baseline",
		Description: "Computes how far the current values have moved away from the reference, and stores nothing. Both are counted into bins made from the reference: " +
			"deciles with open ends, or the most frequent categories and one for the others; nulls are a bin too. psi puts a share of 0.0001 in the place of an empty bin's, as " +
			"Evidently does; the verdict goes by score, which is psi with half an observation there, so that small samples do not cry wolf. warn_at and alert_at are " +
			"raised to noise_gate, χ²₀.₉₉(B−1)·(1/n+1/m). Fewer than 50 rows on a side are skipped. A metric that is not defined for the values is null. With group and baseline " +
			"instead of values, features of a group are compared with what is frozen of them, while their values stream by; a baseline that can be frozen and is not yet is frozen then. ks and " +
			"wasserstein are of samples of at most 1,024 numbers a side.",
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{
			OneOf: []*huma.Schema{httpapi.Schema[driftBody](api), httpapi.Schema[storedDriftBody](api)}}}}},
		Responses: map[string]*huma.Response{"200": {Description: "The measures and the verdict; of what is stored for each feature",
			Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{
				OneOf: []*huma.Schema{httpapi.Schema[driftAnswer](api), httpapi.Schema[storedDriftAnswer](api)}}}}}},
	}, v.drift)
	httpapi.Register(api, huma.Operation{
		OperationID: "validate", Method: http.MethodPost, Path: "/validate", Tags: []string{"validation"},
		Summary: "Evaluate rules, on what is stored or on the data of the call",
		Description: "With group, the group's rules are evaluated on what is stored, by a run whose report is kept and answered; with Prefer: respond-async the run is answered at once. Rows " +
			"that were corrected are looked at as corrected. With dry_run=true nothing is kept, rules need not be saved, and each result says what the rule would have done.\n\n" +
			"Without group, rules, or with format=gx a suite of Great Expectations, are evaluated on rows or columns that the call brings, and nothing is stored. Each outcome says how many rows " +
			"were considered, null and bad, what was observed and expected, and shows up to 20 bad rows. A status is pass, warn, fail, error (it could not be evaluated) or skipped " +
			"(there was nothing to judge): empty data never pass. Kinds that need what is stored (look-ups, earlier runs, baselines) end with error there. With format=gx the " +
			"answer has Great Expectations' form, {success, results: [{success, expectation_config, result, exception_info}], not_imported}, and data are read as pandas would: " +
			"NaN is missing. What the call brings and cannot be evaluated within validation.max_inline_time is a problem.",
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: httpapi.Schema[validateBody](api)}}},
		Responses: map[string]*huma.Response{
			"200": {Description: "One outcome per rule; with group the report; with format=gx one result per expectation",
				Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{
					OneOf: []*huma.Schema{httpapi.Schema[ValidateAnswer](api), httpapi.Schema[ReportAnswer](api), httpapi.Schema[gx.Answer](api)}}}}},
			"202": {Description: "The run that evaluates", Content: map[string]*huma.MediaType{"application/json": {Schema: httpapi.Schema[runs.Answer](api)}}},
		},
	}, v.validate)
	httpapi.Register(api, huma.Operation{
		OperationID: "list-reports", Method: http.MethodGet, Path: "/reports", Tags: []string{"validation"},
		Summary: "List evaluations of rules", Description: "The newest first, without results. They are kept for validation.report_keep.",
	}, v.listReports)
	httpapi.Register(api, huma.Operation{
		OperationID: "list-report-days", Method: http.MethodGet, Path: "/reports/days", Tags: []string{"validation"},
		Summary: "List what rules came to, day by day", Description: "Of each rule and day the worst result, whatever features and rows it was about.",
	}, v.reportDays)
	httpapi.Register(api, huma.Operation{
		OperationID: "get-report", Method: http.MethodGet, Path: "/reports/{id}", Tags: []string{"validation"}, Summary: "Read what an evaluation came to",
		Responses: map[string]*huma.Response{"200": {Description: "The report; with format=gx one result per outcome",
			Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{OneOf: []*huma.Schema{httpapi.Schema[ReportAnswer](api), httpapi.Schema[gx.Answer](api)}}}}}},
	}, v.getReport)
	httpapi.Register(api, huma.Operation{
		OperationID: "rule-history", Method: http.MethodGet, Path: "/rules/{name}/history", Tags: []string{"validation"}, Summary: "List what a rule found over time",
	}, v.ruleHistory)
	httpapi.Register(api, huma.Operation{
		OperationID: "import-rules", Method: http.MethodPost, Path: "/rules/import", Tags: []string{"validation"},
		Summary: "Make rules of a suite of Great Expectations",
		Description: "Answers the rules that a suite has become, and the expectations that could not be taken, each with the reason. Without apply it only translates: nothing is stored or changed, " +
			"a rule keeps severity (critical is error, warning is warn) and takes action record. mostly becomes a tolerance, row_condition where. With apply, the rules that fit the group become " +
			"definitions, and those that do not are among what is not imported. Their names are made of the columns and the type of the expectation, so that the same suite applied again changes " +
			"nothing, and one that was edited changes its rules; enabled, owner, for and resolve_after of a rule stay as they are. A name that a rule of another group has is refused with 409: pass prefix. " +
			"A name of more than 48 letters is cut and ends with eight digits.",
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Type: huma.TypeObject,
			Description: "The suite: expectation_suite_name (0.x) or name (1.x), and expectations"}}}},
		Responses: httpapi.Answers[ImportAnswer](api, "The rules, and what is not imported"),
	}, v.importSuite)
	httpapi.Register(api, huma.Operation{
		OperationID: "list-rule-kinds", Method: http.MethodGet, Path: "/rules/kinds", Tags: []string{"validation"},
		Summary: "List the kinds of rules, what they mean and what they take",
	}, v.kinds)
	v.definitionRoutes(api)
}

// definitionRoutes mounts the calls of rules and baselines as definitions.
func (v *Validation) definitionRoutes(api huma.API) {
	httpapi.Register(api, huma.Operation{
		OperationID: "list-rules", Method: http.MethodGet, Path: "/rules", Tags: []string{"validation"}, Summary: "List rules",
	}, v.listRules)
	registry.DefinitionRoutes(api, v.definitions, registry.Calls[RuleAnswer]{Kind: kindRule, Path: "/rules", Tag: "validation", Show: ruleAnswer,
		Doc: "A rule is about one group; what it can say is its kind's: see GET /rules/kinds. A rule of severity error with action quarantine or reject_batch keeps rows out from the next write on, in other processes from a second later on."})
	httpapi.Register(api, huma.Operation{
		OperationID: "list-baselines", Method: http.MethodGet, Path: "/baselines", Tags: []string{"validation"}, Summary: "List baselines",
	}, v.listBaselines)
	registry.DefinitionRoutes(api, v.definitions, registry.Calls[BaselineAnswer]{Kind: kindBaseline, Path: "/baselines", Tag: "validation", Show: baselineAnswer,
		Doc: "source says which values: {\"window\": {\"from\", \"to\"}}, {\"run\": 17} (a load's), {\"previous\": {\"period\": \"7d\"}} (before the judged window) or {\"training_set\": {}} (a table that is sent to be frozen)."})
}
