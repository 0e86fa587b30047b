package runs

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"gorm.io/gorm"

	"featurestore/app/database"
	"featurestore/app/fault"
)

// Work does a run. Its ctx ends when the run is cancelled, when this process stops, and when another process took the run over;
// work should then return soon, with an error. Otherwise an error makes the run fail, and result becomes its Result.
type Work func(ctx context.Context, run *Active) (result any, err error)

// Runs is the account of work, and does the kinds that this process handles.
type Runs struct {
	config     Config
	repository repository
	clock      func() time.Time
	log        *slog.Logger
	owner      string // names this process in the table
	process    string // the same for a person
	shared     bool   // other processes may work on the same table
	quiet      quietHours
	counts     counts
	watcher    Watcher     // nil: nobody is told
	ending     atomic.Bool // a run has finished whose end has to be told

	handlers []*handler
	wake     chan struct{} // something may be queued, or a worker is free

	mu      sync.Mutex
	active  map[int64]*Active
	changed chan struct{} // closed and replaced when a run changes in this process

	cancel context.CancelFunc
	done   sync.WaitGroup
}

type handler struct {
	kind string
	work Work
	free int // workers; guarded by Runs.mu
}

// Migrate brings the module's table up to date.
func Migrate(ctx context.Context, db *gorm.DB) error {
	return database.Migrate(ctx, db, "runs", migrations)
}

// New makes the account on a database that Migrate has seen.
func New(db *gorm.DB, config Config, clock func() time.Time, log *slog.Logger) *Runs {
	quiet, _ := readQuietHours(config.QuietHours, config.QuietHoursZone) // Validate has refused what cannot be read
	return &Runs{
		config: config, repository: repository{db, clock}, clock: clock, log: log.With("module", "runs"),
		owner: rand.Text(), process: thisProcess(), shared: database.Postgres(db), quiet: quiet, counts: newCounts(),
		wake: make(chan struct{}, 1), active: map[int64]*Active{}, changed: make(chan struct{}),
	}
}

// Handle has this process do submitted runs of a kind, so many at a time. It is called before Start.
func (r *Runs) Handle(kind string, concurrency int, work Work) {
	r.handlers = append(r.handlers, &handler{kind: kind, work: work, free: concurrency})
}

// Start begins to look for work.
func (r *Runs) Start(ctx context.Context) error {
	// Whoever had an embedded database before is gone.
	if _, err := r.repository.takeBack(ctx, !r.shared, r.clock(), maxDeaths); err != nil {
		return fmt.Errorf("take back the runs of processes that ended: %w", err)
	}
	ctx, r.cancel = context.WithCancel(ctx)
	r.done.Add(1)
	go r.tend(ctx)
	return nil
}

// Stop ends the work of this process and waits for it: submitted runs are queued again.
func (r *Runs) Stop() {
	if r.cancel != nil {
		r.cancel()
	}
	r.done.Wait()
	if r.cancel == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerWithin)
	defer cancel()
	if _, err := r.repository.requeueAll(ctx, r.owner); err != nil { // a claim may have come through whose answer did not
		r.log.Warn("runs may not have been given back; they are taken back when their leases end", "error", err)
	}
}

// Submit is the short form of Order, for work that nobody is told of. While a run of the same kind, subject and parameters waits to be started, that one is answered: it
// will see everything that was there before this call.
func (r *Runs) Submit(ctx context.Context, kind, subject string, parameters any) (Run, error) {
	text, err := encode(parameters)
	if err != nil {
		return Run{}, fmt.Errorf("submit %s of %s: %w", kind, subject, err)
	}
	if run, found, err := r.repository.queued(ctx, kind, subject, text); err != nil || found {
		return run, err
	}
	run, _, err := r.Order(ctx, Order{Kind: kind, Subject: subject, Parameters: parameters, Form: form(text), unwatched: true})
	return run, err
}

// Begin starts a run whose work the caller does itself, under the Context of what is answered. The caller must Finish it.
func (r *Runs) Begin(ctx context.Context, kind, subject string, parameters any) (*Active, error) {
	text, err := encode(parameters)
	if err != nil {
		return nil, fmt.Errorf("begin %s of %s: %w", kind, subject, err)
	}
	row := &runRow{Kind: kind, Subject: subject, Parameters: text, Owner: r.owner, Process: r.process, CreatedAt: database.MicrosOf(r.clock())}
	storing, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerWithin) // else it may be stored, and nobody know of it
	defer cancel()
	if err := r.repository.begin(storing, row, r.config.Lease); err != nil {
		return nil, err
	}
	return r.activate(ctx, row), nil
}

// Get reads a run; an unknown one is a fault of kind NotFound.
func (r *Runs) Get(ctx context.Context, id int64) (Run, error) { return r.repository.get(ctx, id) }

// Filter says which runs are listed; what is empty or zero does not matter.
type Filter struct {
	Kind, Subject string
	State         State
	Schedule      string
	Since         time.Time // created then or later
	Before        int64     // ids below this one
	Limit         int       // 0: 100
}

// List reads runs, the newest first.
func (r *Runs) List(ctx context.Context, filter Filter) ([]Run, error) {
	if filter.Limit == 0 {
		filter.Limit = 100
	}
	return r.repository.list(ctx, filter)
}

// Latest is the newest run of a kind and subject.
func (r *Runs) Latest(ctx context.Context, kind, subject string) (Run, bool, error) {
	found, err := r.List(ctx, Filter{Kind: kind, Subject: subject, Limit: 1})
	if err != nil || len(found) == 0 {
		return Run{}, false, err
	}
	return found[0], true, nil
}

// Earliest is the smallest id of those runs of a kind and subject that have not finished, or finished at or after a time.
func (r *Runs) Earliest(ctx context.Context, kind, subject string, since time.Time) (id int64, found bool, err error) {
	return r.repository.earliest(ctx, kind, subject, since)
}

// Now is the clock that the times of runs are of.
func (r *Runs) Now() time.Time { return r.clock() }

// Cancel ends a queued run, and asks the process that works on a running one to stop. One that has finished is a fault of kind
// Conflict.
func (r *Runs) Cancel(ctx context.Context, id int64) (Run, error) {
	if err := r.repository.requestCancel(ctx, id, r.clock()); err != nil {
		return Run{}, err
	}
	run, err := r.repository.get(ctx, id)
	if err != nil {
		return Run{}, err
	}
	if !run.CancelRequested {
		return Run{}, fault.New(fault.Conflict, "run-finished", "run %d has %s already", id, run.State)
	}
	r.mu.Lock()
	if active, ok := r.active[id]; ok {
		active.end(errCancelled)
	}
	r.mu.Unlock()
	r.announce()
	return run, nil
}

// Wait waits until the run has finished, or ctx ends: then it answers the run as it is, without an error.
func (r *Runs) Wait(ctx context.Context, id int64) (Run, error) {
	timer := time.NewTicker(max(r.config.Poll/2, time.Millisecond)) // another process may finish it
	defer timer.Stop()
	for {
		r.mu.Lock()
		changed := r.changed
		r.mu.Unlock()
		run, err := r.repository.get(context.WithoutCancel(ctx), id)
		if err != nil || run.State.Finished() {
			return run, err
		}
		select {
		case <-ctx.Done():
			return run, nil
		case <-changed:
		case <-timer.C:
		}
	}
}

// look has the queue looked at now.
func (r *Runs) look() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// announce wakes those who Wait.
func (r *Runs) announce() {
	r.mu.Lock()
	close(r.changed)
	r.changed = make(chan struct{})
	r.mu.Unlock()
}

func encode(v any) (string, error) {
	if v == nil {
		return "", nil
	}
	text, err := json.Marshal(v)
	return string(text), err
}

const (
	maxDeaths       = 5                // of processes that work on one run
	answerWithin    = 20 * time.Second // a statement that is not to be broken off by the end of what asked for it
	reasonCancelled = "cancelled by a caller"
)

var (
	errCancelled = errors.New(reasonCancelled)
	errLate      = errors.New("the run's deadline has passed")
	errTaken     = errors.New("another process took the run over")
)
