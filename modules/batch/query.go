package batch

import (
	"slices"
	"strings"

	"featurestore/modules/batch/gate"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

// Columns by which a query that is run for a range says the tick of a row.
var timeColumns = []string{"event_us", "event_time"}

// query compiles the SQL of a definition; sourced: the columns of events are known.
func (k *compiling) query(sourced bool) {
	if !sourced || k.plan.Target == nil {
		return
	}
	q, problem := k.gate.Transformation(k.d.SQL, k.relation())
	if problem != nil {
		k.wrong("sql", problem.Value, "%s", problem.Message)
		return
	}
	k.plan.SQL = q
	for _, name := range q.Reads {
		if c, found := k.eventColumn(name); found {
			k.use(c)
		}
	}
	k.yields(q)
}

// relation is what the relation events has.
func (k *compiling) relation() gate.Events {
	events := gate.Events{}
	for _, key := range k.plan.Keys {
		events.Keys = append(events.Keys, gate.Column{Name: key.Name, Type: key.ValueType})
	}
	for _, c := range k.events {
		events.Columns = append(events.Columns, gate.Column{Name: c.Name, Type: c.Type})
		if c.Feature == nil {
			continue
		}
		for _, alias := range c.Feature.Aliases {
			if !slices.Contains(ownColumns, alias) {
				events.Former = append(events.Former, gate.Column{Name: alias, Type: c.Type})
			}
		}
	}
	return events
}

// yields checks the columns that a query yields: each join key, the tick where it is run for a range, and features.
func (k *compiling) yields(q *gate.Query) {
	seen := map[string]bool{}
	for _, c := range q.Columns {
		if seen[c.Name] {
			k.wrong("sql", c.Name, "yields two columns called %s", c.Name)
			continue
		}
		seen[c.Name] = true
		i := slices.IndexFunc(k.plan.Keys, func(key registry.JoinKey) bool { return key.Name == c.Name })
		switch {
		case i >= 0:
			k.yield(c, k.plan.Keys[i].ValueType, "the join key "+c.Name)
		case slices.Contains(timeColumns, c.Name):
			k.time(c, q)
		default:
			if f := k.output("sql", c.Name); f != nil {
				k.yield(c, f.ValueType, "the feature "+f.Reference())
			}
		}
	}
	for _, key := range k.plan.Keys {
		if !seen[key.Name] {
			k.wrong("sql", "", "yields no column %s: each row says its entity by all of %s", key.Name, strings.Join(k.keyNames(), ", "))
		}
	}
	if !q.PerTick && k.plan.Time == "" {
		k.wrong("sql", "", "yields no event_us: a query without :tick is run once for a range of ticks, and says in event_us or event_time which of them a row is of")
	}
	if len(k.plan.Outputs) == 0 {
		k.wrong("sql", "", "yields no feature of %s: name a column after each", k.plan.Target.Name)
	}
}

// time notes the column by which a query that is run for a range says the tick of a row.
func (k *compiling) time(c gate.Column, q *gate.Query) {
	wanted := value.Integer
	if c.Name == "event_time" {
		wanted = value.Timestamp
	}
	switch {
	case q.PerTick:
		k.wrong("sql", c.Name, "yields %s, but a query with :tick is run for that tick alone, which is the time of all its rows", c.Name)
	case k.plan.Time != "":
		k.wrong("sql", c.Name, "yields event_us and event_time: one of them is enough")
	default:
		k.plan.Time = c.Name
		k.yield(c, wanted, "the tick")
	}
}

func (k *compiling) yield(c gate.Column, wanted value.Type, what string) {
	fits := c.Type == wanted || wanted == value.Float && c.Type == value.Integer || wanted == value.JSON && c.Type == value.String
	if !fits {
		k.wrong("sql", c.Name, "yields %s as %s, and %s is %s", c.Name, c.Type, what, wanted)
	}
}

func (k *compiling) keyNames() []string {
	names := make([]string, len(k.plan.Keys))
	for i, key := range k.plan.Keys {
		names[i] = key.Name
	}
	return names
}
