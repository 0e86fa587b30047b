package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/app/fault"
	"featurestore/modules/store"
)

func TestHistoryReachesAsFarAsItsHorizon(t *testing.T) {
	h := store.History{Horizon: time.Hour}
	const now, hour = 1_800_000_000_000_000, 3_600_000_000
	require.EqualValues(t, now-hour, h.From(now))
	for _, at := range []int64{now - hour, now - 1, now, now + 1} {
		require.NoError(t, h.Reaches(at, now, "it", "query.known_at"))
	}
	problem, ok := fault.As(h.Reaches(now-hour-1, now, "it", "query.known_at"))
	require.True(t, ok)
	require.Equal(t, fault.Gone, problem.Kind)
	require.Equal(t, "it lies further back than history.horizon: what was known before 2027-01-15T07:00:00Z can no longer be told", problem.Detail)
	require.Equal(t, "query.known_at", problem.Violations[0].Location)
	require.Empty(t, store.DefaultHistory().Validate())
	require.Len(t, store.History{Horizon: -1, CompactEvery: -1}.Validate(), 2)
	require.Empty(t, store.History{}.Validate())
}
