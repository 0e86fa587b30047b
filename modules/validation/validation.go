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

// Validation tells whether data is good. Its methods are safe for concurrent use, in any number of processes.
type Validation struct {
	config      Config
	repository  repository
	definitions *registry.Registry
	guards      *Guards
	work        *runs.Runs
	values      Values
	told        Told
	profiles    *Profiles
	now         func() time.Time
	log         *slog.Logger

	written written
	counts  *counts
	trying  chan struct{} // holds an entry for each trial of rules under way in this process

	cancel  context.CancelFunc
	done    sync.WaitGroup
	ticking sync.WaitGroup
}

// Parts are what the module stands on.
type Parts struct {
	DB          *gorm.DB           // that Migrate has seen
	Definitions *registry.Registry // one that knows RuleKind and BaselineKind
	Runs        *runs.Runs
	Values      Values
	Told        Told
	Profiles    *Profiles
	Clock       func() time.Time
	Log         *slog.Logger
}

// New makes the module.
func New(config Config, p Parts) *Validation {
	log := p.Log.With("module", "validation")
	return &Validation{
		config: config, repository: repository{p.DB}, definitions: p.Definitions, guards: NewGuards(p.Definitions, log), work: p.Runs, values: p.Values,
		told: p.Told, profiles: p.Profiles, now: p.Clock, log: log,
		counts: newCounts(), trying: make(chan struct{}, evaluations),
	}
}

// Guards have the rules of each group compiled.
func (v *Validation) Guards() *Guards { return v.guards }
