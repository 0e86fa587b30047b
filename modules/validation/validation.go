package validation

import (
	"log/slog"
	"time"

	"featurestore/modules/registry"
)

// Validation tells whether data is good.
type Validation struct {
	config      Config
	definitions *registry.Registry
	guards      *Guards
	profiles    *Profiles
	now         func() time.Time
}

// New makes the module. definitions is a registry that knows RuleKind and BaselineKind.
func New(config Config, definitions *registry.Registry, log *slog.Logger) *Validation {
	return &Validation{config: config, definitions: definitions, guards: NewGuards(definitions, log.With("module", "validation")), now: time.Now}
}

// Guards have the rules of each group compiled.
func (v *Validation) Guards() *Guards { return v.guards }

// ProfileWith says who knows what stored values are like. It is called before Routes.
func (v *Validation) ProfileWith(p *Profiles) { v.profiles = p }
