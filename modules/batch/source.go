package batch

import (
	"path"
	"slices"
	"strings"

	"featurestore/app/fault"
	"featurestore/modules/batch/gate"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

// source compiles where events come from, and tells whether their columns are known.
func (k *compiling) source() bool {
	switch s := &k.d.Source; {
	case s.Group != "":
		return k.groupSource()
	case s.Connection != "":
		if _, err := k.config.connection(s.Connection); err != nil {
			k.wrong("source.connection", s.Connection, "%v", err)
		}
		k.table()
	default:
		if _, err := k.config.Root(s.Root); err != nil {
			k.wrong("source.root", s.Root, "%v", err)
		}
		if reason := badPattern(s.Files); reason != "" {
			k.wrong("source.files", s.Files, "%s", reason)
		}
		k.plan.Source.Files = &Files{Root: s.Root, Pattern: s.Files}
	}
	return k.declared()
}

func (k *compiling) groupSource() bool {
	group := k.group("source.group", k.d.Source.Group)
	if group == nil {
		return false
	}
	if group.EntityType != k.plan.Target.EntityType {
		k.wrong("source.group", group.Name, "is about %s and the target %s about %s: rows of both must be of the same entity type",
			group.EntityType.Name, k.plan.Target.Name, k.plan.Target.EntityType.Name)
		return false
	}
	k.plan.Source.Group = group
	for _, f := range group.Features {
		if slices.Contains(ownColumns, f.Name) {
			continue
		}
		k.events = append(k.events, Column{Name: f.Name, Type: f.ValueType, Feature: f})
	}
	return true
}

// table compiles a table, which can be written with its schema, or a query.
func (k *compiling) table() {
	s := &k.d.Source
	t := &Table{Connection: s.Connection, Name: s.Table, Query: s.Query}
	if schema, name, split := strings.Cut(s.Table, "."); split {
		t.Schema, t.Name = schema, name
		if schema == "" || name == "" || strings.Contains(name, ".") {
			k.wrong("source.table", s.Table, "write a table as its name, or as schema.name")
		}
	}
	if gate.OfServer(t.Schema, t.Name) {
		k.wrong("source.table", s.Table, "is a table of the server: a pipeline reads tables of data")
	}
	if s.Query != "" {
		q, problem := k.gate.Source(s.Query)
		if problem != nil {
			k.wrong("source.query", problem.Value, "%s", problem.Message)
			return
		}
		t.Query = q.Bind(nil, postgresType)
	}
	k.plan.Source.Table = t
}

// postgresType is what PostgreSQL calls a type that a query names.
func postgresType(name string) string {
	if name == "double" {
		return "double precision"
	}
	return name
}

// declared compiles what a definition says of the columns of a table or files.
func (k *compiling) declared() bool {
	s := &k.d.Source
	zone, err := zoneOf(s.TimeZone)
	switch {
	case err != nil:
		k.wrong("source.time_zone", s.TimeZone, "%v", err)
	case s.TimeZone != "":
		k.plan.Source.Zone = zone
	}
	k.plan.Source.EventTime = s.EventTime
	for _, key := range k.plan.Keys {
		column := s.Entity[key.Name]
		if column == "" {
			column = key.Name
		}
		k.plan.Source.Entity = append(k.plan.Source.Entity, column)
	}
	for name := range s.Entity {
		if !slices.ContainsFunc(k.plan.Keys, func(key registry.JoinKey) bool { return key.Name == name }) {
			k.wrong("source.entity."+name, "", "is no join key of %s", k.plan.Target.EntityType.Name)
		}
	}
	for _, c := range s.Columns {
		if slices.ContainsFunc(k.plan.Keys, func(key registry.JoinKey) bool { return key.Name == c.Name }) {
			k.wrong("source.columns."+c.Name, "", "is a join key of %s, which events has already: where it is called otherwise is said by entity", k.plan.Target.EntityType.Name)
			continue
		}
		column := Column{Name: c.Name, From: c.Column}
		column.Type, _ = value.ParseType(c.ValueType)
		if column.From == "" {
			column.From = c.Name
		}
		k.events = append(k.events, column)
	}
	return true
}

// badPattern says what is wrong with a pattern of files; "": nothing.
func badPattern(pattern string) string {
	switch {
	case strings.HasPrefix(pattern, "/") || strings.Contains(pattern, `\`):
		return "write a path below the root, with / between folders and without one at its beginning"
	case slices.Contains(strings.Split(pattern, "/"), ".."):
		return "files are below the root: a path has no .."
	case strings.Contains(pattern, ":") || strings.ContainsAny(pattern, "{}"):
		return "a pattern has letters, digits, *, ?, [ ] and / as folders are parted"
	}
	for _, part := range strings.Split(pattern, "/") {
		if _, err := path.Match(part, ""); err != nil || part == "" || part == "." || strings.Contains(part, "**") && part != "**" {
			return "is no pattern: use * for any letters of a name, ? for one, [a-z] for one of some, ** for any folders"
		}
	}
	return ""
}

// column finds a column of events by the name that a definition has for it, as an index of Plan.Columns or EventTime; what it may be of is for the
// caller. Where there is none, that is noted.
func (k *compiling) column(at, name string) (int, value.Type, bool) {
	if name == "event_time" {
		return EventTime, value.Timestamp, true
	}
	c, found := k.eventColumn(name)
	if !found {
		switch {
		case slices.ContainsFunc(k.plan.Keys, func(key registry.JoinKey) bool { return key.Name == name }):
			k.wrong(at, name, "is a join key, and the same in all rows of an entity")
		case slices.Contains(ownColumns, name):
			k.wrong(at, name, "is the place of an event in its source and no value of it: use event_time or a column of the source")
		default:
			k.wrong(at, name, "there is no column %q in events%s", fault.Shorten(name), registry.DidYouMean(name, columnNames(k.events)))
		}
		return 0, value.Invalid, false
	}
	return k.use(c), c.Type, true
}

// eventColumn finds a column of the source, of a group by a former name too.
func (k *compiling) eventColumn(name string) (Column, bool) {
	if group := k.plan.Source.Group; group != nil {
		f, found := k.catalog.Feature(group, name)
		if !found || slices.Contains(ownColumns, name) {
			return Column{}, false
		}
		return Column{Name: name, Type: f.ValueType, Feature: f}, true
	}
	i := slices.IndexFunc(k.events, func(c Column) bool { return c.Name == name })
	if i < 0 {
		return Column{}, false
	}
	return k.events[i], true
}

// use puts a column among those that the plan reads.
func (k *compiling) use(c Column) int {
	i := slices.IndexFunc(k.plan.Columns, func(used Column) bool { return used.Name == c.Name })
	if i < 0 {
		i = len(k.plan.Columns)
		k.plan.Columns = append(k.plan.Columns, c)
	}
	return i
}
