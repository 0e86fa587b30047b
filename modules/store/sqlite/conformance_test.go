package sqlite_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/store"
	"featurestore/modules/store/sqlite"
	"featurestore/modules/store/storetest"
)

func TestOfflineContract(t *testing.T) {
	folder, crashes := t.TempDir(), map[string]int{}
	path := func(t testing.TB, place string) string {
		name := strings.ReplaceAll(t.Name()+" "+place, "/", " ")
		return filepath.Join(folder, fmt.Sprintf("%.120s %d.db", name, crashes[name]))
	}
	open := func(t testing.TB, place string) store.Offline {
		o, err := sqlite.OpenOffline(path(t, place), sqlite.Options{})
		require.NoError(t, err)
		return o
	}
	crash := func(t testing.TB, place string) store.Offline {
		before := path(t, place)
		crashes[strings.ReplaceAll(t.Name()+" "+place, "/", " ")]++
		for _, suffix := range []string{"", "-wal"} {
			content, err := os.ReadFile(before + suffix)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path(t, place)+suffix, content, 0o600))
		}
		return open(t, place)
	}
	storetest.RunOffline(t, storetest.OfflineEngine{Open: open, Crash: crash})
}

func TestOnlineContract(t *testing.T) {
	folder := t.TempDir()
	storetest.RunOnline(t, func(t testing.TB, place string) store.Online {
		name := strings.ReplaceAll(t.Name()+" "+place, "/", " ")
		o, err := sqlite.OpenOnline(filepath.Join(folder, fmt.Sprintf("%.120s.db", name)), sqlite.Options{})
		require.NoError(t, err)
		return o
	})
}
