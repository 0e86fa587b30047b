package store

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/validation/rules"
)

// ruleless has no rules for any group.
type ruleless struct{}

func (ruleless) Guard(*registry.Group) *rules.Set         { return nil }
func (ruleless) Written(*registry.Group, []rules.Outcome) {}
func (ruleless) Loaded(context.Context, *registry.Group, int64, bool, []rules.Outcome) (int64, error) {
	return 0, nil
}
func (ruleless) Audit(context.Context, *registry.Group, int64) (*rules.Set, rules.Options) {
	return nil, rules.Options{}
}
func (ruleless) Published(context.Context, *registry.Group, int64, bool, []rules.Outcome) (int64, error) {
	return 0, nil
}

// Where a group has no rules, a write does nothing for them.
func TestWritesWithoutRulesTakeNoMemoryForThem(t *testing.T) {
	group := layoutOf(1, 1, 1, 2)
	rows := &Rows{Group: group, Features: group.Features, Keys: []Key{NewKey([]value.Value{value.OfString("a")})}, EventTimes: []int64{1},
		Values: []value.Value{value.OfInt(1), value.OfInt(2)}}
	c := &checked{rows: []*Rows{rows}, starts: []int{0, 1}, stored: map[string]string{}}
	observations := make([]Observation, 1)
	w := &Written{}
	for _, s := range []*Store{{}, {rules: ruleless{}}} {
		require.Zero(t, testing.AllocsPerRun(100, func() {
			if c.judge(s, observations) != nil || len(c.kept()) != 1 || c.entries() != nil || entriesOf([]*write{{}, {}}) != nil || s.guard(group) != nil {
				panic("there are no rules")
			}
			c.describeHeld(w)
			s.tell(c.told)
		}))
	}
}
