package storetest_test

import (
	"testing"

	"featurestore/modules/store/storetest"
)

func TestCompactions(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { storetest.RunCompactions(t, offlineSQLite(t), count(60, 1000)) })
	t.Run("postgres", func(t *testing.T) { storetest.RunCompactions(t, offlinePostgres(t), count(40, 500)) })
}

func TestCompactionBehind(t *testing.T) { eachPair(t, storetest.RunCompactionBehind) }
