package store

import (
	"fmt"
	"slices"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

// maxIDBytes is the longest id of a row: it stands in an index.
const maxIDBytes = MaxKeyBytes

// checkID makes sure that a row of a group with a row id has one.
func checkID(group *registry.Group, features []*registry.Feature, row []value.Value) error {
	if group.IDColumn == "" {
		return nil
	}
	i := slices.IndexFunc(features, func(f *registry.Feature) bool { return f.Name == group.IDColumn })
	switch {
	case i < 0 || row[i].IsAbsent() || row[i].IsNull():
		return fmt.Errorf("is missing or null: it is the id column of %s, by which a repeated row is known", group.Name)
	case len(row[i].Text()) > maxIDBytes:
		return fmt.Errorf("has %d bytes: an id has at most %d", len(row[i].Text()), maxIDBytes)
	}
	return nil
}

func (r *Rows) checkID(i int) error { return checkID(r.Group, r.Features, r.Row(i)) }

// Duplicates is how many of the rows Append did not store, since their ids were there already.
func (r *Rows) Duplicates() (n int) {
	for _, id := range r.IngestIDs {
		if id == NotStored {
			n++
		}
	}
	return n
}

// columnOf is the column that holds a feature of the load.
func (l *loading) columnOf(feature string) int {
	i := slices.IndexFunc(l.features, func(c loadColumn) bool { return c.feature.Name == feature })
	return l.features[i].column
}
