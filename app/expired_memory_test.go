package app

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/store/storetest/servers"
)

// A group that says nothing of its TTL gets registry.ttl; once that and the grace are over, Redis has the memory of its values back.
func TestRedisShrinksWhenValuesExpire(t *testing.T) {
	redis := servers.StartRedis(t, servers.RedisOptions{Fsync: "no"})
	a := start(t, settings(t, "FEATURESTORE_REDIS_URL="+redis.URL(), "FEATURESTORE_REGISTRY_TTL=1h", "FEATURESTORE_STORE_RECLAIM_GRACE=0s"))
	base := "http://" + a.Addresses()[0]
	status, body := send(t, "POST", base+"/groups", `{"name": "spending", "entity_type": "customer", "features": [
		{"name": "a", "value_type": "FLOAT"}, {"name": "b", "value_type": "FLOAT"}, {"name": "c", "value_type": "STRING"}]}`)
	require.Equal(t, http.StatusCreated, status, body)
	require.Contains(t, body, `"ttl":"1h"`)

	const entities = 20_000
	empty := memoryOfRedis(t, redis)
	var full int
	for life := 3 * time.Second; full == 0; life *= 2 { // longer where the machine takes longer
		require.Less(t, life, 5*time.Minute, "the rows expire before they can be counted")
		var rows strings.Builder
		rows.WriteString("customer_id,event_time,a,b,c\n")
		at := time.Now().UTC().Add(life - time.Hour).Format(time.RFC3339)
		for i := range entities {
			fmt.Fprintf(&rows, "%d,%s,%d.5,2.5,somewhere in the world\n", i, at, i)
		}
		status, body := send(t, "POST", base+"/rows/spending", rows.String())
		require.Equal(t, http.StatusOK, status, body)
		status, body = send(t, "POST", base+"/materialize?wait=60s", `{"groups": ["spending"]}`)
		require.Equal(t, http.StatusOK, status, body)
		if taken := memoryOfRedis(t, redis); keysOfRedis(t, redis) > entities {
			full = taken
		}
	}
	require.Greater(t, full, empty+100*entities)

	require.Eventually(t, func() bool { return keysOfRedis(t, redis) < 20 }, 10*time.Minute, 50*time.Millisecond, "rows stay")
	require.Eventually(t, func() bool { return memoryOfRedis(t, redis)-empty < (full-empty)/5 }, time.Minute, 50*time.Millisecond, "their memory stays")
	status, body = send(t, "GET", base+"/get/customer/7/a", "")
	require.Equal(t, http.StatusOK, status, body)
	require.Contains(t, body, `"status":"NOT_FOUND"`)
	status, body = send(t, "GET", base+"/history/customer/7", "")
	require.Equal(t, http.StatusOK, status, body)
	require.Contains(t, body, "7.5", "history has it")
}

var usedMemory = regexp.MustCompile(`(?m)^used_memory:(\d+)`)

// memoryOfRedis is what it has taken for data, in bytes.
func memoryOfRedis(t *testing.T, redis *servers.RedisServer) int {
	info, err := redis.Do("INFO", "memory")
	require.NoError(t, err)
	match := usedMemory.FindStringSubmatch(info)
	require.NotNil(t, match, info)
	bytes, err := strconv.Atoi(match[1])
	require.NoError(t, err)
	return bytes
}

func keysOfRedis(t *testing.T, redis *servers.RedisServer) int {
	size, err := redis.Do("DBSIZE")
	require.NoError(t, err)
	keys, err := strconv.Atoi(size)
	require.NoError(t, err)
	return keys
}
