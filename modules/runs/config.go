package runs

import (
	"fmt"
	"time"
)

// Config is the module's part of the settings.
type Config struct {
	Poll  time.Duration // how often a process looks for runs that others submitted or cancelled
	Lease time.Duration // how long after the last sign of life of its process a run is taken away from it
	Keep  time.Duration // how long finished runs are kept
}

// DefaultConfig holds what config/default.yaml explains.
func DefaultConfig() Config {
	return Config{Poll: time.Second, Lease: 30 * time.Second, Keep: 90 * 24 * time.Hour}
}

// Validate names everything that is wrong.
func (c Config) Validate() []error {
	var errs []error
	if c.Poll < 10*time.Millisecond || c.Poll > time.Minute {
		errs = append(errs, fmt.Errorf("runs.poll is %s: use 10ms to 1m", c.Poll))
	}
	if c.Lease < 3*c.Poll {
		errs = append(errs, fmt.Errorf("runs.lease is %s: use at least three times runs.poll, %s", c.Lease, 3*c.Poll))
	}
	if c.Keep < time.Hour {
		errs = append(errs, fmt.Errorf("runs.keep is %s: use at least 1h", c.Keep))
	}
	return errs
}
