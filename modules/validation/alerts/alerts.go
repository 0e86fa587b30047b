package alerts

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"gorm.io/gorm"

	"featurestore/app/database"
)

// Receivers says who is told.
type Receivers interface {
	// Receivers are all that there are now, by name; each was checked.
	Receivers() []Receiver
}

// Alerts keeps the alerts and tells receivers. Its methods are safe for concurrent use, in any number of processes.
type Alerts struct {
	config     Config
	repository repository
	receivers  Receivers
	now        func(tx *gorm.DB) (time.Time, error) // the clock of all processes
	sender     *sender
	log        *slog.Logger
	holder     string // names this process in the table of deliveries
	shared     bool   // other processes may work on the same tables

	wake    chan struct{} // there may be something to tell or send
	sending chan struct{} // holds one entry for each delivery under way in this process
	counts  *counts

	cancel context.CancelFunc
	done   sync.WaitGroup
}

// Migrate brings the tables of alerts up to date.
func Migrate(ctx context.Context, db *gorm.DB) error {
	return database.Migrate(ctx, db, "validation_alerts", migrations)
}

// concurrency is how many deliveries a process has under way at once.
const concurrency = 4

// New makes alerts on a database that Migrate has seen.
func New(db *gorm.DB, config Config, receivers Receivers, clock func() time.Time, log *slog.Logger) (*Alerts, error) {
	targets, err := newTargets(config.AllowedTargets)
	if err != nil {
		return nil, err
	}
	return &Alerts{
		config: config, repository: newRepository(db), receivers: receivers, now: databaseClock(clock),
		sender: newSender(config, targets), log: log.With("module", "alerts"),
		holder: rand.Text(), shared: database.Postgres(db),
		wake: make(chan struct{}, 1), sending: make(chan struct{}, concurrency), counts: newCounts(),
	}, nil
}

// Start begins to tell receivers.
func (a *Alerts) Start(ctx context.Context) error {
	if !a.shared { // whoever had this database before is gone
		if err := a.repository.releaseAll(ctx); err != nil {
			return fmt.Errorf("start alerts: %w", err)
		}
	}
	ctx, a.cancel = context.WithCancel(context.WithoutCancel(ctx))
	a.done.Add(1)
	go a.tend(ctx)
	return nil
}

// Stop ends the sending and waits for it: what was not sent is sent by another process, or after the next start.
func (a *Alerts) Stop() {
	if a.cancel != nil {
		a.cancel()
	}
	a.done.Wait()
}

// tend looks for what is to be told and sent until ctx ends.
func (a *Alerts) tend(ctx context.Context) {
	defer a.done.Done()
	ticker := time.NewTicker(a.config.Poll)
	defer ticker.Stop()
	hourly := time.NewTicker(time.Hour)
	defer hourly.Stop()
	err := a.forget(ctx)
	failing := false
	for {
		if err == nil {
			err = a.pass(ctx)
		}
		if ctx.Err() != nil {
			return
		}
		if failing != (err != nil) {
			if failing = err != nil; failing {
				a.log.Warn("the tables of alerts cannot be used; what is to be told waits", "error", err)
			} else {
				a.log.Info("the tables of alerts can be used again")
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-hourly.C:
			err = a.forget(ctx)
			continue
		case <-ticker.C:
		case <-a.wake:
		}
		err = nil
	}
}

// pass makes out all notifications that are due and begins to send what is queued.
func (a *Alerts) pass(ctx context.Context) error {
	if err := a.review(ctx); err != nil {
		return err
	}
	for {
		more, err := a.tell(ctx)
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	return a.dispatch(ctx)
}

func (a *Alerts) forget(ctx context.Context) error {
	now, err := a.now(a.repository.db.WithContext(ctx))
	if err != nil {
		return err
	}
	return a.repository.forget(ctx, now.Add(-a.config.Keep))
}

// look has the tables looked at now.
func (a *Alerts) look() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}
