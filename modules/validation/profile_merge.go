package validation

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"

	"gorm.io/gorm"

	"featurestore/modules/validation/profile"
)

// merger merges stored profiles, of each generation of a feature by itself.
type merger struct {
	of map[uint16]*profile.Profile
}

// add reads a profile and merges it with those before it.
func (m *merger) add(r profileRepository, tx *gorm.DB, id int64, ordinals []uint16) error {
	rows, err := r.features(tx, id, ordinals)
	if err != nil {
		return err
	}
	if m.of == nil {
		m.of = map[uint16]*profile.Profile{}
	}
	for _, row := range rows {
		made, err := profile.Decode(row.Encoded)
		if err != nil {
			return fmt.Errorf("read profile %d: %w", id, err)
		}
		before := m.of[row.Ordinal]
		if before == nil {
			m.of[row.Ordinal] = made
			continue
		}
		if before.Hidden() != made.Hidden() {
			before.Hide()
			made.Hide()
		}
		if err := before.Merge(made); err != nil {
			return fmt.Errorf("merge profile %d: %w", id, err)
		}
	}
	return nil
}

func (m *merger) encode() ([]profileFeatureRow, error) {
	var rows []profileFeatureRow
	for _, ordinal := range slices.Sorted(maps.Keys(m.of)) {
		encoded, err := m.of[ordinal].Encode()
		if err != nil {
			return nil, err
		}
		rows = append(rows, profileFeatureRow{Ordinal: ordinal, Hidden: m.of[ordinal].Hidden(), Encoded: encoded})
	}
	return rows, nil
}

// leftOut is a profile that was not merged, with the reason.
type leftOut struct {
	ID     int64  `json:"id"`
	Reason string `json:"reason"`
}

// apart chooses, of profiles, some that have no row in common: of windows those that do not overlap, the narrowest first, of loads all. Windows and
// loads have rows in common; where there are windows, loads are left out.
func apart(all []profileRow) (chosen []profileRow, left []leftOut) {
	windows := slices.ContainsFunc(all, func(row profileRow) bool { return row.Kind == ofWindow && !row.Outdated })
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b profileRow) int {
		return cmp.Or(cmp.Compare(a.width(), b.width()), cmp.Compare(b.ID, a.ID))
	})
	for _, row := range all {
		switch overlaps := slices.IndexFunc(chosen, row.overlaps); {
		case row.Outdated:
			left = append(left, leftOut{row.ID, "rows of it were taken out since; it is being computed again"})
		case windows && row.Kind != ofWindow:
			left = append(left, leftOut{row.ID, "its rows are in the windows too"})
		case overlaps >= 0:
			left = append(left, leftOut{row.ID, fmt.Sprintf("it has rows in common with profile %d", chosen[overlaps].ID)})
		default:
			chosen = append(chosen, row)
		}
	}
	slices.SortFunc(chosen, func(a, b profileRow) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(left, func(a, b leftOut) int { return cmp.Compare(a.ID, b.ID) })
	return chosen, left
}

// ends are the window's, the open ones as far out as there is.
func (row *profileRow) ends() (from, to int64) {
	from, to = math.MinInt64, math.MaxInt64
	if row.FromAt != nil {
		from = int64(*row.FromAt)
	}
	if row.ToAt != nil {
		to = int64(*row.ToAt)
	}
	return from, to
}

func (row *profileRow) width() float64 {
	from, to := row.ends()
	return float64(to) - float64(from)
}

// overlaps tells whether two profiles can have a row in common.
func (row *profileRow) overlaps(o profileRow) bool {
	if row.Kind != ofWindow || o.Kind != ofWindow {
		return row.ID == o.ID // a row is of one load
	}
	from, to := row.ends()
	otherFrom, otherTo := o.ends()
	return from < otherTo && otherFrom < to
}
