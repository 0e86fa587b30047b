package batch

import (
	"encoding/json"
	"slices"
	"strings"

	"featurestore/modules/batch/gate"
	"featurestore/modules/batch/tick"
	"featurestore/modules/batch/timetable"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/jsonscan"
)

// kindPipeline is what the registry calls one.
const kindPipeline = "pipeline"

// Limits of what a definition can hold.
const (
	maxName      = 100 // bytes, of names and words
	maxText      = 500 // bytes
	maxAggregate = registry.MaxFeatures
	maxColumns   = registry.MaxFeatures
	maxAfter     = 50
	maxPattern   = 1_000 // bytes
)

// engineNames are those that a definition can ask for.
var engineNames = []string{Local, Postgres, Spark}

// PipelineKind is the definition of pipelines, for the registry: it is passed to registry.New. The compiler says what of one is wrong.
func PipelineKind(c *Compiler) *registry.Kind {
	return &registry.Kind{
		Name: kindPipeline, Plural: "pipelines",
		Members: []registry.Member{
			{Name: "description", Read: registry.Text(10_000)},
			{Name: "owner", Read: registry.Text(maxText)},
			{Name: "tags", Read: registry.Texts(50, maxName)},
			{Name: "source", Required: true, Read: readSource},
			{Name: "target", Required: true, Read: registry.Text(maxName)},
			{Name: "tick", Required: true, Read: readTick},
			{Name: "tick_zone", Read: registry.Text(maxName)},
			{Name: "engine", Read: registry.OneOf(engineNames...)},
			{Name: "aggregate", Read: readAggregates},
			{Name: "sql", Read: registry.Text(gate.MaxSource)},
			{Name: "schedule", Read: timetable.Read},
			{Name: "after", Read: registry.Texts(maxAfter, maxName)},
			{Name: "limits", Read: readLimits},
			{Name: "min_rows_ratio", Read: readMinRows},
		},
		Check:    c.check,
		Reads:    reads,
		Computes: computes,
	}
}

// sourceWords are the members of which a source has exactly one.
const sourceWords = "group, connection or files"

// readSource reads where events come from.
func readSource(raw json.RawMessage, wrong registry.Wrong) json.RawMessage {
	r, s := reading{wrong}, sourceDocument{}
	if !r.object(string(raw), "", "a source",
		field{"group", r.text(&s.Group, maxName)},
		field{"connection", r.text(&s.Connection, maxName)}, field{"table", r.text(&s.Table, 2*maxName)}, field{"query", r.text(&s.Query, gate.MaxSource)},
		field{"files", r.text(&s.Files, maxPattern)}, field{"root", r.text(&s.Root, maxName)},
		field{"columns", func(raw, at string) { s.Columns = r.columns(raw, at) }},
		field{"event_time", r.text(&s.EventTime, maxName)}, field{"time_zone", r.text(&s.TimeZone, maxName)},
		field{"entity", func(raw, at string) { s.Entity = r.names(raw, at) }},
	) {
		return nil
	}
	s.together(wrong)
	slices.SortFunc(s.Columns, func(a, b columnDocument) int { return strings.Compare(a.Name, b.Name) })
	for i := 1; i < len(s.Columns); i++ {
		if s.Columns[i].Name == s.Columns[i-1].Name {
			wrong(".columns", s.Columns[i].Name, "the column is given twice")
		}
	}
	return canonical(s)
}

// together says what is wrong with the members of a source beside each other.
func (s *sourceDocument) together(wrong registry.Wrong) {
	sources := 0
	for _, is := range []bool{s.Group != "", s.Connection != "", s.Files != ""} {
		if is {
			sources++
		}
	}
	if sources != 1 {
		wrong("", "", "give exactly one of %s", sourceWords)
		return
	}
	misplaced := func(of string, members ...given) {
		for _, m := range members {
			if m.is {
				wrong("."+m.member, "", "is nothing that a source with %s has", of)
			}
		}
	}
	ofTable := []given{{"table", s.Table != ""}, {"query", s.Query != ""}}
	ofBoth := []given{{"columns", s.Columns != nil}, {"event_time", s.EventTime != ""}, {"time_zone", s.TimeZone != ""}, {"entity", s.Entity != nil}}
	root := given{"root", s.Root != ""}
	switch {
	case s.Group != "":
		misplaced("group", append(append(ofTable, root), ofBoth...)...)
	case s.Connection != "":
		misplaced("connection", root)
		if (s.Table == "") == (s.Query == "") {
			wrong("", "", "a source with connection has either table or query")
		}
	default:
		misplaced("files", ofTable...)
		if s.Root == "" {
			wrong(".root", "", "must be given: the name of one of batch.roots, below which the files are")
		}
	}
}

// columns reads {"amount": "FLOAT", "sold_at": {"value_type": "TIMESTAMP", "column": "Sold at"}}, in the order of the names.
func (r reading) columns(raw, at string) (columns []columnDocument) {
	if jsonscan.KindOf(raw) == jsonscan.Array { // as answers and exports show them
		r.elements(maxColumns, func(raw, at string) {
			c := columnDocument{}
			r.object(raw, at, "a column", field{"name", r.text(&c.Name, maxName)}, field{"value_type", r.text(&c.ValueType, maxName)}, field{"column", r.text(&c.Column, maxName)})
			columns = append(columns, r.column(c, at))
		})(raw, at)
		return columns
	}
	if jsonscan.KindOf(raw) != jsonscan.Object {
		r.wrong(at, raw, `expected an object with a type for each column, such as {"amount": "FLOAT"}`)
		return nil
	}
	r.members(raw, func(name, value string) {
		at, c := at+"."+name, columnDocument{Name: name}
		if jsonscan.KindOf(value) == jsonscan.Object {
			r.object(value, at, "a column", field{"value_type", r.text(&c.ValueType, maxName)}, field{"column", r.text(&c.Column, maxName)})
		} else {
			r.text(&c.ValueType, maxName)(value, at)
		}
		columns = append(columns, r.column(c, at))
	})
	if len(columns) > maxColumns {
		r.wrong(at, "", "has more than %d columns", maxColumns)
	}
	return columns
}

// column checks what one says.
func (r reading) column(c columnDocument, at string) columnDocument {
	if err := registry.CheckName(c.Name); err != nil {
		r.wrong(at, c.Name, "%v: another name of the table or file goes into column", err)
	} else if slices.Contains(ownColumns, c.Name) {
		r.wrong(at, c.Name, "is a column of events already")
	}
	if t, ok := value.ParseType(c.ValueType); !ok {
		r.wrong(at, c.ValueType, "expected a value type: BOOLEAN, INTEGER, FLOAT, STRING, TIMESTAMP, JSON or one of the first five with []")
	} else if t.Array() {
		r.wrong(at, c.ValueType, "columns of tables and files have single values here")
	}
	return c
}

// ownColumns are those that events has beside its join keys and the columns of the source.
var ownColumns = []string{"event_time", "event_us", "seq"}

// names reads an object of texts.
func (r reading) names(raw, at string) map[string]string {
	if jsonscan.KindOf(raw) != jsonscan.Object {
		r.wrong(at, raw, `expected an object with a column for each join key that is called otherwise, such as {"customer_id": "cust"}`)
		return nil
	}
	names := map[string]string{}
	r.members(raw, func(name, value string) {
		var text string
		if r.text(&text, maxName)(value, at+"."+name); text != "" {
			names[name] = text
		}
	})
	return names
}

// cycles are the words that name one.
var cycles = []string{tick.Hourly, tick.Daily, tick.MonthEnd, tick.Monthly}

// readTick reads a word or {"cron": "0 2 * * *"}.
func readTick(raw json.RawMessage, wrong registry.Wrong) json.RawMessage {
	r, t := reading{wrong}, tickDocument{}
	if jsonscan.KindOf(string(raw)) == jsonscan.Object {
		r.object(string(raw), "", "a tick", field{"cron", r.text(&t.cron, maxText)})
		if t.cron == "" {
			wrong("", "", `expected %s or {"cron": "0 2 * * *"}`, strings.Join(cycles, ", "))
			return nil
		}
	} else {
		r.word(&t.word, cycles...)(string(raw), "")
	}
	if t.word == tick.Monthly {
		t.word = tick.MonthEnd
	}
	return canonical(t)
}

func readAggregates(raw json.RawMessage, wrong registry.Wrong) json.RawMessage {
	r, all := reading{wrong}, []*aggregate{}
	r.elements(maxAggregate, func(raw, at string) {
		a := &aggregate{}
		if r.aggregate(a, raw, at, true) {
			all = append(all, a)
		}
	})(string(raw), "")
	if len(all) == 0 {
		return nil
	}
	return canonical(all)
}

// aggregate reads one; whole: none that is a part of a ratio.
func (r reading) aggregate(a *aggregate, raw, at string, whole bool) bool {
	fields := []field{
		{"function", r.word(&a.Function, functionNames(whole)...)}, {"of", r.text(&a.Of, maxName)},
		{"window", r.duration(&a.Window, lifetime)}, {"where", r.text(&a.Where, maxWhere)},
		{"decimals", r.whole(&a.Decimals, 0, maxDecimals)},
	}
	what := "a part of a ratio"
	if whole {
		what = "an aggregation"
		fields = append([]field{{"feature", r.text(&a.Feature, maxName)}}, fields...)
		fields = append(fields, field{"empty", r.word(&a.Empty, string(Nothing), string(Null), string(Zero))}, field{"n", r.whole(&a.N, 1, maxLast)},
			field{"numerator", r.part(&a.Numerator)}, field{"denominator", r.part(&a.Denominator)})
	}
	return r.object(raw, at, what, fields...)
}

func (r reading) part(into **aggregate) func(raw, at string) {
	return func(raw, at string) {
		a := &aggregate{}
		if r.aggregate(a, raw, at, false) {
			*into = a
		}
	}
}

const minMemory = 64 << 20

func readLimits(raw json.RawMessage, wrong registry.Wrong) json.RawMessage {
	r, l := reading{wrong}, limits{}
	if !r.object(string(raw), "", "limits", field{"memory", r.size(&l.Memory, minMemory)}, field{"timeout", r.duration(&l.Timeout)}) || l == (limits{}) {
		return nil
	}
	return canonical(l)
}

func readMinRows(raw json.RawMessage, wrong registry.Wrong) json.RawMessage {
	var share *float64
	reading{wrong}.share(&share)(string(raw), "")
	if share == nil {
		return nil
	}
	return canonical(share)
}

// callNames are what stands behind /pipelines beside the names of pipelines.
var callNames = []string{"preview"}
