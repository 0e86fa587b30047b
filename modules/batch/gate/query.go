package gate

import (
	"strings"

	"featurestore/modules/registry/value"
)

// Names of parameters: BIGINT, in µs.
const (
	Tick = "tick" // the tick that is computed
	From = "from" // the tick before it; of a query for a range, the one before the range
	To   = "to"   // the tick; of a query for a range, its last
)

// Query is a SELECT that the gate has let through.
type Query struct {
	Text    string   // as it was written, its comments replaced by spaces
	Marks   []Mark   // in the order of the text
	PerTick bool     // it reads :tick, so that it is run for each tick, and yields no event time; otherwise it is run once for a range of ticks
	Ticks   bool     // it reads the relation ticks, of the ticks of the range: tick_us and from_us, the tick before it (BIGINT)
	Reads   []string // the columns of events that it names, beside its join keys, event_time, event_us and seq

	Columns []Column // what it yields, in its order
}

// Mark is a place in the text that engines write in their own way: a parameter, or the name of a type.
type Mark struct {
	From, To  int    // bytes; of a parameter, the colon included
	Parameter string // Tick, From or To; "": a type
	Type      string // bigint, double, boolean, decimal, timestamp or date, without what is in brackets behind it
}

// Column is one that a query reads or yields.
type Column struct {
	Name string
	Type value.Type
}

// Bind writes the text with something in the place of each parameter and of each type's name.
func (q *Query) Bind(parameter, typeName func(name string) string) string {
	var b strings.Builder
	end := 0
	for _, m := range q.Marks {
		b.WriteString(q.Text[end:m.From])
		if m.Parameter != "" {
			b.WriteString(parameter(m.Parameter))
		} else {
			b.WriteString(typeName(m.Type))
		}
		end = m.To
	}
	b.WriteString(q.Text[end:])
	return b.String()
}

// Has tells whether the query has a parameter.
func (q *Query) Has(parameter string) bool {
	for _, m := range q.Marks {
		if m.Parameter == parameter {
			return true
		}
	}
	return false
}

// Problem is one thing that is wrong with a text.
type Problem struct {
	Value   string
	Message string
}
