package materialization

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/runs"
	"featurestore/modules/store"
)

// Kind is the kind of the runs of this module.
const Kind = "materialization"

// Config is the module's part of the settings.
type Config struct {
	Interval time.Duration // between two looks of the ticker for what came in
	Batches  int           // batches of rows between reading and writing
}

// DefaultConfig holds what config/default.yaml explains.
func DefaultConfig() Config { return Config{Interval: time.Second, Batches: 4} }

// Validate names everything that is wrong.
func (c Config) Validate() []error {
	var errs []error
	if c.Interval < 10*time.Millisecond || c.Interval > time.Hour {
		errs = append(errs, fmt.Errorf("materialization.interval is %s: use 10ms to 1h", c.Interval))
	}
	if c.Batches < 1 || c.Batches > 64 {
		errs = append(errs, fmt.Errorf("materialization.batches is %d: use 1 to 64", c.Batches))
	}
	return errs
}

// Mode says how much is copied.
type Mode string

const (
	Incremental Mode = "incremental" // what came in since the watermark; a rebuild, where that is void
	Full        Mode = "full"        // every entity's newest values
	Rebuild     Mode = "rebuild"     // the same after the copy was emptied; meanwhile reads are answered offline
)

// Request is what a run is asked to do.
type Request struct {
	Mode Mode `json:"mode"`
}

// Catalog is what this module asks of the registry.
type Catalog interface {
	Catalog() *registry.Catalog
	Refresh(ctx context.Context) (*registry.Catalog, error)
}

// Materialization keeps the copies in step.
type Materialization struct {
	config  Config
	catalog Catalog
	store   *store.Store
	runs    *runs.Runs
	clock   func() time.Time
	log     *slog.Logger

	turns  sync.Map // group id → turn: one run at a time per group in this process
	failed sync.Map // group id → text of the failure that the ticker has reported
	mu     sync.Mutex
	asked  map[int64]int64 // group id → the run that the ticker has asked to rebuild it
	gauges *gauges
	wake   chan struct{}
	cancel context.CancelFunc
	done   sync.WaitGroup
}

const workers = 2 // runs at a time

// New makes the module. Processes without the role have one too where they serve its calls: they only ask for runs.
func New(config Config, catalog Catalog, s *store.Store, work *runs.Runs, clock func() time.Time, log *slog.Logger) *Materialization {
	return &Materialization{config: config, catalog: catalog, store: s, runs: work, clock: clock,
		log: log.With("module", "materialization"), asked: map[int64]int64{}, gauges: newGauges(), wake: make(chan struct{}, 1)}
}

// HandleRuns has this process do the runs of this module. It is called before the runs are started.
func (m *Materialization) HandleRuns() {
	m.runs.Handle(Kind, workers, m.work) // a long rebuild does not hold up what is published
	m.runs.Handle(CheckKind, 1, m.checkWork)
}

// Start looks at what the online copies say of themselves, and starts the ticker.
func (m *Materialization) Start(ctx context.Context) error {
	if err := m.distrust(ctx); err != nil {
		m.log.Warn("the watermarks could not be compared with the offline store at the start", "error", err)
	}
	ctx, m.cancel = context.WithCancel(ctx)
	m.done.Add(1)
	go m.tick(ctx)
	return nil
}

// Stop ends the ticker and waits for it; a run that it breaks off loses nothing.
func (m *Materialization) Stop() {
	if m.cancel != nil {
		m.cancel()
	}
	m.done.Wait()
}

// Submit asks for a run per group; no groups: all that have an online copy.
func (m *Materialization) Submit(ctx context.Context, groups []string, mode Mode) ([]runs.Run, error) {
	return m.submit(ctx, groups, mode, "body.groups")
}

// submit is Submit for groups whose names stand at that place of a request.
func (m *Materialization) submit(ctx context.Context, groups []string, mode Mode, at string) ([]runs.Run, error) {
	chosen, err := m.choose(groups, at)
	if err != nil {
		return nil, err
	}
	out := make([]runs.Run, 0, len(chosen))
	for _, g := range chosen {
		run, err := m.runs.Submit(ctx, Kind, g.Name, Request{Mode: mode})
		if err != nil {
			return nil, fmt.Errorf("submit the materialization of %s: %w", g.Name, err)
		}
		out = append(out, run)
	}
	return out, nil
}

// Publications brings loads online, by runs that any process with this module does.
type Publications struct{ Runs *runs.Runs }

// Publish submits a run for a group that was loaded into.
func (p Publications) Publish(ctx context.Context, group *registry.Group) (int64, error) {
	run, err := p.Runs.Submit(ctx, Kind, group.Name, Request{Mode: Incremental})
	return run.ID, err
}

func (m *Materialization) choose(names []string, at string) ([]*registry.Group, error) {
	var chosen []*registry.Group
	if len(names) == 0 {
		for _, g := range m.catalog.Catalog().Groups() {
			if g.Kind == registry.Features {
				chosen = append(chosen, g)
			}
		}
		return chosen, nil
	}
	for i, name := range names {
		group, err := m.groupAt(fmt.Sprintf("%s[%d]", at, i), name)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, group)
	}
	return chosen, nil
}

// groupAt finds a group that has an online copy by its name, which stands at that place.
func (m *Materialization) groupAt(place, name string) (*registry.Group, error) {
	catalog := m.catalog.Catalog()
	group, ok := catalog.Group(name)
	if !ok {
		err := catalog.UnknownGroup(name)
		if problem, ok := fault.As(err); ok {
			return nil, problem.At(place, name, "is no group")
		}
		return nil, err
	}
	if group.Kind == registry.Events {
		return nil, fault.New(fault.Unprocessable, "event-group", "%s is an event group: it has no online copy", name).
			At(place, name, "is an event group")
	}
	return group, nil
}

// work does one run that was asked for.
func (m *Materialization) work(ctx context.Context, run *runs.Active) (any, error) {
	request := Request{Mode: Incremental}
	if len(run.Parameters()) > 0 {
		if err := json.Unmarshal(run.Parameters(), &request); err != nil {
			return nil, fmt.Errorf("read the parameters of run %d: %w", run.ID(), err)
		}
	}
	group, ok := m.catalog.Catalog().Group(run.Subject())
	if !ok {
		return nil, fault.New(fault.NotFound, "unknown-group", "there is no group %q any more", run.Subject())
	}
	turn := m.turn(group)
	if err := turn.take(ctx); err != nil {
		return nil, err
	}
	defer turn.give()
	return m.bring(ctx, copying{m: m, group: group, mode: request.Mode, under: run, report: func(p Progress) { run.Progress(p) }})
}

// tick looks at every group again and again; where nothing came in that is one look at both positions.
func (m *Materialization) tick(ctx context.Context) {
	defer m.done.Done()
	for {
		began := time.Now()
		m.tickAll(ctx)
		// A tick that had much to do, perhaps for nothing while an old transaction holds the watermark back, is given a rest.
		timer := time.NewTimer(max(m.config.Interval, 3*time.Since(began)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-m.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

func (m *Materialization) tickAll(ctx context.Context) {
	for _, group := range m.catalog.Catalog().Groups() {
		if group.Kind != registry.Features || ctx.Err() != nil {
			continue
		}
		err := m.tickOne(ctx, group)
		if _, known := m.catalog.Catalog().GroupByID(group.ID); !known {
			continue // deleted meanwhile
		}
		m.note(ctx, group, err)
	}
}

// tickOne brings a group in step, unless a run of this process does so already.
func (m *Materialization) tickOne(ctx context.Context, group *registry.Group) error {
	turn := m.turn(group)
	if !turn.tryTake() {
		return nil
	}
	defer turn.give()
	_, err := m.bring(ctx, copying{m: m, group: group, mode: Incremental, ticking: true})
	return err
}

// note records a failure of the ticker once, as a failed run, until the group works again.
func (m *Materialization) note(ctx context.Context, group *registry.Group, err error) {
	if err == nil {
		if _, was := m.failed.LoadAndDelete(group.ID); was {
			m.log.Info("materialization works again", "group", group.Name)
		}
		return
	}
	if errors.Is(err, context.Canceled) {
		return
	}
	if _, known := m.failed.Swap(group.ID, err.Error()); known {
		return
	}
	m.log.Warn("materialization failed; it is tried again", "group", group.Name, "error", err)
	active, beginErr := m.runs.Begin(ctx, Kind, group.Name, Request{Mode: Incremental})
	if beginErr != nil {
		return // the log has it
	}
	if err := active.Finish(ctx, nil, err); err != nil {
		m.log.Warn("a failed run could not be recorded", "group", group.Name, "error", err)
	}
}
