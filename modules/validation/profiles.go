package validation

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"gorm.io/gorm"

	"featurestore/modules/registry"
	"featurestore/modules/runs"
)

// Registered is where definitions are.
type Registered interface {
	Catalog() *registry.Catalog
	Refresh(ctx context.Context) (*registry.Catalog, error)
	Apply(ctx context.Context, body []byte, contentType string, options registry.Options) (*registry.Plan, error)
}

// Profiles says what stored values are like: it makes profiles of windows and loads and keeps them, proposes rules from them, freezes
// baselines, and compares what is stored with these. Its methods are safe for concurrent use, in any number of processes.
//
// A profile is of a window or of a load (profiling.go); it is kept for Config.ProfileKeep, and those of loads are merged day by day after a week
// (profile_tidy.go). A baseline is frozen as bins with the reference's counts, so that windows, whose rows are counted while they stream by, add
// up (baseline_freeze.go, distribution.go). Neither holds an entity's key; what is left of rows that are taken out is told in profile_taken_out.go.
type Profiles struct {
	config      Config
	repository  profileRepository
	definitions Registered
	values      Values
	tables      Tables
	work        *runs.Runs
	clock       func() time.Time
	log         *slog.Logger

	cancel context.CancelFunc
	done   sync.WaitGroup
}

// NewProfiles makes them on a database that Migrate has seen.
func NewProfiles(db *gorm.DB, config Config, definitions Registered, values Values, tables Tables, work *runs.Runs, clock func() time.Time, log *slog.Logger) *Profiles {
	return &Profiles{
		config: config, repository: profileRepository{db}, definitions: definitions, values: values, tables: tables, work: work, clock: clock,
		log: log.With("module", "validation"),
	}
}

// ProfileKind is the kind of the runs that make profiles.
const ProfileKind = "profile"

// HandleRuns has this process do such runs. It is called before the runs are started.
func (p *Profiles) HandleRuns() { p.work.Handle(ProfileKind, 1, p.workProfile) }

// tidyEvery is how often old profiles are thinned out.
const tidyEvery = time.Hour

// Start begins to thin out what is old.
func (p *Profiles) Start(ctx context.Context) error {
	ctx, p.cancel = context.WithCancel(context.WithoutCancel(ctx))
	p.done.Go(func() {
		ticker := time.NewTicker(tidyEvery)
		defer ticker.Stop()
		for {
			if err := p.tidy(ctx); err != nil && ctx.Err() == nil {
				p.log.Warn("old profiles could not be thinned out; it is tried again", "error", err)
			}
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
	})
	return nil
}

// Stop ends that and waits for it.
func (p *Profiles) Stop() {
	if p.cancel != nil {
		p.cancel()
	}
	p.done.Wait()
}
