package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A misspelt name is a mistake, and no empty table.
func TestWorksThatThereAreNot(t *testing.T) {
	for _, only := range []string{"raeds", "feast", "servers t2mikro"} {
		require.ErrorContains(t, run(options{only: only}), "no work matches", only)
	}
}
