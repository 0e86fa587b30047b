package registry

import (
	"cmp"
	"iter"
	"slices"
	"strings"
)

// DidYouMean is the end of a sentence about an unknown name: "; did you mean "a" or "b"?" with the up to three candidates that
// differ from it least, or "" if none is near.
func DidYouMean(name string, candidates iter.Seq[string]) string {
	type near struct {
		name     string
		distance int
	}
	var found []near
	limit := min(3, max(1, len(name)/3))
	for candidate := range candidates {
		if d := distance(name, candidate, limit); d <= limit {
			found = append(found, near{candidate, d})
		}
	}
	slices.SortFunc(found, func(a, b near) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.name, b.name))
	})
	found = slices.Compact(found)
	if len(found) == 0 {
		return ""
	}
	var quoted []string
	for _, n := range found[:min(3, len(found))] {
		quoted = append(quoted, `"`+n.name+`"`)
	}
	last := len(quoted) - 1
	if last == 0 {
		return "; did you mean " + quoted[0] + "?"
	}
	return "; did you mean " + strings.Join(quoted[:last], ", ") + " or " + quoted[last] + "?"
}

// distance is how many bytes must be inserted, deleted, changed or swapped with their neighbour to make b of a (optimal string
// alignment); anything above limit is answered as limit+1.
func distance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	if len(a) > 120 || len(b) > 120 { // no name is so long
		return limit + 1
	}
	var rows [3][121]int
	older, previous, current := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		previous[j] = j
	}
	for i := 1; i <= len(a); i++ {
		current[0] = i
		least := i
		for j := 1; j <= len(b); j++ {
			change := previous[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			d := min(change, previous[j]+1, current[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, older[j-2]+1)
			}
			current[j] = d
			least = min(least, d)
		}
		if least > limit {
			return limit + 1
		}
		older, previous, current = previous, current, older
	}
	return previous[len(b)]
}
