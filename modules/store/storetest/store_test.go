package storetest_test

import (
	"os"
	"testing"

	"featurestore/modules/store/storetest"
)

const scripts = "testdata/*.test"

// count is how often something is done: n, a tenth of it with -short, and with FEATURESTORE_TEST_FULL=1 full.
func count(n, full int) int {
	switch {
	case testing.Short():
		return n / 10
	case os.Getenv("FEATURESTORE_TEST_FULL") == "1":
		return full
	}
	return n
}

func TestPairs(t *testing.T) {
	eachPair(t, func(t *testing.T, pair storetest.Pair) {
		storetest.RunStore(t, pair, scripts, count(5_000, 10_000))
	})
}

func TestMixedPairs(t *testing.T) {
	mixedPairs(t, func(t *testing.T, pair storetest.Pair) {
		storetest.RunHistories(t, pair, count(500, 3_000))
	})
}

func TestKnownHistories(t *testing.T) {
	eachPair(t, func(t *testing.T, pair storetest.Pair) { storetest.RunKnownHistories(t, pair, count(20, 500)) })
}

func TestNewerWins(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { storetest.RunNewerWins(t, onlineSQLite(t), count(200_000, 2_000_000)) })
	t.Run("redis", func(t *testing.T) { storetest.RunNewerWins(t, onlineRedis(t), count(200_000, 2_000_000)) })
}

func TestFormats(t *testing.T) { eachPair(t, storetest.RunFormats) }

func TestLateCommits(t *testing.T) {
	eachPair(t, func(t *testing.T, pair storetest.Pair) { storetest.RunLateCommits(t, pair, 200) })
}

func TestDeletions(t *testing.T) {
	eachPair(t, func(t *testing.T, pair storetest.Pair) { storetest.RunDeletions(t, pair, count(100, 1000)) })
}

func TestWriters(t *testing.T) {
	eachPair(t, func(t *testing.T, pair storetest.Pair) { storetest.RunWriters(t, pair, count(10_000, 200_000)) })
}

func TestKeyedWrites(t *testing.T) {
	eachPair(t, func(t *testing.T, pair storetest.Pair) { storetest.RunKeyedWrites(t, pair, count(2_000, 20_000)) })
}

func TestLostRemoval(t *testing.T) { eachPair(t, storetest.RunLostRemoval) }

func TestRevertAndEmptied(t *testing.T) { eachPair(t, storetest.RunRevertAndEmptied) }
