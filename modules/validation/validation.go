package validation

// Validation tells whether data is good.
type Validation struct {
	config Config
}

// New makes the module.
func New(config Config) *Validation { return &Validation{config: config} }
