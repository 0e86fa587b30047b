package redis_test

import (
	"context"
	"hash/fnv"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/store"
	"featurestore/modules/store/redis"
	"featurestore/modules/store/storetest"
	"featurestore/modules/store/storetest/servers"
)

// The Redis of scripts/test compares strings by the rules of English: a script that relied on their bytes would fail here.
func TestOnline(t *testing.T) {
	url, prefix := servers.Redis(t)
	storetest.RunOnline(t, func(t testing.TB, place string) store.Online {
		h := fnv.New64a()
		_, _ = h.Write([]byte(t.Name() + " " + place))
		online, err := redis.Open(context.Background(), redis.Options{URL: url, Prefix: prefix + strconv.FormatUint(h.Sum64(), 36)})
		require.NoError(t, err)
		return online
	})
}
