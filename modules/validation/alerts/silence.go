package alerts

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"

	"featurestore/app/database"
	"featurestore/app/fault"
)

// Matcher says which alerts a silence covers: those that fit all of its patterns. A pattern is a name, with * for any
// characters; an empty one fits everything.
type Matcher struct {
	Group   string `json:"group,omitempty" maxLength:"200" doc:"The group, * stands for any characters" example:"customer_purchases"`
	Rule    string `json:"rule,omitempty" maxLength:"200" doc:"The rule, * stands for any characters"`
	Feature string `json:"feature,omitempty" maxLength:"200" doc:"The feature, * stands for any characters; of alerts about a whole group it is empty"`
	Owner   string `json:"owner,omitempty" maxLength:"500" doc:"The owner, * stands for any characters"`
}

// Silence keeps alerts from being sent, from when it is made until it ends. That an alert of which receivers were told before is
// resolved is sent all the same: what it opened elsewhere would otherwise stay open.
type Silence struct {
	ID int64
	Matcher
	Until     time.Time
	Author    string
	Reason    string
	CreatedAt time.Time
}

func (m Matcher) covers(a *Alert) bool {
	return fits(m.Group, a.Group) && fits(m.Rule, a.Rule) && fits(m.Feature, a.Feature) && fits(m.Owner, a.Owner)
}

// fits tells whether a text has the form of a pattern.
func fits(pattern, text string) bool {
	if pattern == "" {
		return true
	}
	parts := strings.Split(pattern, "*")
	last := len(parts) - 1
	if last == 0 {
		return text == pattern
	}
	rest, found := strings.CutPrefix(text, parts[0])
	for _, part := range parts[1:last] {
		if !found {
			return false
		}
		_, rest, found = strings.Cut(rest, part)
	}
	return found && strings.HasSuffix(rest, parts[last])
}

// Silence makes a silence and answers it with the open alerts that it covers now. A dry run changes nothing.
func (a *Alerts) Silence(ctx context.Context, s Silence, dryRun bool) (Silence, []*Alert, error) {
	var covered []*Alert
	err := a.change(ctx, dryRun, func(tx *gorm.DB) error {
		now, err := a.now(tx)
		if err != nil {
			return err
		}
		if !s.Until.After(now) {
			return fault.New(fault.Unprocessable, "invalid-silence", "a silence ends in the future").
				At("body.until", s.Until.Format(time.RFC3339), "is over")
		}
		row := &silenceRow{
			GroupName: s.Group, Rule: s.Rule, Feature: s.Feature, Owner: s.Owner, UntilAt: database.MicrosOf(s.Until),
			Author: s.Author, Reason: s.Reason, CreatedAt: database.MicrosOf(now),
		}
		if err := tx.Create(row).Error; err != nil {
			return fmt.Errorf("store a silence: %w", err)
		}
		s = row.silence()
		if err := a.settleGroups(tx); err != nil {
			return err
		}
		open, err := a.repository.alerts(tx.Where("state <> 'resolved'").Order("id"))
		for _, alert := range open {
			if s.covers(alert) {
				covered = append(covered, alert)
			}
		}
		return err
	})
	return s, covered, err
}

// Unsilence ends a silence now. It is kept, as one that ended by itself is.
func (a *Alerts) Unsilence(ctx context.Context, id int64, dryRun bool) (Silence, error) {
	var row silenceRow
	err := a.change(ctx, dryRun, func(tx *gorm.DB) error {
		now, err := a.now(tx)
		if err != nil {
			return err
		}
		found := tx.Limit(1).Find(&row, "id = ?", id)
		if found.Error != nil {
			return fmt.Errorf("read silence %d: %w", id, found.Error)
		}
		if found.RowsAffected == 0 {
			return fault.New(fault.NotFound, "unknown-silence", "there is no silence %d; those that have ended are kept for a while only", id).
				At("id", fmt.Sprint(id), "is no silence")
		}
		if !row.UntilAt.Time().After(now) {
			return fault.New(fault.Conflict, "silence-ended", "silence %d has ended already", id).At("id", fmt.Sprint(id), "has ended")
		}
		row.UntilAt = database.MicrosOf(now)
		if err := tx.Select("until_at").Updates(&row).Error; err != nil {
			return fmt.Errorf("end silence %d: %w", id, err)
		}
		return a.settleGroups(tx)
	})
	return row.silence(), err
}

// settleGroups makes the silences of now count for all open alerts.
func (a *Alerts) settleGroups(tx *gorm.DB) error {
	groups, err := a.unsettled(tx)
	if err != nil {
		return err
	}
	if err := a.repository.lockAll(tx, groups); err != nil {
		return err
	}
	for _, group := range groups {
		b, err := a.board(tx, group)
		if err != nil {
			return err
		}
		if err := b.save(nil); err != nil {
			return err
		}
	}
	return nil
}

// unsettled lists the groups that have alerts which silences cover otherwise than the table says.
func (a *Alerts) unsettled(tx *gorm.DB) ([]string, error) {
	now, err := a.now(tx)
	if err != nil {
		return nil, err
	}
	active, err := a.repository.activeSilences(tx, now)
	if err != nil {
		return nil, err
	}
	query := tx.Where("state <> 'resolved'")
	if len(active) == 0 {
		query = tx.Where("state = 'silenced'")
	}
	open, err := a.repository.alerts(query)
	if err != nil {
		return nil, err
	}
	var groups []string
	for _, alert := range open {
		before := alert.SilenceID
		if alert.silence(active); alert.SilenceID != before {
			groups = append(groups, alert.Group)
		}
	}
	return groups, nil
}

// review ends what has run out: silences, and the time that a firing alert is kept to itself.
func (a *Alerts) review(ctx context.Context) error {
	db := a.repository.db.WithContext(ctx)
	groups, err := a.unsettled(db)
	if err != nil {
		return err
	}
	if len(groups) > 0 {
		if err := a.repository.atomically(ctx, a.settleGroups); err != nil {
			return fmt.Errorf("settle silences: %w", err)
		}
	}
	now, err := a.now(db)
	if err != nil {
		return err
	}
	return a.repository.markRepeats(db, now.Add(-a.config.RepeatInterval), now)
}

func (r repository) activeSilences(tx *gorm.DB, now time.Time) ([]Silence, error) {
	return r.silences(tx.Where("until_at > ?", database.MicrosOf(now)).Order("id"))
}

func (r repository) silences(query *gorm.DB) ([]Silence, error) {
	var rows []silenceRow
	if err := query.Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read silences: %w", err)
	}
	found := make([]Silence, len(rows))
	for i := range rows {
		found[i] = rows[i].silence()
	}
	return found, nil
}
