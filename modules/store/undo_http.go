package store

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"featurestore/app/httpapi"
	"featurestore/modules/registry/value"
	"featurestore/modules/runs"
)

// RunRoutes mounts the calls of this module under /runs, which every role serves.
func (s *Store) RunRoutes(api huma.API) {
	answers := httpapi.Answers[Reverted](api, "With dry_run, what it would take back; with wait, the run once it has ended")
	answers["202"] = &huma.Response{
		Description: "The run that does it",
		Content:     map[string]*huma.MediaType{jsonType: {Schema: httpapi.Schema[runs.Answer](api)}},
	}
	httpapi.Register(api, huma.Operation{
		OperationID: "revert-run", Method: http.MethodPost, Path: "/runs/{id}/revert", Tags: []string{"Runs"},
		Summary: "Take back what a load brought",
		Description: "Starts a run that removes the rows of the load from history and sets the online copy right. It can be repeated. Values that the load " +
			"had superseded are the newest again.",
		Responses: answers,
	}, s.revert)
}

// retractRoute mounts the call that takes one observation back.
func (s *Store) retractRoute(api huma.API) {
	httpapi.Register(api, huma.Operation{
		OperationID: "retract", Method: http.MethodDelete, Path: "/history/{entity_type}/{entity_id}", Tags: []string{"Storing"},
		Summary: "Take back one observation of an entity",
		Description: "Everything that was stored with this event time goes, all ingests of it, from history and online. With features=, of a row that observed " +
			"others too only these go. Rows of event groups go only where features= names them.",
		Responses: httpapi.Answers[retractedAnswer](api, "What was taken back"),
	}, s.retract)
}

type revertInput struct {
	ID     int64  `path:"id" minimum:"1"`
	DryRun bool   `query:"dry_run" doc:"Change nothing; answer what would be taken back"`
	Wait   string `query:"wait" doc:"How long to wait for the run to end, such as 30s; at most 10m" example:"30s"`
}

type revertOutput struct {
	Status   int
	Location string `header:"Location"`
	Body     any
}

func (s *Store) revert(ctx context.Context, in *revertInput) (*revertOutput, error) {
	wait, err := runs.ReadWait(in.Wait)
	if err != nil {
		return nil, err
	}
	if in.DryRun {
		reverted, err := s.Revertable(ctx, in.ID)
		return &revertOutput{Status: http.StatusOK, Body: reverted}, err
	}
	run, err := s.SubmitRevert(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return s.answerRun(ctx, run, wait)
}

// answerRun answers a run that was asked for: 202, or 200 if it ends within the wait.
func (s *Store) answerRun(ctx context.Context, run runs.Run, wait time.Duration) (*revertOutput, error) {
	if wait > 0 {
		var err error
		if run, err = s.await(ctx, run.ID, wait); err != nil {
			return nil, err
		}
	}
	out := &revertOutput{Status: http.StatusAccepted, Location: fmt.Sprintf("/runs/%d", run.ID), Body: run.Show()}
	if run.State.Finished() {
		out.Status = http.StatusOK
	}
	return out, nil
}

type retractInput struct {
	EntityPath
	EventTime string   `query:"event_time" required:"true" doc:"The event time of the observation, as GET /history answers it" example:"2026-01-31T12:00:00Z"`
	TimeZone  string   `query:"time_zone" doc:"The zone of times without an offset; without it they are refused" example:"Europe/Berlin"`
	Features  []string `query:"features" doc:"Only these features; without it, whole rows" example:"purchase_count_30d"`
	DryRun    bool     `query:"dry_run" doc:"Change nothing; answer what would be taken back"`
}

// retractedAnswer documents the answer of DELETE /history/{entity_type}/{entity_id}.
type retractedAnswer struct {
	EntityType string `json:"entity_type"`
	EntityID   any    `json:"entity_id"`
	EventTime  string `json:"event_time"`
	Groups     []struct {
		Group    string `json:"group"`
		Rows     int64  `json:"rows" doc:"Rows that went"`
		Narrowed int64  `json:"narrowed" doc:"Rows that stay with other features"`

		Quarantined int64 `json:"quarantined,omitempty" doc:"Rows that waited in quarantine and went too"`
	} `json:"groups"`
	DryRun bool   `json:"dry_run"`
	Online string `json:"online" enum:"written,pending,none" doc:"pending: not set right yet, and read from history until it is"`
}

func (s *Store) retract(ctx context.Context, in *retractInput) (*httpapi.Bytes, error) {
	catalog := s.definitions.Catalog()
	entityType, key, err := in.find(catalog)
	if err != nil {
		return nil, err
	}
	request := RetractRequest{EntityType: entityType, Key: key}
	if len(in.Features) > 0 {
		asked, err := chosen(catalog, entityType, in.Features, "", "query")
		if err != nil {
			return nil, err
		}
		request.Features = featuresOf(asked)
	}
	zone, err := zoneOf(in.TimeZone)
	if err != nil {
		return nil, err
	}
	if request.EventTime, err = timeOf("event_time", in.EventTime, zone, 0); err != nil {
		return nil, err
	}
	do := s.Retract
	if in.DryRun {
		do = s.Retractable
	}
	retracted, err := do(ctx, request)
	if err != nil {
		return nil, err
	}
	b := appendEntity(make([]byte, 0, 256), entityType, key)
	b = appendTime(appendMember(b, "event_time"), request.EventTime)
	b = append(appendMember(b, "groups"), '[')
	for _, g := range retracted.Groups {
		b = value.AppendJSONString(first(b, "group"), g.Group.Name)
		b = fmt.Appendf(b, `,"rows":%d,"narrowed":%d`, g.Removed.Rows, g.Removed.Narrowed)
		if g.Removed.Quarantined > 0 {
			b = fmt.Appendf(b, `,"quarantined":%d`, g.Removed.Quarantined)
		}
		b = append(b, '}', ',')
	}
	b = fmt.Appendf(closed(b, ']'), `,"dry_run":%t`, in.DryRun)
	return answered(append(appendTextMember(b, "online", retracted.Online), '}')), nil
}
