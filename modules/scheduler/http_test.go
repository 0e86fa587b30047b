package scheduler

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/app/database/databasetest"
	"featurestore/app/httpapi/httpapitest"
)

// Every route, by scenarios, while the scheduler is at work. The clock stands at 2026-01-01T00:30:00Z.
func TestHTTP(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t)(), time.Date(2026, 1, 1, 0, 30, 0, 0, time.UTC))
	w.config.Poll = 10 * time.Millisecond
	require.NoError(t, w.Start(t.Context()))
	defer w.Stop()
	httpapitest.Listen(t, httpapitest.Serve(quiet, w.definitions.Routes, w.work.Routes, w.Routes)).Run(t, "testdata/http/*.txt")
}

func TestConfig(t *testing.T) {
	require.Empty(t, DefaultConfig().Validate())
	require.Len(t, Config{}.Validate(), 2)
	require.Len(t, Config{Poll: time.Second, Grace: time.Second, Keep: time.Hour}.Validate(), 2)
}
