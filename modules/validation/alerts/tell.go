package alerts

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"featurestore/app/database"
)

// recheck is how long an alert waits that no receiver takes: one may come.
const recheck = time.Minute

// tell makes out the notifications about the group and run that are due first, and answers whether there was one. What receivers
// were told stands in the alerts, and each notification is queued as a delivery, with the same commit.
func (a *Alerts) tell(ctx context.Context) (bool, error) {
	_, _, found, err := a.repository.peek(ctx, a.now) // mostly there is nothing, and no transaction is needed to see it
	if err != nil || !found {
		return false, err
	}
	err = a.repository.atomically(ctx, func(tx *gorm.DB) error {
		now, err := a.now(tx)
		if err != nil {
			return err
		}
		var group string
		var run int64
		if group, run, found, err = a.repository.toTell(tx, now); err != nil || !found {
			return err
		}
		if err := a.repository.lock(tx, group); err != nil {
			return err
		}
		b, err := a.board(tx, group)
		if err != nil {
			return err
		}
		for _, alert := range b.alerts {
			if alert.State != Resolved {
				alert.silence(b.silences)
			}
		}
		b.schedule()
		return b.tell(run)
	})
	if err != nil {
		return false, fmt.Errorf("make out notifications: %w", err)
	}
	return found, nil
}

func (r repository) peek(ctx context.Context, clock func(*gorm.DB) (time.Time, error)) (group string, run int64, found bool, err error) {
	db := r.db.WithContext(ctx)
	now, err := clock(db)
	if err != nil {
		return "", 0, false, err
	}
	return r.toTell(db, now)
}

// tell makes out what is to be told of a run, if its time has come: another process may have been faster.
func (b *board) tell(run int64) error {
	var waiting []*Alert
	due := false
	for _, alert := range b.alerts {
		if alert.Run == run && !alert.TellAt.IsZero() {
			waiting = append(waiting, alert)
			due = due || !alert.TellAt.After(b.now)
		}
	}
	if !due {
		return nil
	}
	receivers := b.receivers.Receivers()
	messages := map[string]*Message{}
	unheard := 0
	for _, alert := range waiting {
		event := alert.due(b.now, b.config.RepeatInterval)
		if event == "" {
			alert.TellAt = time.Time{}
			continue
		}
		var to []string
		for i := range receivers {
			if r := &receivers[i]; r.hears(alert, event) {
				to = append(to, r.Name)
				if messages[r.Name] == nil {
					messages[r.Name] = &Message{Group: b.group, Run: run}
				}
				messages[r.Name].Items = append(messages[r.Name].Items, alert.item(event))
			}
		}
		switch {
		case len(to) == 0 && event != EventResolved:
			unheard++
			alert.TellAt = b.now.Add(recheck)
		default:
			alert.told(to, b.now)
		}
	}
	if unheard > 0 {
		b.log.Debug("no receiver takes alerts", "group", b.group, "run", run, "alerts", unheard)
	}
	for _, r := range receivers {
		if messages[r.Name] == nil {
			continue
		}
		if _, err := b.repository.queue(b.tx, r.Name, messages[r.Name], b.now); err != nil {
			return err
		}
	}
	for _, alert := range b.alerts {
		if err := b.repository.save(b.tx, alert); err != nil {
			return err
		}
	}
	return nil
}

// queue stores a notification that is to be sent.
func (r repository) queue(tx *gorm.DB, receiver string, message *Message, now time.Time) (*deliveryRow, error) {
	text, err := json.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("write a notification: %w", err)
	}
	micros := database.MicrosOf(now)
	row := &deliveryRow{
		Key: rand.Text(), Receiver: receiver, GroupName: message.Group, Run: message.Run, Message: string(text),
		State: Queued, Tries: "[]", NextAt: micros, LeaseUntil: micros, CreatedAt: micros,
	}
	if err := tx.Create(row).Error; err != nil {
		return nil, fmt.Errorf("queue a notification for %s: %w", receiver, err)
	}
	return row, nil
}

// hears tells whether a receiver is told of an event of an alert: one that fits its filter, and that an alert of which it was told
// has ended.
func (r *Receiver) hears(a *Alert, event Event) bool {
	if event == EventResolved && !a.ToldAt.IsZero() {
		return slices.Contains(a.ToldTo, r.Name)
	}
	return r.takes(a)
}

// takes tells whether an alert fits a receiver's filter.
func (r *Receiver) takes(a *Alert) bool {
	return a.Severity.rank() >= r.MinSeverity.rank() &&
		(len(r.Owners) == 0 || slices.Contains(r.Owners, a.Owner)) &&
		(len(r.Groups) == 0 || slices.Contains(r.Groups, a.Group))
}
