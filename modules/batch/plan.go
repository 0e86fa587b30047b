package batch

import (
	"time"

	"featurestore/app/fault"
	"featurestore/modules/batch/gate"
	"featurestore/modules/batch/tick"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

// Plan is a pipeline's definition, checked against one catalog and compiled. It never changes.
type Plan struct {
	Name    string
	Version int    // of the definition; 0: of one that is only tried
	Engine  string // "": as batch.engine says

	Target  *registry.Group
	Keys    []registry.JoinKey  // of the target's entity type, in their order: columns of events, and of what is staged
	Outputs []*registry.Feature // what rows say, in the order of the definition; at least one
	Partial bool                // rows may leave some of Outputs out: files have the column presence

	Source  Source
	Columns []Column // of events, beside the keys, event_time, event_us and seq; only those that the plan reads

	Ticks *tick.Ticks

	Aggregations []Aggregation // as many as Outputs, in their order; none: SQL
	SQL          *gate.Query   // nil: Aggregations. Its columns are the join keys, Time and Outputs, in its own order
	Time         string        // of SQL that is run for a range: the column that says the tick of a row, event_us or event_time

	Lifetime bool          // some window has no beginning
	Longest  time.Duration // the longest window otherwise; 0 of SQL, which says nothing of how far it looks back

	Memory       int64         // bytes; 0: as batch.memory says
	Timeout      time.Duration // 0: as batch.timeout says
	MinRowsRatio float64       // below this share of the usual number of rows a tick is held back
}

// Column is a column of events.
type Column struct {
	Name string // by which the definition reads it
	Type value.Type

	Feature *registry.Feature // of a source group; it may have another name by now
	From    string            // of a table or files: what the column is called there
}

// Source is where events come from: exactly one of Group, Table and Files.
type Source struct {
	Group *registry.Group
	Table *Table
	Files *Files

	// Of a table or files:
	EventTime string         // the column of the event time, as it is called there; "": event_time or, where there is none, event_timestamp
	Zone      *time.Location // of times without an offset; nil: they are an error
	Entity    []string       // the columns of Plan.Keys, as they are called there
}

// Table is a table or a query of a PostgreSQL.
type Table struct {
	Connection string // one of batch.connections
	Schema     string // "": as the connection's search path has it
	Name       string // "": Query
	Query      string // one SELECT that the gate has let through, as PostgreSQL writes it
}

// Files are those that a pattern names below a root.
type Files struct {
	Root    string // one of batch.roots
	Pattern string // as path.Match has it, with ** for any folders; relative, and without ..
}

// Function is what an aggregation makes of the values in a window.
type Function string

// Functions. A row is considered if where is true of it and it has a value of Of, unless that is Rows.
const (
	Count         Function = "count"           // considered rows
	Sum           Function = "sum"             // exact: of FLOAT in steps of 10^-Decimals; of INTEGER beyond 64 bits an error
	Avg           Function = "avg"             // the sum, as FLOAT, by the count
	Min           Function = "min"             // texts by their bytes, as in all orders
	Max           Function = "max"             //
	Stddev        Function = "stddev"          // of a sample: of fewer than two values it is empty
	First         Function = "first"           // of the oldest event; of several at one time the one with the least seq, and of those the least value
	Last          Function = "last"            // of the newest event; of several at one time the one with the greatest seq, and of those the greatest value
	CountDistinct Function = "count_distinct"  // different values
	LastN         Function = "last_n"          // the last N, in the order of events, the newest last
	Ratio         Function = "ratio"           // Numerator by Denominator, both taken as FLOAT; empty where one of them has no value or the latter is zero
	TimeSinceLast Function = "time_since_last" // seconds from the newest considered row to the tick: FLOAT, or whole ones, rounded down
)

// Columns that an aggregation or a condition can name beside those of Plan.Columns.
const (
	Rows      = -1 // no column: rows are considered whatever they hold
	EventTime = -2 // event_time, a TIMESTAMP
)

// Empty is what a row says where no row of the window is considered.
type Empty string

const (
	Nothing Empty = "nothing" // the feature is not observed; a row that would observe none does not exist
	Null    Empty = "null"
	Zero    Empty = "zero"
)

// Aggregation is one declared feature.
type Aggregation struct {
	Feature  *registry.Feature // nil: a part of a ratio
	Function Function
	Of       int           // an index of Plan.Columns, Rows or EventTime
	OfType   value.Type    // of that column; Invalid for Rows
	Type     value.Type    // of the result: the feature's; of a part of a ratio FLOAT
	Window   time.Duration // (tick − Window, tick]; 0: lifetime, all that is not after the tick
	Where    *Condition    // nil: all rows
	Empty    Empty         // of a part of a ratio Null, or Zero of counts
	N        int           // of last_n, 1 to 1000
	Decimals int           // of sum, avg and stddev of FLOAT, 0 to 9; 0 for INTEGER

	Numerator, Denominator *Aggregation // of ratio
}

// EntityText names an entity by its join keys, as a person reads it: customer 12, or trip driver_id=1,region=eu.
func (p *Plan) EntityText(key []value.Value) string {
	text := p.Target.EntityType.Name + " "
	for i, k := range p.Keys {
		if i > 0 {
			text += ","
		}
		if len(p.Keys) > 1 {
			text += k.Name + "="
		}
		text += string(value.AppendText(nil, key[i]))
	}
	return fault.Shorten(text)
}

// Settle is the value that a feature gets of what a window gave, which is null where no row was considered: of the feature's type, and absent where
// an empty window says nothing.
func (a *Aggregation) Settle(v value.Value) value.Value {
	switch {
	case v.IsNull() && a.Empty == Nothing:
		return value.Value{}
	case v.IsNull() && a.Empty == Zero && a.Type == value.Float:
		return value.OfFloat(0)
	case v.IsNull() && a.Empty == Zero:
		return value.OfInt(0)
	case v.Type() == value.Integer && a.Type == value.Float:
		return v.AsFloat()
	}
	return v
}
