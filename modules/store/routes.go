package store

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"featurestore/app/httpapi"
	"featurestore/modules/runs"
	"featurestore/modules/store/table"
)

// Routes mounts the module's calls.
func (s *Store) Routes(api huma.API) {
	writing, reading, tables := []string{"Storing"}, []string{"Reading"}, []string{"Tables"}
	httpapi.Direct[storeOneInput](api, huma.Operation{
		OperationID: "store", Method: http.MethodPost, Path: "/store/{entity_type}/{entity_id}", Tags: writing,
		Summary: "Store an observation of one entity",
		Description: "The body is an object of features and their values; event_time in it, or in the query, says when they were true. A name that nobody " +
			"registered becomes a draft. The answer comes after the values are durable. Where rules are broken, 422 refuses all of it, or 202 says what waits in quarantine.",
		RequestBody: jsonBody[map[string]any](api), Responses: httpapi.Replays(accepting(httpapi.Answers[storedAnswer](api, "It is stored"))),
	}, s.storeOne)
	httpapi.Register(api, huma.Operation{
		OperationID: "store-many", Method: http.MethodPost, Path: "/store/{entity_type}", Tags: writing,
		Summary: "Store many observations in one transaction",
		Description: "The body is {\"rows\": […]} or a table whose columns are the join keys, the time and features, by short name or group:feature. Where rules are broken, " +
			"422 refuses all of it, or 202 says what waits in quarantine.",
		RequestBody: tableBody(api, httpapi.Schema[storeManyBody](api)), Responses: httpapi.Replays(accepting(httpapi.Answers[storedManyAnswer](api, "All rows are stored"))),
	}, s.storeMany)
	feastWritten := httpapi.Replays(httpapi.Answers[feastWrittenAnswer](api, "All rows are stored"))
	httpapi.Register(api, huma.Operation{
		OperationID: "write-to-online-store", Method: http.MethodPost, Path: "/write-to-online-store", Tags: writing,
		Summary: "Store rows as Feast's clients do",
		Description: "The rows are stored in history and online. Rows that are there already change nothing, so the call can be repeated. Rows that break a rule with action " +
			"quarantine wait in quarantine, each time they are sent.",
		RequestBody: jsonBody[feastWriteBody](api), Responses: feastWritten,
	}, s.writeToOnlineStore)
	httpapi.Register(api, huma.Operation{
		OperationID: "push", Method: http.MethodPost, Path: "/push", Tags: writing,
		Summary:     "Store rows as Feast's clients push them",
		Description: "The same as /write-to-online-store, for the group that has the push source's name.",
		RequestBody: jsonBody[feastPushBody](api), Responses: feastWritten,
	}, s.push)

	httpapi.Direct[getFeatureInput](api, huma.Operation{
		OperationID: "get-value", Method: http.MethodGet, Path: "/get/{entity_type}/{entity_id}/{feature}", Tags: reading,
		Summary:   "Read one value",
		Responses: httpapi.Answers[valueAnswer](api, "The newest value; one that was never observed is null with status NOT_FOUND"),
	}, s.getFeature)
	httpapi.Direct[getFeaturesInput](api, huma.Operation{
		OperationID: "get-values", Method: http.MethodGet, Path: "/get/{entity_type}/{entity_id}", Tags: reading,
		Summary:   "Read several values of one entity",
		Responses: httpapi.Answers[featuresAnswer](api, "The newest values"),
	}, s.getFeatures)
	httpapi.Direct[getManyInput](api, huma.Operation{
		OperationID: "get-many", Method: http.MethodPost, Path: "/get/{entity_type}", Tags: reading,
		Summary:     "Read values of many entities",
		Description: "The answer is by columns: pd.DataFrame(r[\"features\"], index=r[\"entity_ids\"]). Other formats of a table by Accept or format=.",
		RequestBody: jsonBody[getManyBody](api), Responses: httpapi.Answers[getManyAnswer](api, "The newest values, in the order in which the entities were asked for"),
	}, s.getMany)
	httpapi.Direct[feastReadInput](api, huma.Operation{
		OperationID: "get-online-features", Method: http.MethodPost, Path: "/get-online-features", Tags: reading,
		Summary:     "Read values as Feast's clients do",
		RequestBody: jsonBody[feastReadBody](api), Responses: httpapi.Answers[feastReadAnswer](api, "One result for each name"),
	}, s.getOnlineFeatures)
	httpapi.Register(api, huma.Operation{
		OperationID: "history", Method: http.MethodGet, Path: "/history/{entity_type}/{entity_id}", Tags: reading,
		Summary: "Read the observations of one entity", Description: "With at= the values as they were at that time.",
		Responses: httpapi.Answers[historyAnswer](api, "Observations, the newest first, or values"),
	}, s.history)
	s.retractRoute(api)
	s.erasureRoutes(api)
	s.quarantineRoutes(api)
	httpapi.Register(api, huma.Operation{
		OperationID: "explain", Method: http.MethodGet, Path: "/explain/{entity_type}/{entity_id}/{feature}", Tags: reading,
		Summary: "Explain why a value is what it is",
	}, s.explain)

	httpapi.Register(api, huma.Operation{
		OperationID: "load-rows", Method: http.MethodPost, Path: "/rows/{group}", Tags: tables,
		Summary: "Load a table of any size into a group",
		Description: "It appears whole or not at all. The rows carry the id of the run, and a run that brings them online is started. With Prefer: respond-async " +
			"the body is kept in a temporary file and the load goes on after the answer. Rows that break a rule with action quarantine wait in quarantine; where a rule with " +
			"action reject_batch fails, nothing is stored.",
		RequestBody: tableBody(api, nil), Responses: httpapi.Replays(loadAnswers(api)),
	}, s.loadRows)
	httpapi.Register(api, huma.Operation{
		OperationID: "export-rows", Method: http.MethodGet, Path: "/rows/{group}", Tags: tables,
		Summary:     "Read the observations of a group as a table",
		Description: "With known_at= those that were known then; of observations of one entity and event time, a compaction leaves what says all that they said.",
		Responses:   tableAnswer("Join keys, event_time and the features"),
	}, s.exportRows)
	s.sampleRoute(api)
	s.sizeRoutes(api)
	s.compactRoute(api)
	httpapi.Register(api, huma.Operation{
		OperationID: "training-set", Method: http.MethodPost, Path: "/training-sets", Tags: tables,
		Summary: "Make a training set",
		Description: "The body is a spine: a table with join keys, a time, and any other columns. The answer has the same rows and columns in the same order, and the " +
			"features as they were at each row's time. Where most of the first rows find no value that counts, the header X-Unmatched-Rows says so, with an example. " +
			"The header Known-At names the moment: with known_at= the same question gets the same bytes again, whatever was stored and changed since.",
		RequestBody: tableBody(api, httpapi.Schema[trainingSetBody](api)), Responses: tableAnswer("The spine with the features"),
	}, s.trainingSet)
	httpapi.Register(api, huma.Operation{
		OperationID: "training-set-template", Method: http.MethodGet, Path: "/training-sets/template", Tags: tables,
		Summary:   "Read the columns that a spine needs",
		Responses: tableAnswer("A table without rows"),
	}, s.trainingSetTemplate)
}

// jsonBody documents a body that is JSON and looks like T.
func jsonBody[T any](api huma.API) *huma.RequestBody {
	return &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{jsonType: {Schema: httpapi.Schema[T](api)}}}
}

var anyText = &huma.Schema{Type: huma.TypeString}

// tableBody documents a body that is a table, or also JSON of another shape.
func tableBody(api huma.API, other *huma.Schema) *huma.RequestBody {
	columns := httpapi.Schema[map[string][]any](api)
	rows := httpapi.Schema[[]map[string]any](api)
	shapes := &huma.Schema{OneOf: []*huma.Schema{columns, rows}}
	if other != nil {
		shapes.OneOf = append([]*huma.Schema{other}, shapes.OneOf...)
	}
	return &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"text/csv":                  {Schema: anyText},
		"application/x-ndjson":      {Schema: anyText},
		jsonType:                    {Schema: shapes},
		table.Parquet.ContentType(): {},
		table.Arrow.ContentType():   {},
	}}
}

func tableAnswer(description string) map[string]*huma.Response {
	return map[string]*huma.Response{"200": {
		Description: description,
		Content: map[string]*huma.MediaType{
			"text/csv":                  {Schema: anyText},
			"application/x-ndjson":      {Schema: anyText},
			jsonType:                    {},
			table.Parquet.ContentType(): {},
			table.Arrow.ContentType():   {},
		},
	}}
}

// accepting documents that some of what was sent may wait in quarantine.
func accepting(answers map[string]*huma.Response) map[string]*huma.Response {
	answers["202"] = &huma.Response{
		Description: "What breaks a rule with action quarantine waits in quarantine, and all else is stored",
		Content:     answers["200"].Content,
	}
	return answers
}

func loadAnswers(api huma.API) map[string]*huma.Response {
	answers := httpapi.Answers[loadAnswer](api, "What became of the rows")
	answers["202"] = &huma.Response{
		Description: "With Prefer: respond-async, the run",
		Content:     map[string]*huma.MediaType{jsonType: {Schema: httpapi.Schema[runs.Answer](api)}},
	}
	return answers
}
