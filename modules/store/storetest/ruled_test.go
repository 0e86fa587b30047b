package storetest_test

import (
	"testing"

	"featurestore/modules/store/storetest"
)

func TestRuled(t *testing.T) {
	eachPair(t, func(t *testing.T, pair storetest.Pair) { storetest.RunRuled(t, pair, count(40, 1_000)) })
}
