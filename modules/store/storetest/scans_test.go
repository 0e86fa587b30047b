package storetest_test

import (
	"testing"

	"featurestore/modules/store/storetest"
)

func TestScansOfLoads(t *testing.T) { eachPair(t, storetest.RunScansOfLoads) }
