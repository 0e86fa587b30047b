package config

import "fmt"

// Setting is a key with its value in effect.
type Setting struct {
	Key     string
	Value   string // as `featurestore config` shows it: YAML, secrets masked
	Default string // the same of the default
}

// Differs tells whether the value is another than the default.
func (s Setting) Differs() bool { return s.Value != s.Default }

// List is all settings in effect, in the order of default.yaml. The default of an engine that is left to be chosen is the one that auto stands for
// here.
func (c *Config) List() ([]Setting, error) {
	unset, err := Load(Sources{})
	if err != nil {
		return nil, fmt.Errorf("read the defaults: %w", err)
	}
	chosen := Config{Engines: Engines{Auto, Auto, Auto}, Postgres: c.Postgres, Redis: c.Redis}
	chosen.settle()
	unset.Engines = chosen.Engines
	standard := settings(&unset.Config)
	all := make([]Setting, len(standard))
	for i, s := range settings(c) {
		all[i] = Setting{s.key, s.show(), standard[i].show()}
	}
	return all, nil
}
