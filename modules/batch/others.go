package batch

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"weak"

	"featurestore/app/fault"
	"featurestore/modules/registry"
)

// others are the pipelines of one catalog, as far as each of them is checked against the others. They never change.
type others struct {
	onto  map[string][]*other // by target
	from  map[string][]*other // by the group that is their source
	waits map[string][]string // the pipelines that each waits for
}

// other is one of them.
type other struct {
	name     string
	target   string
	document json.RawMessage
}

// known is the others of the catalog that was asked for last: where many pipelines are defined at once, each is checked in the same catalog.
type known struct {
	mu      sync.Mutex
	catalog weak.Pointer[registry.Catalog]
	others  *others
}

// in reads the pipelines of a catalog.
func (k *known) in(catalog *registry.Catalog) *others {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.others != nil && k.catalog.Value() == catalog {
		return k.others
	}
	k.catalog, k.others = weak.Make(catalog), &others{map[string][]*other{}, map[string][]*other{}, map[string][]string{}}
	for _, definition := range catalog.Definitions(kindPipeline) {
		var d struct {
			Target string   `json:"target"`
			After  []string `json:"after"`
			Source struct {
				Group string `json:"group"`
			} `json:"source"`
		}
		if json.Unmarshal(definition.Document, &d) != nil {
			continue
		}
		o := &other{definition.Name, d.Target, definition.Document}
		k.others.onto[o.target] = append(k.others.onto[o.target], o)
		if d.Source.Group != "" {
			k.others.from[d.Source.Group] = append(k.others.from[d.Source.Group], o)
		}
		k.others.waits[o.name] = d.After
	}
	return k.others
}

// alone refuses a feature that another pipeline computes: a tick would say now what the one, now what the other has found.
func (k *compiling) alone() {
	for _, other := range k.known.in(k.catalog).onto[k.plan.Target.Name] {
		d := &document{}
		if other.name == k.plan.Name || json.Unmarshal(other.document, d) != nil {
			continue
		}
		its := &compiling{Compiler: k.Compiler, catalog: k.catalog, d: d, plan: &Plan{}}
		its.work()
		for _, f := range its.plan.Outputs {
			if slices.Contains(k.plan.Outputs, f) {
				k.wrong(k.outputAt(f), f.Name, "the feature %s is computed by the pipeline %s already", f.Reference(), other.name)
			}
		}
	}
}

// outputAt is where a definition names one of its outputs.
func (k *compiling) outputAt(f *registry.Feature) string {
	i := slices.IndexFunc(k.d.Aggregate, func(a aggregate) bool { return f.Called(a.Feature) })
	if i < 0 {
		return "sql"
	}
	return fmt.Sprintf("aggregate[%d].feature", i)
}

// cycle refuses a pipeline whose target feeds, through others, its own source: no tick of it could ever be final.
func (k *compiling) cycle() {
	if k.plan.Source.Group == nil {
		return
	}
	if k.plan.Source.Group == k.plan.Target {
		k.wrong("target", k.d.Target, "is the source too: a pipeline does not feed itself")
		return
	}
	feeds := k.known.in(k.catalog).from
	seen := map[string]bool{}
	var visit func(group string, path []string) bool
	visit = func(group string, path []string) bool {
		if group == k.plan.Source.Group.Name {
			k.wrong("source.group", group, "is fed by this pipeline's own target: %s", strings.Join(path, ", "))
			return true
		}
		if seen[group] {
			return false
		}
		seen[group] = true
		return slices.ContainsFunc(feeds[group], func(o *other) bool {
			return o.name != k.plan.Name && visit(o.target, append(path[:len(path):len(path)], fmt.Sprintf("%s makes %s of %s", o.name, o.target, group)))
		})
	}
	visit(k.plan.Target.Name, nil)
}

// after checks the pipelines that this one waits for.
func (k *compiling) after() {
	waits := k.known.in(k.catalog).waits
	for i, name := range k.d.After {
		at := fmt.Sprintf("after[%d]", i)
		_, found := k.catalog.Definition(kindPipeline, name)
		switch {
		case name == k.plan.Name:
			k.wrong(at, name, "is this pipeline itself")
		case !found:
			k.wrong(at, name, "there is no pipeline %q%s", fault.Shorten(name), registry.DidYouMean(name, pipelineNames(k.catalog)))
		case k.waitsFor(waits, name, map[string]bool{}):
			k.wrong(at, name, "waits for this pipeline itself, so that neither would ever begin")
		}
	}
}

// waitsFor tells whether a pipeline waits, directly or not, for the one that is compiled.
func (k *compiling) waitsFor(waits map[string][]string, name string, seen map[string]bool) bool {
	if seen[name] {
		return false
	}
	seen[name] = true
	return slices.ContainsFunc(waits[name], func(next string) bool { return next == k.plan.Name || k.waitsFor(waits, next, seen) })
}
