package registry_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
)

// What a change has retired, and did not delete after all, is opened again: at once, by the poll, or by the next start.
func TestGroupsAreReopened(t *testing.T) {
	r := start(t)
	feature(t, r, "g", "x")
	r.Stop()
	var retired, reopened []string
	var failing atomic.Bool
	r.Guards.Retire = func(_ context.Context, g *registry.Group) (bool, error) {
		retired = append(retired, g.Name)
		return true, nil
	}
	done := make(chan struct{}, 10)
	r.Guards.Reopen = func(_ context.Context, groups []*registry.Group) error {
		if failing.Load() {
			return errors.New("the offline store is not there")
		}
		reopened = nil
		for _, g := range groups {
			reopened = append(reopened, g.Name)
		}
		done <- struct{}{}
		return nil
	}
	require.NoError(t, r.Start(ctx))
	<-done
	_, err := r.Delete(ctx, "group", "g", registry.Options{DryRun: true})
	require.NoError(t, err)
	require.Empty(t, retired, "a dry run changes nothing")
	_, err = r.Delete(ctx, "group", "g", registry.Options{})
	requireFault(t, err, "in-use")
	<-done
	require.Equal(t, []string{"g"}, retired)
	require.Equal(t, []string{"g"}, reopened)

	failing.Store(true)
	_, err = r.Delete(ctx, "group", "g", registry.Options{})
	requireFault(t, err, "in-use")
	failing.Store(false)
	<-done // by the poll

	r.Stop()
	require.NoError(t, r.Start(ctx))
	<-done
}
