package validation

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"gorm.io/gorm"

	"featurestore/app/fault"
	"featurestore/app/httpapi"
	"featurestore/modules/registry"
	"featurestore/modules/validation/profile"
)

type profileInput struct {
	Prefer string `header:"Prefer" doc:"respond-async: answer 202 with a run, and go on" example:"respond-async"`
	Body   struct {
		Group    string         `json:"group" doc:"The group" example:"customer_purchases"`
		Window   *WindowRequest `json:"window,omitempty" doc:"Which rows; left out: all"`
		Features []string       `json:"features,omitempty" doc:"Some of the group's; left out: all"`
	}
}

// profileOutput is 200 with a ProfileAnswer or 202 with a run.
type profileOutput struct {
	Status            int
	Location          string `header:"Location"`
	PreferenceApplied string `header:"Preference-Applied"`
	Body              any
}

// postProfile makes a profile of what is stored.
func (p *Profiles) postProfile(ctx context.Context, in *profileInput) (*profileOutput, error) {
	group, err := p.group(in.Body.Group, "body.group")
	if err != nil {
		return nil, err
	}
	window, err := p.asked(ctx, group, in.Body.Window)
	if err != nil {
		return nil, err
	}
	features, err := p.features(group, in.Body.Features, "body.features")
	if err != nil {
		return nil, err
	}
	if prefersAsync(in.Prefer) {
		run, err := p.work.Submit(ctx, ProfileKind, group.Name, profileRequest{From: window.From, To: window.To, Run: window.Run, Features: in.Body.Features})
		if err != nil {
			return nil, err
		}
		return &profileOutput{http.StatusAccepted, fmt.Sprintf("/runs/%d", run.ID), "respond-async", run.Show()}, nil
	}
	id, err := p.Compute(ctx, group, window, features, func(int64) {})
	if err != nil {
		return nil, err
	}
	answer, err := p.read(ctx, id, nil)
	if err != nil {
		return nil, err
	}
	return &profileOutput{Status: http.StatusOK, Body: answer}, nil
}

func prefersAsync(header string) bool {
	for preference := range strings.SplitSeq(header, ",") {
		token, _, _ := strings.Cut(preference, ";")
		if strings.EqualFold(strings.TrimSpace(token), "respond-async") {
			return true
		}
	}
	return false
}

// read answers a stored profile with some features; nil: with all.
func (p *Profiles) read(ctx context.Context, id int64, ordinals []uint16) (*ProfileAnswer, error) {
	row, err := p.repository.get(ctx, id, "path.id")
	if err != nil {
		return nil, err
	}
	group, ok := p.definitions.Catalog().GroupByID(row.GroupID)
	if !ok {
		return nil, fault.New(fault.NotFound, "unknown-profile", "the group of profile %d was deleted", id).At("path.id", fmt.Sprint(id), "is of no group")
	}
	answer := row.show(group)
	answer.Features, err = p.featuresOf(p.repository.db.WithContext(ctx), group, id, ordinals)
	return &answer, err
}

func (p *Profiles) featuresOf(tx *gorm.DB, group *registry.Group, id int64, ordinals []uint16) ([]FeatureProfile, error) {
	rows, err := p.repository.features(tx, id, ordinals)
	if err != nil {
		return nil, err
	}
	features := []FeatureProfile{}
	for _, row := range rows {
		f, ok := featureOf(group, row.Ordinal)
		if !ok {
			continue // it was deleted
		}
		made, err := profile.Decode(row.Encoded)
		if err != nil {
			return nil, fmt.Errorf("read profile %d: %w", id, err)
		}
		features = append(features, showProfile(f, made))
	}
	return features, nil
}

type profilesInput struct {
	httpapi.Page
	Group   string `query:"group" required:"true" doc:"The group" example:"customer_purchases"`
	Feature string `query:"feature" doc:"Only profiles of this feature, which are shown with it"`
	From    string `query:"from" doc:"That have rows with event times from this one on" example:"2026-01-01T00:00:00Z"`
	To      string `query:"to" doc:"That have rows with event times before this one" example:"2026-02-01T00:00:00Z"`
	Kind    string `query:"kind" enum:"window,load" doc:"Of windows only, or of loads, merged ones too"`
	Merge   bool   `query:"merge" doc:"Answer one profile, merged of those that lie wholly between from and to"`
}

// profilesBody is a list, or with merge one merged profile.
type profilesBody struct {
	Profiles      []ProfileAnswer `json:"profiles" doc:"The newest first"`
	NextPageToken string          `json:"next_page_token,omitempty" doc:"Absent on the last page"`
}

type profilesOutput struct{ Body any }

// listProfiles answers stored profiles, or one that is merged of them.
func (p *Profiles) listProfiles(ctx context.Context, in *profilesInput) (*profilesOutput, error) {
	group, err := p.group(in.Group, "query.group")
	if err != nil {
		return nil, err
	}
	window, err := queryWindow(in.From, in.To)
	if err != nil {
		return nil, err
	}
	filter := profileFilter{group: group.ID, from: window.From, to: window.To, within: in.Merge}
	switch in.Kind {
	case ofWindow:
		filter.kinds = []string{ofWindow}
	case ofLoad:
		filter.kinds = []string{ofLoad, ofLoads}
	}
	var ordinals []uint16
	if in.Feature != "" {
		features, err := p.features(group, []string{in.Feature}, "query.feature")
		if err != nil {
			return nil, err
		}
		filter.ordinal = &features[0].Ordinal
		ordinals = []uint16{features[0].Ordinal}
	}
	if in.Merge {
		merged, err := p.merged(ctx, group, filter, ordinals)
		return &profilesOutput{merged}, err
	}
	if filter.before, err = in.Last(); err != nil {
		return nil, err
	}
	filter.limit = in.Limit + 1
	db := p.repository.db.WithContext(ctx)
	rows, err := p.repository.list(db, filter)
	if err != nil {
		return nil, err
	}
	out := profilesBody{Profiles: []ProfileAnswer{}}
	rows, out.NextPageToken = httpapi.CutPage(&in.Page, rows, func(row profileRow) int64 { return row.ID })
	for _, row := range rows {
		answer := row.show(group)
		if ordinals != nil {
			if answer.Features, err = p.featuresOf(db, group, row.ID, ordinals); err != nil {
				return nil, err
			}
		}
		out.Profiles = append(out.Profiles, answer)
	}
	return &profilesOutput{out}, nil
}

// merged answers stored profiles as one.
func (p *Profiles) merged(ctx context.Context, group *registry.Group, filter profileFilter, ordinals []uint16) (*MergedAnswer, error) {
	answer := &MergedAnswer{Group: group.Name, Merged: []int64{}, LeftOut: []leftOut{}, Features: []FeatureProfile{}}
	var chosen []profileRow
	m, err := p.steady(ctx, ordinals, func(db *gorm.DB) (_ []profileRow, err error) {
		all, err := p.repository.list(db, filter)
		if err != nil {
			return nil, err
		}
		var left []leftOut
		chosen, left = apart(all)
		answer.LeftOut = append([]leftOut{}, left...)
		return chosen, nil
	})
	if err != nil {
		return nil, err
	}
	for _, row := range chosen {
		answer.Merged = append(answer.Merged, row.ID)
		answer.Rows += row.RowCount
		if first := timeOf(row.FirstAt); first != nil && (answer.FirstEventTime == nil || first.Before(*answer.FirstEventTime)) {
			answer.FirstEventTime = first
		}
		if last := timeOf(row.LastAt); last != nil && (answer.LastEventTime == nil || last.After(*answer.LastEventTime)) {
			answer.LastEventTime = last
		}
	}
	for _, f := range group.Stored() {
		if made := m.of[f.Ordinal]; made != nil {
			answer.Features = append(answer.Features, showProfile(f, made))
		}
	}
	return answer, nil
}

// steady merges the profiles that choose finds, which it asks again afterwards: what was replaced meanwhile is merged anew. No transaction holds
// others up for so long.
func (p *Profiles) steady(ctx context.Context, ordinals []uint16, choose func(db *gorm.DB) ([]profileRow, error)) (*merger, error) {
	db := p.repository.db.WithContext(ctx)
	chosen, err := choose(db)
	for range maxTries {
		if err != nil {
			return nil, err
		}
		m := &merger{}
		for _, row := range chosen {
			if err := m.add(p.repository, db, row.ID, ordinals); err != nil {
				return nil, err
			}
		}
		before := chosen
		if chosen, err = choose(db); err == nil && slices.EqualFunc(before, chosen, func(a, b profileRow) bool { return a.ID == b.ID }) {
			return m, nil
		}
	}
	return nil, fault.New(fault.Busy, "profiles-changing", "the profiles kept changing while they were being merged: try again")
}

type getProfileOutput struct{ Body ProfileAnswer }

func (p *Profiles) getProfile(ctx context.Context, in *struct {
	ID int64 `path:"id" minimum:"1"`
}) (*getProfileOutput, error) {
	answer, err := p.read(ctx, in.ID, nil)
	if err != nil {
		return nil, err
	}
	return &getProfileOutput{*answer}, nil
}
