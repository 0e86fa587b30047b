package materialization

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
)

// Who waits for a group's turn ends when told to, though the one whose turn it is goes on.
func TestWaitingForATurnEnds(t *testing.T) {
	m, group := &Materialization{}, &registry.Group{About: registry.About{ID: 7}}
	require.NoError(t, m.turn(group).take(t.Context()))
	require.False(t, m.turn(group).tryTake())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := m.Group(ctx, group, Full, nil)
		ended <- err
	}()
	cancel()
	select {
	case err := <-ended:
		require.ErrorIs(t, err, context.Canceled)
	case <-time.After(time.Minute):
		t.Fatal("it goes on waiting")
	}
	m.turn(group).give()
	require.True(t, m.turn(group).tryTake())
	require.True(t, m.turn(&registry.Group{About: registry.About{ID: 8}}).tryTake(), "another group's")
}
