package storetest_test

import (
	"testing"

	"featurestore/modules/store/storetest"
)

func TestPublishing(t *testing.T) { eachPair(t, storetest.RunPublishing) }
