package store

import (
	"cmp"
	"slices"
	"strings"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store/table"
	"featurestore/modules/validation/rules"
)

// maskedValue is shown in the place of values of features that are tagged pii.
const maskedValue = "(masked)"

// guard judges the rows of one call or load by the row rules of one group.
type guard struct {
	group    *registry.Group
	set      *rules.Set
	run      *rules.Run
	masked   map[string]bool     // features whose values are not shown
	features []*registry.Feature // of the rows that were judged last,
	columns  []int               // and where the set's fields stand in them
}

// breach is what one row breaks of a rule, by one of the rule's features.
type breach struct {
	row      int // of the rows that were judged together
	rule     *rules.Definition
	judged   string // what was judged together: the rule and its features
	feature  string // "": the rule is about no feature
	at       int    // where the value stands in the row; -1: nowhere
	value    value.Value
	masked   bool
	expected string

	field int        // of a call: which field of its observation the value came in
	typed value.Type // and the type as which it was read
}

// guard begins to judge; nil: the group has no row rules.
func (s *Store) guard(group *registry.Group) *guard {
	if s.rules == nil {
		return nil
	}
	set := s.rules.Guard(group)
	if set == nil || set.Empty() {
		return nil
	}
	g := &guard{group: group, set: set, run: set.Begin(rules.Options{Now: s.now()}), columns: make([]int, len(set.Fields()))}
	for _, f := range set.Fields() {
		if f.PII {
			if g.masked == nil {
				g.masked = map[string]bool{}
			}
			g.masked[f.Name] = true
		}
	}
	return g
}

// judge has the rules look at the next rows. It answers what keeps rows out: breaches of rules that quarantine or refuse, row by row.
func (g *guard) judge(rows *Rows) []breach {
	if g.features == nil || !sameFeatures(g.features, rows.Features) {
		g.features = rows.Features
		for i, f := range g.group.Features {
			g.columns[i] = slices.IndexFunc(rows.Features, func(r *registry.Feature) bool { return r.Ordinal == f.Ordinal })
		}
	}
	var found []breach
	g.run.Add(&rules.Batch{
		Values: rows.Values, Rows: len(rows.Keys), Width: len(rows.Features), Columns: g.columns,
		EventTimes: rows.EventTimes, Entity: func(row int) string { return rows.Keys[row].Encoded },
	}, func(bad *rules.Bad) {
		if bad.Rule.Action == rules.Record {
			return
		}
		one := breach{row: bad.Row, rule: bad.Rule, judged: judgedOf(bad.Rule.Name, bad.Features), expected: bad.Expected, at: -1}
		if len(bad.Features) == 0 {
			found = append(found, one)
			return
		}
		row := rows.Row(bad.Row)
		for i, feature := range bad.Features {
			one.feature, one.at, one.masked = feature, bad.Columns[i], g.masked[feature]
			if one.value = (value.Value{}); one.at >= 0 {
				one.value = row[one.at]
			}
			found = append(found, one)
		}
	})
	slices.SortStableFunc(found, func(a, b breach) int { return cmp.Compare(a.row, b.row) })
	return found
}

// byRow calls f with the breaches of each row.
func byRow(found []breach, f func(row int, breaches []breach)) {
	for len(found) > 0 {
		row, n := found[0].row, 1
		for n < len(found) && found[n].row == row {
			n++
		}
		f(row, found[:n:n])
		found = found[n:]
	}
}

// quarantining are the breaches for which a row goes into quarantine.
func quarantining(breaches []breach) []breach {
	return slices.DeleteFunc(breaches, func(b breach) bool { return b.rule.Action != rules.Quarantine })
}

// judgedOf names what is judged together: an outcome, and the breaches that it counts.
func judgedOf(rule string, features []string) string { return rule + " " + strings.Join(features, " ") }

func (b *breach) refuses() bool { return b.rule.Action == rules.RejectBatch }

// final tells whether the breach alone refuses everything: nothing is tolerated.
func (b *breach) final() bool {
	t := b.rule.Tolerance
	return b.refuses() && (t == nil || *t == rules.Tolerance{})
}

// shown is the value as a message shows it.
func (b *breach) shown() string {
	switch {
	case b.masked:
		return maskedValue
	case b.value.IsAbsent():
		return ""
	case b.value.IsNull():
		return "null"
	}
	return string(value.AppendText(nil, b.value))
}

// asJSON is the value as an answer shows it.
func (b *breach) asJSON() []byte {
	if b.masked {
		return value.AppendJSONString(nil, maskedValue)
	}
	return value.AppendJSON(nil, b.value)
}

// refusals are the first breaches, of each that is judged by itself, of rules that may refuse a call or load.
type refusals struct {
	most  int // of each
	count map[string]int
	found []refusal
}

// refusal is a breach by a row that stands in a place.
type refusal struct {
	row                   int64 // their order
	judged                string
	place, feature, shown string
	rule, expected        string
}

// note takes a breach.
func (r *refusals) note(row int64, place string, b *breach) {
	if r.count[b.judged] == r.most {
		return
	}
	if r.count == nil {
		r.count = map[string]int{}
	}
	r.count[b.judged]++
	r.found = append(r.found, refusal{row, b.judged, place, b.feature, fault.Shorten(b.shown()), b.rule.Name, b.expected})
}

// of answers the rules whose outcomes refuse all rows, none if nil, and as many of the breaches as may be listed, in the order of the rows.
func (r *refusals) of(outcomes []rules.Outcome) (failed []string, first []refusal) {
	var judged []string
	for i := range outcomes {
		if o := &outcomes[i]; refusing(o) {
			judged = append(judged, judgedOf(o.Rule, o.Features))
			if !slices.Contains(failed, o.Rule) {
				failed = append(failed, o.Rule)
			}
		}
	}
	slices.SortStableFunc(r.found, func(a, b refusal) int { return cmp.Compare(a.row, b.row) })
	for _, one := range r.found {
		if len(first) < r.most && slices.Contains(judged, one.judged) {
			first = append(first, one)
		}
	}
	return failed, first
}

// refusing tells whether an outcome refuses all rows. Where rows are bad and others could not be judged, nobody knows that the tolerance is
// kept.
func refusing(o *rules.Outcome) bool {
	return o.Action == rules.RejectBatch && o.Bad > 0 && (o.Status == rules.Fail || o.Status == rules.Failed)
}

func (r *refusal) reason() string { return "breaks the rule " + r.rule + ": expected " + r.expected }

// badRow is the breach as the run of a load shows it.
func (r *refusal) badRow() table.BadRow {
	return table.BadRow{Number: r.row, Column: r.feature, Value: r.shown, Reason: r.reason()}
}

// ruleViolated is the problem of rows that rules have refused.
func ruleViolated(failed []string, first []refusal) *fault.Error {
	named := "the rule " + failed[0]
	if last := len(failed) - 1; last > 0 {
		named = "the rules " + strings.Join(failed[:last], ", ") + " and " + failed[last]
	}
	problem := fault.New(fault.Unprocessable, "rule-violated", "nothing was stored: there are rows that break %s", named)
	for i := range first {
		problem.At(first[i].place, first[i].shown, "%s", first[i].reason())
	}
	return problem
}
