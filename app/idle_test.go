package app

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A process that allocates much is left to the collector; garbage is given back once it idles, and again when there is enough of it.
func TestGarbageIsGivenBackWhenIdle(t *testing.T) {
	const mb = 1 << 20
	i := idling{}
	for _, c := range []struct {
		allocated uint64
		free      bool
	}{{40 * mb, false}, {200 * mb, false}, {201 * mb, true}, {201*mb + 1000, false}, {201*mb + 2000, false}, {202 * mb, true}, {300 * mb, false}, {300 * mb, true}, {300 * mb, false}} {
		require.Equal(t, c.free, i.look(c.allocated), "%d", c.allocated)
	}
	stop := KeepSmall()
	stop()
}
