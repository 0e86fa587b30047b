package scheduler

import (
	"context"
	"strings"
	"time"

	"featurestore/app/fault"
	"featurestore/modules/batch"
	"featurestore/modules/batch/timetable"
	"featurestore/modules/materialization"
	"featurestore/modules/registry"
	"featurestore/modules/runs"
	"featurestore/modules/store"
	"featurestore/modules/validation"
)

// What can be scheduled.
type What string

const (
	Pipeline    What = "pipeline"    // computes the ticks of a pipeline that are due
	Materialize What = "materialize" // brings what came in online
	Validate    What = "validate"    // evaluates rules on what is stored
	Profile     What = "profile"     // of all that is stored
	Expire      What = "expire"      // ends what has waited in quarantine long enough, and forgets old requests
	Compact     What = "compact"     // removes rows that no question needs any more
)

var whats = []string{string(Pipeline), string(Materialize), string(Validate), string(Profile), string(Expire), string(Compact)}

// Pipelines tells what pipelines have done.
type Pipelines interface {
	// Succeeded tells whether a pipeline's newest tick that is not after a time is published.
	Succeeded(ctx context.Context, pipeline string, at time.Time) (bool, error)
}

// Told hears of schedules that were missed.
type Told interface {
	// Missed is told that a tick was missed, and that the schedule is kept again. It may be told the same twice.
	Missed(ctx context.Context, m Missed) error
}

// Missed is what becomes known of a schedule that is not kept.
type Missed struct {
	Schedule string
	What     What
	Group    string // that it is about; "": none, or several
	Owner    string
	Kept     bool   // it is kept again
	Sentence string // what was missed
	At       time.Time
}

// pipelineKind is the kind of the definitions of pipelines.
const pipelineKind = "pipeline"

// orders are the runs that a tick of a schedule stands for. Of a pipeline whose schedule is not to make up for the ticks before this one, that is its
// newest tick alone. A fault says why there is nothing that could be done.
func (s *Schedule) orders(catalog *registry.Catalog, o *Occurrence) ([]runs.Order, error) {
	tick := o.Tick
	if s.What == Expire {
		return []runs.Order{s.order(runs.Order{Kind: store.ExpiryKind}, tick)}, nil
	}
	if s.What == Pipeline {
		if _, found := catalog.Definition(pipelineKind, s.Subject); !found {
			return nil, fault.New(fault.NotFound, "unknown-pipeline", "there is no pipeline %s any more", s.Subject)
		}
		until := batch.Moment(tick.UnixMicro())
		due := batch.Request{Until: &until, Latest: s.CatchUp != timetable.All && !o.Passed.IsZero()}
		return []runs.Order{s.order(runs.Order{Kind: batch.RunKind, Subject: s.Subject, Parameters: due, Heavy: true}, tick)}, nil
	}
	groups := catalog.Groups()
	if s.Subject != "" {
		group, found := catalog.Group(s.Subject)
		if !found {
			return nil, fault.New(fault.NotFound, "unknown-group", "there is no group %s any more", s.Subject)
		}
		groups = []*registry.Group{group}
	}
	var orders []runs.Order
	ruled := ruled(catalog)
	for _, group := range groups {
		order := runs.Order{Subject: group.Name}
		switch s.What {
		case Materialize:
			if group.Kind == registry.Events {
				continue
			}
			order.Kind, order.Parameters = materialization.Kind, materialization.Request{Mode: materialization.Incremental}
		case Validate:
			if s.Subject == "" && !ruled[group.Name] {
				continue
			}
			order.Kind, order.Parameters, order.Heavy = validation.EvaluationKind, validation.WholeGroup(), true
		case Profile:
			order.Kind, order.Parameters, order.Heavy = validation.ProfileKind, struct{}{}, true
		case Compact:
			if group.Kind == registry.Events && group.Retention == 0 {
				continue
			}
			order.Kind, order.Heavy = store.CompactionKind, true
		}
		orders = append(orders, s.order(order, tick))
	}
	if len(orders) == 0 {
		return nil, fault.New(fault.NotFound, "nothing-to-do", "there is no group yet of which there is anything to %s", s.What)
	}
	return orders, nil
}

// order adds what the timetable says to one.
func (s *Schedule) order(o runs.Order, tick time.Time) runs.Order {
	o.Unique = "schedule " + s.Name + "@" + tick.UTC().Format(time.RFC3339Nano) + " " + o.Subject
	o.Schedule, o.Tick, o.Retries, o.Backoff = s.Name, tick, s.Retries, s.Backoff
	if s.Deadline != 0 {
		o.Deadline = tick.Add(s.Deadline)
	}
	if o.Key = s.ConcurrencyKey; o.Key == "" {
		o.Key = strings.TrimSuffix(o.Kind+":"+o.Subject, ":")
	}
	return o
}
