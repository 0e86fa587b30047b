package app

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// A process stays in service while either store can answer: with PostgreSQL down online reads go on, with Redis down history answers.
func TestReadyWhileOneStoreWorks(t *testing.T) {
	fails := func(context.Context) error { return errors.New("down") }
	works := func(context.Context) error { return nil }
	for _, c := range []struct {
		name                      string
		registry, offline, online func(context.Context) error
		status                    int
		problems                  []string
	}{
		{"all works", works, works, works, 200, nil},
		{"PostgreSQL down", fails, fails, works, 200, []string{"registry", "offline store"}},
		{"Redis down", works, works, fails, 200, []string{"online store"}},
		{"both down", fails, fails, fails, 503, []string{"registry", "offline store", "online store"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := &App{server: &server{}, checks: []check{{"registry", false, c.registry}, {"offline store", true, c.offline}, {"online store", true, c.online}}}
			out, err := a.ready(t.Context(), nil)
			require.NoError(t, err)
			require.Equal(t, c.status, out.Status)
			require.Len(t, out.Body.Problems, len(c.problems))
			health, err := a.health(t.Context(), nil)
			require.NoError(t, err)
			require.Equal(t, c.status, health.Status)
			for _, name := range c.problems {
				require.Equal(t, "down", out.Body.Problems[name])
			}
		})
	}
}
