package registry

import (
	"context"
	"encoding/json"
	"strings"

	"gopkg.in/yaml.v3"

	"featurestore/app/fault"
	"featurestore/app/httpapi"
)

type applyInput struct {
	httpapi.Payload
	BreakingInput
	DryRun bool `query:"dry_run" doc:"Change nothing; answer the plan of what would be done"`
}

func (r *Registry) postApply(ctx context.Context, in *applyInput) (*planOutput, error) {
	switch t := in.ContentType; {
	case t == "", t == "text/plain", t == "application/octet-stream", strings.HasSuffix(t, "json"), strings.HasSuffix(t, "yaml"), strings.HasSuffix(t, "yml"):
	default:
		return nil, fault.New(fault.Unsupported, "unsupported-content-type", "the content type %q is not read here; send application/yaml or application/json", fault.Shorten(t))
	}
	if in.ContentEncoding != "" && in.ContentEncoding != "identity" {
		return nil, fault.New(fault.Unsupported, "unsupported-content-encoding", "the encoding %q is not read here; send the body as it is",
			fault.Shorten(in.ContentEncoding))
	}
	body, err := in.Bytes(maxFile)
	if err != nil {
		return nil, err
	}
	plan, err := r.Apply(ctx, body, in.ContentType, Options{DryRun: in.DryRun, AllowBreaking: in.AllowBreaking})
	if err != nil {
		return nil, err
	}
	return &planOutput{*plan}, nil
}

func (r *Registry) getApply(_ context.Context, in *struct {
	Accept string `header:"Accept" doc:"application/json for JSON; YAML otherwise"`
}) (*httpapi.Bytes, error) {
	file, err := r.export()
	if err != nil {
		return nil, err
	}
	if strings.Contains(in.Accept, "application/json") {
		body, err := json.Marshal(file)
		return &httpapi.Bytes{ContentType: "application/json", Body: body}, err
	}
	body, err := yaml.Marshal(file)
	return &httpapi.Bytes{ContentType: "application/yaml", Body: body}, err
}
