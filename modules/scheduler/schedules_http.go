package scheduler

import (
	"context"
	"slices"
	"time"

	"featurestore/app/fault"
	"featurestore/app/httpapi"
	"featurestore/modules/batch/timetable"
	"featurestore/modules/registry"
)

// DefinitionAnswer is a schedule as the API shows it, with what it does not say as it is then.
type DefinitionAnswer struct {
	Name           string            `json:"name"`
	What           What              `json:"what" enum:"pipeline,materialize,validate,profile,expire,compact"`
	Subject        string            `json:"subject" doc:"A pipeline or a group; empty: all groups"`
	Cron           string            `json:"cron" doc:"Minute, hour, day of month, month, day of week, on the clock of time_zone; empty: every says when"`
	Every          string            `json:"every" doc:"An interval, counted from 1970-01-01T00:00:00Z; empty: cron says when"`
	TimeZone       string            `json:"time_zone"`
	Jitter         string            `json:"jitter" doc:"A tick is due so much later at most, always the same for the same tick; empty: none"`
	Deadline       string            `json:"deadline" doc:"What has not begun so long after its tick is skipped, what has not ended fails; empty: none"`
	Retries        int               `json:"retries" doc:"How often a run that failed is tried again"`
	Backoff        string            `json:"backoff" doc:"Before the first time, and twice as long before each further one"`
	CatchUp        timetable.CatchUp `json:"catch_up" enum:"latest,all,none" doc:"What becomes of ticks that passed while nothing was there to begin them: the latest stands for all, all are made up for, or none. Left out: all of pipelines, the latest of other work"`
	After          []string          `json:"after" doc:"Pipelines that have to have succeeded for the tick"`
	ConcurrencyKey string            `json:"concurrency_key" doc:"Of runs with the same one is under way at a time; empty: of those of the same kind and subject"`
	Paused         bool              `json:"paused"`
	Owner          string            `json:"owner"`
	Description    string            `json:"description"`
	Tags           []string          `json:"tags"`
	Version        int               `json:"version" doc:"Of the definition, or of the pipeline's; every accepted change makes the next. 0: a default"`
	CreatedAt      time.Time         `json:"created_at"`
	UpdatedAt      time.Time         `json:"updated_at"`
}

// ScheduleAnswer is a schedule in effect.
type ScheduleAnswer struct {
	DefinitionAnswer
	Origin   Origin             `json:"origin" enum:"definition,pipeline,default" doc:"Where it is written: a definition of its own, the member schedule of a pipeline, or nowhere"`
	Default  bool               `json:"default" doc:"It is there because a pipeline feeds the group; a schedule that is defined for the same takes its place"`
	PausedAt *time.Time         `json:"paused_at,omitempty" doc:"When a call paused it"`
	Missed   string             `json:"missed" doc:"The last tick was missed, in a sentence; empty: it is kept"`
	Next     []TickAnswer       `json:"next" doc:"The next ticks; none while it is paused"`
	Last     []OccurrenceAnswer `json:"last" doc:"What became of the last ticks, the newest first; in lists the last one"`
}

// TickAnswer is a tick to come.
type TickAnswer struct {
	At    time.Time `json:"at" doc:"In UTC"`
	Local string    `json:"local" doc:"In the schedule's time zone"`
	DueAt time.Time `json:"due_at" doc:"With jitter"`
}

const (
	nextTicks = 5 // that an answer shows
	lastTicks = 5
)

// definitionAnswer shows a schedule that the registry keeps.
func definitionAnswer(_ *registry.Catalog, d *registry.Definition) DefinitionAnswer {
	of := documentOf[scheduleDocument](d.Document)
	s := &Schedule{Name: d.Name, What: of.What, Subject: of.Subject, Needs: of.After, Owner: d.Owner, Description: d.Description, Tags: d.Tags,
		Version: d.Version, CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt}
	if err := s.read(d.Document); err != nil { // of one that cannot be read, what could
		s.Timetable = &timetable.Timetable{Zone: time.UTC}
	}
	return s.answer()
}

func (s *Schedule) answer() DefinitionAnswer {
	return DefinitionAnswer{
		Name: s.Name, What: s.What, Subject: s.Subject, Cron: s.Cron, Every: registry.FormatDuration(s.Every), TimeZone: s.Zone.String(),
		Jitter: registry.FormatDuration(s.Jitter), Deadline: registry.FormatDuration(s.Deadline), Retries: s.Retries, Backoff: registry.FormatDuration(s.Backoff),
		CatchUp: s.CatchUp, After: slices.Concat([]string{}, s.Needs), ConcurrencyKey: s.ConcurrencyKey, Paused: s.Paused, Owner: s.Owner, Description: s.Description,
		Tags: slices.Concat([]string{}, s.Tags), Version: s.Version, CreatedAt: s.CreatedAt, UpdatedAt: s.UpdatedAt,
	}
}

// shown shows a schedule in effect; row is what is known of it, nil: nothing.
func (s *Schedule) shown(now time.Time, row *scheduleRow, last []*Occurrence) ScheduleAnswer {
	answer := ScheduleAnswer{DefinitionAnswer: s.answer(), Origin: s.Origin, Default: s.Origin == Default, Next: []TickAnswer{}, Last: []OccurrenceAnswer{}}
	if row != nil {
		answer.Missed = row.Missed
		if row.PausedAt != nil {
			at := row.PausedAt.Time()
			answer.Paused, answer.PausedAt = true, &at
		}
	}
	if !answer.Paused {
		for _, tick := range s.Following(now.UnixMicro(), nextTicks) {
			at := time.UnixMicro(tick).UTC()
			answer.Next = append(answer.Next, TickAnswer{at, at.In(s.Zone).Format(time.RFC3339), time.UnixMicro(s.Due(s.Name, tick)).UTC()})
		}
	}
	for _, o := range last {
		answer.Last = append(answer.Last, o.answer())
	}
	return answer
}

// schedule finds one that is in effect.
func (s *Scheduler) schedule(name string) (*Schedule, error) {
	all := s.Schedules()
	for _, schedule := range all {
		if schedule.Name == name {
			return schedule, nil
		}
	}
	names := func(yield func(string) bool) {
		for _, schedule := range all {
			if !yield(schedule.Name) {
				return
			}
		}
	}
	return nil, fault.New(fault.NotFound, "unknown-schedule", "there is no schedule %q%s", fault.Shorten(name), registry.DidYouMean(name, names)).At("path.name", name, "is no schedule")
}

type listSchedulesInput struct {
	httpapi.Page
	What    What   `query:"what" enum:"pipeline,materialize,validate,profile,expire,compact"`
	Subject string `query:"subject" doc:"About this pipeline or group"`
	Origin  Origin `query:"origin" enum:"definition,pipeline,default"`
	Owner   string `query:"owner"`
}

type listSchedulesOutput struct {
	Body struct {
		Schedules     []ScheduleAnswer `json:"schedules" doc:"Those that are defined first, then those of pipelines, then defaults"`
		NextPageToken string           `json:"next_page_token,omitempty" doc:"Absent on the last page"`
	}
}

func (s *Scheduler) listSchedules(ctx context.Context, in *listSchedulesInput) (*listSchedulesOutput, error) {
	last, err := in.Last()
	if err != nil {
		return nil, err
	}
	now, err := s.repository.now(ctx)
	if err != nil {
		return nil, err
	}
	known, err := s.repository.known(ctx)
	if err != nil {
		return nil, err
	}
	newest, err := s.repository.newest(ctx)
	if err != nil {
		return nil, err
	}
	var found []*Schedule
	for _, schedule := range s.Schedules() {
		if schedule.number > last && (in.What == "" || schedule.What == in.What) && (in.Subject == "" || schedule.Subject == in.Subject) &&
			(in.Origin == "" || schedule.Origin == in.Origin) && (in.Owner == "" || schedule.Owner == in.Owner) {
			found = append(found, schedule)
		}
	}
	out := &listSchedulesOutput{}
	out.Body.Schedules = []ScheduleAnswer{}
	found, out.Body.NextPageToken = httpapi.CutPage(&in.Page, found, func(schedule *Schedule) int64 { return schedule.number })
	for _, schedule := range found {
		var last []*Occurrence
		if o := newest[schedule.Name]; o != nil {
			last = append(last, o)
		}
		out.Body.Schedules = append(out.Body.Schedules, schedule.shown(now, known[schedule.Name], last))
	}
	return out, nil
}

// ScheduleName is how an URL names a schedule.
type ScheduleName struct {
	Name string `path:"name" doc:"The schedule" example:"purchases_nightly"`
}

type scheduleOutput struct{ Body ScheduleAnswer }

func (s *Scheduler) getSchedule(ctx context.Context, in *ScheduleName) (*scheduleOutput, error) {
	schedule, err := s.schedule(in.Name)
	if err != nil {
		return nil, err
	}
	return s.show(ctx, schedule)
}

func (s *Scheduler) show(ctx context.Context, schedule *Schedule) (*scheduleOutput, error) {
	now, err := s.repository.now(ctx)
	if err != nil {
		return nil, err
	}
	known, err := s.repository.known(ctx)
	if err != nil {
		return nil, err
	}
	last, err := s.repository.of(ctx, schedule.Name, 0, lastTicks)
	if err != nil {
		return nil, err
	}
	return &scheduleOutput{schedule.shown(now, known[schedule.Name], last)}, nil
}
