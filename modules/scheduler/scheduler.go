package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"gorm.io/gorm"

	"featurestore/app/database"
	"featurestore/modules/registry"
	"featurestore/modules/runs"
)

// Parts are what a scheduler works with.
type Parts struct {
	DB          *gorm.DB // that Migrate has seen
	Definitions *registry.Registry
	Runs        *runs.Runs
	Pipelines   Pipelines
	Told        Told
	Clock       func() time.Time
	Log         *slog.Logger
}

// Scheduler has work done at its times.
type Scheduler struct {
	config      Config
	repository  repository
	definitions *registry.Registry
	runs        *runs.Runs
	pipelines   Pipelines
	told        Told
	log         *slog.Logger
	counts      counts

	mu        sync.Mutex
	effective []*Schedule // under the catalog of that revision
	revision  int64

	// Of the one goroutine that passes.
	next      map[string]due
	lastTold  time.Time
	forgotten time.Time
	failing   string // what was logged last

	toTell atomic.Bool // what was missed has changed, perhaps
	wake   chan struct{}
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// due is when a schedule is to be looked at next, as far as this process knows.
type due struct {
	times string
	at    int64 // µs
}

// Migrate brings the module's tables up to date.
func Migrate(ctx context.Context, db *gorm.DB) error {
	return database.Migrate(ctx, db, "scheduler", migrations)
}

// New makes a scheduler.
func New(config Config, p Parts) *Scheduler {
	return &Scheduler{
		config: config, repository: newRepository(p.DB, p.Clock), definitions: p.Definitions, runs: p.Runs, pipelines: p.Pipelines, told: p.Told,
		log: p.Log.With("module", "scheduler"), counts: newCounts(), revision: -1, next: map[string]due{}, wake: make(chan struct{}, 1),
	}
}

// Start begins to look for what is due.
func (s *Scheduler) Start(ctx context.Context) error {
	ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.done.Go(func() { s.tend(ctx) })
	return nil
}

// Stop ends that, and waits.
func (s *Scheduler) Stop() {
	if s.cancel != nil {
		s.cancel()
	}
	s.done.Wait()
}

func (s *Scheduler) tend(ctx context.Context) {
	ticker := time.NewTicker(s.config.Poll)
	defer ticker.Stop()
	for {
		s.note(ctx, s.pass(ctx))
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-s.wake:
		}
	}
}

// pass decides what is due, brings on what is under way, and tells what was missed. What fails with one schedule leaves the others alone.
func (s *Scheduler) pass(ctx context.Context) error {
	now, err := s.repository.now(ctx)
	if err != nil {
		return err
	}
	var errs []error
	all := s.Schedules()
	for _, schedule := range all {
		errs = append(errs, protect(func() error {
			if seen := s.next[schedule.Name]; seen.times == schedule.Times() && now.UnixMicro() < seen.at {
				return nil
			}
			return s.decide(ctx, schedule, now)
		}))
	}
	errs = append(errs, s.tellOf(ctx, all, now)) // also of what is made up for at once
	errs = append(errs, s.attend(ctx, all, now), s.tellOf(ctx, all, now))
	if now.Sub(s.forgotten) >= time.Hour {
		s.forgotten = now
		names := make([]string, len(all))
		for i, schedule := range all {
			names[i] = schedule.Name
		}
		errs = append(errs, s.repository.forget(ctx, now.Add(-s.config.Keep), names))
	}
	return errors.Join(errs...)
}

// panicked is an error that was a panic.
type panicked struct {
	value any
	stack string
}

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v", p.value) }

// protect makes a panic an error.
func protect(do func() error) (err error) {
	defer func() {
		if caught := recover(); caught != nil {
			err = &panicked{caught, string(debug.Stack())}
		}
	}()
	return do()
}

// note logs a failure once, until it is over or another one.
func (s *Scheduler) note(ctx context.Context, err error) {
	switch {
	case ctx.Err() != nil:
	case err != nil && err.Error() != s.failing:
		s.failing = err.Error()
		var p *panicked
		if errors.As(err, &p) {
			s.log.Error("a schedule panicked; the others are looked after", "panic", p.value, "stack", p.stack)
		}
		s.log.Warn("schedules cannot be looked after; it is tried again", "error", err)
	case err == nil && s.failing != "":
		s.failing = ""
		s.log.Info("schedules are looked after again")
	}
}

// Schedules are all that are in effect, in the order of their listing.
func (s *Scheduler) Schedules() []*Schedule {
	catalog := s.definitions.Catalog()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.revision != catalog.Revision() {
		s.effective = schedules(catalog, func(name string, err error) {
			s.log.Error("a schedule cannot be understood; it is left out", "schedule", name, "error", err)
		})
		s.revision = catalog.Revision()
	}
	return s.effective
}

// look has the next pass begin now.
func (s *Scheduler) look() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
