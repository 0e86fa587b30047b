package validation

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"featurestore/app/database"
	"featurestore/app/httpapi"
	"featurestore/modules/registry"
)

// newestRoute mounts the call that tells how fresh groups are.
func (p *Profiles) newestRoute(api huma.API) {
	httpapi.Register(api, huma.Operation{
		OperationID: "newest-profiles", Method: http.MethodGet, Path: "/profiles/newest", Tags: []string{"validation"}, Summary: "Read how fresh groups are, as their profiles saw them",
		Description: "Of each group, in the order in which they were registered, the newest event time that a stored profile saw. Loads and publications are profiled; what single writes " +
			"brought is seen by the next profile only. A group is late where that is more than twice as long ago as the most frequent of its features promises.",
	}, p.newest)
}

// NewestAnswer is how fresh a group is.
type NewestAnswer struct {
	Group     string     `json:"group"`
	Profile   int64      `json:"profile_id,omitempty" doc:"The newest profile; absent: there is none"`
	Computed  *time.Time `json:"computed_at" doc:"When that was made"`
	Last      *time.Time `json:"last_event_time" doc:"The newest event time that any of its profiles saw; null: none did"`
	Frequency string     `json:"frequency" doc:"Of the most frequent of its features; empty: none promises anything"`
	State     string     `json:"state" enum:"fresh,late,unknown" doc:"unknown: nothing is promised, or no profile was made"`
}

type newestOutput struct {
	Body struct {
		Groups        []NewestAnswer `json:"groups"`
		NextPageToken string         `json:"next_page_token,omitempty" doc:"Absent on the last page"`
	}
}

// seenRow is what the profiles of a group saw.
type seenRow struct {
	GroupID    int64
	ID         int64
	LastAt     *database.Micros
	ComputedAt database.Micros
}

func (p *Profiles) newest(ctx context.Context, in *struct {
	httpapi.Page
	Group string `query:"group" doc:"Of this group only"`
}) (*newestOutput, error) {
	after, err := in.Last()
	if err != nil {
		return nil, err
	}
	if in.Group != "" {
		if _, err := p.group(in.Group, "query.group"); err != nil {
			return nil, err
		}
	}
	var groups []*registry.Group
	for _, group := range p.definitions.Catalog().Groups() {
		if group.ID > after && (in.Group == "" || group.Name == in.Group) {
			groups = append(groups, group)
		}
	}
	out := &newestOutput{}
	out.Body.Groups = []NewestAnswer{}
	groups, out.Body.NextPageToken = httpapi.CutPage(&in.Page, groups, func(group *registry.Group) int64 { return group.ID })
	seen, err := p.repository.newest(ctx)
	if err != nil {
		return nil, err
	}
	now := p.clock()
	for _, group := range groups {
		out.Body.Groups = append(out.Body.Groups, newestOf(group, seen[group.ID], now))
	}
	return out, nil
}

// newestOf tells how fresh a group is; row is nil where no profile of it is stored.
func newestOf(group *registry.Group, row *seenRow, now time.Time) NewestAnswer {
	answer := NewestAnswer{Group: group.Name, State: "unknown"}
	shortest := time.Duration(0)
	for _, f := range group.Features {
		if every := intervals[f.Frequency]; every > 0 && (shortest == 0 || every < shortest) {
			shortest, answer.Frequency = every, f.Frequency
		}
	}
	if row == nil {
		return answer
	}
	computed := row.ComputedAt.Time()
	answer.Profile, answer.Computed, answer.Last = row.ID, &computed, timeOf(row.LastAt)
	switch {
	case answer.Last == nil || shortest == 0:
	case now.Sub(*answer.Last) > 2*shortest:
		answer.State = "late"
	default:
		answer.State = "fresh"
	}
	return answer
}

// newest reads what the profiles of every group saw, by the group's id.
func (r profileRepository) newest(ctx context.Context) (map[int64]*seenRow, error) {
	var rows []seenRow
	err := r.db.WithContext(ctx).Model(&profileRow{}).Select("group_id, max(id) AS id, max(last_at) AS last_at, max(computed_at) AS computed_at").Group("group_id").Find(&rows).Error
	if err != nil {
		return nil, profilesUnavailable(fmt.Errorf("read the newest profiles: %w", err))
	}
	of := make(map[int64]*seenRow, len(rows))
	for i := range rows {
		of[rows[i].GroupID] = &rows[i]
	}
	return of, nil
}
