package store

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store/table"
)

// presenceColumn lists in a row which of its features were observed, separated by spaces. Formats that cannot leave a cell out
// carry it with ?presence=true.
const presenceColumn = "presence"

// next is the next batch, those first that were held back to tell types from.
func (l *loading) next() (*table.Batch, error) {
	if len(l.held) > 0 {
		batch := l.held[0]
		l.held = l.held[1:]
		return batch, nil
	}
	return l.source.Next()
}

// bind finds what the columns are: join keys, the time, features of the group. Later batches may bring further columns. again says that
// the batch has been held back and comes again.
func (l *loading) bind(ctx context.Context, batch *table.Batch) (again bool, err error) {
	if l.columns != nil && len(batch.Columns) == len(l.columns) {
		return false, nil
	}
	unknown, err := l.bindColumns(batch.Columns)
	if err != nil || len(unknown) == 0 {
		return false, err
	}
	if l.request.Create == nil {
		problem := fault.New(fault.Unprocessable, "unknown-column", "%s has no feature for some columns: register them, leave them out, or load with create=true", l.group.Name)
		for _, name := range unknown {
			problem.At("column "+name, "", "is no join key and no feature of %s", l.group.Name)
		}
		return false, problem
	}
	if l.loaded.Stored+l.loaded.Quarantined > 0 {
		return false, fault.New(fault.Unprocessable, "late-column", "the column %s appears only after row %d: a load that creates features must show all of them in its first rows",
			strings.Join(unknown, ", "), batch.FirstRow).At(rowPlace(batch.FirstRow, unknown[0]), "", "appears here first")
	}
	columns := slices.Clone(batch.Columns)
	if err := l.plan(ctx, batch, unknown); err != nil {
		return false, err
	}
	_, err = l.bindColumns(columns)
	return true, err
}

// bindColumns answers the columns that are unknown.
func (l *loading) bindColumns(columns []string) (unknown []string, err error) {
	if l.time, err = TimeColumn(columns, l.request.TimeColumn); err != nil {
		return nil, err
	}
	used := map[int]bool{l.time: true}
	l.keys = l.keys[:0]
	for _, k := range l.group.EntityType.JoinKeys {
		at := slices.Index(columns, k.Name)
		if at < 0 {
			return nil, fault.New(fault.Unprocessable, "missing-column", "there is no column %q, a join key of %s", k.Name, l.group.EntityType.Name).
				At("columns", "", "the join keys are %s", keyForm(l.group.EntityType.JoinKeys))
		}
		l.keys, used[at] = append(l.keys, at), true
	}
	l.presence = -1
	if l.request.Presence {
		if l.presence = slices.Index(columns, presenceColumn); l.presence < 0 {
			return nil, fault.New(fault.Unprocessable, "missing-column", "there is no column %q, which presence=true needs", presenceColumn).
				At("columns", "", "there is no %s", presenceColumn)
		}
		used[l.presence] = true
	}
	nulls := map[int]int64{}
	for _, f := range l.features {
		nulls[f.column] = f.nulls
	}
	l.features = l.features[:0]
	for at, name := range columns {
		if used[at] {
			continue
		}
		feature := featureOf(l.group, name)
		if feature == nil && l.request.Feast && name == feastCreated {
			continue
		}
		if feature == nil {
			if older := olderOf(l.store.definitions.Catalog(), l.group, name); older != nil {
				return nil, fault.New(fault.Unprocessable, "older-generation", "the column %s %s", name, onlyRead(older)).At("column "+name, "", "%s", onlyRead(older))
			}
			unknown = append(unknown, name)
			continue
		}
		if slices.ContainsFunc(l.features, func(c loadColumn) bool { return c.feature == feature }) {
			return nil, fault.New(fault.Unprocessable, "duplicate-column", "the feature %s is given twice, by two of its names", feature.Reference()).At("column "+name, "", "is given twice")
		}
		if feature.Status == registry.Archived {
			return nil, fault.New(fault.Conflict, "feature-archived", "%s is archived: restore it before loading values", feature.Reference()).At("column "+name, "", "is archived")
		}
		l.features = append(l.features, loadColumn{feature: feature, column: at, nulls: nulls[at]})
	}
	slices.SortFunc(l.features, func(a, b loadColumn) int { return cmp.Compare(a.feature.Ordinal, b.feature.Ordinal) })
	if len(l.features) == 0 && len(unknown) == 0 {
		return nil, fault.New(fault.Unprocessable, "missing-column", "the table has no column that is a feature of %s", l.group.Name).
			At("columns", strings.Join(columns, ","), "hold no feature")
	}
	if name := l.group.IDColumn; name != "" && !slices.ContainsFunc(l.features, func(c loadColumn) bool { return c.feature.Name == name }) {
		return nil, fault.New(fault.Unprocessable, "missing-column", "there is no column %q, the id column of %s", name, l.group.Name).
			At("columns", strings.Join(columns, ","), "there is no %s", name)
	}
	l.columns = slices.Clone(columns)
	return unknown, nil
}

// featureOf finds a feature of the group by its name, or one that it had.
func featureOf(group *registry.Group, name string) *registry.Feature {
	for _, f := range group.Features {
		if f.Called(name) {
			return f
		}
	}
	return nil
}

// olderOf finds the older generation of values that name@version means in the group; nil if it means none.
func olderOf(catalog *registry.Catalog, group *registry.Group, name string) *registry.Feature {
	if f, err := catalog.ResolveReference(group.Name + ":" + name); err == nil && f.Until != 0 {
		return f
	}
	return nil
}

// presentIn is the features that a row says it observed; nil where it does not say: then all.
func (l *loading) presentIn(cells []table.Cell) []string {
	if l.presence < 0 || cells[l.presence].IsNull() {
		return nil
	}
	v, err := cells[l.presence].Value(value.String, nil)
	if err != nil || v.IsAbsent() || v.IsNull() {
		return nil
	}
	return strings.Fields(v.Text())
}
