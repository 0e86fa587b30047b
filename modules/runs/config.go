package runs

import (
	"fmt"
	"time"
)

// Config is the module's part of the settings.
type Config struct {
	Poll           time.Duration // how often a process looks for runs that others submitted or cancelled
	Lease          time.Duration // how long after the last sign of life of its process a run is taken away from it
	Keep           time.Duration // how long finished runs are kept
	KeepNewest     int           // so many of each kind and subject are kept however old they are
	Heavy          int           // so many heavy runs at a time, in all processes; 0: any number
	QuietHours     string        // when no heavy run is started; "": never
	QuietHoursZone string        // whose clocks show the quiet hours
	SlowAfter      time.Duration // before that no run is called slow
}

// DefaultConfig holds what config/default.yaml explains.
func DefaultConfig() Config {
	return Config{
		Poll: time.Second, Lease: 30 * time.Second, Keep: 90 * 24 * time.Hour, KeepNewest: 20,
		Heavy: 1, QuietHoursZone: "UTC", SlowAfter: 10 * time.Second,
	}
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
	if c.KeepNewest < 0 || c.KeepNewest > 10_000 {
		errs = append(errs, fmt.Errorf("runs.keep_newest is %d: use 0 to 10000", c.KeepNewest))
	}
	if c.Heavy < 0 || c.Heavy > 1000 {
		errs = append(errs, fmt.Errorf("runs.heavy is %d: use 1 to 1000, or 0 for any number", c.Heavy))
	}
	if _, err := readQuietHours(c.QuietHours, c.QuietHoursZone); err != nil {
		errs = append(errs, err)
	}
	if c.SlowAfter < time.Second {
		errs = append(errs, fmt.Errorf("runs.slow_after is %s: use at least 1s", c.SlowAfter))
	}
	return errs
}
