package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"featurestore/modules/registry"
	"featurestore/modules/validation/rules"
)

// LiteralRules are rules that a test writes down, in the place of the module that keeps them. What the store tells of them is noted.
type LiteralRules struct {
	mu          sync.Mutex
	definitions []rules.Definition
	sets        map[*registry.Group]*rules.Set
	written     map[string]Said // by rule
	loads       []ToldLoad
}

// Said adds up outcomes of a rule.
type Said struct{ Rows, Bad int64 }

// ToldLoad is what was told of a load; it is answered by the run 1000 + Run.
type ToldLoad struct {
	Group  string
	Run    int64
	Stored bool
	Rules  map[string]Said
}

// NewLiteralRules reads rules as they are applied.
func NewLiteralRules(raws ...string) (*LiteralRules, error) {
	l := &LiteralRules{written: map[string]Said{}}
	return l, l.Set(raws...)
}

// Set puts other rules in the place of those that there are. Their versions are 1, 2, … in their order.
func (l *LiteralRules) Set(raws ...string) error {
	var all []rules.Definition
	for i, raw := range raws {
		d, found := rules.Read(raw)
		if len(found) > 0 {
			return fmt.Errorf("%s: %v", raw, found)
		}
		d.Version = i + 1
		all = append(all, d)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.definitions, l.sets = all, map[*registry.Group]*rules.Set{}
	return nil
}

// Guard compiles a group's rules when it is asked for the first time. Rules that do not fit the group are none.
func (l *LiteralRules) Guard(group *registry.Group) *rules.Set {
	l.mu.Lock()
	defer l.mu.Unlock()
	set, known := l.sets[group]
	if !known {
		var of []rules.Definition
		for _, d := range l.definitions {
			if d.Group == group.Name && rules.IsRow(d.Kind) {
				of = append(of, d)
			}
		}
		set = compiled(of, group)
		l.sets[group] = set
	}
	return set
}

// compiled is nil for no rules.
func compiled(of []rules.Definition, group *registry.Group) *rules.Set {
	fields := make([]rules.Field, len(group.Features))
	for i, f := range group.Features {
		fields[i] = rules.Field{Name: f.Name, Type: f.ValueType, PII: slices.Contains(f.Tags, "pii")}
	}
	if set, wrong := rules.Compile(of, fields); len(wrong) == 0 && !set.Empty() {
		return set
	}
	return nil
}

// Audit compiles the group's other rules each time.
func (l *LiteralRules) Audit(_ context.Context, group *registry.Group, _ int64) (*rules.Set, rules.Options) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var of []rules.Definition
	for _, d := range l.definitions {
		if d.Group == group.Name && !rules.IsRow(d.Kind) {
			of = append(of, d)
		}
	}
	return compiled(of, group), rules.Options{}
}

// Published notes what is told as of a load.
func (l *LiteralRules) Published(ctx context.Context, group *registry.Group, run int64, last bool, outcomes []rules.Outcome) (int64, error) {
	return l.Loaded(ctx, group, run, last, outcomes)
}

func (l *LiteralRules) Written(_ *registry.Group, outcomes []rules.Outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	add(l.written, outcomes)
}

func (l *LiteralRules) Loaded(_ context.Context, group *registry.Group, load int64, stored bool, outcomes []rules.Outcome) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	told := ToldLoad{group.Name, load, stored, map[string]Said{}}
	add(told.Rules, outcomes)
	l.loads = append(l.loads, told)
	return 1000 + load, nil
}

func add(to map[string]Said, outcomes []rules.Outcome) {
	for _, o := range outcomes {
		said := to[o.Rule]
		to[o.Rule] = Said{said.Rows + o.Rows, said.Bad + o.Bad}
	}
}

// TakeWritten answers what was told of writes since it was asked the last time, by rule.
func (l *LiteralRules) TakeWritten() map[string]Said {
	l.mu.Lock()
	defer l.mu.Unlock()
	written := l.written
	l.written = map[string]Said{}
	return written
}

// TakeLoads answers what was told of loads since it was asked the last time.
func (l *LiteralRules) TakeLoads() []ToldLoad {
	l.mu.Lock()
	defer l.mu.Unlock()
	loads := l.loads
	l.loads = nil
	return loads
}
