package storetest_test

import (
	"testing"

	"featurestore/modules/store/storetest"
)

func TestErasedBesideStalledWriter(t *testing.T) { eachPair(t, storetest.RunErasedBesideStalledWriter) }

func TestErasedBesideMaterialization(t *testing.T) {
	eachPair(t, storetest.RunErasedBesideMaterialization)
}

func TestReimports(t *testing.T) {
	eachPair(t, func(t *testing.T, pair storetest.Pair) { storetest.RunReimports(t, pair, count(100, 2_000)) })
}

func TestErasedDuringLoad(t *testing.T) { eachPair(t, storetest.RunErasedDuringLoad) }

func TestLedgersJoined(t *testing.T) {
	eachPair(t, storetest.RunLedgersJoined)
	mixedPairs(t, storetest.RunLedgersJoined)
}

func TestErasedFromRuns(t *testing.T) { eachPair(t, storetest.RunErasedFromRuns) }

func TestErasedWithoutMaterialization(t *testing.T) {
	eachPair(t, storetest.RunErasedWithoutMaterialization)
}
