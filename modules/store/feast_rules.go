package store

import (
	"context"

	"featurestore/modules/registry"
)

// judgeFrame has row rules look at the rows of a frame, but for those of erased entities, and notes in the chunks which of them go into
// quarantine. A frame that they refuse is a fault.
func (s *Store) judgeFrame(ctx context.Context, group *registry.Group, chunks []*frameChunk) ([]told, error) {
	g := s.guard(group)
	if g == nil {
		return nil, nil
	}
	refused := refusals{most: s.config.LoadErrors}
	for _, c := range chunks {
		erased, err := s.sift(c.Rows, func() (int64, error) { return s.offlineNow(ctx) })
		if err != nil {
			return nil, err
		}
		rows, numbers := c.Rows.without(erased), without(c.numbers, erased)
		of := without(places(len(c.Keys)), erased)
		byRow(g.judge(rows), func(row int, breaches []breach) {
			for i := range breaches {
				if b := &breaches[i]; b.refuses() {
					refused.note(numbers[row], rowPlace(numbers[row], b.feature), b)
				}
			}
			if breaches = quarantining(breaches); len(breaches) > 0 {
				if c.entries == nil {
					c.entries = make([]*Quarantined, len(c.Keys))
				}
				c.entries[of[row]] = newEntry(rows, row, breaches, Source{Way: WayFeast, Row: numbers[row]}, s.now())
			}
		})
	}
	said := []told{{group, g.run.Finish()}}
	if failed, first := refused.of(said[0].outcomes); failed != nil {
		onlyRefusals(said)
		s.tell(said)
		return nil, ruleViolated(failed, first)
	}
	return said, nil
}

// places are the numbers below n.
func places(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// split answers the rows of a chunk that are to be stored and the entries that go into quarantine, none of them erased.
func (c *frameChunk) split(erased []bool) (*Rows, []*Quarantined) {
	if c.entries == nil {
		return c.Rows.without(erased), nil
	}
	leave := make([]bool, len(c.Keys))
	var entries []*Quarantined
	for i, entry := range c.entries {
		gone := erased != nil && erased[i]
		if leave[i] = gone || entry != nil; entry != nil && !gone {
			entry.Checked = c.Checked
			entries = append(entries, entry)
		}
	}
	return c.Rows.without(leave), entries
}
