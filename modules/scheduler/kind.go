package scheduler

import (
	"encoding/json"
	"fmt"
	"strings"

	"featurestore/app/fault"
	"featurestore/modules/batch/timetable"
	"featurestore/modules/registry"
)

const kindSchedule = "schedule"

// ScheduleKind is the definition of schedules, for the registry: it is passed to registry.New.
func ScheduleKind() *registry.Kind {
	members := []registry.Member{
		{Name: "what", Required: true, Read: registry.OneOf(whats...)},
		{Name: "subject", Read: registry.Text(48)},
	}
	members = append(members, timetable.Members()...)
	members = append(members,
		registry.Member{Name: "after", Read: registry.Texts(50, 48)},
		registry.Member{Name: "owner", Read: registry.Text(500)},
		registry.Member{Name: "description", Read: registry.Text(10_000)},
		registry.Member{Name: "tags", Read: registry.Texts(50, 100)},
	)
	known := &waiting{}
	check := func(after *registry.Catalog, _ string, members registry.Members) []fault.Violation {
		return checkSchedule(known, after, members)
	}
	return &registry.Kind{Name: kindSchedule, Plural: "schedules", Members: members, Check: check, Reads: scheduleReads}
}

// scheduleDocument is a schedule as the registry keeps it, beside its timetable.
type scheduleDocument struct {
	What    What     `json:"what"`
	Subject string   `json:"subject"`
	After   []string `json:"after"`
}

// pipelineDocument is what schedules need to know of a pipeline.
type pipelineDocument struct {
	Target   string          `json:"target"`
	Schedule json.RawMessage `json:"schedule"`
	After    []string        `json:"after"`
}

func documentOf[T any](object []byte) (d T) {
	_ = json.Unmarshal(object, &d) // the registry wrote it, with members of these names
	return d
}

// checkSchedule says what is wrong with a schedule beyond its members one by one.
func checkSchedule(known *waiting, after *registry.Catalog, members registry.Members) []fault.Violation {
	object, err := json.Marshal(members)
	if err != nil {
		return []fault.Violation{{Message: err.Error()}}
	}
	d := documentOf[scheduleDocument](object)
	c := &checker{after: after, found: timetable.Together(members)}
	c.subject(&d)
	for i, name := range d.After {
		c.pipeline(fmt.Sprintf("after[%d]", i), name)
	}
	if d.What == Pipeline && len(c.found) == 0 {
		if circle := circleOf(known.in(after), d.Subject); circle != nil {
			c.wrong("after", "", "each of these would wait for the next one, for ever: %s", strings.Join(circle, " after "))
		}
	}
	return c.found
}

// checker collects what is wrong with a schedule beside a catalog.
type checker struct {
	after *registry.Catalog
	found []fault.Violation
}

func (c *checker) wrong(at, value, format string, args ...any) {
	c.found = append(c.found, fault.Violation{Location: at, Message: fmt.Sprintf(format, args...), Value: fault.Shorten(value)})
}

func (c *checker) subject(d *scheduleDocument) {
	switch {
	case d.What == Pipeline && d.Subject == "":
		c.wrong("subject", "", "not given: name the pipeline")
	case d.What == Pipeline:
		c.pipeline("subject", d.Subject)
	case d.What == Expire && d.Subject != "":
		c.wrong("subject", d.Subject, "goes with what is about a pipeline or a group: %s is about all that is stored", Expire)
	case d.Subject != "":
		group, found := c.after.Group(d.Subject)
		switch {
		case !found:
			problem, _ := fault.As(c.after.UnknownGroup(d.Subject))
			c.wrong("subject", d.Subject, "%s", problem.Detail)
		case group.Kind == registry.Events && d.What == Materialize:
			c.wrong("subject", d.Subject, "is an event group: it has no online copy")
		}
	}
}

func (c *checker) pipeline(at, name string) {
	if _, found := c.after.Definition(pipelineKind, name); found {
		return
	}
	known := func(yield func(string) bool) {
		for _, d := range c.after.Definitions(pipelineKind) {
			if !yield(d.Name) {
				return
			}
		}
	}
	c.wrong(at, name, "there is no pipeline %q%s", fault.Shorten(name), registry.DidYouMean(name, known))
}

// scheduleReads lists what a schedule depends on.
func scheduleReads(members registry.Members) []registry.Named {
	object, err := json.Marshal(members)
	if err != nil {
		return nil
	}
	d := documentOf[scheduleDocument](object)
	var reads []registry.Named
	switch {
	case d.Subject == "":
	case d.What == Pipeline:
		reads = append(reads, registry.Named{Kind: pipelineKind, Name: d.Subject})
	default:
		reads = append(reads, registry.Named{Kind: "group", Name: d.Subject})
	}
	for _, name := range d.After {
		reads = append(reads, registry.Named{Kind: pipelineKind, Name: name})
	}
	return reads
}
