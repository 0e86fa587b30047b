package storetest_test

import (
	"testing"

	"featurestore/modules/store/storetest"
)

const scripts = "testdata/*.test"

func TestPairs(t *testing.T) {
	eachPair(t, func(t *testing.T, pair storetest.Pair) { storetest.RunStore(t, pair, scripts, 5000) })
}
