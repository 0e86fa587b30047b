package local_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/batch/batchtest"
	"featurestore/modules/batch/local"
	"featurestore/modules/store"
	"featurestore/modules/store/sqlite"
	"featurestore/modules/store/storetest"
	"featurestore/modules/store/storetest/servers"
)

// count is how many random definitions are tried: n, a fifth of it with -short, and with FEATURESTORE_TEST_FULL=1 full.
func count(n, full int) int {
	switch {
	case testing.Short():
		return n / 5
	case os.Getenv("FEATURESTORE_TEST_FULL") == "1":
		return full
	}
	return n
}

func TestEngine(t *testing.T) {
	url, schema := servers.Postgres(t)
	places, config := batchtest.NewPlaces(t, url, schema+"_tables")
	folder := t.TempDir()
	batchtest.Run(t, batchtest.Subject{
		Engine: local.New(config), Config: config, Places: places,
		Homes:  batchtest.Homes(),
		Random: count(100, 2_000),
		Offline: storetest.OfflineEngine{Open: func(t testing.TB, place string) store.Offline {
			in := filepath.Join(folder, t.Name())
			require.NoError(t, os.MkdirAll(in, 0o700))
			s, err := sqlite.OpenOffline(filepath.Join(in, place+".db"), sqlite.Options{})
			require.NoError(t, err)
			return s
		}},
	})
}
