package alerts

import (
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm"

	"featurestore/app/database"
	"featurestore/app/fault"
)

// errDryRun rolls a transaction back that was only to show what it would do.
var errDryRun = errors.New("dry run")

// change runs a caller's change as one transaction, which a dry run takes back.
func (a *Alerts) change(ctx context.Context, dryRun bool, change func(tx *gorm.DB) error) error {
	err := a.repository.atomically(ctx, func(tx *gorm.DB) error {
		if err := change(tx); err != nil || !dryRun {
			return err
		}
		return errDryRun
	})
	if errors.Is(err, errDryRun) {
		return nil
	}
	a.look()
	return unavailable(err)
}

// Get reads an alert; an unknown one is a fault of kind NotFound.
func (a *Alerts) Get(ctx context.Context, id int64) (*Alert, error) {
	alert, err := a.repository.get(a.repository.db.WithContext(ctx), id)
	return alert, unavailable(err)
}

// Acknowledge says that somebody works on an alert: nothing more is sent until it is resolved, or its severity rises. One that
// is resolved is a fault of kind Conflict; to acknowledge again replaces who and why.
func (a *Alerts) Acknowledge(ctx context.Context, id int64, by, note string, dryRun bool) (*Alert, error) {
	return a.changeOne(ctx, id, dryRun, func(b *board, alert *Alert) { alert.acknowledge(by, note, b.now) })
}

// Resolve ends an alert by a person's decision. The next bad outcome opens another one. One that is resolved already is a fault
// of kind Conflict.
func (a *Alerts) Resolve(ctx context.Context, id int64, by, reason string, dryRun bool) (*Alert, error) {
	return a.changeOne(ctx, id, dryRun, func(b *board, alert *Alert) {
		alert.resolve(by+": "+reason, alert.Run, b.now, b.tellAt())
	})
}

func (a *Alerts) changeOne(ctx context.Context, id int64, dryRun bool, change func(*board, *Alert)) (changed *Alert, err error) {
	err = a.change(ctx, dryRun, func(tx *gorm.DB) error {
		found, err := a.repository.get(tx, id)
		if err != nil {
			return err
		}
		if err := a.repository.lock(tx, found.Group); err != nil {
			return err
		}
		b, err := a.board(tx, found.Group)
		if err != nil {
			return err
		}
		for _, alert := range b.alerts {
			if alert.ID == id && alert.State != Resolved {
				change(b, alert)
				changed = alert
				return b.save(nil)
			}
		}
		return fault.New(fault.Conflict, "alert-resolved", "alert %d is resolved already", id).At("id", fmt.Sprint(id), "is resolved")
	})
	return changed, err
}

// Filter says which alerts are listed; what is empty or zero does not matter.
type Filter struct {
	Group, Rule, Feature, Owner string
	Severity                    Severity
	State                       State
	Open                        bool // only those that are not resolved
	Before                      int64
	Limit                       int
}

// List reads alerts, the newest first.
func (a *Alerts) List(ctx context.Context, filter Filter) ([]*Alert, error) {
	query := a.repository.db.WithContext(ctx).Order("id DESC").Limit(filter.Limit)
	for column, value := range map[string]string{
		"group_name": filter.Group, "rule": filter.Rule, "feature": filter.Feature, "owner": filter.Owner,
		"severity": string(filter.Severity), "state": string(filter.State),
	} {
		if value != "" {
			query = query.Where(database.Quote(column)+" = ?", value)
		}
	}
	if filter.Open {
		query = query.Where("state <> 'resolved'")
	}
	if filter.Before != 0 {
		query = query.Where("id < ?", filter.Before)
	}
	found, err := a.repository.alerts(query)
	return found, unavailable(err)
}

// Silences lists silences, the newest first, those that have ended too unless active.
func (a *Alerts) Silences(ctx context.Context, active bool, before int64, limit int) ([]Silence, error) {
	db := a.repository.db.WithContext(ctx)
	query := db.Order("id DESC").Limit(limit)
	if active {
		now, err := a.now(db)
		if err != nil {
			return nil, unavailable(err)
		}
		query = query.Where("until_at > ?", database.MicrosOf(now))
	}
	if before != 0 {
		query = query.Where("id < ?", before)
	}
	found, err := a.repository.silences(query)
	return found, unavailable(err)
}
