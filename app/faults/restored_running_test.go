package faults

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/store/storetest/servers"
)

// PostgreSQL is restored to an earlier moment under a running program: that forgets the definitions which are gone with the values, and makes
// tables and columns anew for those that come after, under ids which it knew as others.
func TestPostgresRestoredUnderARunningProgram(t *testing.T) {
	postgres, redis := servers.StartPostgres(t, servers.Archiving()...), servers.StartRedis(t, servers.RedisOptions{})
	require.NoError(t, postgres.Backup())
	p := newProgram(t, onServers(postgres, redis)...)
	group := func(name, feature string) {
		mustCall(t, "POST", p.registry+"/apply", fmt.Sprintf(`{"groups": [{"name": %q, "entity_type": "account", "features": [{"name": %q, "value_type": "STRING"}]},
			{"name": "mirrors", "entity_type": "account", "features": [{"name": "%s_too", "value_type": "STRING"}]}]}`, name, feature, feature), nil)
		mustCall(t, "POST", p.store+"/store/account/restored", fmt.Sprintf(`{%q: "a", "%s_too": "b"}`, feature, feature), nil)
	}
	restored(t, p, func(t *testing.T) { group("gone", "lost") }, func(t *testing.T) {
		await(t, time.Minute, "the group that was made after the moment is forgotten", func() error {
			status, answer, err := call("GET", p.registry+"/groups/gone", "")
			if err == nil && status != http.StatusNotFound {
				err = fmt.Errorf("%d %s", status, answer)
			}
			return err
		})
		await(t, time.Minute, "the marker of the copy that came after the moment no longer counts", func() error {
			status, answer, err := call("GET", p.store+"/get/account/lost-0/n", "")
			if err == nil && (status != http.StatusOK || !strings.Contains(answer, "NOT_FOUND")) {
				err = fmt.Errorf("%d %s", status, answer)
			}
			return err
		})
		group("again", "found")
		status, answer, err := call("GET", p.store+"/get/account/restored?features=found,found_too", "")
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status, answer)
		require.Contains(t, answer, `"found":"a","found_too":"b"`)
		status, _, err = call("GET", p.registry+"/features/account/mirrors:lost_too", "")
		require.NoError(t, err)
		require.Equal(t, http.StatusNotFound, status)
	}, func() {
		require.NoError(t, postgres.Mark("before"))
	}, func() {
		require.NoError(t, postgres.RestoreTo("before"))
	})
	require.True(t, p.running(), "it was never started anew")
}
