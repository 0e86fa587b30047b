package materialization

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"featurestore/app/fault"
	"featurestore/modules/runs"
)

// Sample is how many entities a check looks at.
type Sample int

// All looks at every entity.
const All Sample = -1

const (
	defaultSample Sample = 1000
	maxSample     Sample = 100_000
)

// Schema is what huma shows, and holds bodies to.
func (Sample) Schema(huma.Registry) *huma.Schema {
	least, most := 1.0, float64(maxSample)
	return &huma.Schema{Description: "How many entities are looked at: a number, or all", Default: int(defaultSample), OneOf: []*huma.Schema{
		{Type: huma.TypeInteger, Minimum: &least, Maximum: &most},
		{Type: huma.TypeString, Enum: []any{"all"}},
	}}
}

// MarshalJSON writes the number or "all".
func (s Sample) MarshalJSON() ([]byte, error) {
	if s == All {
		return []byte(`"all"`), nil
	}
	return strconv.AppendInt(nil, int64(s), 10), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Sample) UnmarshalJSON(text []byte) error {
	if string(text) == `"all"` {
		*s = All
		return nil
	}
	var n int
	if err := json.Unmarshal(text, &n); err != nil || n < 1 || n > int(maxSample) {
		return fmt.Errorf("a sample is \"all\" or a number from 1 to %d", maxSample)
	}
	*s = Sample(n)
	return nil
}

type checkInput struct {
	Wait string `query:"wait" doc:"How long to wait for the run to end, such as 30s; at most 10m" example:"30s"`
	Body struct {
		Group  string `json:"group" doc:"The group"`
		Sample Sample `json:"sample,omitempty"`
		Repair bool   `json:"repair,omitempty" doc:"Set right what differs: by merging what history has, and where that is not enough by rebuilding the group"`
	}
}

type checkOutput struct {
	Status int
	Body   runs.Answer
}

// check starts a run that compares the copies of a group.
func (m *Materialization) check(ctx context.Context, in *checkInput) (*checkOutput, error) {
	wait, err := runs.ReadWait(in.Wait)
	if err != nil {
		return nil, err
	}
	group, err := m.groupAt("body.group", in.Body.Group)
	if err != nil {
		return nil, err
	}
	request := CheckRequest{Sample: in.Body.Sample, Repair: in.Body.Repair}
	if request.Sample == 0 {
		request.Sample = defaultSample
	}
	run, err := m.runs.Submit(ctx, CheckKind, group.Name, request)
	if err != nil {
		return nil, fmt.Errorf("submit the check of %s: %w", group.Name, err)
	}
	if wait > 0 {
		waiting, cancel := context.WithTimeout(ctx, wait)
		defer cancel()
		if run, err = m.runs.Wait(waiting, run.ID); err != nil {
			return nil, err
		}
	}
	out := &checkOutput{Status: http.StatusAccepted, Body: run.Show()}
	if run.State.Finished() {
		out.Status = http.StatusOK
	}
	return out, nil
}

// incomplete is answered where there is nothing to compare.
func incomplete(group string) error {
	return fault.New(fault.Conflict, "copy-incomplete",
		"the online copy of %s is not complete, so reads are answered from the offline store: check it once it has been brought back", group)
}
