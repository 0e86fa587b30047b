package store

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"

	"featurestore/modules/registry/value"
)

// Which rows of an event group with an id column were there already, only the commit knows. A remembered answer has marks in place of
// these counts, and the outcome, which is settled after the commit, has the counts behind the same marks.

// withCounts appends counts to an outcome.
func withCounts(outcome string, stored, duplicate int64) string {
	return fmt.Sprintf("%s%c%d%c%d", outcome, markStored, stored, markDuplicate, duplicate)
}

// cutCounts takes them off again.
func cutCounts(outcome string) (rest, stored, duplicate string) {
	rest, counts, _ := strings.Cut(outcome, string(rune(markStored)))
	stored, duplicate, _ = strings.Cut(counts, string(rune(markDuplicate)))
	return rest, stored, duplicate
}

// settleCounts gives the outcome of a committed request its counts, if it has them. Where that cannot be recorded, a replay counts all rows as
// stored.
func (s *Store) settleCounts(ctx context.Context, request *KeyedRequest, stored, duplicate int64) {
	if !request.counted {
		return
	}
	rest, _, _ := cutCounts(request.Outcome)
	request.Outcome = withCounts(rest, stored, duplicate)
	if err := s.offline.Settle(context.WithoutCancel(ctx), [][32]byte{request.Key}, request.Outcome); err != nil {
		s.log.Warn("a replayed answer will not count the rows that were there already", "duplicate", duplicate, "error", err)
	}
}

// duplicates is how many observations were there already; before the commit -1, if there can be some.
func (c *checked) duplicates() (n int) {
	for i, start := range c.starts[:len(c.starts)-1] {
		if c.erased != nil && c.erased[i] {
			continue
		}
		if c.holds(start, c.starts[i+1]) {
			continue
		}
		there := true
		for _, rows := range c.rows[start:c.starts[i+1]] {
			if rows.IngestIDs == nil && rows.Group.IDColumn != "" {
				return -1
			}
			there = there && rows.Duplicates() > 0
		}
		if there {
			n++
		}
	}
	return n
}

// countDuplicates takes the rows that a committed load did not store off those that were.
func (l *loading) countDuplicates() {
	l.loaded.Duplicate = l.load.Duplicates()
	l.loaded.Stored -= l.loaded.Duplicate
}

// appendEventTime writes an observation's time, which may be known after the commit only; null where nothing was stored and no time was
// given.
func (w *Written) appendEventTime(b []byte, observation int) []byte {
	us := w.EventTimes[observation]
	if us == value.NoTime && w.Online == "" && (w.erased == nil || !w.erased[observation]) {
		return append(b, MarkTime)
	}
	return appendTime(b, us)
}

// appendCounts writes what became of n observations.
func (w *Written) appendCounts(b []byte, n int64) []byte {
	counts := &Loaded{Received: n, Stored: n - int64(w.Erased+w.Waiting), Quarantined: int64(w.Waiting), Erased: int64(w.Erased)}
	if w.Duplicates < 0 {
		return append(b, markCounts(appendCounts(nil, counts), counts)...)
	}
	counts.Duplicate = int64(w.Duplicates)
	counts.Stored -= counts.Duplicate
	return appendCounts(b, counts)
}

// appendThere says of an only observation that it was there already, or is of an erased entity, if so.
func (w *Written) appendThere(b []byte) []byte {
	switch {
	case w.Erased > 0:
		return append(appendMember(b, "erased"), "true"...)
	case w.Duplicates < 0:
		return append(b, markThere)
	case w.Duplicates > 0:
		return append(appendMember(b, "duplicate"), "true"...)
	}
	return b
}

// markCounts puts marks in place of the two counts in JSON that was made of l.
func markCounts(text []byte, l *Loaded) []byte {
	put := func(name string, n int64, mark byte) {
		member := append(strconv.AppendQuote(nil, name), ':')
		text = bytes.Replace(text, strconv.AppendInt(bytes.Clone(member), n, 10), append(member, mark), 1)
	}
	put("stored", l.Stored, markStored)
	put("duplicate", l.Duplicate, markDuplicate)
	return text
}
