package storetest_test

import (
	"os"
	"testing"

	"featurestore/modules/store/storetest"
)

// Rules are evaluated by measures and by rows: 40 groups on each engine, 1,000 with FEATURESTORE_TEST_FULL=1.
func TestMeasuresSayWhatTheRowsSay(t *testing.T) {
	checks := 40
	if os.Getenv("FEATURESTORE_TEST_FULL") == "1" {
		checks = 1000
	}
	t.Run("sqlite", func(t *testing.T) { storetest.RunMeasures(t, offlineSQLite(t), checks) })
	t.Run("postgres", func(t *testing.T) { storetest.RunMeasures(t, offlinePostgres(t), checks) })
}
