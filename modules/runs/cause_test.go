package runs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/app/database/databasetest"
	"featurestore/app/fault"
)

// What is hidden from callers of an outage that a run failed by stands in the log; of what is somebody's mistake the reason says all.
func TestCauseOfAFailedRunIsLogged(t *testing.T) {
	db := databasetest.SQLite(t)()
	require.NoError(t, Migrate(t.Context(), db))
	var log bytes.Buffer
	r := New(db, quick, time.Now, slog.New(slog.NewTextHandler(&log, nil)))
	r.Handle("work", 1, func(_ context.Context, run *Active) (any, error) {
		kind := fault.Busy
		if run.Subject() == "mistake" {
			kind = fault.Conflict
		}
		return nil, fmt.Errorf("doing it: %w", fault.New(kind, "x", "it cannot be used now").Because(errors.New("the cable of "+run.Subject())))
	})
	require.NoError(t, r.Start(t.Context()))
	for _, order := range []Order{{Kind: "work", Subject: "once"}, {Kind: "work", Subject: "mistake"}, {Kind: "work", Subject: "again", Retries: 1, Backoff: time.Millisecond}} {
		run, _, err := r.Order(t.Context(), order)
		require.NoError(t, err)
		run, err = r.Wait(t.Context(), run.ID)
		require.NoError(t, err)
		require.Equal(t, [2]string{"failed", "it cannot be used now"}, [2]string{string(run.State), run.Reason})
	}
	r.Stop()
	require.Contains(t, log.String(), `reason="it cannot be used now" error="the cable of once"`)
	require.Equal(t, 2, bytes.Count(log.Bytes(), []byte("the cable of again")), "once for each attempt")
	require.NotContains(t, log.String(), "the cable of mistake")
}
