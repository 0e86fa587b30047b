package materialization

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"featurestore/app/fault"
	"featurestore/app/httpapi"
	"featurestore/modules/registry"
	"featurestore/modules/runs"
)

// standingRoutes mounts the calls that tell how the copies stand.
func (m *Materialization) standingRoutes(api huma.API) {
	tags := []string{"materialization"}
	httpapi.Register(api, huma.Operation{
		OperationID: "list-copies", Method: http.MethodGet, Path: "/materialize", Tags: tags,
		Summary: "Read how the online copies of groups stand beside their history", Description: "Of all groups that have an online copy, in the order in which they were registered.",
	}, m.listCopies)
	httpapi.Register(api, huma.Operation{
		OperationID: "get-copy", Method: http.MethodGet, Path: "/materialize/{group}", Tags: tags,
		Summary: "Read how the online copy of a group stands beside its history", Description: "Its watermark and lag, and the last materialization and check that were asked for.",
	}, m.getCopy)
}

// CopyAnswer is a Standing as the API shows it.
type CopyAnswer struct {
	Group      string     `json:"group"`
	State      string     `json:"state" enum:"complete,incomplete" doc:"incomplete: it is being rebuilt, or was never made, and reads are answered from the history"`
	Watermark  string     `json:"watermark" doc:"The place in the order of ingestion below which everything is online; empty: nothing is known to be"`
	Head       string     `json:"head" doc:"The place below which everything ingested lies"`
	RowsBehind int64      `json:"rows_behind" doc:"Rows that came in since the watermark; single writes among them are online already"`
	MoreBehind bool       `json:"more_behind,omitempty" doc:"There are more of them than were counted"`
	Since      *time.Time `json:"behind_since" doc:"When the first of them came in; null: nothing waits"`
	Lag        float64    `json:"lag_seconds" doc:"How long that is ago; 0: nothing waits"`
}

// oneCopyAnswer is of one group.
type oneCopyAnswer struct {
	CopyAnswer
	LastRun   *runs.Answer `json:"last_run" doc:"The last materialization that is a run; null: there was none. What comes in is brought online without one"`
	LastCheck *runs.Answer `json:"last_check" doc:"The last consistency check; null: there was none"`
}

func (s Standing) answer(group *registry.Group) CopyAnswer {
	answer := CopyAnswer{Group: group.Name, State: "incomplete", Watermark: string(s.Watermark), Head: string(s.Head), RowsBehind: s.Behind, MoreBehind: s.More, Lag: s.Lag().Seconds()}
	if s.Complete {
		answer.State = "complete"
	}
	if !s.Since.IsZero() {
		answer.Since = &s.Since
	}
	return answer
}

type listCopiesOutput struct {
	Body struct {
		Groups        []CopyAnswer `json:"groups"`
		NextPageToken string       `json:"next_page_token,omitempty" doc:"Absent on the last page"`
	}
}

func (m *Materialization) listCopies(ctx context.Context, in *httpapi.Page) (*listCopiesOutput, error) {
	last, err := in.Last()
	if err != nil {
		return nil, err
	}
	var groups []*registry.Group
	for _, group := range m.catalog.Catalog().Groups() {
		if group.Kind == registry.Features && group.ID > last {
			groups = append(groups, group)
		}
	}
	out := &listCopiesOutput{}
	out.Body.Groups = []CopyAnswer{}
	groups, out.Body.NextPageToken = httpapi.CutPage(in, groups, func(group *registry.Group) int64 { return group.ID })
	standings, err := m.Standings(ctx, groups)
	if err != nil {
		return nil, unreadable(err)
	}
	for i, group := range groups {
		out.Body.Groups = append(out.Body.Groups, standings[i].answer(group))
	}
	return out, nil
}

type getCopyOutput struct{ Body oneCopyAnswer }

func (m *Materialization) getCopy(ctx context.Context, in *struct {
	Group string `path:"group" example:"customer_purchases"`
}) (*getCopyOutput, error) {
	group, err := m.groupAt("path.group", in.Group)
	if err != nil {
		return nil, err
	}
	standings, err := m.Standings(ctx, []*registry.Group{group})
	if err != nil {
		return nil, unreadable(err)
	}
	out := &getCopyOutput{oneCopyAnswer{CopyAnswer: standings[0].answer(group)}}
	for kind, to := range map[string]**runs.Answer{Kind: &out.Body.LastRun, CheckKind: &out.Body.LastCheck} {
		run, found, err := m.runs.Latest(ctx, kind, group.Name)
		if err != nil {
			return nil, err
		}
		if found {
			shown := run.Show()
			*to = &shown
		}
	}
	return out, nil
}

// unreadable makes it a problem that the caller may repeat that a store does not answer.
func unreadable(err error) error {
	if _, ok := fault.As(err); ok || errors.Is(err, context.Canceled) {
		return err
	}
	return fault.New(fault.Busy, "copy-unreadable", "how the online copy stands cannot be told now, as a store does not answer: try again").Because(err)
}
