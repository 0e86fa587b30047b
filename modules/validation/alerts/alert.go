package alerts

import (
	"slices"
	"time"
)

// State is where an alert stands.
type State string

const (
	Firing       State = "firing"
	Acknowledged State = "acknowledged" // somebody works on it: nothing is sent until it is resolved or its severity rises
	Silenced     State = "silenced"     // a silence covers it, whether it is acknowledged or not
	Resolved     State = "resolved"     // it stays as it is; the next bad outcome opens another alert
)

// Alert is what has been wrong with a rule on a group or feature, from when it was opened until it is resolved.
type Alert struct {
	ID          int64 // never reused
	Group       string
	Rule        string
	Feature     string // "": the whole group
	RuleVersion int
	Class       Class
	Owner       string
	Severity    Severity // of the last bad outcome, as the members from Status to Run
	State       State
	Status      Status
	Observed    string
	Expected    string
	Sentence    string
	Run         int64
	Since       time.Time // the first of the bad outcomes in a row that opened it
	OpenedAt    time.Time
	LastAt      time.Time // the newest outcome

	TellAt       time.Time // when receivers are to be told; zero: there is nothing to tell
	ToldAt       time.Time // when they were last; zero: never
	ToldSeverity Severity  // the one that they were told then
	ToldTo       []string  // who was

	AcknowledgedAt       time.Time
	AcknowledgedBy       string
	AcknowledgedSeverity Severity // a higher one ends the acknowledgement
	Note                 string   // what who acknowledged it said

	SilenceID int64 // 0: none
	MutedBy   int64 // of a drift alert: the alert of its group's source, 0: none. While muted, nothing is sent

	ResolvedAt time.Time
	Resolution string // why it is resolved

	stored alertRow // as it was read or last written
}

// Event is why receivers are told of an alert.
type Event string

const (
	EventNew      Event = "new"
	EventRisen    Event = "severity_raised"
	EventRepeated Event = "repeat"
	EventResolved Event = "resolved"
)

// due says what receivers are to be told at a time; "": nothing.
func (a *Alert) due(now time.Time, repeat time.Duration) Event {
	switch {
	case a.State == Resolved && !a.TellAt.IsZero():
		return EventResolved
	case a.State != Firing || a.MutedBy != 0:
		return ""
	case a.ToldAt.IsZero():
		return EventNew
	case a.Severity.rank() > a.ToldSeverity.rank():
		return EventRisen
	case now.Sub(a.ToldAt) >= repeat:
		return EventRepeated
	}
	return ""
}

// worsen takes in a bad outcome.
func (a *Alert) worsen(o *Outcome) {
	a.RuleVersion, a.Owner, a.Status, a.Observed, a.Expected, a.Sentence, a.Run = o.RuleVersion, o.Owner, o.Status, o.Observed, o.Expected, o.Sentence, o.Run
	a.Class, a.Severity = o.Class, o.alarm()
	if a.Class == "" {
		a.Class = Data
	}
	if !a.AcknowledgedAt.IsZero() && a.Severity.rank() > a.AcknowledgedSeverity.rank() {
		a.AcknowledgedAt, a.AcknowledgedBy, a.AcknowledgedSeverity, a.Note = time.Time{}, "", "", ""
	}
	a.settle()
}

// settle finds the state of an open alert.
func (a *Alert) settle() {
	switch {
	case a.SilenceID != 0:
		a.State = Silenced
	case !a.AcknowledgedAt.IsZero():
		a.State = Acknowledged
	default:
		a.State = Firing
	}
}

// acknowledge notes that somebody works on it.
func (a *Alert) acknowledge(by, note string, now time.Time) {
	a.AcknowledgedAt, a.AcknowledgedBy, a.Note = now, by, note
	a.AcknowledgedSeverity = higher(a.Severity, a.ToldSeverity)
	a.settle()
}

// silence sets which of the silences covers the alert: the one that lasts longest.
func (a *Alert) silence(active []Silence) {
	a.SilenceID = 0
	var longest time.Time
	for i := range active {
		if active[i].covers(a) && active[i].Until.After(longest) {
			a.SilenceID, longest = active[i].ID, active[i].Until
		}
	}
	a.settle()
}

// resolve ends the alert. Who was told that it fires is told that it ended; one that fired for so short a time that nobody was
// told yet is told of as ended.
func (a *Alert) resolve(reason string, run int64, now, tellAt time.Time) {
	if a.ToldAt.IsZero() && a.due(now, 0) == "" {
		a.TellAt = time.Time{}
	} else if a.TellAt.IsZero() {
		a.TellAt = tellAt
	}
	a.State, a.Resolution, a.ResolvedAt, a.Run = Resolved, reason, now, run
	a.SilenceID, a.MutedBy = 0, 0
}

// schedule sets when receivers are to be told of an open alert: what waits already keeps its time, even if only a repeat is left of it;
// what is a repeat from the start does not wait.
func (a *Alert) schedule(now time.Time, repeat time.Duration, tellAt time.Time) {
	if a.State == Resolved {
		return
	}
	switch event := a.due(now, repeat); {
	case event == "":
		a.TellAt = time.Time{}
	case !a.TellAt.IsZero():
	case event == EventRepeated:
		a.TellAt = now
	default:
		a.TellAt = tellAt
	}
}

// told notes that receivers were told.
func (a *Alert) told(to []string, now time.Time) {
	a.TellAt, a.ToldAt, a.ToldSeverity = time.Time{}, now, a.Severity
	for _, name := range to {
		if !slices.Contains(a.ToldTo, name) {
			a.ToldTo = append(a.ToldTo, name)
		}
	}
}

// subject is what the last outcomes of one key were.
type subject struct {
	bad, good int       // in a row; one of them is 0
	badSince  time.Time // the first of the bad ones in a row
	lastAt    time.Time
}

// count takes in an outcome that is newer than all before.
func (s *subject) count(o *Outcome) {
	s.lastAt = o.At
	switch {
	case o.Status == Skipped:
	case o.Status == Passed:
		s.bad, s.good = 0, min(s.good+1, maxInARow)
	default:
		if s.bad == 0 {
			s.badSince = o.At
		}
		s.bad, s.good = min(s.bad+1, maxInARow), 0
	}
}
