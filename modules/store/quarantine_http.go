package store

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"featurestore/app/fault"
	"featurestore/app/httpapi"
	"featurestore/modules/registry/value"
)

// quarantineRoutes mounts the calls about rows that wait in quarantine.
func (s *Store) quarantineRoutes(api huma.API) {
	tags := []string{"Quarantine"}
	httpapi.Register(api, huma.Operation{
		OperationID: "list-quarantine", Method: http.MethodGet, Path: "/quarantine", Tags: tags,
		Summary:     "List rows that rules keep out of history",
		Description: "The newest first. Values of features that are tagged pii are masked; the call that reads one row shows them.",
	}, s.listQuarantine)
	httpapi.Register(api, huma.Operation{
		OperationID: "count-quarantine", Method: http.MethodGet, Path: "/quarantine/counts", Tags: tags,
		Summary: "Count the rows that rules kept out of history, by group and by what became of them",
	}, s.countQuarantine)
	httpapi.Register(api, huma.Operation{
		OperationID: "get-quarantined", Method: http.MethodGet, Path: "/quarantine/{id}", Tags: tags,
		Summary: "Read one row in quarantine",
	}, s.getQuarantined)
	httpapi.Register(api, huma.Operation{
		OperationID: "amend-quarantined", Method: http.MethodPut, Path: "/quarantine/{id}", Tags: tags,
		Summary: "Give a row in quarantine other values",
		Description: "The body is an object of features and their values, all that the row observes, and is checked as in a write. The row goes on waiting; the answer says what it " +
			"breaks now. Entity and event time stay.",
		RequestBody: jsonBody[map[string]any](api), Responses: httpapi.Answers[quarantinedAnswer](api, "The row as it is now"),
	}, s.amendQuarantined)
	httpapi.Register(api, huma.Operation{
		OperationID: "replay-quarantine", Method: http.MethodPost, Path: "/quarantine/replay", Tags: tags,
		Summary: "Store rows from quarantine",
		Description: "Today's rules look at the rows again. Those that keep them are stored with their own event times, as ingested now, each once, and belong to the load that they " +
			"came with. The others go on waiting, with what they break now. The newest are taken first, at most limit; where there are more, next_page_token goes on from there.",
	}, s.replayQuarantine)
	httpapi.Register(api, huma.Operation{
		OperationID: "discard-quarantine", Method: http.MethodPost, Path: "/quarantine/discard", Tags: tags,
		Summary:     "Give up rows in quarantine",
		Description: "Their values are deleted; that they were there stays counted. The newest are taken first, at most limit; where there are more, next_page_token goes on from there.",
	}, s.discardQuarantine)
}

type listQuarantineInput struct {
	httpapi.Page
	Group string `query:"group" doc:"Only rows of that group"`
	Rule  string `query:"rule" doc:"Only rows that break that rule"`
	Run   int64  `query:"run_id" minimum:"0" doc:"Only rows that came with that load"`
	State string `query:"state" enum:"waiting,replayed,discarded,expired,all" default:"waiting"`
}

// quarantinedAnswer is an entry as the API shows it.
type quarantinedAnswer struct {
	ID            string          `json:"id"`
	Group         string          `json:"group"`
	EntityType    string          `json:"entity_type"`
	EntityID      json.RawMessage `json:"entity_id,omitempty" doc:"While it waits"`
	EventTime     string          `json:"event_time"`
	State         string          `json:"state" enum:"waiting,replayed,discarded,expired"`
	QuarantinedAt string          `json:"quarantined_at"`
	EndedAt       string          `json:"ended_at,omitempty" doc:"When it ended waiting"`
	Version       int             `json:"version" doc:"1, and one more each time it was amended, or broke other rules when it was replayed"`
	Features      json.RawMessage `json:"features,omitempty" doc:"What it observed, while it waits"`
	Broken        []Breach        `json:"broken" doc:"The rules that it breaks; once it has ended waiting, their names only"`
	Source        sourceAnswer    `json:"source"`
}

// sourceAnswer says where a row came from.
type sourceAnswer struct {
	Way  string `json:"way" enum:"write,load,feast,pipeline"`
	Run  int64  `json:"run_id,omitempty" doc:"The load"`
	File string `json:"file,omitempty"`
	Row  int64  `json:"row,omitempty" doc:"Its number there, as in bad_rows"`
}

type quarantineAnswer struct {
	Rows          []quarantinedAnswer `json:"rows"`
	NextPageToken string              `json:"next_page_token,omitempty" doc:"Absent on the last page"`
}

// showQuarantined is an entry as it is answered, masked or not.
func showQuarantined(e *Quarantined, masked bool) quarantinedAnswer {
	a := quarantinedAnswer{
		ID: e.ID, Group: e.Group.Name, EntityType: e.Group.EntityType.Name, EventTime: string(value.AppendTime(nil, e.EventTime)), State: string(e.State),
		QuarantinedAt: string(value.AppendTime(nil, e.At)), Version: e.Version, Broken: e.Broken, Source: sourceAnswer(e.Source),
	}
	if a.Broken == nil {
		a.Broken = []Breach{}
	}
	if e.Ended != 0 {
		a.EndedAt = string(value.AppendTime(nil, e.Ended))
	}
	if e.State == Waiting {
		a.EntityID = appendEntityID(nil, e.Group.EntityType, e.Key)
		a.Features = e.Document
		if masked {
			a.Features = e.maskedDocument()
		}
	}
	return a
}

func (s *Store) listQuarantine(ctx context.Context, in *listQuarantineInput) (*struct{ Body quarantineAnswer }, error) {
	after, err := in.Last()
	if err != nil {
		return nil, err
	}
	query := QuarantineQuery{Group: in.Group, Rule: in.Rule, Run: in.Run, State: QuarantineState(in.State), After: after, Limit: in.Limit + 1}
	if in.State == "all" {
		query.State = ""
	}
	found, err := s.Quarantined(ctx, query)
	if err != nil {
		return nil, err
	}
	out := &struct{ Body quarantineAnswer }{quarantineAnswer{Rows: []quarantinedAnswer{}}}
	found, out.Body.NextPageToken = httpapi.CutPage(&in.Page, found, func(e *Quarantined) int64 { return e.Number })
	for _, e := range found {
		out.Body.Rows = append(out.Body.Rows, showQuarantined(e, true))
	}
	return out, nil
}

type quarantinedInput struct {
	ID string `path:"id"`
}

func (s *Store) getQuarantined(ctx context.Context, in *quarantinedInput) (*struct{ Body quarantinedAnswer }, error) {
	e, err := s.QuarantinedByID(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &struct{ Body quarantinedAnswer }{showQuarantined(e, false)}, nil
}

type amendInput struct {
	httpapi.Payload
	ID     string `path:"id"`
	DryRun bool   `query:"dry_run" doc:"Change nothing; answer what the row would be"`
}

func (s *Store) amendQuarantined(ctx context.Context, in *amendInput) (*struct{ Body quarantinedAnswer }, error) {
	text, err := in.JSON(s.config.MaxBodyBytes)
	if err != nil {
		return nil, err
	}
	e, err := s.Amend(ctx, in.ID, text, in.DryRun)
	if err != nil {
		return nil, err
	}
	return &struct{ Body quarantinedAnswer }{showQuarantined(e, false)}, nil
}

// selectBody says which waiting rows a call is about.
type selectBody struct {
	IDs   []string `json:"ids,omitempty" maxItems:"1000" doc:"These; or"`
	Group string   `json:"group,omitempty" doc:"those of this group,"`
	Rule  string   `json:"rule,omitempty" doc:"that break this rule,"`
	Run   int64    `json:"run_id,omitempty" minimum:"1" doc:"that came with this load"`
	All   bool     `json:"all,omitempty" doc:"or all that wait"`
}

type selectInput struct {
	Body      selectBody
	Limit     int    `query:"limit" minimum:"1" maximum:"10000" default:"1000" doc:"The most rows that are looked at"`
	PageToken string `query:"page_token" doc:"From next_page_token of the call before"`
	DryRun    bool   `query:"dry_run" doc:"Change nothing; answer what would become of the rows"`
}

// query is what is asked for. To say nothing is no way to name everything.
func (in *selectInput) query() (QuarantineQuery, error) {
	b := in.Body
	query := QuarantineQuery{Group: b.Group, Rule: b.Rule, Run: b.Run, IDs: b.IDs, Limit: in.Limit}
	filtered := b.Group != "" || b.Rule != "" || b.Run != 0
	switch {
	case b.IDs != nil && (filtered || b.All), b.All && filtered:
		return query, fault.New(fault.Invalid, "ambiguous-selection", "name the rows by ids, or by group, rule and run_id, or say all").At("body", "", "says more than one of them")
	case b.IDs == nil && !filtered && !b.All:
		return query, fault.New(fault.Invalid, "no-selection", `say which rows: {"ids": […]}, {"group": …, "rule": …, "run_id": …} or {"all": true}`).At("body", "", "names no rows")
	}
	page := httpapi.Page{PageToken: in.PageToken}
	var err error
	query.After, err = page.Last()
	return query, err
}

// replayAnswer says what became of rows that were to be replayed.
type replayAnswer struct {
	DryRun        bool                 `json:"dry_run"`
	Selected      int                  `json:"selected" doc:"replayed + duplicate + waiting + erased + gone"`
	Replayed      int                  `json:"replayed" doc:"Stored; with dry_run, those that would be"`
	Duplicate     int                  `json:"duplicate" doc:"Their ids were stored already; they do not wait any more"`
	Waiting       int                  `json:"waiting" doc:"They still break rules, or cannot be stored as they are"`
	Erased        int                  `json:"erased" doc:"They are of erased entities"`
	Gone          int                  `json:"gone" doc:"Somebody else replayed or discarded them meanwhile"`
	Failed        []failedReplayAnswer `json:"failed" doc:"The first of those that wait"`
	Online        string               `json:"online" enum:"written,pending,none"`
	NextPageToken string               `json:"next_page_token,omitempty" doc:"Absent where nothing is left to look at"`
}

type failedReplayAnswer struct {
	ID     string   `json:"id"`
	Group  string   `json:"group"`
	Broken []Breach `json:"broken"`
	Reason string   `json:"reason,omitempty" doc:"Why it cannot be stored at all: amend it"`
}

func (s *Store) replayQuarantine(ctx context.Context, in *selectInput) (*struct{ Body replayAnswer }, error) {
	query, err := in.query()
	if err != nil {
		return nil, err
	}
	r, err := s.Replay(ctx, query, in.DryRun)
	if err != nil {
		return nil, err
	}
	out := replayAnswer{DryRun: r.DryRun, Selected: r.Selected, Replayed: r.Replayed, Duplicate: r.Duplicate, Waiting: r.Waiting, Erased: r.Erased, Gone: r.Gone,
		Failed: []failedReplayAnswer{}, Online: r.Online, NextPageToken: tokenAfter(r.Next)}
	for _, f := range r.Failed {
		failed := failedReplayAnswer{ID: f.Entry.ID, Group: f.Entry.Group.Name, Broken: f.Entry.Broken, Reason: f.Reason}
		if f.Reason != "" {
			failed.Broken = []Breach{}
		}
		out.Failed = append(out.Failed, failed)
	}
	return &struct{ Body replayAnswer }{out}, nil
}

// discardAnswer says what became of rows that were to be discarded.
type discardAnswer struct {
	DryRun bool `json:"dry_run"`
	DiscardResult
	NextPageToken string `json:"next_page_token,omitempty" doc:"Absent where nothing is left to look at"`
}

func (s *Store) discardQuarantine(ctx context.Context, in *selectInput) (*struct{ Body discardAnswer }, error) {
	query, err := in.query()
	if err != nil {
		return nil, err
	}
	d, err := s.Discard(ctx, query, in.DryRun)
	if err != nil {
		return nil, err
	}
	return &struct{ Body discardAnswer }{discardAnswer{in.DryRun, *d, tokenAfter(d.Next)}}, nil
}

func tokenAfter(number int64) string {
	if number == 0 {
		return ""
	}
	return httpapi.PageToken(number)
}
