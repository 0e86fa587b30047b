package store

import (
	"slices"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

// combine joins the rows of several requests into one Rows per group and layout, over the union of their features, in the order
// of the requests.
func combine(group []*write) []*Rows {
	if len(group) == 1 && distinctGroups(group[0].rows) {
		return group[0].rows
	}
	var combined []*Rows
	for _, w := range group {
		for _, rows := range w.rows {
			combined = add(combined, rows)
		}
	}
	return combined
}

func distinctGroups(rows []*Rows) bool {
	for i, a := range rows {
		for _, b := range rows[:i] {
			if a.Group == b.Group {
				return false
			}
		}
	}
	return true
}

func add(combined []*Rows, rows *Rows) []*Rows {
	i := slices.IndexFunc(combined, func(c *Rows) bool {
		return c.Group.ID == rows.Group.ID && c.Group.SchemaVersion == rows.Group.SchemaVersion
	})
	if i < 0 {
		return append(combined, &Rows{Group: rows.Group, Run: rows.Run, Checked: rows.Checked,
			Features: rows.Features, Keys: slices.Clone(rows.Keys), EventTimes: slices.Clone(rows.EventTimes), Values: slices.Clone(rows.Values)})
	}
	into := combined[i]
	into.Checked = min(into.Checked, rows.Checked)
	from := rows.Values
	if !sameFeatures(into.Features, rows.Features) {
		union := unionOf(into.Features, rows.Features)
		into.Values = spreadOver(union, into.Features, into.Values)
		into.Features = union
		from = spreadOver(union, rows.Features, rows.Values)
	}
	into.Keys = append(into.Keys, rows.Keys...)
	into.EventTimes = append(into.EventTimes, rows.EventTimes...)
	into.Values = append(into.Values, from...)
	return combined
}

// sameFeatures compares by ordinal: the same feature has another pointer in another catalog.
func sameFeatures(a, b []*registry.Feature) bool {
	return slices.EqualFunc(a, b, func(f, g *registry.Feature) bool { return f.Ordinal == g.Ordinal })
}

func unionOf(a, b []*registry.Feature) []*registry.Feature {
	union := slices.Concat(a, b)
	slices.SortStableFunc(union, func(f, g *registry.Feature) int { return int(f.Ordinal) - int(g.Ordinal) })
	return slices.CompactFunc(union, func(f, g *registry.Feature) bool { return f.Ordinal == g.Ordinal })
}

// spreadOver lays rows of some features out over more features; what they lack is absent.
func spreadOver(union, features []*registry.Feature, values []value.Value) []value.Value {
	if len(features) == 0 || sameFeatures(union, features) {
		return values
	}
	at := make([]int, len(features))
	for i, f := range features {
		at[i] = slices.IndexFunc(union, func(u *registry.Feature) bool { return u.Ordinal == f.Ordinal })
	}
	rows := len(values) / len(features)
	out := make([]value.Value, rows*len(union))
	for r := range rows {
		for i, to := range at {
			out[r*len(union)+to] = values[r*len(features)+i]
		}
	}
	return out
}

// spread hands the event times and ingest ids that Append filled in back to the requests' own rows.
func spread(group []*write, combined []*Rows) {
	next := make([]int, len(combined))
	for _, w := range group {
		for _, rows := range w.rows {
			i := slices.IndexFunc(combined, func(c *Rows) bool {
				return c == rows || c.Group.ID == rows.Group.ID && c.Group.SchemaVersion == rows.Group.SchemaVersion
			})
			c, from := combined[i], next[i]
			next[i] += len(rows.Keys)
			if c == rows {
				continue
			}
			rows.EventTimes = c.EventTimes[from:next[i]:next[i]]
			rows.IngestIDs = c.IngestIDs[from:next[i]:next[i]]
		}
	}
}
