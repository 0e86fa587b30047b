package validation

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"gorm.io/gorm"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/validation/drift"
	"featurestore/modules/validation/profile"
	"featurestore/modules/validation/rules"
)

// Table is a table that a call brought. It can be read several times.
type Table interface {
	// Scan yields its rows over the group's features in their order, without event times; features of which it has no column are not there.
	Scan(ctx context.Context, yield func(*rules.Batch) error) error
	Close() error
}

// baseline finds a baseline with its id.
func (p *Profiles) baseline(name, at string) (*Baseline, int64, error) {
	catalog := p.definitions.Catalog()
	d, ok := catalog.Definition(kindBaseline, name)
	if !ok {
		names := func(yield func(string) bool) {
			for _, d := range catalog.Definitions(kindBaseline) {
				if !yield(d.Name) {
					return
				}
			}
		}
		return nil, 0, fault.New(fault.NotFound, "unknown-baseline", "there is no baseline %q%s", fault.Shorten(name), registry.DidYouMean(name, names)).
			At(at, name, "is no baseline")
	}
	b, err := baselineOf(catalog, d)
	return b, d.ID, err
}

// Freeze freezes what a baseline's version says, or answers what was frozen for it. table is needed where its source is a training set, and refused
// elsewhere. created says that nothing was frozen before.
func (p *Profiles) Freeze(ctx context.Context, name string, table Table) (row frozenRow, created bool, err error) {
	b, id, err := p.baseline(name, "path.name")
	if err != nil {
		return row, false, err
	}
	group, err := p.group(b.Group, "group")
	if err != nil {
		return row, false, err
	}
	switch {
	case b.Source.Previous > 0:
		return row, false, fault.New(fault.Conflict, "nothing-to-freeze", "%s is the period before the window that is judged: it moves along, and is never frozen", name).At("path.name", name, "is not frozen")
	case b.Source.TrainingSet == nil && table != nil:
		return row, false, fault.New(fault.Conflict, "not-from-a-table", "%s is made of what is stored: send no body, or change its source to training_set", name).At("body", "", "is not needed")
	}
	found, frozen, err := p.repository.frozen(p.repository.db.WithContext(ctx), id, b.Version)
	switch {
	case err != nil:
		return row, false, err
	case frozen && table == nil:
		return found, false, nil
	case b.Source.TrainingSet != nil && table == nil:
		return row, false, fault.New(fault.Unprocessable, "no-training-set", "%s is made of a training set: send the table as the body", name).At("body", "", "is missing")
	}
	made, err := p.freezing(ctx, b, group, table)
	if err != nil {
		return row, false, err
	}
	if frozen {
		return found, false, p.sameAs(ctx, b, found, made)
	}
	row = frozenRow{BaselineID: id, Version: b.Version, GroupID: group.ID, Source: sourceText(b), RowCount: made.rows}
	err = p.repository.atomically(ctx, func(tx *gorm.DB) (err error) {
		if row.FrozenAt, err = p.repository.now(tx, p.clock); err != nil {
			return err
		}
		removals, err := p.repository.removals(tx, group.ID, true)
		if err != nil {
			return err
		}
		if removals != made.removals {
			for i := range made.features { // a sample may hold what was erased meanwhile
				made.features[i].Encoded = nil
			}
		}
		created, err = p.repository.freeze(tx, &row, made.features)
		return err
	})
	if err == nil && !created { // another one was first
		found, _, err = p.repository.frozen(p.repository.db.WithContext(ctx), id, b.Version)
		if err == nil && table != nil {
			err = p.sameAs(ctx, b, found, made)
		}
		return found, false, err
	}
	return row, created, err
}

// sameAs refuses another table than the one that was frozen.
func (p *Profiles) sameAs(ctx context.Context, b *Baseline, row frozenRow, made *freezing) error {
	features, err := p.repository.frozenFeatures(p.repository.db.WithContext(ctx), row.ID)
	if err != nil {
		return err
	}
	if slices.EqualFunc(features, made.features, func(a, b frozenFeatureRow) bool { return a.Ordinal == b.Ordinal && a.Bins == b.Bins }) {
		return nil
	}
	return fault.New(fault.Conflict, "baseline-frozen",
		"version %d of %s is frozen already, from another table: change the baseline, its description for example, which makes a new version, and freeze that", b.Version, b.Name).
		At("body", "", "is another table than the one that was frozen")
}

func sourceText(b *Baseline) string {
	switch {
	case b.Source.Window != nil:
		return fmt.Sprintf("event times from %s to before %s", value.AppendTime(nil, b.Source.Window.From), value.AppendTime(nil, b.Source.Window.To))
	case b.Source.Run != 0:
		return fmt.Sprintf("load %d", b.Source.Run)
	}
	return "a training set"
}

// freezing is a baseline in the making.
type freezing struct {
	rows     int64
	removals int64 // of the group, when it was begun
	features []frozenFeatureRow
}

// freezing profiles the rows, which gives the bins, and then counts all of them.
func (p *Profiles) freezing(ctx context.Context, b *Baseline, group *registry.Group, table Table) (*freezing, error) {
	features, err := p.features(group, b.Features, "features")
	if err != nil {
		return nil, err
	}
	window := Window{Run: b.Source.Run}
	if b.Source.Window != nil {
		window.From, window.To = &b.Source.Window.From, &b.Source.Window.To
	}
	made, err := p.Begin(ctx, group, window, features)
	if err != nil {
		return nil, err
	}
	read := func(yield func(*rules.Batch) error) error {
		if table != nil {
			return table.Scan(ctx, yield)
		}
		window.Reads = made.reads()
		return p.values.Scan(ctx, group, window, yield)
	}
	if err := read(func(b *rules.Batch) error { made.Add(b); return ctx.Err() }); err != nil {
		return nil, err
	}
	if made.rows == 0 {
		return nil, fault.New(fault.Unprocessable, "empty-baseline", "there are no rows to freeze for %s: %s holds none", b.Name, sourceText(b))
	}
	windows := make([]*drift.Window, len(made.columns))
	for i, c := range made.columns {
		windows[i] = drift.OfProfile(c.Profile).Window()
	}
	err = read(func(b *rules.Batch) error {
		made.count(b, windows)
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	out := &freezing{rows: made.rows, removals: made.removals}
	for i, c := range made.columns {
		if c.Rows() == 0 && table != nil {
			continue // it has no such column
		}
		bins, err := json.Marshal(drift.NewBaseline(windows[i]))
		if err != nil {
			return nil, fmt.Errorf("encode the baseline of %s: %w", c.feature.Reference(), err)
		}
		encoded, err := c.Encode()
		if err != nil {
			return nil, fmt.Errorf("encode the profile of %s: %w", c.feature.Reference(), err)
		}
		out.features = append(out.features, frozenFeatureRow{Ordinal: c.feature.Ordinal, Bins: string(bins), Encoded: encoded})
	}
	if len(out.features) == 0 {
		return nil, fault.New(fault.Unprocessable, "no-columns", "the table has no column of a feature of %s: name them as the features, or group__feature", group.Name).
			At("columns", "", "are none of the group's features")
	}
	return out, nil
}

// reads tells which of the group's features are looked at; nil: all.
func (m *Profiling) reads() []bool {
	if len(m.columns) == len(m.group.Features) {
		return nil
	}
	reads := make([]bool, len(m.group.Features))
	for _, c := range m.columns {
		reads[c.at] = true
	}
	return reads
}

// count counts rows into a window per feature.
func (m *Profiling) count(b *rules.Batch, windows []*drift.Window) {
	for i, c := range m.columns {
		at := b.Columns[c.at]
		if at < 0 {
			continue
		}
		w := windows[i]
		for ; at < b.Rows*b.Width; at += b.Width {
			w.Add(b.Values[at])
		}
	}
}

// reference finds what a group's features are compared with.
func (p *Profiles) reference(ctx context.Context, name string, group *registry.Group, window Window) (*reference, error) {
	if name == PreviousPeriod {
		return p.previous(ctx, name, group, window, 0)
	}
	b, id, err := p.baseline(name, "params.baseline")
	if err != nil {
		return nil, err
	}
	if b.Group != group.Name {
		return nil, fault.New(fault.Unprocessable, "baseline-of-another-group", "the baseline %s is of %s, not of %s", name, b.Group, group.Name).At("baseline", name, "is of another group")
	}
	if b.Source.Previous > 0 {
		return p.previous(ctx, name, group, window, b.Source.Previous.Microseconds())
	}
	db := p.repository.db.WithContext(ctx)
	row, found, err := p.repository.frozen(db, id, b.Version)
	if err == nil && !found {
		if b.Source.TrainingSet != nil {
			return nil, notFrozen(b)
		}
		row, _, err = p.Freeze(ctx, name, nil)
	}
	if err != nil {
		return nil, err
	}
	r := &reference{name: name, version: b.Version, what: fmt.Sprintf("%s (version %d)", name, b.Version), rows: row.RowCount, of: map[uint16]referenceFeature{}}
	features, err := p.repository.frozenFeatures(db, row.ID)
	if err != nil {
		return nil, err
	}
	for _, f := range features {
		if r.of[f.Ordinal], err = f.reference(); err != nil {
			return nil, fmt.Errorf("read the frozen baseline %s: %w", name, err)
		}
	}
	return r, nil
}

func notFrozen(b *Baseline) error {
	return fault.New(fault.Conflict, "baseline-not-frozen", "version %d of the baseline %s is not frozen yet: send its training set to POST /baselines/%s/freeze", b.Version, b.Name, b.Name).
		At("baseline", b.Name, "is not frozen")
}

func (f *frozenFeatureRow) reference() (referenceFeature, error) {
	r := referenceFeature{Baseline: &drift.Baseline{}}
	if err := json.Unmarshal([]byte(f.Bins), r.Baseline); err != nil {
		return r, err
	}
	if f.Encoded != nil {
		made, err := profile.Decode(f.Encoded)
		if err != nil {
			return r, err
		}
		r.sample = made.Sample()
	}
	return r, nil
}
