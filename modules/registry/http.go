package registry

import (
	"math"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"featurestore/app/fault"
	"featurestore/app/httpapi"
)

// maxFile is how large an apply file can be.
const maxFile = 16 << 20

// Types that are embedded in inputs are exported: huma looks into no others.

// ChangeInput is what every call takes that changes something.
type ChangeInput struct {
	DryRun  bool   `query:"dry_run" doc:"Change nothing; answer the plan of what would be done"`
	IfMatch string `header:"If-Match" doc:"The ETag that the definition must have now; otherwise the answer is 412"`
}

func (in ChangeInput) options(replace bool) Options {
	return Options{DryRun: in.DryRun, IfMatch: in.IfMatch, Replace: replace}
}

// DefinitionInput is a change with a definition as its body.
type DefinitionInput struct {
	ChangeInput
	httpapi.Payload
}

// BreakingInput is what the calls take that can change value types.
type BreakingInput struct {
	AllowBreaking bool `query:"allow_breaking" doc:"Let value types change that are stored or read: a new generation of values begins, the old one stays readable as name@version"`
}

// read reads the body, which is JSON whether or not the request says so.
func (in *DefinitionInput) read() ([]byte, error) {
	if t := in.ContentType; t != "" && t != "application/json" && !strings.HasSuffix(t, "+json") {
		return nil, fault.New(fault.Unsupported, "unsupported-content-type", "the content type %q is not read here; send application/json", fault.Shorten(t))
	}
	if in.ContentEncoding != "" && in.ContentEncoding != "identity" {
		return nil, fault.New(fault.Unsupported, "unsupported-content-encoding", "the encoding %q is not read here; send the body as it is",
			fault.Shorten(in.ContentEncoding))
	}
	return in.Bytes(httpapi.MaxBody)
}

// page cuts a list that is ordered by id to one page.
func page[T any](all []T, id func(T) int64, in *httpapi.Page) (of []T, next string, err error) {
	after, err := in.Last()
	if err != nil {
		return nil, "", err
	}
	for i, one := range all {
		if id(one) <= after {
			continue
		}
		if len(of) == in.Limit {
			return of, httpapi.PageToken(id(all[i-1])), nil
		}
		of = append(of, one)
	}
	return of, "", nil
}

// output is a definition with its ETag, or the plan of a dry run.
type output struct {
	Status int
	ETag   string `header:"ETag"`
	Body   any
}

func shown(version int, body any) *output {
	return &output{ETag: etag(version), Body: body}
}

// changed answers what a change made, or its plan.
func changed(d *Defined, dryRun bool, show func(*Catalog) (version int, body any)) *output {
	if dryRun {
		return &output{Body: d.Plan}
	}
	out := shown(show(d.Catalog))
	if d.Created {
		out.Status = http.StatusCreated
	}
	return out
}

type planOutput struct{ Body Plan }

// below is the version before which a page of versions begins, the newest first.
func below(in *httpapi.Page) (int, error) {
	last, err := in.Last()
	if err != nil || last == 0 {
		last = math.MaxInt32 // the widest that the column of versions compares with
	}
	return int(min(last, math.MaxInt32)), err
}

type versionsOutput struct {
	Body struct {
		Versions      []Version `json:"versions" doc:"The newest first"`
		NextPageToken string    `json:"next_page_token,omitempty" doc:"Absent on the last page"`
	}
}

func versionsPage(in *httpapi.Page, versions []Version) *versionsOutput {
	out := &versionsOutput{}
	out.Body.Versions, out.Body.NextPageToken = httpapi.CutPage(in, versions, func(v Version) int64 { return int64(v.Version) })
	return out
}

// documented completes an operation that changes a definition of type T: its body, and what it answers.
func documented[T any](api huma.API, op huma.Operation, body bool) huma.Operation {
	answers := func(schema *huma.Schema, description string) *huma.Response {
		return &huma.Response{Description: description, Content: map[string]*huma.MediaType{"application/json": {Schema: schema}}}
	}
	one := httpapi.Schema[T](api)
	op.Responses = map[string]*huma.Response{
		"200": answers(&huma.Schema{OneOf: []*huma.Schema{one, httpapi.Schema[Plan](api)}}, "The definition as it is now; with dry_run the plan"),
	}
	if body {
		op.Responses["201"] = answers(one, "The definition, which is new")
		op.RequestBody = &huma.RequestBody{
			Description: "The definition. Members of an answer that cannot be set, such as version, are ignored.",
			Content:     map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Type: huma.TypeObject}}},
			Required:    true,
		}
	}
	return op
}

// reading completes an operation that answers one definition of type T.
func reading[T any](api huma.API, op huma.Operation) huma.Operation {
	op.Responses = httpapi.Answers[T](api, "The definition")
	return op
}

func operation(method, path, id, tag, summary, description string) huma.Operation {
	return huma.Operation{OperationID: id, Method: method, Path: path, Tags: []string{tag}, Summary: summary, Description: description}
}
