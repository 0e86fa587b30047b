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
	Text    string  // as it was written, without a semicolon
	Params  []Param // in the order of the text
	PerTick bool    // it reads :tick, so that it is run for each tick, and yields no event time; otherwise it is run once for a range of ticks
	Time    string  // the column that says a row's tick, where it is run for a range: event_us or event_time; "" otherwise

	Columns []Column // what it yields, in its order
}

// Param is a place in the text that stands for a parameter.
type Param struct {
	Name     string // Tick, From or To
	From, To int    // bytes, the colon included
}

// Column is one that a query reads or yields.
type Column struct {
	Name string
	Type value.Type
}

// Bind writes the text with something in the place of each parameter.
func (q *Query) Bind(place func(name string) string) string {
	var b strings.Builder
	end := 0
	for _, p := range q.Params {
		b.WriteString(q.Text[end:p.From])
		b.WriteString(place(p.Name))
		end = p.To
	}
	b.WriteString(q.Text[end:])
	return b.String()
}
