package validation

import "fmt"

// Config is the module's part of the settings.
type Config struct {
	MaxDriftValues int   // of one POST /drift, both sides together
	MaxBodyBytes   int64 // of one request
}

// DefaultConfig holds what config/default.yaml explains.
func DefaultConfig() Config { return Config{MaxDriftValues: 1_000_000, MaxBodyBytes: 32 << 20} }

// Validate names everything that is wrong.
func (c Config) Validate() []error {
	var errs []error
	if c.MaxDriftValues < 1 {
		errs = append(errs, fmt.Errorf("validation.max_drift_values is %d: use at least 1", c.MaxDriftValues))
	}
	if c.MaxBodyBytes < 1024 {
		errs = append(errs, fmt.Errorf("validation.max_body is %d bytes: use at least 1 KiB", c.MaxBodyBytes))
	}
	return errs
}
