package store

import (
	"errors"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/app/fault"
)

// Where there is no room left, whoever asked is told so: trying again alone does not help.
func TestUnavailableSaysThatTheDiskIsFull(t *testing.T) {
	for cause, sentence := range map[error]string{
		syscall.ENOSPC:     "the disk of the offline store is full: nothing was stored; make room on it, then try again",
		errors.New("gone"): "the offline store cannot be used now: nothing was stored or read, try again",
	} {
		problem, is := fault.As(unavailable("publish", cause))
		require.True(t, is)
		require.Equal(t, sentence, problem.Detail)
		require.Equal(t, fault.Busy, problem.Kind)
		require.ErrorIs(t, problem, cause)
	}
}
