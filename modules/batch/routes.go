package batch

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"featurestore/app/httpapi"
	"featurestore/modules/batch/gate"
	"featurestore/modules/registry"
)

// definitions answers about pipelines as definitions.
type definitions struct{ registry *registry.Registry }

// DefinitionRoutes mounts the calls of pipelines as definitions. The registry is one that knows PipelineKind.
func DefinitionRoutes(api huma.API, r *registry.Registry) {
	httpapi.Register(api, huma.Operation{
		OperationID: "list-pipelines", Method: http.MethodGet, Path: "/pipelines", Tags: []string{"pipelines"}, Summary: "List pipelines",
	}, definitions{r}.list)
	registry.DefinitionRoutes(api, r, registry.Calls[PipelineAnswer]{Kind: kindPipeline, Path: "/pipelines", Tag: "pipelines", Show: pipelineAnswer,
		Doc: "A pipeline reads events (source), computes at each tick what windows of them say (aggregate) or what a SELECT makes of them (sql), and publishes it as observations of " +
			"its target group at event time = tick. A window is (tick − length, tick]; an entity exists from its first event on. Each feature is computed by one pipeline.\n\n" +
			gate.Dialect()})
}

// Routes mounts the call of a preview.
func (p *Previews) Routes(api huma.API) {
	httpapi.Register(api, huma.Operation{
		OperationID: "preview-pipeline", Method: http.MethodPost, Path: "/pipelines/preview", Tags: []string{"pipelines"},
		Summary: "Try a pipeline on some entities",
		Description: "The body is a pipeline as POST /pipelines takes it; of one that exists already, members that are left out are as they are. It is checked, computed at one tick for some entities, " +
			"and answered with its rows and types, and with what the rules of the target would say of them. Nothing is stored or changed.",
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: httpapi.Schema[PipelineAnswer](api)}}},
		Responses:   httpapi.Answers[PreviewAnswer](api, "What it computes"),
	}, p.preview)
}
