package scheduler

import (
	"fmt"
	"time"
)

// Config is the module's part of the settings.
type Config struct {
	Poll  time.Duration // how often it is looked for what is due
	Grace time.Duration // a tick that has not begun so long after it was due, where no deadline says otherwise, is missed
	Keep  time.Duration // how long what became of ticks is kept
}

// DefaultConfig holds what config/default.yaml explains.
func DefaultConfig() Config {
	return Config{Poll: time.Second, Grace: 10 * time.Minute, Keep: 90 * 24 * time.Hour}
}

// Validate names everything that is wrong.
func (c Config) Validate() []error {
	var errs []error
	if c.Poll < 10*time.Millisecond || c.Poll > time.Minute {
		errs = append(errs, fmt.Errorf("scheduler.poll is %s: use 10ms to 1m", c.Poll))
	}
	if c.Grace < 2*c.Poll {
		errs = append(errs, fmt.Errorf("scheduler.grace is %s: use at least twice scheduler.poll, %s", c.Grace, 2*c.Poll))
	}
	if c.Keep < 24*time.Hour {
		errs = append(errs, fmt.Errorf("scheduler.keep is %s: use at least 24h", c.Keep))
	}
	return errs
}
