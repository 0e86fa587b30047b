package batch

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"featurestore/app/fault"
	"featurestore/modules/batch/gate"
	"featurestore/modules/batch/tick"
	"featurestore/modules/registry"
)

// Compiler makes plans of definitions. It is safe for concurrent use.
type Compiler struct {
	config Config
	gate   *gate.Gate
	known  known
}

// NewCompiler makes one.
func NewCompiler(config Config) *Compiler { return &Compiler{config: config, gate: gate.New()} }

// PlanOf is the plan of a pipeline of the catalog. Faults: unknown-pipeline; pipeline-invalid, where it cannot be computed any more.
func (c *Compiler) PlanOf(catalog *registry.Catalog, name string) (*Plan, error) {
	definition, found := catalog.Definition(kindPipeline, name)
	if !found {
		return nil, fault.New(fault.NotFound, "unknown-pipeline", "there is no pipeline %q%s", fault.Shorten(name), registry.DidYouMean(name, pipelineNames(catalog)))
	}
	members := registry.Members{}
	if err := json.Unmarshal(definition.Document, &members); err != nil {
		return nil, fmt.Errorf("read the kept pipeline %s: %w", name, err)
	}
	plan, wrong := c.compile(catalog, name, members)
	if len(wrong) > 0 {
		problem := fault.New(fault.Conflict, "pipeline-invalid", "the pipeline %s cannot be computed as it is defined: %s: %s", name, wrong[0].Location, wrong[0].Message)
		problem.Violations = wrong
		return nil, problem
	}
	plan.Version = definition.Version
	return plan, nil
}

// check is what the registry asks of a definition.
func (c *Compiler) check(after *registry.Catalog, name string, members registry.Members) []fault.Violation {
	_, wrong := c.compile(after, name, members)
	return wrong
}

// compile makes the plan of a definition, and names everything that is wrong with it; then there is no plan.
func (c *Compiler) compile(catalog *registry.Catalog, name string, members registry.Members) (*Plan, []fault.Violation) {
	d, err := documentOf(members)
	if err != nil {
		return nil, []fault.Violation{{Message: err.Error()}}
	}
	k := &compiling{Compiler: c, catalog: catalog, d: d, plan: &Plan{Name: name, Engine: d.Engine}}
	if slices.Contains(callNames, name) {
		k.wrong("name", name, "is the name of a call, /pipelines/%s: use another", name)
	}
	k.ticks()
	k.limits()
	k.work()
	if k.plan.Target != nil {
		k.alone()
		k.cycle()
	}
	k.after()
	if len(k.found) > 0 {
		return nil, k.found
	}
	return k.plan, nil
}

// work compiles what is computed: target, source and transformation.
func (k *compiling) work() {
	k.target()
	k.transformation(k.plan.Target != nil && k.source())
}

// compiling is one compilation under way.
type compiling struct {
	*Compiler
	catalog *registry.Catalog
	d       *document
	plan    *Plan
	events  []Column // that the source has; of a group by the present names
	found   []fault.Violation
}

func (k *compiling) wrong(at, value, format string, args ...any) {
	k.found = append(k.found, fault.Violation{Location: at, Value: fault.Shorten(value), Message: fmt.Sprintf(format, args...)})
}

// group finds a group; nil: there is none, which is noted.
func (k *compiling) group(at, name string) *registry.Group {
	group, found := k.catalog.Group(name)
	if !found {
		k.wrong(at, name, "%s", sentenceOf(k.catalog.UnknownGroup(name)))
	}
	return group
}

func (k *compiling) target() {
	group := k.group("target", k.d.Target)
	switch {
	case group == nil:
	case group.Kind == registry.Events:
		k.wrong("target", group.Name, "is a group of events, and what a pipeline makes are observations of features: name a group of kind features")
	default:
		k.plan.Target, k.plan.Keys = group, group.EntityType.JoinKeys
	}
}

func (k *compiling) ticks() {
	zone, err := zoneOf(k.d.TickZone)
	if err != nil {
		k.wrong("tick_zone", k.d.TickZone, "%v", err)
		zone = time.UTC
	}
	ticks, err := tick.New(k.d.Tick.cycle(), zone)
	if err != nil {
		k.wrong("tick.cron", k.d.Tick.cron, "%v", err)
	}
	k.plan.Ticks = ticks
}

// zoneOf finds a time zone by its name; "": UTC.
func zoneOf(name string) (*time.Location, error) {
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" { // Go's word for the machine's own
		return nil, fmt.Errorf("%q is no time zone: use a name such as UTC or Europe/Berlin", fault.Shorten(name))
	}
	return zone, nil
}

func (k *compiling) limits() {
	k.plan.Memory, _ = parseSize(k.d.Limits.Memory)
	k.plan.Timeout, _ = registry.ParseDuration(k.d.Limits.Timeout)
	if k.d.Limits.Timeout == "" {
		k.plan.Timeout = 0
	}
	k.plan.MinRowsRatio = k.config.MinRowsRatio
	if k.d.MinRows != nil {
		k.plan.MinRowsRatio = *k.d.MinRows
	}
}

// transformation compiles what is made of events; sourced: their columns are known.
func (k *compiling) transformation(sourced bool) {
	switch {
	case len(k.d.Aggregate) > 0 && k.d.SQL != "":
		k.wrong("sql", "", "give aggregate or sql, not both")
	case len(k.d.Aggregate) == 0 && k.d.SQL == "":
		k.wrong("aggregate", "", "give aggregate, a list of features and how they are computed, or sql")
	case k.d.SQL != "":
		k.query(sourced)
	default:
		k.aggregations(sourced)
	}
}

// output notes that rows say a feature of the target, and answers it; nil: they cannot, which is noted.
func (k *compiling) output(at, name string) *registry.Feature {
	if k.plan.Target == nil {
		return nil
	}
	f, found := k.catalog.Feature(k.plan.Target, name)
	switch {
	case !found:
		k.wrong(at, name, "there is no feature %q in the group %s%s", fault.Shorten(name), k.plan.Target.Name, registry.DidYouMean(name, featureNames(k.plan.Target)))
		return nil
	case slices.Contains(k.plan.Outputs, f):
		k.wrong(at, name, "the feature %s is given twice", f.Name)
		return nil
	case f.Status == registry.Archived:
		k.wrong(at, name, "the feature %s is archived: make it active first", f.Name)
		return nil
	}
	k.plan.Outputs = append(k.plan.Outputs, f)
	return f
}
