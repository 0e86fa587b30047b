package storetest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/table"
	"featurestore/modules/validation"
	"featurestore/modules/validation/rules"
)

// scanned is how many rows validation finds of a run.
func (w *World) scanned(group *registry.Group, run int64) (rows int) {
	w.Helper()
	require.NoError(w, w.Store.Values().Scan(w.ctx, group, validation.Window{Run: run}, func(b *rules.Batch) error {
		rows += b.Rows
		return nil
	}))
	require.NoError(w, w.Store.Values().Read(w.ctx, group, validation.Window{Run: run}, func(source rules.Source) error {
		measured, err := source.Measure(w.ctx, []rules.Measure{{Of: rules.Counts, Fields: []int{0}}})
		require.NoError(w, err)
		require.EqualValues(w, rows, measured[0].Rows, "measured")
		return nil
	}))
	return rows
}

// RunScansOfLoads scans what loads brought. A load's run notes where it began, and a scan goes by that: unless it was noted of another store
// or timeline, as that of a store which was restored, or not noted at all, as that of a run that is no longer known.
func RunScansOfLoads(t *testing.T, pair Pair) {
	w := NewWorld(t, pair)
	group := w.customers("scanned", nil)
	loads := make([]int64, 3)
	for i := range loads {
		w.writeOne(t, "scanned", "x", start-int64(i)-1, Values{"a": value.OfInt(int64(i))})
		body := "id,event_time,a\nx,2039-01-01T00:00:00Z,1\ny,2039-01-01T00:00:00Z,2\n"
		source, _, err := table.NewReader(strings.NewReader(body), table.ReadOptions{ContentType: "text/csv"})
		require.NoError(t, err)
		loaded, err := w.Store.Load(w.ctx, store.LoadRequest{Group: group.Name}, source)
		require.NoError(t, err)
		loads[i] = loaded.Run
	}
	noted := func(run int64) (parameters map[string]string) {
		found, err := w.Runs.Get(w.ctx, run)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(found.Parameters, &parameters))
		return parameters
	}
	note := func(run int64, parameters string) {
		require.NoError(t, w.db.Exec("UPDATE runs SET parameters = ? WHERE id = ?", parameters, run).Error)
	}
	for _, run := range loads {
		require.Equal(t, 2, w.scanned(group, run))
		require.True(t, store.Position(noted(run)["position"]).After("0"))
	}
	of := noted(loads[0])
	const ahead = "9000000000000000"
	note(loads[0], fmt.Sprintf(`{"group": "scanned", "store": %q, "position": %q}`, of["store"], ahead))
	require.Zero(t, w.scanned(group, loads[0]), "the control: it goes by what was noted")
	note(loads[0], fmt.Sprintf(`{"group": "scanned", "store": %q, "position": %q}`, of["store"]+"x", ahead))
	require.Equal(t, 2, w.scanned(group, loads[0]), "of another store")
	for _, parameters := range []string{`{"group": "scanned"}`, ``} {
		note(loads[0], parameters)
		require.Equal(t, 2, w.scanned(group, loads[0]), "of none: %s", parameters)
	}
	require.NoError(t, w.db.Exec("DELETE FROM runs WHERE id = ?", loads[0]).Error)
	require.Equal(t, 2, w.scanned(group, loads[0]), "of a run that is not known any more")
}
