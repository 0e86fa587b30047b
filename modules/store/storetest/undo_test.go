package storetest_test

import (
	"testing"

	"featurestore/modules/store/storetest"
)

func TestStalledWriter(t *testing.T) { eachPair(t, storetest.RunStalledWriter) }

func TestMaterializationInFlight(t *testing.T) { eachPair(t, storetest.RunMaterializationInFlight) }

func TestRevertWhileOnlineIsDown(t *testing.T) { eachPair(t, storetest.RunRevertWhileOnlineIsDown) }

func TestUndoUnderWriters(t *testing.T) {
	eachPair(t, func(t *testing.T, pair storetest.Pair) { storetest.RunUndoUnderWriters(t, pair, count(5_000, 100_000)) })
}

func TestLargeRevert(t *testing.T) {
	eachPair(t, func(t *testing.T, pair storetest.Pair) { storetest.RunLargeRevert(t, pair, count(5_000, 100_000)) })
}
