package registry

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"featurestore/modules/registry/value"
)

// Status is where a definition stands in its life.
type Status string

const (
	Draft      Status = "draft" // registered by storing a value; may change its type, may be deleted
	Active     Status = "active"
	Deprecated Status = "deprecated" // still served; reason and replacement say what to use
	Archived   Status = "archived"   // no longer served by default, still readable by name
)

// GroupKind tells observations of entities from events.
type GroupKind string

const (
	Features GroupKind = "features" // newest observation counts; has an online copy
	Events   GroupKind = "events"   // every row counts; no online copy and no newest value
)

// MaxFeatures is how many features a group can have.
const MaxFeatures = 500

// JoinKey is a column that names an entity; ValueType is INTEGER or STRING.
type JoinKey struct {
	Name      string
	ValueType value.Type
}

// About is what every definition says of itself.
type About struct {
	ID          int64 // never reused
	Name        string
	Description string
	Owner       string
	Tags        []string
	Metadata    json.RawMessage // free; nil when not given
	Version     int             // of the definition, from 1
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// EntityType is the thing described.
type EntityType struct {
	About
	JoinKeys []JoinKey
}

// Group is a set of features observed together, and the layout of its table offline and its rows online. Two Groups with
// the same ID and SchemaVersion have the same layout.
type Group struct {
	About
	EntityType    *EntityType
	Kind          GroupKind
	TTL           time.Duration // 0: for ever
	Retention     time.Duration // how long observations are kept; 0: for ever
	IDColumn      string        // of an event group, optional: the feature by which a retried row is known
	SchemaVersion int           // from 1, raised whenever the columns change
	Features      []*Feature    // in ascending Ordinal; archived ones too, deleted ones not
	Older         []*Feature    // earlier generations of their values, which are only read; in ascending Ordinal
}

// Stored are all features that the group's rows hold values of, in ascending Ordinal: Features and Older. What is copied from one
// store to the other is all of them; what is written, and what a row must observe to be whole, is Features.
func (g *Group) Stored() []*Feature {
	if len(g.Older) == 0 {
		return g.Features
	}
	stored := slices.Concat(g.Features, g.Older)
	slices.SortFunc(stored, func(a, b *Feature) int { return cmp.Compare(a.Ordinal, b.Ordinal) })
	return stored
}

// Feature is one attribute of an entity type. Its values stand offline in Column of the group's table and online under
// Ordinal in the group's packed row. Another value type begins a new generation of values, in a column and under an ordinal of its own;
// the one before it is a Feature too, among Older, which says of the definition what the newest version does.
type Feature struct {
	About
	Group     *Group
	ValueType value.Type
	Status    Status
	Ordinal   uint16 // within the group, never reused
	Column    string // the first name that the feature had, or name__N after an earlier column of that name
	Widened   string // the INTEGER column whose older values read as FLOAT; "" if there is none. Never both non-null in a row
	Since     int    // the first SchemaVersion of the group that has this feature
	Until     int    // the first SchemaVersion that has the next generation in its place; 0: this is the newest

	FirstVersion int        // the versions FirstVersion to Version of the definition are of this generation
	Older        []*Feature // the generations before this one, the oldest first
	Aliases      []string   // the names that it had before, which lead to it for ever

	Source      string
	Category    string
	Frequency   string // REAL_TIME, HOURLY, DAILY, WEEKLY, MONTHLY, ON_DEMAND or ""
	Unit        string
	DocsURL     string
	Default     json.RawMessage
	Reason      string // why deprecated
	Replacement string // what to use instead: group:feature
}

// Reference is "group:feature".
func (f *Feature) Reference() string { return f.Group.Name + ":" + f.Name }

// Called tells whether that is the feature's name, or was.
func (f *Feature) Called(name string) bool { return f.Name == name || slices.Contains(f.Aliases, name) }

// Service is the list of features that one model uses, in order.
type Service struct {
	About
	Features   []*Feature // of the generation that was asked for
	References []string   // of each: group:feature, with @version where it was asked for with one
}

// Unregistered asks for a feature that a write named and nobody registered.
type Unregistered struct {
	Name      string
	ValueType value.Type
}
