package web

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Arrows lead to the right, also between nodes that are as near; a circle ends.
func TestPlace(t *testing.T) {
	nodes := func(n int) []node { return make([]node, n) }
	columns := func(l lineage) (found []int) {
		l.place()
		for _, n := range l.Nodes {
			found = append(found, n.Column)
		}
		return found
	}
	// own ← pipeline ← group, feature; feature ← group; own ← group; own ← rule
	require.Equal(t, []int{3, 2, 0, 1, 2}, columns(lineage{Nodes: nodes(5), Arrows: []arrow{{From: 1, To: 0}, {From: 2, To: 1}, {From: 3, To: 1}, {From: 2, To: 3}, {From: 2, To: 0}, {From: 4, To: 0}}}))
	// own ← group ← entity type; own ← pipeline ← events ← entity type
	require.Equal(t, []int{3, 2, 0, 2, 1}, columns(lineage{Nodes: nodes(5), Arrows: []arrow{{From: 1, To: 0}, {From: 2, To: 1}, {From: 3, To: 0}, {From: 4, To: 3}, {From: 2, To: 4}}}), "a group stands just before what it leads to")
	require.Equal(t, []int{0}, columns(lineage{Nodes: nodes(1)}))
	require.NotPanics(t, func() { columns(lineage{Nodes: nodes(2), Arrows: []arrow{{From: 0, To: 1}, {From: 1, To: 0}}}) })
}
