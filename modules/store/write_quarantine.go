package store

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"featurestore/modules/registry/value"
)

// newEntry makes the quarantine entry of row i, at that time (µs).
func newEntry(rows *Rows, i int, breaches []breach, source Source, at int64) *Quarantined {
	return &Quarantined{ID: NewQuarantineID(at), Group: rows.Group, Key: rows.Keys[i], EventTime: rows.EventTimes[i],
		Document: documentOf(rows, i), Source: source, Checked: rows.Checked, Broken: brokenOf(breaches)}
}

// documentOf is what row i observed, as a JSON object by feature name.
func documentOf(rows *Rows, i int) []byte {
	b := []byte{'{'}
	for n, v := range rows.Row(i) {
		if v.IsAbsent() {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = value.AppendJSON(appendKey(b, 0, rows.Features[n].Name), v)
	}
	return append(b, '}')
}

// entries are what goes into quarantine with the rows that are kept.
func (c *checked) entries() []*Quarantined {
	if c.held == nil {
		return nil
	}
	entries := make([]*Quarantined, len(c.held))
	for i, h := range c.held {
		entries[i] = h.entry
	}
	return entries
}

// entriesOf are what goes into quarantine with a group of writes.
func entriesOf(group []*write) []*Quarantined {
	if len(group) == 1 {
		return group[0].entries
	}
	var entries []*Quarantined
	for _, w := range group {
		entries = append(entries, w.entries...)
	}
	return entries
}

// siftEntries tells whether any of the entries is of an erased entity and dated up to its cut-off, as sift does of rows.
func (s *Store) siftEntries(entries []*Quarantined, now func() (int64, error)) (erased []bool, err error) {
	for i, e := range entries {
		one := &Rows{Group: e.Group, Keys: []Key{e.Key}, EventTimes: []int64{e.EventTime}}
		found, err := s.sift(one, now)
		if err != nil {
			return nil, err
		}
		if e.Checked = one.Checked; found != nil {
			if erased == nil {
				erased = make([]bool, len(entries))
			}
			erased[i] = true
		}
	}
	return erased, nil
}

// holds tells whether any of these rows goes into quarantine.
func (c *checked) holds(from, to int) bool {
	for at := from; c.out != nil && at < to; at++ {
		if c.out[at] {
			return true
		}
	}
	return false
}

// eventTime is that of an observation whose rows these are, filled in by the commit that stored or quarantined them.
func (c *checked) eventTime(from, to int) int64 {
	for at := from; c.out != nil && at < to; at++ {
		if !c.out[at] {
			return c.rows[at].EventTimes[0]
		}
		if i, found := slices.BinarySearchFunc(c.held, at, func(h held, row int) int { return h.row - row }); found {
			return c.held[i].entry.EventTime
		}
	}
	return c.rows[from].EventTimes[0]
}

// describeHeld says of a call's answer what goes into quarantine. Of an only observation, Stored is left with what is stored.
func (c *checked) describeHeld(w *Written) {
	if c.held == nil {
		return
	}
	w.Status, w.held = http.StatusAccepted, c.held
	last := -1
	for _, h := range c.held {
		if h.observation != last {
			last = h.observation
			w.Waiting++
		}
	}
	if len(c.starts) > 2 {
		return
	}
	w.Stored = map[string]string{}
	for name, feature := range c.stored {
		group := c.resolved[name].Group
		if !slices.ContainsFunc(c.held, func(h held) bool { return h.entry.Group == group }) {
			w.Stored[name] = feature
		}
	}
}

// heldAnswer documents a row of a call that waits in quarantine.
type heldAnswer struct {
	Place  string   `json:"row,omitempty" doc:"Where it stands in a call of many"`
	ID     string   `json:"id" doc:"Its entry in quarantine"`
	Group  string   `json:"group"`
	Broken []Breach `json:"broken" doc:"What it breaks"`
}

// appendHeld writes what of a call waits in quarantine, at most so many rows; nothing where there is none. place tells where an
// observation stands, "" where there is but one.
func (w *Written) appendHeld(b []byte, member string, most int, observations []Observation) []byte {
	if len(w.held) == 0 {
		return b
	}
	b = append(appendMember(b, member), '[')
	for i, h := range w.held[:min(most, len(w.held))] {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '{')
		if place := observations[h.observation].Place; place != "" {
			b = append(value.AppendJSONString(appendKey(b, 0, "row"), place), ',')
		}
		b = value.AppendJSONString(appendKey(b, 0, "id"), h.entry.ID)
		b = appendTextMember(b, "group", h.entry.Group.Name)
		b = append(appendMember(b, "broken"), '[')
		for n := range h.breaches {
			if n > 0 {
				b = append(b, ',')
			}
			b = w.appendBreach(b, &h, n)
		}
		b = append(b, ']', '}')
	}
	return append(b, ']')
}

func (w *Written) appendBreach(b []byte, h *held, n int) []byte {
	breach := &h.breaches[n]
	b = value.AppendJSONString(append(b, `{"rule":`...), breach.rule.Name)
	if breach.rule.Version != 0 {
		b = strconv.AppendInt(appendMember(b, "version"), int64(breach.rule.Version), 10)
	}
	if breach.feature != "" {
		b = appendMember(appendTextMember(b, "feature", breach.feature), "value")
		switch {
		case w.Online == "" && !breach.masked && breach.field >= 0:
			b = fmt.Appendf(b, "%c%d,%d,%s%c", markValue, h.observation, breach.field, breach.typed, markValue)
		default:
			b = append(b, breach.asJSON()...)
		}
	}
	return append(appendTextMember(b, "expected", breach.expected), '}')
}

// withValues puts the values of a request in the places that a remembered answer has for them.
func withValues(answer []byte, observations []Observation) []byte {
	if bytes.IndexByte(answer, markValue) < 0 {
		return answer
	}
	filled := make([]byte, 0, len(answer))
	for i, part := range bytes.Split(answer, []byte{markValue}) {
		if i%2 == 0 {
			filled = append(filled, part...)
		} else {
			filled = appendFieldOf(filled, string(part), observations)
		}
	}
	return filled
}

// appendFieldOf writes the field of a request that a mark names, as a value of the mark's type.
func appendFieldOf(b []byte, mark string, observations []Observation) []byte {
	var observation, field int
	var typed string
	if _, err := fmt.Sscanf(mark, "%d,%d,%s", &observation, &field, &typed); err == nil && observation < len(observations) && field < len(observations[observation].Fields) {
		o := &observations[observation]
		if t, known := value.ParseType(typed); known {
			if v, err := o.Fields[field].Cell.Value(t, o.Zone); err == nil {
				return value.AppendJSON(b, v)
			}
		}
	}
	return append(b, "null"...) // the same bytes were sent as another type of content
}
