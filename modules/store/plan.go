package store

import (
	"strings"
	"sync"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value/jsonscan"
)

// plan is a read worked out as far as it goes without entities. Models ask for the same features again and again.
type plan struct {
	asked    []Requested
	features []*registry.Feature
	shares   []share
	names    []string // of the answer's members: `,"name":`
	bytes    int      // that the names have
}

// planKey says what was asked for, as it was written.
type planKey struct {
	entityType string // "": features of any
	features   string // names separated by commas, or a JSON list of them
	service    string
	full       bool // columns are named group__feature
}

// names are the names of the features.
func (k planKey) names() ([]string, error) {
	switch {
	case k.features == "":
		return nil, nil
	case k.features[0] == '[':
		return jsonscan.New(k.features).Texts()
	}
	return strings.Split(k.features, ","), nil
}

// maxPlanned is how many features the plans that are kept may have together.
const maxPlanned = 20_000

// plans keeps plans until the definitions change. The zero plans keeps none.
type plans struct {
	mu       sync.RWMutex
	catalog  *registry.Catalog
	byKey    map[planKey]*plan
	features int
}

// of answers the plan for what was asked for, making it if it is not there.
func (p *plans) of(catalog *registry.Catalog, key planKey, resolve func(names []string) ([]Requested, error)) (*plan, error) {
	p.mu.RLock()
	known := p.byKey[key]
	current := p.catalog == catalog
	p.mu.RUnlock()
	if known != nil && current {
		return known, nil
	}
	names, err := key.names()
	if err != nil {
		return nil, jsonscan.Fault(err)
	}
	asked, err := resolve(names)
	if err != nil {
		return nil, err
	}
	made := newPlan(asked)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.catalog != catalog || p.features+len(asked) > maxPlanned {
		p.catalog, p.byKey, p.features = catalog, map[planKey]*plan{}, 0
	}
	key.features, key.service = strings.Clone(key.features), strings.Clone(key.service) // not with the request around them
	p.byKey[key] = made
	p.features += len(asked)
	return made, nil
}

func newPlan(asked []Requested) *plan {
	made := &plan{asked: asked, features: featuresOf(asked), names: make([]string, len(asked))}
	made.shares = split(made.features)
	for i, a := range asked {
		made.names[i] = string(appendMember(nil, a.Column))
		made.bytes += len(made.names[i])
	}
	return made
}

// planOf is the plan of a read of one entity type. place is where the features stand: "query" or "body".
func (s *Store) planOf(catalog *registry.Catalog, entityType *registry.EntityType, features, service, place string) (*plan, error) {
	key := planKey{entityType: entityType.Name, features: features, service: service}
	return s.plans.of(catalog, key, func(names []string) ([]Requested, error) {
		return chosen(catalog, entityType, names, service, place)
	})
}

// read asks for the plan's features of some entities of one type.
func (p *plan) read(entityType *registry.EntityType, keys []Key) Read {
	return Read{Rows: len(keys), Keys: map[string][]Key{entityType.Name: keys}, Features: p.features, shares: p.shares}
}
