package storetest

import (
	"fmt"
	"slices"
	"time"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// Column is a feature of a group that is made by hand, without a registry.
type Column struct {
	Name string
	Type value.Type
}

// Customers have a STRING key, drivers an INTEGER, trips one of each.
var (
	Customers = EntityType("customer", registry.JoinKey{Name: "customer_id", ValueType: value.String})
	Drivers   = EntityType("driver", registry.JoinKey{Name: "driver_id", ValueType: value.Integer})
	Trips     = EntityType("trip", registry.JoinKey{Name: "driver_id", ValueType: value.Integer}, registry.JoinKey{Name: "region", ValueType: value.String})
)

// EntityType makes one with these join keys.
func EntityType(name string, keys ...registry.JoinKey) *registry.EntityType {
	return &registry.EntityType{About: registry.About{ID: 1, Name: name, Version: 1}, JoinKeys: keys}
}

// Group makes a group's first layout.
func Group(id int64, name string, entityType *registry.EntityType, columns ...Column) *registry.Group {
	group := &registry.Group{About: registry.About{ID: id, Name: name, Version: 1}, EntityType: entityType, Kind: registry.Features, SchemaVersion: 1}
	for _, c := range columns {
		group.Features = append(group.Features, newFeature(group, c, c.Name))
	}
	return group
}

func newFeature(group *registry.Group, c Column, column string) *registry.Feature {
	ordinal := uint16(1)
	if stored := group.Stored(); len(stored) > 0 {
		ordinal = stored[len(stored)-1].Ordinal + 1
	}
	return &registry.Feature{About: registry.About{ID: group.ID*1000 + int64(ordinal), Name: c.Name, Version: 1}, Group: group,
		ValueType: c.Type, Status: registry.Active, Ordinal: ordinal, Column: column, Since: group.SchemaVersion}
}

// WithColumn is the group's next layout, with one more feature.
func WithColumn(group *registry.Group, c Column) *registry.Group {
	next := nextLayout(group)
	next.Features = append(next.Features, newFeature(next, c, c.Name))
	return next
}

// WithoutColumn is the group's next layout, in which a feature was deleted.
func WithoutColumn(group *registry.Group, name string) *registry.Group {
	next := nextLayout(group)
	next.Features = slices.DeleteFunc(next.Features, func(f *registry.Feature) bool { return f.Name == name })
	return next
}

// Widened is the group's next layout, in which an INTEGER draft became a FLOAT.
func Widened(group *registry.Group, name string) *registry.Group {
	next := nextLayout(group)
	f := FeatureOf(next, name)
	f.Widened, f.Column, f.ValueType = f.Column, f.Column+"__2", value.Float
	return next
}

// Retyped is the group's next layout, in which a feature has another value type and the values that it had until now are its older
// generation.
func Retyped(group *registry.Group, name string, t value.Type) *registry.Group {
	next := nextLayout(group)
	older := FeatureOf(next, name)
	older.Until = next.SchemaVersion
	newer := newFeature(next, Column{name, t}, fmt.Sprintf("%s__%d", name, len(older.Older)+2))
	newer.ID, newer.Version = older.ID, older.Version+1
	newer.Older = append(slices.Clone(older.Older), older)
	next.Features = append(slices.DeleteFunc(next.Features, func(f *registry.Feature) bool { return f == older }), newer)
	next.Older = append(next.Older, older)
	slices.SortFunc(next.Older, func(a, b *registry.Feature) int { return int(a.Ordinal) - int(b.Ordinal) })
	return next
}

// WithTTL is the same layout with another TTL.
func WithTTL(group *registry.Group, ttl time.Duration) *registry.Group {
	same := nextLayout(group)
	same.SchemaVersion--
	same.TTL = ttl
	return same
}

// nextLayout copies, since groups and features never change.
func nextLayout(group *registry.Group) *registry.Group {
	next := *group
	next.SchemaVersion++
	next.Features = make([]*registry.Feature, len(group.Features))
	for i, f := range group.Features {
		copied := *f
		copied.Group = &next
		next.Features[i] = &copied
	}
	next.Older = make([]*registry.Feature, len(group.Older))
	for i, f := range group.Older {
		copied := *f
		copied.Group = &next
		next.Older[i] = &copied
	}
	return &next
}

// FeatureOf finds a feature by name.
func FeatureOf(group *registry.Group, name string) *registry.Feature {
	for _, f := range group.Features {
		if f.Name == name {
			return f
		}
	}
	panic(fmt.Sprintf("group %s has no feature %s", group.Name, name))
}

// TextKey is the key of an entity with one STRING key.
func TextKey(text string) store.Key { return store.NewKey([]value.Value{value.OfString(text)}) }

// IntKey is the key of an entity with one INTEGER key.
func IntKey(i int64) store.Key { return store.NewKey([]value.Value{value.OfInt(i)}) }

// TripKey is a key of two parts.
func TripKey(driver int64, region string) store.Key {
	return store.NewKey([]value.Value{value.OfInt(driver), value.OfString(region)})
}

// Seen is one observation: what it does not name was not observed.
type Seen struct {
	Key    store.Key
	At     int64
	Values Values
}

// Values are a row's values by feature name.
type Values map[string]value.Value

// RowsOf puts observations of a group together, over the features that any of them names.
func RowsOf(group *registry.Group, seen ...Seen) *store.Rows {
	rows := &store.Rows{Group: group}
	for _, f := range group.Features {
		if slices.ContainsFunc(seen, func(s Seen) bool { _, named := s.Values[f.Name]; return named }) {
			rows.Features = append(rows.Features, f)
		}
	}
	for _, s := range seen {
		rows.Keys = append(rows.Keys, s.Key)
		rows.EventTimes = append(rows.EventTimes, s.At)
		for _, f := range rows.Features {
			rows.Values = append(rows.Values, s.Values[f.Name])
		}
		for name := range s.Values {
			FeatureOf(group, name)
		}
	}
	return rows
}
