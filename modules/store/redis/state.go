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
	if err == nil && len(m) != 6 {
		err = fmt.Errorf("the script answered %d members", len(m))
	}
	var ttl, fence int64
	if err == nil {
		ttl, err = strconv.ParseInt(m[3], 10, 64)
	}
	if err == nil {
		fence, err = strconv.ParseInt(m[4], 10, 64)
	}
	if err != nil {
		return store.State{}, fmt.Errorf("reading the state of group %s: %w", group.Name, err)
	}
	return store.State{Marker: m[0], Watermark: store.Watermark{Store: m[1], Position: store.Position(m[2]), TTL: ttl}, Fence: fence, Server: m[5]}, nil
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
	return []string{s.Marker, s.Watermark.Store, string(s.Watermark.Position), strconv.FormatInt(s.Watermark.TTL, 10), strconv.FormatInt(s.Fence, 10), s.Server}
}
