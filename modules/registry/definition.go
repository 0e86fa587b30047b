package registry

import (
	"encoding/json"
	"fmt"
	"time"

	"featurestore/modules/registry/value"
)

// The kinds that the registry itself knows, in the order in which they depend on each other.
const (
	kindEntityType = "entity_type"
	kindGroup      = "group"
	kindFeature    = "feature"
	kindService    = "service"
)

// deleted is the status of a definition that is no more; its row stays.
const deleted Status = "deleted"

// definition is one definition of any kind at one version: a row of registry_definitions. It never changes.
type definition struct {
	place
	id        int64
	version   int
	status    Status
	document  []byte // the members, as Kind.encode writes them
	layout    layout
	revision  int64 // of the catalog, of the change that made it so
	createdAt time.Time
	updatedAt time.Time
}

// place says which definition: names are unique within kind and parent.
type place struct {
	kind   string
	parent int64 // of a feature: the id of its group; else 0
	name   string
}

func (d *definition) live() bool { return d != nil && d.status != deleted }

// layout is what storage needs to know of a definition and no request can say.
type layout struct {
	// Of a group.
	EntityType    int64 `json:"entity_type,omitempty"`
	SchemaVersion int   `json:"schema_version,omitempty"`
	NextOrdinal   int   `json:"next_ordinal,omitempty"`

	// Of a feature.
	Ordinal    uint16       `json:"ordinal,omitempty"`
	Columns    int          `json:"columns,omitempty"`    // how many columns of its name there are; the last is its own
	Widened    string       `json:"widened,omitempty"`    // the INTEGER column from before it became FLOAT
	Since      int          `json:"since,omitempty"`      // the group's schema version that brought it
	Generation int          `json:"generation,omitempty"` // the first version of the newest generation of its values
	Older      []generation `json:"older,omitempty"`      // the generations before that, the oldest first
	ShortNames []string     `json:"short_names,omitempty"`
	Aliases    []string     `json:"aliases,omitempty"`    // its former names, the last one last
	FirstName  string       `json:"first_name,omitempty"` // by which its columns are called; "": its name
}

// generation is where the values stand that a feature had under an earlier value type.
type generation struct {
	First     int        `json:"first"` // version of the definition; the next generation's first ends it
	ValueType value.Type `json:"value_type"`
	Ordinal   uint16     `json:"ordinal"`
	Column    string     `json:"column"`
	Widened   string     `json:"widened,omitempty"`
	Since     int        `json:"since"`
	Until     int        `json:"until"` // the group's schema version that began the next one
}

// columnOf is the name of the column in which the feature's newest values stand.
func (d *definition) columnOf() string {
	name := d.layout.FirstName
	if name == "" {
		name = d.name
	}
	return column(name, d.layout.Columns)
}

// column is the name of the n-th column made for a feature.
func column(name string, n int) string {
	if n == 1 {
		return name
	}
	return fmt.Sprintf("%s__%d", name, n) // no feature's name holds two underscores
}

// aboutDocument is the part of a document that all kinds have.
type aboutDocument struct {
	Description string          `json:"description"`
	Owner       string          `json:"owner"`
	Tags        []string        `json:"tags"`
	Metadata    json.RawMessage `json:"metadata"`
}

func (d *definition) about(document aboutDocument) About {
	return About{
		ID:          d.id,
		Name:        d.name,
		Description: document.Description,
		Owner:       document.Owner,
		Tags:        document.Tags,
		Metadata:    document.Metadata,
		Version:     d.version,
		CreatedAt:   d.createdAt,
		UpdatedAt:   d.updatedAt,
	}
}

// read decodes the document into the form of the definition's kind.
func (d *definition) read(document any) error {
	if err := json.Unmarshal(d.document, document); err != nil {
		return fmt.Errorf("read the stored %s %s (id %d): %w", d.kind, d.name, d.id, err)
	}
	return nil
}

type entityTypeDocument struct {
	aboutDocument
	JoinKeys []joinKeyDocument `json:"join_keys"`
}

type joinKeyDocument struct {
	Name      string     `json:"name"`
	ValueType value.Type `json:"value_type"`
}

func (d *definition) entityType() (*EntityType, error) {
	var document entityTypeDocument
	if err := d.read(&document); err != nil {
		return nil, err
	}
	et := &EntityType{About: d.about(document.aboutDocument)}
	for _, k := range document.JoinKeys {
		et.JoinKeys = append(et.JoinKeys, JoinKey(k))
	}
	return et, nil
}

type groupDocument struct {
	aboutDocument
	EntityType string    `json:"entity_type"`
	Kind       GroupKind `json:"kind"`
	TTL        string    `json:"ttl"`
	Retention  string    `json:"retention"`
	IDColumn   string    `json:"id_column"`
}

// group is the group without its features.
func (d *definition) group(of *EntityType) (*Group, error) {
	var document groupDocument
	if err := d.read(&document); err != nil {
		return nil, err
	}
	g := &Group{
		About:         d.about(document.aboutDocument),
		EntityType:    of,
		Kind:          document.Kind,
		IDColumn:      document.IDColumn,
		SchemaVersion: d.layout.SchemaVersion,
	}
	for _, duration := range []struct {
		text string
		of   *time.Duration
	}{{document.TTL, &g.TTL}, {document.Retention, &g.Retention}} {
		if duration.text == "" {
			continue
		}
		var err error
		if *duration.of, err = ParseDuration(duration.text); err != nil {
			return nil, fmt.Errorf("read the stored group %s: %w", d.name, err)
		}
	}
	return g, nil
}

type featureDocument struct {
	aboutDocument
	ValueType   value.Type      `json:"value_type"`
	Status      Status          `json:"status"`
	Source      string          `json:"source"`
	Category    string          `json:"category"`
	Frequency   string          `json:"frequency"`
	Unit        string          `json:"unit"`
	DocsURL     string          `json:"docs_url"`
	Default     json.RawMessage `json:"default"`
	Reason      string          `json:"reason"`
	Replacement string          `json:"replacement"`
}

func (d *definition) feature(of *Group) (*Feature, error) {
	var document featureDocument
	if err := d.read(&document); err != nil {
		return nil, err
	}
	f := &Feature{
		About:        d.about(document.aboutDocument),
		Group:        of,
		ValueType:    document.ValueType,
		Status:       document.Status,
		Ordinal:      d.layout.Ordinal,
		Column:       d.columnOf(),
		Widened:      d.layout.Widened,
		Since:        d.layout.Since,
		FirstVersion: d.layout.Generation,
		Aliases:      d.layout.Aliases,
		Source:       document.Source,
		Category:     document.Category,
		Frequency:    document.Frequency,
		Unit:         document.Unit,
		DocsURL:      document.DocsURL,
		Default:      document.Default,
		Reason:       document.Reason,
		Replacement:  document.Replacement,
	}
	for i, g := range d.layout.Older {
		older := *f
		older.ValueType, older.Ordinal, older.Column, older.Widened = g.ValueType, g.Ordinal, g.Column, g.Widened
		older.Since, older.Until, older.FirstVersion, older.Version = g.Since, g.Until, g.First, d.layout.Generation-1
		if i+1 < len(d.layout.Older) {
			older.Version = d.layout.Older[i+1].First - 1
		}
		older.Older, older.Default = f.Older[:i:i], nil
		f.Older = append(f.Older, &older)
	}
	return f, nil
}

// in is the feature, with the generations before it, in a group that was made anew.
func (f *Feature) in(group *Group) *Feature {
	copied := *f
	copied.Group, copied.Older = group, nil
	for i, g := range f.Older {
		older := *g
		older.Group, older.Older = group, copied.Older[:i:i]
		copied.Older = append(copied.Older, &older)
	}
	return &copied
}

type serviceDocument struct {
	aboutDocument
	Features []string `json:"features"`
}
