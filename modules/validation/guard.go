package validation

import (
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"featurestore/modules/registry"
	"featurestore/modules/validation/alerts"
	"featurestore/modules/validation/rules"
)

// Guards have the rules of each group compiled, as they are in the newest catalog. What they hand out never changes. A rule is compiled
// when its group is asked for, and again when the rule or the group has changed; all else that changes in the registry costs nothing.
type Guards struct {
	registry alerts.Catalog
	log      *slog.Logger
	making   sync.Mutex // held while index is replaced
	index    atomic.Pointer[guardIndex]
}

// NewGuards compiles the rules that a registry has.
func NewGuards(registry alerts.Catalog, log *slog.Logger) *Guards {
	return &Guards{registry: registry, log: log}
}

// Judged is what the enabled rules of a group have become: compiled over group.Features in their order.
type Judged struct {
	Rows   *rules.Set // those that are decided for each row by itself; nil: there are none
	All    *rules.Set // all of them; nil: there are none
	Loaded *rules.Set // those that judge what was loaded last as a whole; nil: there are none
	Broken []Broken   // those that cannot be evaluated on the group as it is
}

// Broken is a rule that cannot be evaluated.
type Broken struct {
	Rule   *rules.Definition
	Reason string
}

// Guard is the enabled row rules of a group, of any severity and action; nil: there are none. It is cheap enough for every write.
func (g *Guards) Guard(group *registry.Group) *rules.Set { return g.Judged(group).Rows }

// Definitions are the rules and baselines as they are now.
func (g *Guards) Definitions() *Definitions { return &g.now().definitions }

var nothingJudged = &Judged{}

// Judged is the enabled rules of a group, compiled. The group may be one of an earlier catalog, as a write under way has it: the rules are
// those of now, over the features that it has.
func (g *Guards) Judged(group *registry.Group) *Judged {
	guarded := g.now().groups[group.Name]
	switch {
	case guarded == nil:
		return nothingJudged
	case guarded.group == group:
		guarded.once.Do(func() { guarded.judged = guarded.compile(group, g.log) })
		return guarded.judged
	}
	return guarded.elsewhere(group)
}

// guardIndex is the rules of one catalog by group.
type guardIndex struct {
	definitions Definitions
	groups      map[string]*guarded // by name: those that have rules
}

// guarded is a group with its rules. Those of an index whose group and rules are the same are the same.
type guarded struct {
	group  *registry.Group
	rules  []*rules.Definition
	once   sync.Once
	judged *Judged

	making sync.Mutex // held while others is looked at
	others []other    // the group as it is in other catalogs, the last one made first
}

// other is a group as another catalog has it.
type other struct {
	group  *registry.Group
	judged *Judged
}

// maxOthers is how many are kept: writes under way hold the last one or two, loads that would register features one each.
const maxOthers = 4

// elsewhere is the rules over the group of another catalog.
func (g *guarded) elsewhere(group *registry.Group) *Judged {
	g.making.Lock()
	defer g.making.Unlock()
	i := slices.IndexFunc(g.others, func(o other) bool { return o.group == group })
	if i < 0 {
		g.others = append([]other{{group, g.compile(group, slog.New(slog.DiscardHandler))}}, g.others[:min(len(g.others), maxOthers-1)]...)
		i = 0
	}
	return g.others[i].judged
}

// now is the index of the newest catalog.
func (g *Guards) now() *guardIndex {
	if index := g.index.Load(); index != nil && index.definitions.catalog == g.registry.Catalog() {
		return index
	}
	g.making.Lock()
	defer g.making.Unlock()
	catalog, before := g.registry.Catalog(), g.index.Load()
	var read *Definitions
	if before != nil {
		if read = &before.definitions; read.catalog == catalog {
			return before
		}
	}
	index := &guardIndex{definitions: *DefinitionsOf(catalog, read), groups: map[string]*guarded{}}
	for _, err := range index.definitions.unreadable {
		g.log.Warn("a rule cannot be read, and is not evaluated", "error", err)
	}
	for name, of := range index.definitions.byGroup {
		group, found := catalog.Group(name)
		if !found {
			continue
		}
		if before != nil {
			if same := before.groups[name]; same != nil && same.group == group && slices.Equal(same.rules, of) {
				index.groups[name] = same
				continue
			}
		}
		index.groups[name] = &guarded{group: group, rules: of}
	}
	g.index.Store(index)
	return index
}

// compile compiles the enabled rules over the features of a group; those that do not fit them are broken.
func (g *guarded) compile(group *registry.Group, log *slog.Logger) *Judged {
	judged := &Judged{}
	var good []rules.Definition
	of := slices.DeleteFunc(slices.Clone(g.rules), func(r *rules.Definition) bool { return !r.Enabled })
	for _, r := range of {
		good = append(good, *r)
	}
	fields := Fields(group)
	all, wrong := rules.Compile(good, fields)
	if len(wrong) > 0 {
		good = nil
		for i, r := range of {
			n := slices.IndexFunc(wrong, func(v rules.Violation) bool { return v.Rule == i })
			if n < 0 {
				good = append(good, *r)
				continue
			}
			judged.Broken = append(judged.Broken, Broken{r, wrong[n].String()})
			log.Warn("a rule does not fit its group, and is not evaluated", "rule", r.Name, "group", group.Name, "error", wrong[n].String())
		}
		all, _ = rules.Compile(good, fields) // each of them fits
	}
	if len(good) == 0 {
		return judged
	}
	judged.All = all
	rows := slices.DeleteFunc(slices.Clone(good), func(r rules.Definition) bool { return !rules.IsRow(r.Kind) })
	switch {
	case len(rows) == len(good):
		judged.Rows = all
	case len(rows) > 0:
		judged.Rows, _ = rules.Compile(rows, fields)
	}
	loaded := slices.DeleteFunc(good, func(r rules.Definition) bool { return rules.IsRow(r.Kind) || r.LooksAt() != rules.NewestLoad })
	if len(loaded) > 0 {
		judged.Loaded, _ = rules.Compile(loaded, fields)
	}
	return judged
}
