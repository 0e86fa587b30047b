package redis

import (
	"context"
	"regexp"
	"strconv"

	"featurestore/modules/store"
)

var (
	usedMemory = regexp.MustCompile(`(?m)^used_memory:(\d+)`)
	maxMemory  = regexp.MustCompile(`(?m)^maxmemory:(\d+)`)
)

// Size is the memory of the whole server, of which others may use some.
func (o *Online) Size(ctx context.Context) (store.StoreSize, error) {
	found, err := o.info(ctx, usedMemory, maxMemory)
	if err != nil {
		return store.StoreSize{}, err
	}
	size := store.StoreSize{Engine: "redis", InMemory: true}
	for i, to := range []*int64{&size.Bytes, &size.Limit} {
		if *to, err = strconv.ParseInt(found[i], 10, 64); err != nil {
			return store.StoreSize{}, err
		}
	}
	return size, nil
}
