package storetest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// RunStore holds a pair of engines to the rules of time: the scripts of testdata and random histories.
func RunStore(t *testing.T, pair Pair, scripts string, histories int) {
	t.Run("scripts", func(t *testing.T) {
		read, err := ReadScripts(scripts)
		require.NoError(t, err)
		t.Logf("measured: %d scripted cases", RunScripts(t, pair, read))
	})
	t.Run("histories", func(t *testing.T) { RunHistories(t, pair, histories) })
}
