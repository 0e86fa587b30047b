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
