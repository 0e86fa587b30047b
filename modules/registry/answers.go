package registry

import (
	"encoding/json"
	"slices"
	"time"

	"featurestore/modules/registry/value"
)

// AboutAnswer is the part of an answer that all kinds have.
type AboutAnswer struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Owner       string          `json:"owner"`
	Tags        []string        `json:"tags"`
	Metadata    json.RawMessage `json:"metadata" doc:"Free members; null if none"`
	Version     int             `json:"version" doc:"Of the definition; every accepted change makes the next"`
	CreatedAt   time.Time       `json:"created_at"`
	UpdatedAt   time.Time       `json:"updated_at"`
}

func (a About) answer() AboutAnswer {
	return AboutAnswer{a.Name, a.Description, a.Owner, a.Tags, orNull(a.Metadata), a.Version, a.CreatedAt, a.UpdatedAt}
}

// FeatureAnswer is a feature as the API shows it.
type FeatureAnswer struct {
	AboutAnswer
	EntityType  string          `json:"entity_type"`
	Group       string          `json:"group"`
	Reference   string          `json:"reference" doc:"group:feature, which always leads to it"`
	ShortNames  []string        `json:"short_names" doc:"What also leads to it inside its entity type; none if other features had the names first"`
	ValueType   value.Type      `json:"value_type" doc:"BOOLEAN, INTEGER, FLOAT, STRING, TIMESTAMP, JSON, or one of the first five with []"`
	Status      Status          `json:"status" enum:"draft,active,deprecated,archived"`
	Source      string          `json:"source"`
	Category    string          `json:"category"`
	Frequency   string          `json:"frequency" doc:"REAL_TIME, HOURLY, DAILY, WEEKLY, MONTHLY, ON_DEMAND or empty"`
	Unit        string          `json:"unit"`
	DocsURL     string          `json:"docs_url"`
	Default     json.RawMessage `json:"default"`
	Reason      string          `json:"reason" doc:"Why it is deprecated or archived"`
	Replacement string          `json:"replacement" doc:"What to use instead"`
	Aliases     []string        `json:"aliases,omitempty" doc:"The names that it had before, which lead to it too"`

	OlderGenerations []GenerationAnswer `json:"older_generations,omitempty" doc:"What it was under other value types, the oldest first: read as name@version, never written"`
}

// GenerationAnswer is an earlier generation of a feature's values.
type GenerationAnswer struct {
	ValueType    value.Type `json:"value_type"`
	FirstVersion int        `json:"first_version" doc:"The first version of the definition that had these values"`
	LastVersion  int        `json:"last_version"`
}

func (c *Catalog) featureAnswer(f *Feature) FeatureAnswer {
	answer := FeatureAnswer{
		AboutAnswer: f.answer(),
		EntityType:  f.Group.EntityType.Name,
		Group:       f.Group.Name,
		Reference:   f.Reference(),
		ShortNames:  c.ShortNames(f),
		ValueType:   f.ValueType,
		Status:      f.Status,
		Source:      f.Source,
		Category:    f.Category,
		Frequency:   f.Frequency,
		Unit:        f.Unit,
		DocsURL:     f.DocsURL,
		Default:     orNull(f.Default),
		Reason:      f.Reason,
		Replacement: f.Replacement,
		Aliases:     f.Aliases,
	}
	for _, g := range f.Older {
		answer.OlderGenerations = append(answer.OlderGenerations, GenerationAnswer{g.ValueType, g.FirstVersion, g.Version})
	}
	return answer
}

func (c *Catalog) featureAnswers(features []*Feature) *[]FeatureAnswer {
	answers := make([]FeatureAnswer, len(features))
	for i, f := range features {
		answers[i] = c.featureAnswer(f)
	}
	return &answers
}

// GroupAnswer is a group as the API shows it.
type GroupAnswer struct {
	AboutAnswer
	EntityType    string           `json:"entity_type"`
	Kind          GroupKind        `json:"kind" enum:"features,events"`
	TTL           *string          `json:"ttl" doc:"How long a value counts: 15m, 24h, 90d; null: for ever"`
	Retention     *string          `json:"retention" doc:"How long observations are kept, and of each entity and feature the newest one before that; of an event group, rows: 365d; null: for ever"`
	IDColumn      *string          `json:"id_column" doc:"Of a group of kind events: the feature by which a retried row is known"`
	SchemaVersion int              `json:"schema_version" doc:"Raised whenever the columns change"`
	Features      *[]FeatureAnswer `json:"features,omitempty" doc:"In lists of groups it is left out"`
}

func (c *Catalog) groupAnswer(g *Group, whole bool) GroupAnswer {
	answer := GroupAnswer{
		AboutAnswer:   g.answer(),
		EntityType:    g.EntityType.Name,
		Kind:          g.Kind,
		SchemaVersion: g.SchemaVersion,
	}
	if g.TTL != 0 || g.Retention != 0 {
		document := groupDocument{TTL: FormatDuration(g.TTL), Retention: FormatDuration(g.Retention)}
		_ = c.groups[g.Name].definition.read(&document) // as they were written: 24h or 1d
		if g.TTL != 0 {
			answer.TTL = &document.TTL
		}
		if g.Retention != 0 {
			answer.Retention = &document.Retention
		}
	}
	if g.IDColumn != "" {
		answer.IDColumn = &g.IDColumn
	}
	if whole {
		answer.Features = c.featureAnswers(g.Features)
	}
	return answer
}

// EntityTypeAnswer is an entity type as the API shows it.
type EntityTypeAnswer struct {
	AboutAnswer
	JoinKeys []JoinKeyAnswer  `json:"join_keys"`
	Groups   []string         `json:"groups"`
	Features *[]FeatureAnswer `json:"features,omitempty" doc:"In lists of entity types it is left out"`
}

// JoinKeyAnswer is a join key as the API shows it.
type JoinKeyAnswer struct {
	Name      string     `json:"name"`
	ValueType value.Type `json:"value_type" doc:"INTEGER or STRING"`
}

func (c *Catalog) entityTypeAnswer(et *EntityType, whole bool) EntityTypeAnswer {
	answer := EntityTypeAnswer{AboutAnswer: et.answer()}
	for _, k := range et.JoinKeys {
		answer.JoinKeys = append(answer.JoinKeys, JoinKeyAnswer(k))
	}
	var features []*Feature
	for _, g := range c.groupsOf(et.ID) {
		answer.Groups = append(answer.Groups, g.Name)
		features = append(features, g.Features...)
	}
	if whole {
		answer.Features = c.featureAnswers(features)
	}
	return answer
}

// ServiceAnswer is a feature service as the API shows it.
type ServiceAnswer struct {
	AboutAnswer
	Features    []string `json:"features" doc:"group:feature, in order; with @version where the service reads the values that the version had"`
	EntityTypes []string `json:"entity_types" doc:"Of whom the features are"`
}

func (c *Catalog) serviceAnswer(s *Service) ServiceAnswer {
	answer := ServiceAnswer{AboutAnswer: s.answer(), Features: s.References}
	for _, f := range s.Features {
		if name := f.Group.EntityType.Name; !slices.Contains(answer.EntityTypes, name) {
			answer.EntityTypes = append(answer.EntityTypes, name)
		}
	}
	return answer
}
