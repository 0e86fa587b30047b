package validation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/cespare/xxhash/v2"
	"gorm.io/gorm"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/runs"
	"featurestore/modules/validation/profile"
	"featurestore/modules/validation/rules"
)

// pii is the tag of features that tell who someone is.
const pii = "pii"

// hidden tells whether no values of a feature are kept or shown.
func hidden(f *registry.Feature) bool { return slices.Contains(f.Tags, pii) }

// Profiling is a profile in the making. It belongs to one goroutine.
type Profiling struct {
	profiles *Profiles
	group    *registry.Group
	window   Window
	removals int64
	columns  []profiled
	rows     int64
	first    int64 // event times
	last     int64
}

// profiled is a feature that is looked at.
type profiled struct {
	feature *registry.Feature
	at      int // of the group's features
	*profile.Profile
}

// Begin begins a profile of what a window of a group holds, of some of its features; nil: of all. It comes before the first row is read.
func (p *Profiles) Begin(ctx context.Context, group *registry.Group, window Window, features []*registry.Feature) (*Profiling, error) {
	removals, err := p.repository.removals(p.repository.db.WithContext(ctx), group.ID, false)
	if err != nil {
		return nil, profilesUnavailable(err)
	}
	made := &Profiling{profiles: p, group: group, window: window, removals: removals, first: math.MaxInt64, last: math.MinInt64}
	for at, f := range group.Features {
		if features != nil && !slices.ContainsFunc(features, func(g *registry.Feature) bool { return g.Ordinal == f.Ordinal }) {
			continue
		}
		made.columns = append(made.columns, profiled{f, at, profile.New(f.ValueType, profile.Options{Seed: seed(group, f, window), Hidden: hidden(f)})})
	}
	return made, nil
}

// seed differs between windows, as samples that are merged need, and is the same for the same window.
func seed(group *registry.Group, f *registry.Feature, window Window) uint64 {
	text := fmt.Sprintf("%d:%d:%d", group.ID, f.Ordinal, window.Run)
	for _, end := range []*int64{window.From, window.To} {
		if end != nil {
			text += fmt.Sprintf(":%d", *end)
		} else {
			text += ":"
		}
	}
	return xxhash.Sum64String(text)
}

// Add takes rows in, which stand over the group's features.
func (m *Profiling) Add(b *rules.Batch) {
	for _, at := range b.EventTimes {
		m.first, m.last = min(m.first, at), max(m.last, at)
	}
	m.rows += int64(b.Rows)
	for i := range m.columns {
		if at := b.Columns[m.columns[i].at]; at >= 0 {
			m.columns[i].AddColumn(b.Values[:b.Rows*b.Width], at, b.Width)
		}
	}
}

// Finish stores the profile, in the place of one of the same window or load, within the caller's transaction on the same database. If rows were
// taken out of the group since Begin it stores nothing and answers an error, which says that it can be tried again.
func (m *Profiling) Finish(tx *gorm.DB) (id int64, err error) {
	r := m.profiles.repository
	removals, err := r.removals(tx, m.group.ID, true)
	if err != nil {
		return 0, err
	}
	if removals != m.removals {
		return 0, errTakenOut
	}
	row := &profileRow{GroupID: m.group.ID, Kind: ofWindow, FromAt: microsOf(m.window.From), ToAt: microsOf(m.window.To), RowCount: m.rows}
	if m.window.Run != 0 {
		row.Kind, row.FirstRun, row.LastRun, row.Loads = ofLoad, m.window.Run, m.window.Run, 1
	}
	if m.rows > 0 {
		row.FirstAt, row.LastAt = microsOf(&m.first), microsOf(&m.last)
	}
	if row.ComputedAt, err = r.now(tx, m.profiles.clock); err != nil {
		return 0, err
	}
	features, err := m.encode()
	if err != nil {
		return 0, err
	}
	err = r.create(tx, row, features)
	return row.ID, err
}

func (m *Profiling) encode() ([]profileFeatureRow, error) {
	rows := make([]profileFeatureRow, len(m.columns))
	for i, c := range m.columns {
		encoded, err := c.Encode()
		if err != nil {
			return nil, fmt.Errorf("encode the profile of %s: %w", c.feature.Reference(), err)
		}
		rows[i] = profileFeatureRow{Ordinal: c.feature.Ordinal, Hidden: c.Hidden(), Encoded: encoded}
	}
	return rows, nil
}

// maxTries is how often work is begun anew that others keep disturbing.
const maxTries = 3

// Compute makes a profile of what is stored and stores it. progress is told how many rows were looked at.
func (p *Profiles) Compute(ctx context.Context, group *registry.Group, window Window, features []*registry.Feature, progress func(rows int64)) (id int64, err error) {
	for range maxTries {
		var made *Profiling
		if made, err = p.scan(ctx, group, window, features, progress); err != nil {
			return 0, err
		}
		err = p.repository.atomically(ctx, func(tx *gorm.DB) error {
			id, err = made.Finish(tx)
			return err
		})
		if !errors.Is(err, errTakenOut) {
			return id, err
		}
	}
	return 0, fault.New(fault.Busy, "rows-being-removed", "rows of %s are being taken out: try again when that is over", group.Name).Because(err)
}

// scan makes a profile and does not store it.
func (p *Profiles) scan(ctx context.Context, group *registry.Group, window Window, features []*registry.Feature, progress func(rows int64)) (*Profiling, error) {
	made, err := p.Begin(ctx, group, window, features)
	if err != nil {
		return nil, err
	}
	window.Reads = made.reads()
	err = p.values.Scan(ctx, group, window, func(b *rules.Batch) error {
		made.Add(b)
		progress(made.rows)
		return ctx.Err()
	})
	return made, err
}

// profileRequest is what a run is asked to do.
type profileRequest struct {
	From     *int64   `json:"from,omitempty"`
	To       *int64   `json:"to,omitempty"`
	Run      int64    `json:"run_id,omitempty"`
	Features []string `json:"features,omitempty"`
	Again    bool     `json:"again,omitempty"` // what is outdated is computed again, and nothing else
}

// profileResult is what it comes to.
type profileResult struct {
	Profile int64 `json:"profile_id,omitempty"`
	Again   int   `json:"computed_again,omitempty"`
}

// workProfile does one run that was asked for.
func (p *Profiles) workProfile(ctx context.Context, run *runs.Active) (any, error) {
	var request profileRequest
	if err := json.Unmarshal(run.Parameters(), &request); err != nil {
		return nil, fmt.Errorf("read the parameters of run %d: %w", run.ID(), err)
	}
	group, err := p.group(run.Subject(), "group")
	if err != nil {
		return nil, err
	}
	progress := func(rows int64) { run.Progress(map[string]int64{"rows": rows}) }
	if request.Again {
		n, err := p.again(ctx, group, progress)
		return profileResult{Again: n}, err
	}
	features, err := p.features(group, request.Features, "features")
	if err != nil {
		return nil, err
	}
	id, err := p.Compute(ctx, group, Window{From: request.From, To: request.To, Run: request.Run}, features, progress)
	return profileResult{Profile: id}, err
}

// group finds a group by name; at is where the name stands.
func (p *Profiles) group(name, at string) (*registry.Group, error) {
	catalog := p.definitions.Catalog()
	group, ok := catalog.Group(name)
	if !ok {
		return nil, located(catalog.UnknownGroup(name), at, name)
	}
	return group, nil
}

// located adds the place of what an error is about, if it is a fault without one.
func located(err error, at, value string) error {
	if problem, ok := fault.As(err); ok && len(problem.Violations) == 0 {
		problem.At(at, value, "%s", problem.Detail)
	}
	return err
}

// features finds features of a group by name; none: nil, which stands for all.
func (p *Profiles) features(group *registry.Group, names []string, at string) ([]*registry.Feature, error) {
	if len(names) == 0 {
		return nil, nil
	}
	catalog := p.definitions.Catalog()
	var features []*registry.Feature
	for i, name := range names {
		f, ok := catalog.Feature(group, name)
		if !ok {
			known := func(yield func(string) bool) {
				for _, f := range group.Features {
					if !yield(f.Name) {
						return
					}
				}
			}
			return nil, fault.New(fault.NotFound, "unknown-feature", "there is no feature %q in %s%s", fault.Shorten(name), group.Name, registry.DidYouMean(name, known)).
				At(fmt.Sprintf("%s[%d]", at, i), name, "is no feature of the group")
		}
		if slices.Contains(features, f) {
			return nil, fault.New(fault.Unprocessable, "feature-given-twice", "%s is given twice", f.Reference()).At(fmt.Sprintf("%s[%d]", at, i), name, "is given twice")
		}
		features = append(features, f)
	}
	return features, nil
}
