package alerts

import (
	"context"
	"time"

	"featurestore/app/fault"
	"featurestore/app/httpapi"
	"featurestore/modules/registry"
)

// SilenceAnswer is a silence as the API shows it.
type SilenceAnswer struct {
	ID        int64     `json:"id"`
	Matcher   Matcher   `json:"matcher"`
	Until     time.Time `json:"until"`
	Author    string    `json:"author"`
	Reason    string    `json:"reason"`
	CreatedAt time.Time `json:"created_at"`
}

func (s *Silence) show() SilenceAnswer {
	return SilenceAnswer{s.ID, s.Matcher, s.Until, s.Author, s.Reason, s.CreatedAt}
}

type listSilencesOutput struct {
	Body struct {
		Silences      []SilenceAnswer `json:"silences"`
		NextPageToken string          `json:"next_page_token,omitempty" doc:"Absent on the last page"`
	}
}

func (a *Alerts) listSilences(ctx context.Context, in *struct {
	httpapi.Page
	Active bool `query:"active" doc:"Only those that have not ended"`
}) (*listSilencesOutput, error) {
	before, err := in.Last()
	if err != nil {
		return nil, err
	}
	found, err := a.Silences(ctx, in.Active, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &listSilencesOutput{}
	found, out.Body.NextPageToken = httpapi.CutPage(&in.Page, found, func(s Silence) int64 { return s.ID })
	for i := range found {
		out.Body.Silences = append(out.Body.Silences, found[i].show())
	}
	return out, nil
}

type createSilenceInput struct {
	DryRun bool `query:"dry_run" doc:"Change nothing, and answer what would be covered"`
	Body   struct {
		Matcher Matcher `json:"matcher" doc:"Which alerts; at least one pattern"`
		Until   string  `json:"until" doc:"When it ends: a time with its offset, or how long it lasts from now" example:"4h"`
		Author  string  `json:"author" minLength:"1" maxLength:"200"`
		Reason  string  `json:"reason" minLength:"1" maxLength:"2000"`
	}
}

type createSilenceOutput struct {
	Body struct {
		SilenceAnswer
		Covers []int64 `json:"covers" doc:"The open alerts that it covers now"`
	}
}

func (a *Alerts) createSilence(ctx context.Context, in *createSilenceInput) (*createSilenceOutput, error) {
	problem := fault.New(fault.Unprocessable, "invalid-silence", "the silence is not valid")
	if in.Body.Matcher == (Matcher{}) {
		problem.At("body.matcher", "", "give at least one of group, rule, feature and owner; * alone fits every one")
	}
	until, err := a.until(ctx, in.Body.Until, problem)
	if err != nil {
		return nil, err
	}
	if len(problem.Violations) > 0 {
		return nil, problem
	}
	made, covered, err := a.Silence(ctx, Silence{Matcher: in.Body.Matcher, Until: until, Author: in.Body.Author, Reason: in.Body.Reason}, in.DryRun)
	if err != nil {
		return nil, err
	}
	out := &createSilenceOutput{}
	out.Body.SilenceAnswer = made.show()
	for _, alert := range covered {
		out.Body.Covers = append(out.Body.Covers, alert.ID)
	}
	return out, nil
}

// until reads a time, or a duration from now on.
func (a *Alerts) until(ctx context.Context, text string, problem *fault.Error) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at.UTC().Truncate(time.Microsecond), nil
	}
	lasts, err := registry.ParseDuration(text)
	if err != nil {
		problem.At("body.until", text, "write a time with its offset, such as 2026-01-31T18:00:00Z, or a duration, such as 4h")
		return time.Time{}, nil
	}
	now, err := a.now(a.repository.db.WithContext(ctx))
	return now.Add(lasts), unavailable(err)
}

func (a *Alerts) endSilence(ctx context.Context, in *struct {
	ID     int64 `path:"id" minimum:"1"`
	DryRun bool  `query:"dry_run" doc:"Change nothing, and answer what would be"`
}) (*struct{ Body SilenceAnswer }, error) {
	ended, err := a.Unsilence(ctx, in.ID, in.DryRun)
	if err != nil {
		return nil, err
	}
	return &struct{ Body SilenceAnswer }{ended.show()}, nil
}
