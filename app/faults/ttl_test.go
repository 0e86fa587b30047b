package faults

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/store/storetest/servers"
)

// Redis reclaims the space of expired rows. When a group's TTL is raised, its rows must be there again, those that were reclaimed as
// well, and every answer on the way must be right. The control is a group whose TTL stays.
func TestATTLRaisedOnExpiringKeys(t *testing.T) {
	postgres, redis := servers.StartPostgres(t), servers.StartRedis(t, servers.RedisOptions{Fsync: "no"})
	p := newProgram(t, append(onServers(postgres, redis), "FEATURESTORE_STORE_RECLAIM_GRACE=0s")...)
	p.start(t)
	const short = `{"entity_types": [{"name": "account", "join_keys": [{"name": "account_id", "value_type": "STRING"}]}],
		"groups": [{"name": "raised", "entity_type": "account", "ttl": "2s", "features": [{"name": "n", "value_type": "INTEGER"}]},
		           {"name": "kept", "entity_type": "account", "ttl": "2s", "features": [{"name": "k", "value_type": "INTEGER"}]}]}`
	mustCall(t, "POST", p.registry+"/apply", short, nil)

	const accounts = 50
	store := func(from, to int) {
		for i := from; i < to; i++ {
			mustCall(t, "POST", p.store+"/store/account/"+fmt.Sprint("a", i), fmt.Sprintf(`{"n": %d, "k": %d}`, i, i), nil)
		}
	}
	store(0, accounts/2)
	time.Sleep(2500 * time.Millisecond) // these are expired, and their space is reclaimed
	store(accounts/2, accounts)         // these are not
	for i := range accounts / 2 {
		require.Contains(t, []string{"OUTSIDE_MAX_AGE", "NOT_FOUND"}, p.get(t, fmt.Sprint("a", i), "n").Status)
	}
	mustCall(t, "POST", p.registry+"/apply", `{"groups": [{"name": "raised", "entity_type": "account", "ttl": "1h"}]}`, nil)

	online := 0
	deadline := time.Now().Add(6 * time.Second) // beyond the old expiry of all of them
	for online < accounts || time.Now().Before(deadline) {
		require.True(t, time.Now().Before(deadline.Add(time.Minute)), "%d of %d are online again", online, accounts)
		online = 0
		for i := range int64(accounts) {
			got := p.get(t, fmt.Sprint("a", i), "n")
			if !got.Offline {
				online++
			}
			got.Offline = false
			require.Equal(t, one{Value: &i, Status: "PRESENT"}, got)
		}
	}
	for i := range accounts {
		require.Contains(t, []string{"OUTSIDE_MAX_AGE", "NOT_FOUND"}, p.get(t, fmt.Sprint("a", i), "k").Status, "the control")
	}
	t.Logf("measured: %d values stayed readable across the old expiry, half of them after it", accounts)
}
