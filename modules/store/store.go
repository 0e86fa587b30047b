package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"featurestore/app/database"
	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/runs"
)

// Definitions is what the store asks of the registry.
type Definitions interface {
	Catalog() *registry.Catalog
	Refresh(ctx context.Context) (*registry.Catalog, error)
	At(ctx context.Context, revision int64) (*registry.Catalog, error)
	AsOf(ctx context.Context, moment int64) (*registry.Catalog, error)
	RegisterUnregistered(ctx context.Context, entityType string, features []registry.Unregistered) (*registry.Catalog, error)
	RegisterInGroup(ctx context.Context, group *registry.Group, features []registry.Unregistered, dryRun bool) (*registry.Catalog, error)
	Widen(ctx context.Context, feature *registry.Feature) (*registry.Catalog, error)
}

// Publisher brings what was loaded into a group online; it answers the id of the run that does so.
type Publisher interface {
	Publish(ctx context.Context, group *registry.Group) (run int64, err error)
}

// Store is where the values are.
type Store struct {
	config      Config
	past        History
	definitions Definitions
	runs        *runs.Runs
	offline     Offline
	online      Online
	publisher   Publisher
	traces      []Traces
	telling     sync.Mutex // of retractions
	shown       Examples
	rules       Rules // nil: nothing is checked
	clock       func() time.Time
	log         *slog.Logger

	layouts layouts
	fences  fences
	markers markers
	owed    owed
	ledger  ledger
	plans   plans
	flights flights

	compacted *prometheus.CounterVec
	counts    publishedCounts
	writes    chan *write
	stopped   chan struct{}
	lanes     sync.WaitGroup

	background context.Context // of the loads that go on after their request
	end        context.CancelFunc
	loads      sync.WaitGroup

	erasures erasureGauges
	joined   atomic.Bool // the two copies of the ledger have been joined since the start
	scrubbed int64       // up to which entry of the ledger the files are; it is the one run's that erases

	onlineDownUntil atomic.Int64 // µs: the online store is not asked before, because it just failed
}

// New makes a store over its engines. Start it before use; publisher may be set later, before Start.
func New(config Config, definitions Definitions, work *runs.Runs, offline Offline, online Online, clock func() time.Time, log *slog.Logger) *Store {
	s := &Store{
		config: config, past: DefaultHistory(), definitions: definitions, runs: work, offline: offline, online: online, clock: clock,
		log:       log.With("module", "store"),
		layouts:   layouts{known: map[int64]int{}},
		fences:    fences{known: map[int64]int64{}},
		compacted: newCompacted(),
		counts:    newPublishedCounts(),
		flights:   flights{held: map[[32]byte]int{}},
		writes:    make(chan *write, 4096),
		stopped:   make(chan struct{}),
	}
	s.background, s.end = context.WithCancel(context.Background())
	return s
}

// PublishWith says who brings loads online.
func (s *Store) PublishWith(p Publisher) { s.publisher = p }

// KeepHistory says what is kept of the past, where that is not DefaultHistory. It is called before Start.
func (s *Store) KeepHistory(h History) { s.past = h }

// Offline and Online are the engines, for the modules that keep the copies in step.
func (s *Store) Offline() Offline { return s.offline }
func (s *Store) Online() Online   { return s.online }

// Start starts the writers, and what is done on time.
func (s *Store) Start(ctx context.Context) error {
	if err := s.StartAnswering(ctx); err != nil {
		return err
	}
	s.lanes.Go(func() { s.eachMinute("old idempotency keys could not be removed; it is tried again", s.ForgetRequests) })
	s.lanes.Go(func() {
		s.eachMinute("rows in quarantine that have waited long enough could not be removed; it is tried again", s.ExpireQuarantine)
	})
	s.lanes.Go(s.compactOnTime)
	s.lanes.Go(s.tendLedger)
	return nil
}

// StartAnswering is Start for a process that serves the calls and leaves what is done on time to those with the role: it writes what its callers
// send, and sets the online copies right that it takes something back from.
func (s *Store) StartAnswering(ctx context.Context) error {
	if _, err := s.Identify(ctx); err != nil {
		return fmt.Errorf("read the offline store's identity: %w", err)
	}
	if err := s.remember(ctx); err != nil {
		return fmt.Errorf("read what was taken back: %w", err)
	}
	if err := s.startLedger(ctx); err != nil {
		return fmt.Errorf("read the ledger of erased entities: %w", err)
	}
	for range s.config.Writers {
		s.lanes.Add(1)
		go s.writeLane()
	}
	s.lanes.Go(s.repay)
	s.lanes.Go(s.tellOnTime)
	return nil
}

// eachMinute does something until the store is stopped; failed is logged where it fails.
func (s *Store) eachMinute(failed string, do func(context.Context) error) {
	ticker := time.NewTicker(time.Minute)
	defer ticker.Stop()
	for {
		select {
		case <-s.stopped:
			return
		case <-ticker.C:
		}
		if err := do(s.background); err != nil && !errors.Is(err, context.Canceled) {
			s.log.Warn(failed, "error", err)
		}
	}
}

// Stop breaks off the loads that nobody waits for, which leaves nothing of them, and ends the writers after everything that waits has
// been written.
func (s *Store) Stop() {
	s.end()
	s.loads.Wait()
	close(s.stopped)
	s.lanes.Wait()
}

// Ready says why the store cannot take part, if so. A store without its online copy still works.
func (s *Store) Ready(ctx context.Context) error {
	if err := s.offline.Ping(ctx); err != nil {
		return fmt.Errorf("offline store: %w", err)
	}
	return nil
}

// now is the process's clock in µs.
func (s *Store) now() int64 { return s.clock().UnixMicro() }

// onlineUsable tells whether the online store should be asked. After a failure it is left alone for half a second, so that a
// dead server does not hold up each write by its time-out.
func (s *Store) onlineUsable() bool { return s.now() >= s.onlineDownUntil.Load() }

func (s *Store) onlineFailed(doing string, err error) {
	if s.onlineUsable() {
		s.log.Warn("online store is not available", "doing", doing, "error", err)
	}
	s.onlineDownUntil.Store(s.now() + 500_000)
}

// unavailable makes an outage of the offline store a problem that the caller may retry. Faults stay what they are.
func unavailable(doing string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := fault.As(err); ok {
		return err
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: %w", doing, err) // nobody waits for the answer
	}
	detail := "the offline store cannot be used now: nothing was stored or read, try again"
	if database.Full(err) {
		detail = "the disk of the offline store is full: nothing was stored; make room on it, then try again"
	}
	problem := fault.New(fault.Busy, "offline-store-unavailable", "%s", detail).Because(fmt.Errorf("%s: %w", doing, err))
	problem.RetryAfter = 1
	return problem
}
