package store

import (
	"cmp"
	"slices"
	"strings"
)

// KeyOrder is the places of keys in the order of their encoded form, and of the same key in that of times: so neighbours find their pages of an
// index in memory.
func KeyOrder(keys []Key, times []int64) []int32 {
	if len(keys) == 0 {
		return nil
	}
	type place struct {
		head  uint64 // of the key, behind what all keys begin with: most comparisons need no more
		index int32
	}
	common := keys[0].Encoded
	for _, key := range keys[1:] {
		common = common[:CommonPrefix(common, key.Encoded)]
	}
	places := make([]place, len(keys))
	for i, key := range keys {
		places[i] = place{KeyHead(key.Encoded[len(common):]), int32(i)}
	}
	inOrder := func(a, b place) int {
		if a.head != b.head {
			return cmp.Compare(a.head, b.head)
		}
		return cmp.Or(strings.Compare(keys[a.index].Encoded, keys[b.index].Encoded), cmp.Compare(times[a.index], times[b.index]))
	}
	if !slices.IsSortedFunc(places, inOrder) {
		slices.SortFunc(places, inOrder)
	}
	order := make([]int32, len(places))
	for i, p := range places {
		order[i] = p.index
	}
	return order
}

// CommonPrefix is how many bytes two texts begin with alike.
func CommonPrefix[T string | []byte](a, b T) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// KeyHead is the first eight bytes as a number: where two differ, so do the texts, the same way.
func KeyHead[T string | []byte](key T) (head uint64) {
	for i := range min(len(key), 8) {
		head |= uint64(key[i]) << (56 - 8*i)
	}
	return head
}
