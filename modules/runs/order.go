package runs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"featurestore/app/database"
)

// Order is work that is asked for, with all that can be said of when and how. Only the kind is needed.
type Order struct {
	Kind, Subject string
	Parameters    any
	Unique        string // at most one run has it, as long as runs are kept; "": any number
	Schedule      string // the schedule that asks for it
	Tick          time.Time
	Form          string // its duration is compared with those of runs of the same kind, subject and form

	NotBefore time.Time     // zero: at once
	Deadline  time.Time     // not started by then: skipped; still running: failed; zero: none
	Retries   int           // so many times it is tried again after it failed
	Backoff   time.Duration // before the first retry, twice as long before each next one, up to an hour; 0: 10 s; each is cut by up to a half at random
	Key       string        // of the runs with it one runs at a time, in all processes; "": does not matter
	Heavy     bool          // takes one of the places for heavy runs (Config.Heavy), and waits for the end of quiet hours
	Now       bool          // does not wait for that: a person asked for it

	RetryOf int64 // the run that it repeats
	Forced  bool  // what would hold it does not

	unwatched bool // what becomes of it is not told to the Watcher, unless it is slow
}

const (
	maxRetries     = 100
	maxUnique      = 300 // characters of Unique and Key
	defaultBackoff = 10 * time.Second
	maxBackoff     = time.Hour
)

// check refuses what no caller means.
func (o *Order) check() error {
	switch {
	case o.Kind == "":
		return errors.New("an order without a kind")
	case o.Retries < 0 || o.Retries > maxRetries:
		return fmt.Errorf("%d retries: 0 to %d", o.Retries, maxRetries)
	case o.Backoff < 0:
		return fmt.Errorf("a backoff of %s", o.Backoff)
	case len(o.Unique) > maxUnique || len(o.Key) > maxUnique:
		return fmt.Errorf("a key of more than %d characters", maxUnique)
	}
	return nil
}

func (o *Order) row(now time.Time) (*runRow, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	text, err := encode(o.Parameters)
	if err != nil {
		return nil, err
	}
	backoff := o.Backoff
	if backoff == 0 {
		backoff = defaultBackoff
	}
	return &runRow{
		Kind: o.Kind, Subject: o.Subject, State: Queued, Submitted: true, Parameters: text, CreatedAt: database.MicrosOf(now),
		UniqueKey: o.Unique, Schedule: o.Schedule, Watched: !o.unwatched, Tick: given(o.Tick), Form: o.Form,
		NotBefore: given(o.NotBefore), Deadline: given(o.Deadline), Retries: o.Retries, Backoff: backoff.Microseconds(),
		ConcurrencyKey: o.Key, Heavy: o.Heavy, AtOnce: o.Now, RetryOf: o.RetryOf, Forced: o.Forced,
	}, nil
}

// given is a time that may be left out.
func given(t time.Time) *database.Micros {
	if t.IsZero() {
		return nil
	}
	micros := database.MicrosOf(t)
	return &micros
}

// Order asks for work, what becomes of which is told to the Watcher. If there is a run with the order's Unique already, that one is answered and created is false.
func (r *Runs) Order(ctx context.Context, o Order) (run Run, created bool, err error) {
	row, err := o.row(r.clock())
	if err != nil {
		return Run{}, false, fmt.Errorf("order %s of %s: %w", o.Kind, o.Subject, err)
	}
	if o.Unique == "" {
		err = r.repository.insert(ctx, row)
		created = err == nil
	} else {
		created, err = r.repository.insertUnique(ctx, row)
	}
	if err != nil {
		return Run{}, false, err
	}
	if created {
		r.look()
	}
	return row.run(), created, nil
}
