package registry

import (
	"math"
	"net/http"
	"strconv"
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

// PageInput is what every list takes.
type PageInput struct {
	Limit     int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	PageToken string `query:"page_token" doc:"next_page_token of the page before"`
}

// after is the id that the page before ended with, 0 on the first page.
func (in PageInput) after() (int64, error) {
	if in.PageToken == "" {
		return 0, nil
	}
	id, err := strconv.ParseInt(in.PageToken, 10, 64)
	if err != nil || id < 1 {
		return 0, fault.New(fault.Invalid, "invalid-page-token", "the page token was not made by this call").
			At("query.page_token", in.PageToken, "pass next_page_token of the page before as it is")
	}
	return id, nil
}

// page cuts a list that is ordered by id to one page.
func page[T any](all []T, id func(T) int64, in PageInput) (of []T, next string, err error) {
	after, err := in.after()
	if err != nil {
		return nil, "", err
	}
	for i, one := range all {
		if id(one) <= after {
			continue
		}
		if len(of) == in.Limit {
			return of, strconv.FormatInt(id(all[i-1]), 10), nil
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

// VersionsInput is what every list of versions takes.
type VersionsInput struct {
	Limit     int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	PageToken string `query:"page_token" doc:"next_page_token of the page before"`
}

func (in VersionsInput) page() (below, limit int, err error) {
	below = math.MaxInt32 // the widest that the column of versions compares with
	if in.PageToken != "" {
		after, err := PageInput(in).after()
		if err != nil {
			return 0, 0, err
		}
		below = int(min(after, math.MaxInt32))
	}
	return below, in.Limit + 1, nil
}

type versionsOutput struct {
	Body struct {
		Versions      []Version `json:"versions" doc:"The newest first"`
		NextPageToken string    `json:"next_page_token,omitempty" doc:"Absent on the last page"`
	}
}

func versionsPage(versions []Version, limit int) *versionsOutput {
	out := &versionsOutput{}
	if len(versions) > limit {
		versions = versions[:limit]
		out.Body.NextPageToken = strconv.Itoa(versions[limit-1].Version)
	}
	out.Body.Versions = versions
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
