package alerts

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"featurestore/app/database"
	"featurestore/app/fault"
)

// Health is how a receiver does, as the last tries found, of all processes.
type Health struct {
	Receiver      string
	FailingSince  time.Time // zero: the last try succeeded, or there was none
	LastError     string    // of the last try; "" if it succeeded. A message that not all addressees of an e-mail got is a failure here
	LastSuccessAt time.Time
	LastFailureAt time.Time
	Queued        int64 // deliveries that wait
	Dead          int64 // deliveries that were given up
}

// Failing lists the receivers that could not be reached in the last try, or have deliveries that were given up.
func (a *Alerts) Failing(ctx context.Context) ([]Health, error) {
	all, err := a.health(ctx)
	if err != nil {
		return nil, err
	}
	var failing []Health
	for _, r := range a.receivers.Receivers() {
		if h := all[r.Name]; !h.FailingSince.IsZero() || h.Dead > 0 {
			failing = append(failing, h)
		}
	}
	return failing, nil
}

// health is how each receiver does, by name.
func (a *Alerts) health(ctx context.Context) (map[string]Health, error) {
	db := a.repository.db.WithContext(ctx)
	var rows []receiverRow
	if err := db.Find(&rows).Error; err != nil {
		return nil, unavailable(fmt.Errorf("read how receivers do: %w", err))
	}
	found := map[string]Health{}
	for i := range rows {
		found[rows[i].Name] = rows[i].health()
	}
	var counts []struct {
		Receiver string
		State    DeliveryState
		N        int64
	}
	err := db.Raw("SELECT receiver, state, count(*) AS n FROM validation_alert_deliveries WHERE state IN ('queued', 'dead') GROUP BY receiver, state").Scan(&counts).Error
	if err != nil {
		return nil, unavailable(fmt.Errorf("count deliveries: %w", err))
	}
	for _, c := range counts {
		h := found[c.Receiver]
		h.Receiver = c.Receiver
		if c.State == Queued {
			h.Queued = c.N
		} else {
			h.Dead = c.N
		}
		found[c.Receiver] = h
	}
	return found, nil
}

// saveHealth notes what became of a try; failure is "" where it succeeded.
func (r repository) saveHealth(tx *gorm.DB, receiver, failure string, now time.Time) error {
	micros := database.MicrosOf(now)
	var failing, success *database.Micros
	if failure == "" {
		success = &micros
	} else {
		failing = &micros
	}
	err := tx.Exec("INSERT INTO validation_alert_receivers AS r (name, failing_since, last_error, last_success_at, last_failure_at) VALUES (?, ?, ?, ?, ?)"+
		" ON CONFLICT (name) DO UPDATE SET last_error = excluded.last_error,"+
		" failing_since = CASE WHEN excluded.failing_since IS NULL THEN NULL ELSE coalesce(r.failing_since, excluded.failing_since) END,"+
		" last_success_at = coalesce(excluded.last_success_at, r.last_success_at), last_failure_at = coalesce(excluded.last_failure_at, r.last_failure_at)",
		receiver, failing, failure, success, failing).Error
	if err != nil {
		return fmt.Errorf("note how receiver %s does: %w", receiver, err)
	}
	return nil
}

// Test sends a test to a receiver now, once, and answers the delivery that it was; it is kept with the others. That the receiver could not
// be reached is no error.
func (a *Alerts) Test(ctx context.Context, name string) (*Delivery, error) {
	receiver, err := a.known(name)
	if err != nil {
		return nil, err
	}
	now, err := a.now(a.repository.db.WithContext(ctx))
	if err != nil {
		return nil, unavailable(err)
	}
	message := testMessage(name, now)
	var row *deliveryRow
	err = a.repository.atomically(ctx, func(tx *gorm.DB) error {
		row, err = a.repository.queueHeld(tx, name, &message, a.holder, now)
		return err
	})
	if err != nil {
		return nil, unavailable(err)
	}
	delivery, err := row.delivery()
	if err != nil {
		return nil, err
	}
	try, failure := a.try(ctx, receiver, delivery)
	if failure != nil { // no second try
		failure = &finalError{failure}
	}
	saving := context.WithoutCancel(ctx)
	if err := a.settle(saving, delivery, try, failure); err != nil {
		return nil, unavailable(err)
	}
	if err := a.repository.db.WithContext(saving).Take(row, row.ID).Error; err != nil {
		return nil, unavailable(fmt.Errorf("read delivery %d: %w", row.ID, err))
	}
	return row.delivery()
}

// known finds a receiver; an unknown one is a fault of kind NotFound.
func (a *Alerts) known(name string) (Receiver, error) {
	receiver, found := a.receiver(name)
	if !found {
		return Receiver{}, fault.New(fault.NotFound, "unknown-receiver", "there is no receiver %q; receivers are defined with /apply", fault.Shorten(name)).
			At("name", name, "is no receiver")
	}
	return receiver, nil
}

// queueHeld is queue for a delivery that this process sends at once; if it ends first, another one does.
func (r repository) queueHeld(tx *gorm.DB, receiver string, message *Message, holder string, now time.Time) (*deliveryRow, error) {
	row, err := r.queue(tx, receiver, message, now)
	if err != nil {
		return nil, err
	}
	row.Holder, row.LeaseUntil = holder, database.MicrosOf(now.Add(sendLease))
	return row, tx.Select("holder", "lease_until").Updates(row).Error
}
