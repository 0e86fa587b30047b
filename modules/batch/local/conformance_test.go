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

func TestEngine(t *testing.T) {
	url, schema := servers.Postgres(t)
	places, config := batchtest.NewPlaces(t, url, schema+"_tables")
	folder := t.TempDir()
	batchtest.Run(t, batchtest.Subject{
		Engine: local.New(config), Config: config, Places: places,
		Homes:  batchtest.Homes(),
		Random: batchtest.Count(100, 2_000),
		Offline: storetest.OfflineEngine{Open: func(t testing.TB, place string) store.Offline {
			in := filepath.Join(folder, t.Name())
			require.NoError(t, os.MkdirAll(in, 0o700))
			s, err := sqlite.OpenOffline(filepath.Join(in, place+".db"), sqlite.Options{})
			require.NoError(t, err)
			return s
		}},
	})
}
