package validation

import "time"

// Validation tells whether data is good.
type Validation struct {
	config Config
	now    func() time.Time
}

// New makes the module.
func New(config Config) *Validation { return &Validation{config: config, now: time.Now} }
