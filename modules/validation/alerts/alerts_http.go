package alerts

import (
	"context"
	"time"

	"featurestore/app/httpapi"
)

// Answer is an alert as the API shows it.
type Answer struct {
	ID                   int64      `json:"id"`
	Rule                 string     `json:"rule"`
	RuleVersion          int        `json:"rule_version"`
	Group                string     `json:"group"`
	Feature              string     `json:"feature,omitempty" doc:"Absent where it is about the whole group"`
	Class                Class      `json:"class" enum:"data,drift,source" doc:"What the rule looks at; drift alerts are muted while one of class source is open in the same group"`
	Owner                string     `json:"owner,omitempty"`
	Severity             Severity   `json:"severity" enum:"info,warn,error"`
	State                State      `json:"state" enum:"firing,acknowledged,silenced,resolved"`
	Status               Status     `json:"status" enum:"warn,fail,error" doc:"Of the last bad evaluation"`
	Observed             string     `json:"observed,omitempty"`
	Expected             string     `json:"expected,omitempty"`
	Sentence             string     `json:"sentence,omitempty"`
	Run                  int64      `json:"run,omitempty" doc:"Of the last evaluation that changed it"`
	Since                time.Time  `json:"since" doc:"The first bad evaluation"`
	OpenedAt             time.Time  `json:"opened_at"`
	LastEvaluationAt     time.Time  `json:"last_evaluation_at"`
	MutedBy              int64      `json:"muted_by,omitempty" doc:"The alert of the group's source that keeps this one from being sent"`
	SilenceID            int64      `json:"silence_id,omitempty" doc:"The silence that covers it"`
	AcknowledgedBy       string     `json:"acknowledged_by,omitempty"`
	AcknowledgedAt       *time.Time `json:"acknowledged_at,omitempty"`
	AcknowledgedSeverity Severity   `json:"acknowledged_severity,omitempty" doc:"A higher one ends the acknowledgement"`
	Note                 string     `json:"note,omitempty"`
	ToldAt               *time.Time `json:"told_at,omitempty" doc:"When a notification was last made out; absent: never"`
	ToldTo               []string   `json:"told_to" doc:"The receivers of those so far"`
	ResolvedAt           *time.Time `json:"resolved_at,omitempty"`
	Resolution           string     `json:"resolution,omitempty" doc:"Why it is resolved"`
	Link                 string     `json:"link,omitempty"`
}

func (a *Alerts) show(alert *Alert) Answer {
	return Answer{
		ID: alert.ID, Rule: alert.Rule, RuleVersion: alert.RuleVersion, Group: alert.Group, Feature: alert.Feature, Class: alert.Class,
		Owner: alert.Owner, Severity: alert.Severity, State: alert.State, Status: alert.Status,
		Observed: alert.Observed, Expected: alert.Expected, Sentence: alert.Sentence, Run: alert.Run,
		Since: alert.Since, OpenedAt: alert.OpenedAt, LastEvaluationAt: alert.LastAt, MutedBy: alert.MutedBy, SilenceID: alert.SilenceID,
		AcknowledgedBy: alert.AcknowledgedBy, AcknowledgedAt: given(alert.AcknowledgedAt), AcknowledgedSeverity: alert.AcknowledgedSeverity, Note: alert.Note,
		ToldAt: given(alert.ToldAt), ToldTo: alert.ToldTo, ResolvedAt: given(alert.ResolvedAt), Resolution: alert.Resolution, Link: a.config.link(alert.ID),
	}
}

// given is nil for the zero time.
func given(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

type listAlertsInput struct {
	httpapi.Page
	Group    string   `query:"group" doc:"Of this group only"`
	Rule     string   `query:"rule" doc:"Of this rule only"`
	Feature  string   `query:"feature" doc:"About this feature only"`
	Owner    string   `query:"owner" doc:"Of this owner only"`
	Severity Severity `query:"severity" enum:"info,warn,error" doc:"Of this severity only"`
	State    State    `query:"state" enum:"firing,acknowledged,silenced,resolved" doc:"In this state only"`
	Open     bool     `query:"open" doc:"Only those that are not resolved"`
}

type listAlertsOutput struct {
	Body struct {
		Alerts        []Answer `json:"alerts"`
		NextPageToken string   `json:"next_page_token,omitempty" doc:"Absent on the last page"`
	}
}

func (a *Alerts) listAlerts(ctx context.Context, in *listAlertsInput) (*listAlertsOutput, error) {
	before, err := in.Last()
	if err != nil {
		return nil, err
	}
	found, err := a.List(ctx, Filter{
		Group: in.Group, Rule: in.Rule, Feature: in.Feature, Owner: in.Owner, Severity: in.Severity, State: in.State, Open: in.Open,
		Before: before, Limit: in.Limit + 1,
	})
	if err != nil {
		return nil, err
	}
	out := &listAlertsOutput{}
	found, out.Body.NextPageToken = httpapi.CutPage(&in.Page, found, func(a *Alert) int64 { return a.ID })
	for _, alert := range found {
		out.Body.Alerts = append(out.Body.Alerts, a.show(alert))
	}
	return out, nil
}

type alertOutput struct{ Body Answer }

func (a *Alerts) answer(alert *Alert, err error) (*alertOutput, error) {
	if err != nil {
		return nil, err
	}
	return &alertOutput{a.show(alert)}, nil
}

func (a *Alerts) getAlert(ctx context.Context, in *struct {
	ID int64 `path:"id" minimum:"1"`
}) (*alertOutput, error) {
	return a.answer(a.Get(ctx, in.ID))
}

func (a *Alerts) acknowledge(ctx context.Context, in *struct {
	ID     int64 `path:"id" minimum:"1"`
	DryRun bool  `query:"dry_run" doc:"Change nothing, and answer what would be"`
	Body   struct {
		Author string `json:"author" minLength:"1" maxLength:"200" doc:"Who works on it"`
		Note   string `json:"note,omitempty" maxLength:"2000" doc:"What is known so far"`
	}
}) (*alertOutput, error) {
	return a.answer(a.Acknowledge(ctx, in.ID, in.Body.Author, in.Body.Note, in.DryRun))
}

func (a *Alerts) resolve(ctx context.Context, in *struct {
	ID     int64 `path:"id" minimum:"1"`
	DryRun bool  `query:"dry_run" doc:"Change nothing, and answer what would be"`
	Body   struct {
		Author string `json:"author" minLength:"1" maxLength:"200" doc:"Who decides so"`
		Reason string `json:"reason" minLength:"1" maxLength:"2000" doc:"Why"`
	}
}) (*alertOutput, error) {
	return a.answer(a.Resolve(ctx, in.ID, in.Body.Author, in.Body.Reason, in.DryRun))
}
