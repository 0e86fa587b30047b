package scheduler

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"featurestore/modules/batch/timetable"
	"featurestore/modules/registry"
)

// Origin says where a schedule comes from.
type Origin string

const (
	Definition Origin = "definition" // of the kind schedule
	OfPipeline Origin = "pipeline"   // the member schedule of a pipeline
	Default    Origin = "default"    // a pipeline feeds a group of a frequency, and no definition is about the same
)

// Schedule is one that is in effect.
type Schedule struct {
	*timetable.Timetable
	Name        string // of no definition: what:subject
	Origin      Origin
	What        What
	Subject     string   // a pipeline or a group; "": all groups
	Needs       []string // pipelines that have to have succeeded for a tick
	Group       string   // that its work changes or looks at; "": several
	Owner       string
	Description string
	Tags        []string
	Version     int // of the definition, or the pipeline's; 0: it is a default
	CreatedAt   time.Time
	UpdatedAt   time.Time
	number      int64 // of its place in lists
}

// schedules are all that are in effect under a catalog: those of definitions, then those of pipelines, then defaults, each in the order in which
// what they come from was registered. One that cannot be understood is left out and told of.
func schedules(catalog *registry.Catalog, bad func(name string, err error)) []*Schedule {
	var all []*Schedule
	about := map[string]bool{} // what definitions are about
	targets := map[string][]*registry.Definition{}
	pipelines := catalog.Definitions(pipelineKind)
	documents := map[string]pipelineDocument{}
	for _, d := range pipelines {
		document := documentOf[pipelineDocument](d.Document)
		documents[d.Name] = document
		targets[document.Target] = append(targets[document.Target], d)
	}
	add := func(s *Schedule, object []byte) {
		var err error
		if err = s.read(object); err != nil {
			bad(s.Name, err)
			return
		}
		if s.Group = s.Subject; s.What == Pipeline {
			s.Group = documents[s.Subject].Target
			for _, name := range documents[s.Subject].After {
				if !slices.Contains(s.Needs, name) {
					s.Needs = append(s.Needs, name)
				}
			}
		}
		s.number = int64(len(all) + 1)
		all = append(all, s)
	}
	scheduled, ruled := map[string]bool{}, ruled(catalog) // pipelines, groups
	for _, d := range catalog.Definitions(kindSchedule) {
		of := documentOf[scheduleDocument](d.Document)
		about[nameOf(of.What, of.Subject)] = true
		scheduled[of.Subject] = scheduled[of.Subject] || of.What == Pipeline
		add(&Schedule{Name: d.Name, Origin: Definition, What: of.What, Subject: of.Subject, Needs: of.After, Owner: d.Owner, Description: d.Description, Tags: d.Tags,
			Version: d.Version, CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt}, d.Document)
	}
	for _, d := range pipelines {
		if documents[d.Name].Schedule == nil {
			continue
		}
		scheduled[d.Name] = true
		add(&Schedule{Name: nameOf(Pipeline, d.Name), Origin: OfPipeline, What: Pipeline, Subject: d.Name, Owner: d.Owner, Description: d.Description, Tags: d.Tags,
			Version: d.Version, CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt}, documents[d.Name].Schedule)
	}
	for _, group := range catalog.Groups() {
		spec := frequencies[frequencyOf(group)]
		feeding := targets[group.Name]
		if spec == "" || len(feeding) == 0 || group.Kind == registry.Events {
			continue
		}
		var needs []string
		for _, d := range feeding {
			if scheduled[d.Name] {
				needs = append(needs, d.Name)
			}
		}
		for _, what := range []What{Materialize, Validate} {
			name := nameOf(what, group.Name)
			if about[name] || about[nameOf(what, "")] || what == Validate && !ruled[group.Name] {
				continue
			}
			add(&Schedule{Name: name, Origin: Default, What: what, Subject: group.Name, Needs: needs, Owner: group.Owner, CreatedAt: group.CreatedAt, UpdatedAt: group.CreatedAt,
				Description: fmt.Sprintf("%s is fed by a pipeline, and its features are %s.", group.Name, frequencyOf(group))}, fmt.Appendf(nil, `{"cron":%q}`, spec))
		}
	}
	return all
}

// read reads the timetable. A pipeline that says nothing of it makes up for all ticks, so that its history has no holes; of other work the latest does
// what earlier ones would have.
func (s *Schedule) read(object []byte) error {
	var err error
	if s.Timetable, err = timetable.Of(object); err != nil {
		return err
	}
	if s.CatchUp == "" {
		if s.CatchUp = timetable.Latest; s.What == Pipeline {
			s.CatchUp = timetable.All
		}
	}
	return nil
}

// nameOf names a schedule that is no definition.
func nameOf(what What, subject string) string { return string(what) + ":" + subject }

// frequencies are the times that go with a feature's frequency. What is REAL_TIME is looked after all the time, ON_DEMAND when it is asked for.
var frequencies = map[string]string{"HOURLY": "0 * * * *", "DAILY": "0 0 * * *", "WEEKLY": "0 0 * * 1", "MONTHLY": "0 0 1 * *"}

// frequencyOf is the highest frequency of a group's features, among those that have times; "": none.
func frequencyOf(group *registry.Group) string {
	order := []string{"HOURLY", "DAILY", "WEEKLY", "MONTHLY", ""}
	highest := ""
	for _, f := range group.Features {
		if _, timed := frequencies[f.Frequency]; timed && cmp.Less(slices.Index(order, f.Frequency), slices.Index(order, highest)) {
			highest = f.Frequency
		}
	}
	return highest
}

// ruled are the groups that there are rules about.
func ruled(catalog *registry.Catalog) map[string]bool {
	groups := map[string]bool{}
	for _, d := range catalog.Definitions("rule") {
		groups[documentOf[struct {
			Group string `json:"group"`
		}](d.Document).Group] = true
	}
	return groups
}
