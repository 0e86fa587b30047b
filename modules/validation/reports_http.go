package validation

import (
	"context"
	"encoding/json"
	"time"

	"featurestore/app/fault"
	"featurestore/app/httpapi"
	"featurestore/modules/registry/value"
	"featurestore/modules/validation/gx"
	"featurestore/modules/validation/rules"
)

// ReportHead is what a list shows of a report.
type ReportHead struct {
	ID         int64         `json:"id,omitempty" doc:"Absent of a dry run, which is not kept"`
	Group      string        `json:"group"`
	Way        Way           `json:"way" enum:"load,write,schedule,call,pipeline" doc:"load: of what a load brought, or after it; write: of rows that were written singly, added up over a while; schedule: by the ticker; pipeline: of what one computed, before it was published, or after it"`
	Run        int64         `json:"run_id,omitempty" doc:"The load whose rows it is about, or that it follows"`
	Evaluation int64         `json:"evaluation_run_id,omitempty" doc:"The run that evaluated; absent where rules looked at rows on their way in"`
	Window     *WindowAnswer `json:"window,omitempty" doc:"Absent where each rule looked at what its own window says"`
	StartedAt  time.Time     `json:"started_at"`
	Duration   float64       `json:"duration_seconds"`
	Rows       int64         `json:"rows" doc:"The most that a rule saw"`
	Status     rules.Status  `json:"status" enum:"pass,warn,fail,error,skipped" doc:"The worst of the results"`
	Revision   int64         `json:"definitions_revision" doc:"The registry's, by which it was made"`
}

// WindowAnswer is a window as the API shows it.
type WindowAnswer struct {
	From *time.Time `json:"from,omitempty"`
	To   *time.Time `json:"to,omitempty"`
	Run  int64      `json:"run,omitempty"`
}

// ReportAnswer is a report with its results.
type ReportAnswer struct {
	ReportHead
	Results []ResultAnswer `json:"results" doc:"One per rule, of kinds that judge features apart one per feature"`
}

// ResultAnswer is a result as the API shows it.
type ResultAnswer struct {
	rules.Outcome
	LookedAt string `json:"looked_at" doc:"Which rows"`
	Sentence string `json:"sentence" doc:"What came of it, for a person"`
}

func (r *Report) head() ReportHead {
	head := ReportHead{ID: r.ID, Group: r.Group, Way: r.Way, Run: r.Run, Evaluation: r.Evaluation, StartedAt: r.StartedAt.UTC(), Duration: r.Took.Seconds(), Rows: r.Rows,
		Status: r.Status, Revision: r.Revision}
	if w := r.Window; w != nil {
		head.Window = &WindowAnswer{endOf(w.From), endOf(w.To), w.Run}
	}
	return head
}

// endOf is nil for an open end.
func endOf(micros *int64) *time.Time {
	if micros == nil {
		return nil
	}
	t := time.UnixMicro(*micros).UTC()
	return &t
}

// show is the report as an answer; sentence says what to say of a result.
func (r *Report) show(sentence func(*Result) string) ReportAnswer {
	answer := ReportAnswer{ReportHead: r.head(), Results: make([]ResultAnswer, len(r.Results))}
	for i := range r.Results {
		answer.Results[i] = ResultAnswer{r.Results[i].Outcome, r.Results[i].LookedAt, sentence(&r.Results[i])}
	}
	return answer
}

type reportsInput struct {
	httpapi.Page
	Group  string       `query:"group" doc:"Of this group only"`
	Rule   string       `query:"rule" doc:"With a result of this rule"`
	Status rules.Status `query:"status" enum:"pass,warn,fail,error,skipped" doc:"Whose worst result is this"`
	Way    Way          `query:"way" enum:"load,write,schedule,call,pipeline" doc:"That came about this way"`
	Since  string       `query:"since" doc:"Begun then or later" example:"2026-11-01T00:00:00Z"`
}

type reportsOutput struct {
	Body struct {
		Reports       []ReportHead `json:"reports"`
		NextPageToken string       `json:"next_page_token,omitempty" doc:"Absent on the last page"`
	}
}

// listReports answers reports without their results, the newest first.
func (v *Validation) listReports(ctx context.Context, in *reportsInput) (*reportsOutput, error) {
	before, err := in.Last()
	if err != nil {
		return nil, err
	}
	filter := ReportFilter{Group: in.Group, Rule: in.Rule, Status: string(in.Status), Way: string(in.Way), Before: before, Limit: in.Limit + 1}
	if in.Since != "" {
		since, err := value.ParseQueryTime(in.Since, nil)
		if err != nil {
			return nil, fault.New(fault.Invalid, "invalid-time", "since: %s", err).At("query.since", in.Since, "%s", err)
		}
		filter.Since = time.UnixMicro(since)
	}
	found, err := v.repository.list(ctx, filter)
	if err != nil {
		return nil, err
	}
	out := &reportsOutput{}
	found, out.Body.NextPageToken = httpapi.CutPage(&in.Page, found, func(r *Report) int64 { return r.ID })
	out.Body.Reports = make([]ReportHead, len(found))
	for i, r := range found {
		out.Body.Reports[i] = r.head()
	}
	return out, nil
}

func (v *Validation) getReport(ctx context.Context, in *struct {
	ID     int64  `path:"id" minimum:"1"`
	Format string `query:"format" doc:"rules, the default; gx: in the form of Great Expectations' results"`
}) (*validateOutput, error) {
	if err := knownFormat(in.Format); err != nil {
		return nil, err
	}
	report, err := v.repository.get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return report.answer(in.Format, (*Result).sentence)
}

// answer is the report in a format that is known; sentence says what to say of a result.
func (r *Report) answer(format string, sentence func(*Result) string) (*validateOutput, error) {
	if format != "gx" {
		return answer(r.show(sentence))
	}
	outcomes := make([]*rules.Outcome, len(r.Results))
	for i := range r.Results {
		outcomes[i] = &r.Results[i].Outcome
	}
	return answer(gx.OfOutcomes(outcomes))
}

type historyInput struct {
	httpapi.Page
	Name    string `path:"name" doc:"The rule"`
	Feature string `query:"feature" doc:"About this feature only"`
}

// HistoryPoint is one result of a rule.
type HistoryPoint struct {
	Time       time.Time       `json:"time"`
	Feature    string          `json:"feature,omitempty" doc:"Absent where it is about several, or about the rows as a whole"`
	Status     rules.Status    `json:"status" enum:"pass,warn,fail,error,skipped"`
	Reason     string          `json:"reason,omitempty"`
	Observed   json.RawMessage `json:"observed,omitempty" doc:"What was measured"`
	Details    json.RawMessage `json:"details,omitempty" doc:"More about it, by kind"`
	Considered int64           `json:"considered"`
	Bad        int64           `json:"bad"`
	BadRate    *float64        `json:"bad_rate"`
	LookedAt   string          `json:"looked_at"`
	Report     int64           `json:"report_id"`
	Version    int             `json:"rule_version"`
}

type historyOutput struct {
	Body struct {
		Rule          string         `json:"rule"`
		Points        []HistoryPoint `json:"points" doc:"The newest first"`
		NextPageToken string         `json:"next_page_token,omitempty" doc:"Absent on the last page"`
	}
}

// ruleHistory answers the results of a rule. One that was deleted has its history as long as it is kept.
func (v *Validation) ruleHistory(ctx context.Context, in *historyInput) (*historyOutput, error) {
	before, err := in.Last()
	if err != nil {
		return nil, err
	}
	found, err := v.repository.history(ctx, in.Name, in.Feature, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		if _, err := v.guards.Definitions().Rule(in.Name); err != nil {
			return nil, err
		}
	}
	out := &historyOutput{}
	out.Body.Rule = in.Name
	found, out.Body.NextPageToken = httpapi.CutPage(&in.Page, found, func(r Result) int64 { return r.ID })
	out.Body.Points = make([]HistoryPoint, len(found))
	for i := range found {
		r := &found[i]
		out.Body.Points[i] = HistoryPoint{r.At, r.Feature(), r.Status, r.Reason, r.Observed, r.Details, r.Considered, r.Bad, r.BadRate, r.LookedAt, r.Report, r.Version}
	}
	return out, nil
}
