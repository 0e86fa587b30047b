package alerts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"gorm.io/gorm"

	"featurestore/app/database"
	"featurestore/app/fault"
)

// DeliveryState is where a delivery stands.
type DeliveryState string

const (
	Queued    DeliveryState = "queued"
	Delivered DeliveryState = "delivered"
	Dead      DeliveryState = "dead" // given up; it can be sent again by a call
)

// Delivery is one notification on its way to one receiver. To a receiver those about one group go one after the other, in the
// order in which they were made out.
type Delivery struct {
	ID         int64
	Key        string // stands in what is sent, the same in every try
	Receiver   string
	Group      string
	Run        int64
	Message    Message
	State      DeliveryState
	Tries      []Try
	Attempts   int       // failed ones since it was queued
	NextAt     time.Time // of a queued one: when it is tried, at the earliest
	CreatedAt  time.Time
	FinishedAt time.Time
}

// Try is what became of one try.
type Try struct {
	At         time.Time `json:"at"`
	TookMillis int64     `json:"took_ms"`
	Code       int       `json:"code,omitempty" doc:"The status that the receiver answered: of HTTP, or of SMTP"`
	Error      string    `json:"error,omitempty" doc:"Why it failed; absent if it did not"`
}

// Tries of a delivery, and what is waited before the second and the third.
const maxTries = 3

var backoff = [maxTries - 1]time.Duration{10 * time.Second, time.Minute}

const (
	longestRetryAfter = 15 * time.Minute
	keptTries         = 20
	sendLease         = 2 * time.Minute // longer than any try takes
	claimTime         = 15 * time.Second
)

// dispatch begins to send what is queued and due, as far as this process has room for it.
func (a *Alerts) dispatch(ctx context.Context) error {
	for {
		select {
		case a.sending <- struct{}{}:
		default:
			return nil
		}
		row, found, err := a.claim(ctx)
		if err != nil || !found {
			<-a.sending
			return err
		}
		a.done.Go(func() {
			a.send(ctx, row)
			<-a.sending
			a.look()
		})
	}
}

// claim is not broken off by the end of ctx: what it got without knowing would stay held until its lease is over.
func (a *Alerts) claim(ctx context.Context) (*deliveryRow, bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), claimTime)
	defer cancel()
	return a.repository.claim(ctx, a.now, a.holder)
}

// send tries one delivery that this process has claimed and notes what became of it. Where that cannot be noted, or the process ends
// in between, the delivery is tried again once its lease is over: a receiver may see it twice, never not at all.
func (a *Alerts) send(ctx context.Context, row *deliveryRow) {
	delivery, err := row.delivery()
	if err != nil {
		a.log.Error("a delivery cannot be read", "delivery", row.ID, "error", err)
		return
	}
	receiver, found := a.receiver(delivery.Receiver)
	var try Try
	var failure error
	if found {
		try, failure = a.try(ctx, receiver, delivery)
	} else {
		try.Error, failure = "the receiver is defined no more", &finalError{errors.New("undefined")}
	}
	if failure != nil && ctx.Err() != nil { // the process stops
		a.note("giving it back", delivery, a.repository.release(context.WithoutCancel(ctx), row.ID, a.holder))
		return
	}
	a.note("noting what became of it", delivery, a.settle(context.WithoutCancel(ctx), delivery, try, failure))
}

// try sends a delivery once. The failure is nil where the message was taken, if only for some of several addressees; what went wrong
// stands in the Try.
func (a *Alerts) try(ctx context.Context, receiver Receiver, delivery *Delivery) (Try, error) {
	began := time.Now()
	code, err := a.reach(ctx, receiver, delivery)
	try := Try{TookMillis: time.Since(began).Milliseconds(), Code: code}
	if err != nil {
		try.Error = err.Error()
		a.log.Warn("a notification was not delivered", "receiver", delivery.Receiver, "delivery", delivery.Key, "code", code, "error", err)
	}
	var part *partError
	if errors.As(err, &part) { // repeating it would tell the others twice
		err = nil
	}
	a.counts.count(delivery.Receiver, err)
	return try, err
}

func (a *Alerts) note(what string, delivery *Delivery, err error) {
	if err != nil {
		a.log.Warn("the state of a delivery could not be written; it is tried again once its lease is over", "delivery", delivery.Key, "while", what, "error", err)
	}
}

func (a *Alerts) reach(ctx context.Context, receiver Receiver, delivery *Delivery) (code int, err error) {
	defer func() {
		if caught := recover(); caught != nil {
			a.log.Error("the sending of a notification panicked", "delivery", delivery.Key, "stack", string(debug.Stack()))
			err = errors.New("a defect of this program; its log names it")
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, a.config.Timeout)
	defer cancel()
	return a.sender.send(ctx, receiver, delivery)
}

func (a *Alerts) receiver(name string) (Receiver, bool) {
	for _, r := range a.receivers.Receivers() {
		if r.Name == name {
			return r, true
		}
	}
	return Receiver{}, false
}

// settle writes what became of a try, with how its receiver does.
func (a *Alerts) settle(ctx context.Context, delivery *Delivery, try Try, failure error) error {
	return a.repository.atomically(ctx, func(tx *gorm.DB) error {
		now, err := a.now(tx)
		if err != nil {
			return err
		}
		try.At = now
		delivery.Tries = append(delivery.Tries, try)
		delivery.Tries = delivery.Tries[max(0, len(delivery.Tries)-keptTries):]
		state, next := Delivered, now
		if failure != nil {
			delivery.Attempts++
			state, next = after(failure, delivery.Attempts, now)
		}
		if err := a.repository.settle(tx, delivery, a.holder, state, next, now); err != nil {
			return err
		}
		return a.repository.saveHealth(tx, delivery.Receiver, try.Error, now)
	})
}

// after says what follows a failed try.
func after(failure error, attempts int, now time.Time) (DeliveryState, time.Time) {
	var final *finalError
	if errors.As(failure, &final) || attempts >= maxTries {
		return Dead, now
	}
	wait := backoff[attempts-1]
	var busy *retryError
	if errors.As(failure, &busy) {
		wait = max(wait, min(busy.after, longestRetryAfter))
	}
	return Queued, now.Add(wait)
}

// finalError is a failure that another try would meet again.
type finalError struct{ error }

// retryError is a failure after which the receiver said how long to wait.
type retryError struct {
	error
	after time.Duration
}

var errTaken = errors.New("another process took the delivery over")

// claim gives the oldest delivery that is due to a process: the first that waits of its receiver and group.
func (r repository) claim(ctx context.Context, clock func(*gorm.DB) (time.Time, error), holder string) (*deliveryRow, bool, error) {
	db := r.db.WithContext(ctx)
	now, err := clock(db)
	if err != nil {
		return nil, false, err
	}
	micros := database.MicrosOf(now)
	oldest := "SELECT id FROM validation_alert_deliveries d WHERE state = 'queued' AND next_at <= ? AND lease_until <= ?" +
		" AND NOT EXISTS (SELECT 1 FROM validation_alert_deliveries e WHERE e.state = 'queued' AND e.receiver = d.receiver" +
		" AND e.group_name = d.group_name AND e.id < d.id) ORDER BY id LIMIT 1"
	if database.Postgres(db) {
		oldest += " FOR UPDATE SKIP LOCKED"
	}
	var row deliveryRow
	claimed := db.Raw("UPDATE validation_alert_deliveries SET lease_until = ?, holder = ? WHERE id = ("+oldest+")"+
		" AND state = 'queued' AND lease_until <= ? RETURNING *",
		database.MicrosOf(now.Add(sendLease)), holder, micros, micros, micros).Scan(&row)
	if claimed.Error != nil {
		return nil, false, fmt.Errorf("claim a delivery: %w", claimed.Error)
	}
	return &row, claimed.RowsAffected > 0, nil
}

func (r repository) settle(tx *gorm.DB, delivery *Delivery, holder string, state DeliveryState, next, now time.Time) error {
	tries, err := json.Marshal(delivery.Tries)
	if err != nil {
		return err
	}
	var finished *database.Micros
	if state != Queued {
		finished = microsOf(now)
	}
	done := tx.Exec("UPDATE validation_alert_deliveries SET state = ?, tries = ?, attempts = ?, next_at = ?, finished_at = ?, lease_until = ?, holder = ''"+
		" WHERE id = ? AND holder = ? AND state = 'queued'",
		state, string(tries), delivery.Attempts, database.MicrosOf(next), finished, database.MicrosOf(now), delivery.ID, holder)
	if done.Error == nil && done.RowsAffected == 0 {
		return errTaken
	}
	return done.Error
}

// release gives a delivery back that was not tried.
func (r repository) release(ctx context.Context, id int64, holder string) error {
	return r.db.WithContext(ctx).Exec("UPDATE validation_alert_deliveries SET lease_until = next_at, holder = '' WHERE id = ? AND holder = ? AND state = 'queued'",
		id, holder).Error
}

// releaseAll gives back what a process held that is gone.
func (r repository) releaseAll(ctx context.Context) error {
	return r.db.WithContext(ctx).Exec("UPDATE validation_alert_deliveries SET lease_until = next_at, holder = '' WHERE state = 'queued' AND holder <> ''").Error
}

// Resend queues a dead delivery again, with three tries more. One that is not dead is a fault of kind Conflict.
func (a *Alerts) Resend(ctx context.Context, receiver string, id int64) (*Delivery, error) {
	var row deliveryRow
	err := a.change(ctx, false, func(tx *gorm.DB) error {
		now, err := a.now(tx)
		if err != nil {
			return err
		}
		micros := database.MicrosOf(now)
		queued := tx.Raw("UPDATE validation_alert_deliveries SET state = 'queued', attempts = 0, next_at = ?, lease_until = ?, finished_at = NULL"+
			" WHERE id = ? AND receiver = ? AND state = 'dead' RETURNING *", micros, micros, id, receiver).Scan(&row)
		if queued.Error != nil || queued.RowsAffected > 0 {
			return queued.Error
		}
		found := tx.Limit(1).Find(&row, "id = ? AND receiver = ?", id, receiver)
		if found.Error != nil {
			return found.Error
		}
		if found.RowsAffected == 0 {
			return fault.New(fault.NotFound, "unknown-delivery", "there is no delivery %d to %s; finished ones are kept for a while only", id, receiver).
				At("id", fmt.Sprint(id), "is no delivery to this receiver")
		}
		return fault.New(fault.Conflict, "delivery-not-dead", "delivery %d is %s; only a dead one can be sent again", id, row.State).
			At("id", fmt.Sprint(id), "is %s", row.State)
	})
	if err != nil {
		return nil, err
	}
	return row.delivery()
}

// Deliveries lists the deliveries to a receiver, the newest first; state "" is any.
func (a *Alerts) Deliveries(ctx context.Context, receiver string, state DeliveryState, before int64, limit int) ([]*Delivery, error) {
	query := a.repository.db.WithContext(ctx).Where("receiver = ?", receiver).Order("id DESC").Limit(limit)
	if state != "" {
		query = query.Where("state = ?", state)
	}
	if before != 0 {
		query = query.Where("id < ?", before)
	}
	var rows []deliveryRow
	if err := query.Find(&rows).Error; err != nil {
		return nil, unavailable(fmt.Errorf("read deliveries: %w", err))
	}
	found := make([]*Delivery, len(rows))
	for i := range rows {
		var err error
		if found[i], err = rows[i].delivery(); err != nil {
			return nil, err
		}
	}
	return found, nil
}
