package registry

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Config is what can be chosen.
type Config struct {
	// Require names members of a feature that must not be empty when it is registered. Drafts need none of them.
	Require []string `mapstructure:"require"`

	// TTL is that of groups which are made, or replaced, without a word about theirs; 0: for ever. Event groups have none.
	TTL time.Duration `mapstructure:"ttl"`

	// Poll is how often a process asks what others have changed.
	Poll time.Duration `mapstructure:"poll"`
}

// DefaultConfig requires nothing, lets values count for ever, and asks each second.
func DefaultConfig() Config { return Config{Poll: time.Second} }

// Validate says all that is wrong with it.
func (c Config) Validate() []error {
	var wrong []error
	for _, name := range c.Require {
		if !slices.Contains(requirable, name) {
			wrong = append(wrong, fmt.Errorf("registry.require: %q is no member of a feature that can be required; use %s", name, strings.Join(requirable, ", ")))
		}
	}
	if c.TTL < 0 || c.TTL > longest || c.TTL%time.Second != 0 {
		wrong = append(wrong, fmt.Errorf("registry.ttl is %s: use whole seconds up to a hundred years, such as 90d, or 0s for ever", c.TTL))
	}
	if c.Poll < 10*time.Millisecond || c.Poll > 3*time.Second {
		wrong = append(wrong, fmt.Errorf("registry.poll: %s is not between 10ms and 3s", c.Poll))
	}
	return wrong
}
