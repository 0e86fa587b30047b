package storetest_test

import (
	"testing"

	"featurestore/modules/store/storetest"
)

func TestChecks(t *testing.T) { eachPair(t, storetest.RunChecks) }

func TestChecksBesideWriters(t *testing.T) {
	eachPair(t, func(t *testing.T, pair storetest.Pair) { storetest.RunChecksBesideWriters(t, pair, count(20, 200)) })
}

func TestRebuilds(t *testing.T) { eachPair(t, storetest.RunRebuilds) }
