package batch

import (
	"slices"

	"featurestore/modules/registry"
	"featurestore/modules/store"
	"featurestore/modules/validation"
	"featurestore/modules/validation/rules"
)

// Rules has the rules of a group compiled.
type Rules interface {
	Judged(group *registry.Group) *validation.Judged
}

// Verdicts is what the enabled rules of a group would say of some rows of it, if these were all that there is, at a time (µs). Rules that ask for more than rows
// (look-ups, earlier evaluations, baselines) have the status error there, as in POST /validate.
func Verdicts(of Rules, rows *store.Rows, now int64) []rules.Outcome {
	judged := of.Judged(rows.Group)
	if judged.All == nil {
		return []rules.Outcome{}
	}
	columns := make([]int, len(rows.Group.Features))
	for i, f := range rows.Group.Features {
		columns[i] = slices.IndexFunc(rows.Features, func(r *registry.Feature) bool { return r.Ordinal == f.Ordinal })
	}
	run := judged.All.Begin(rules.Options{Now: now})
	run.Add(&rules.Batch{
		Values: rows.Values, Rows: len(rows.Keys), Width: len(rows.Features), Columns: columns, EventTimes: rows.EventTimes,
		Entity: func(row int) string { return rows.Keys[row].Encoded },
	}, nil)
	return run.Finish()
}
