package storetest_test

import (
	"testing"

	"featurestore/modules/store/storetest"
)

func TestQuarantines(t *testing.T) {
	eachPair(t, func(t *testing.T, pair storetest.Pair) { storetest.RunQuarantines(t, pair, count(25, 1_000)) })
}
