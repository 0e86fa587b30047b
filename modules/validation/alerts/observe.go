package alerts

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"
)

// Observe takes in outcomes, all or none. Of the outcomes of one rule, group and feature only those count that are newer (At)
// than all before, so outcomes may be handed over again.
func (a *Alerts) Observe(ctx context.Context, outcomes ...Outcome) error {
	err := a.repository.atomically(ctx, func(tx *gorm.DB) error { return a.ObserveIn(tx, outcomes...) })
	if err != nil {
		return unavailable(fmt.Errorf("take in outcomes: %w", err))
	}
	a.look()
	return nil
}

// ObserveIn is Observe within the caller's transaction on the same database: alerts and what else it writes are kept together.
func (a *Alerts) ObserveIn(tx *gorm.DB, outcomes ...Outcome) error {
	byGroup := map[string][]Outcome{}
	var groups []string
	var errs []error
	for i := range outcomes {
		o := outcomes[i]
		errs = append(errs, o.check())
		o.At = o.At.UTC().Truncate(time.Microsecond)
		for _, text := range []*string{&o.Owner, &o.Observed, &o.Expected, &o.Sentence} {
			*text = readable(*text)
		}
		byGroup[o.Group] = append(byGroup[o.Group], o)
		groups = append(groups, o.Group)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := a.repository.lockAll(tx, groups); err != nil {
		return err
	}
	for group, of := range byGroup {
		slices.SortStableFunc(of, func(x, y Outcome) int { return x.At.Compare(y.At) })
		board, err := a.board(tx, group)
		if err != nil {
			return err
		}
		if err := board.observe(of); err != nil {
			return err
		}
	}
	return nil
}

// ResolveRule resolves what is open of a rule on a group, which was deleted or switched off; reason says so.
func (a *Alerts) ResolveRule(ctx context.Context, group, rule, reason string) error {
	return a.end(ctx, group, rule, func(string) bool { return true }, reason)
}

// ResolveSubject resolves what is open of a rule on a group and feature ("": on the group), of which nothing will be heard any more; reason
// says why.
func (a *Alerts) ResolveSubject(ctx context.Context, group, rule, feature, reason string) error {
	return a.end(ctx, group, rule, func(of string) bool { return of == feature }, reason)
}

func (a *Alerts) end(ctx context.Context, group, rule string, about func(feature string) bool, reason string) error {
	err := a.onBoard(ctx, group, func(b *board) error {
		for _, alert := range b.alerts {
			if alert.Rule == rule && about(alert.Feature) && alert.State != Resolved {
				alert.resolve(reason, alert.Run, b.now, b.tellAt())
			}
		}
		return a.repository.forgetSubjects(b.tx, group, rule, about)
	})
	return unavailable(err)
}

// board is the alerts of one group, which the transaction has locked.
type board struct {
	*Alerts
	tx       *gorm.DB
	group    string
	now      time.Time
	alerts   []*Alert // open, or about to be told of; by id
	silences []Silence
}

// board reads a group that tx has locked.
func (a *Alerts) board(tx *gorm.DB, group string) (*board, error) {
	now, err := a.now(tx) // after the lock: later than whatever the one before wrote
	if err != nil {
		return nil, err
	}
	b := &board{Alerts: a, tx: tx, group: group, now: now}
	if b.alerts, err = a.repository.current(tx, group); err != nil {
		return nil, err
	}
	b.silences, err = a.repository.activeSilences(tx, now)
	return b, err
}

// onBoard changes the alerts of a group in a transaction of its own.
func (a *Alerts) onBoard(ctx context.Context, group string, change func(*board) error) error {
	defer a.look()
	return a.repository.atomically(ctx, func(tx *gorm.DB) error {
		if err := a.repository.lock(tx, group); err != nil {
			return err
		}
		b, err := a.board(tx, group)
		if err != nil {
			return err
		}
		if err := change(b); err != nil {
			return err
		}
		return b.save(nil)
	})
}

// observe takes in outcomes, in the order of their times.
func (b *board) observe(outcomes []Outcome) error {
	subjects, err := b.repository.subjects(b.tx, b.group)
	if err != nil {
		return err
	}
	changed := map[key]*subject{}
	bad := map[*Alert]bool{} // seen bad in this call
	for i := range outcomes {
		o := &outcomes[i]
		s := subjects[o.key()]
		if s == nil {
			s = &subject{}
			subjects[o.key()] = s
		}
		if !o.At.After(s.lastAt) {
			continue
		}
		s.count(o)
		changed[o.key()] = s
		alert := b.open(o.key())
		if alert != nil {
			alert.LastAt = o.At
		}
		switch {
		case alert == nil && o.alarm() != "" && s.bad >= orDefault(o.For, b.config.For):
			if alert, err = b.begin(o, s.badSince); err != nil {
				return err
			}
			bad[alert] = true
		case alert != nil && o.alarm() != "":
			alert.worsen(o)
			bad[alert] = true
		case alert != nil && o.Status == Passed && s.good >= orDefault(o.ResolveAfter, b.config.ResolveAfter):
			alert.resolve("recovered: the rule passes again", o.Run, b.now, b.tellAt())
			if err := b.repository.save(b.tx, alert); err != nil { // before another one of the same key is opened
				return err
			}
		}
	}
	if err := b.repository.saveSubjects(b.tx, b.group, changed); err != nil {
		return err
	}
	return b.save(bad)
}

// begin opens an alert.
func (b *board) begin(o *Outcome, since time.Time) (*Alert, error) {
	alert := &Alert{Group: b.group, Rule: o.Rule, Feature: o.Feature, Since: since, OpenedAt: b.now, LastAt: o.At}
	alert.worsen(o)
	b.alerts = append(b.alerts, alert)
	return alert, b.repository.save(b.tx, alert)
}

// open is the open alert of a key, nil if there is none.
func (b *board) open(k key) *Alert {
	for _, alert := range b.alerts {
		if alert.State != Resolved && alert.Rule == k.rule && alert.Feature == k.feature {
			return alert
		}
	}
	return nil
}

// tellAt is when that is told at the latest which comes up now.
func (b *board) tellAt() time.Time { return b.now.Add(b.config.GroupWait) }

// schedule sets when receivers are told of what came up just now: with what waits of the same run already, or after the group's wait.
// It is decided when the change is over, so that the order of what is found together does not matter.
func (b *board) schedule() {
	first := map[int64]time.Time{} // of a run
	for _, alert := range b.alerts {
		alert.schedule(b.now, b.config.RepeatInterval, b.tellAt())
		if earliest := first[alert.Run]; !alert.TellAt.IsZero() && (earliest.IsZero() || alert.TellAt.Before(earliest)) {
			first[alert.Run] = alert.TellAt
		}
	}
	for _, alert := range b.alerts {
		if alert.TellAt.Equal(b.tellAt()) {
			alert.TellAt = first[alert.Run]
		}
	}
}

// save settles what silences and the group's source mean for the open alerts, and writes all. bad are those that were found bad just
// now: only such a finding, made while the source works, ends a mute.
func (b *board) save(bad map[*Alert]bool) error {
	var source int64
	for _, alert := range b.alerts {
		if alert.Class == Source && alert.State != Resolved && source == 0 {
			source = alert.ID
		}
	}
	for _, alert := range b.alerts {
		if alert.State != Resolved {
			alert.silence(b.silences)
			switch {
			case alert.Class != Drift:
				alert.MutedBy = 0
			case source != 0:
				alert.MutedBy = source
			case bad[alert]:
				alert.MutedBy = 0
			}
		}
	}
	b.schedule()
	for _, alert := range b.alerts {
		if err := b.repository.save(b.tx, alert); err != nil {
			return err
		}
	}
	return nil
}

func orDefault(given, otherwise int) int {
	if given == 0 {
		return otherwise
	}
	return given
}
