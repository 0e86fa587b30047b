package redis

import (
	"context"
	"fmt"
	"strconv"

	"featurestore/modules/registry"
	"featurestore/modules/store"
)

// State reads marker and hash at one moment.
func (o *Online) State(ctx context.Context, group *registry.Group) (store.State, error) {
	results, err := run(ctx, o.client, stateScript, call{keys: []string{o.keys.marker(group), o.keys.state(group)}})
	if err != nil {
		return store.State{}, fmt.Errorf("reading the state of group %s: %w", group.Name, err)
	}
	m, err := results[0].AsStrSlice()
	if err == nil && len(m) != 8 {
		err = fmt.Errorf("the script answered %d members", len(m))
	}
	var numbers [4]int64 // ttl, removal, fence, raised
	for i := range numbers {
		if err == nil {
			numbers[i], err = strconv.ParseInt(m[3+i], 10, 64)
		}
	}
	if err != nil {
		return store.State{}, fmt.Errorf("reading the state of group %s: %w", group.Name, err)
	}
	return store.State{Marker: m[0], Fence: numbers[2], Raised: numbers[3], Server: m[7],
		Watermark: store.Watermark{Store: m[1], Position: store.Position(m[2]), TTL: numbers[0], Removal: numbers[1]}}, nil
}

// Swap compares every member of the state, and the server's run, and replaces them in one step.
func (o *Online) Swap(ctx context.Context, group *registry.Group, from, to store.State) (bool, error) {
	c := call{keys: []string{o.keys.marker(group), o.keys.state(group)}, arguments: append(members(from), members(to)...)}
	results, err := run(ctx, o.client, swapScript, c)
	if err != nil {
		return false, fmt.Errorf("changing the state of group %s: %w", group.Name, err)
	}
	swapped, err := results[0].AsBool()
	if err != nil {
		return false, fmt.Errorf("changing the state of group %s: %w", group.Name, err)
	}
	return swapped, nil
}

// members are a state as the scripts read and write it.
func members(s store.State) []string {
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	w := s.Watermark
	return []string{s.Marker, w.Store, string(w.Position), number(w.TTL), number(w.Removal), number(s.Fence), number(s.Raised), s.Server}
}
