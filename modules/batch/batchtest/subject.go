package batchtest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/batch"
	"featurestore/modules/store/storetest"
)

// Subject is an engine that is held to the contract, and the places that its events are put in.
type Subject struct {
	Engine  batch.Engine
	Config  batch.Config            // that the engine was made with: of NewPlaces
	Places  Places                  // of NewPlaces
	Offline storetest.OfflineEngine // where groups are
	Homes   []string                // the kinds of sources that it computes from, of Homes; of all others it must refuse plans

	// Leftovers names what the engine has started and not ended: processes, sessions. nil: it starts nothing.
	Leftovers func(t testing.TB) []string

	Random int // how many random definitions; see Count

	// OneHome is for engines that are slow: each scripted case is told in one of the homes that it holds in, the next case in the next. The failures are provoked in all.
	OneHome bool
}

// Count is how many random definitions are tried: n, a fifth of it with -short, and with FEATURESTORE_TEST_FULL=1 full.
func Count(n, full int) int {
	switch {
	case testing.Short():
		return n / 5
	case os.Getenv("FEATURESTORE_TEST_FULL") == "1":
		return full
	}
	return n
}

// Places are where tables and files of tests are.
type Places struct {
	URL    string // of a PostgreSQL; "": there are no tables
	Schema string // that does not exist yet
	Folder string
}

const (
	connection = "warehouse"
	root       = "landing"
)

// NewPlaces makes places, and the configuration by which an engine finds them. The schema must be the test's own; url "" is for engines that read
// no tables.
func NewPlaces(t testing.TB, url, schema string) (Places, batch.Config) {
	folder := t.TempDir()
	config := batch.DefaultConfig()
	config.Folder = filepath.Join(folder, "batch")
	places := Places{URL: url, Schema: schema, Folder: filepath.Join(folder, "landing")}
	require.NoError(t, os.MkdirAll(places.Folder, 0o700))
	config.Roots = []string{root + "=" + places.Folder}
	if url != "" {
		file := filepath.Join(folder, "url")
		require.NoError(t, os.WriteFile(file, []byte(url+"\n"), 0o600))
		config.Connections = []string{connection + "=" + file}
	}
	return places, config
}

// Run holds an engine to all of the contract.
func Run(t *testing.T, s Subject) {
	t.Run("scripts", func(t *testing.T) { runScripts(t, s) })
	t.Run("random", func(t *testing.T) { runRandom(t, s) })
	t.Run("failures", func(t *testing.T) { runFailures(t, s) })
	t.Run("cancelling", func(t *testing.T) { runCancelling(t, s) })
}
