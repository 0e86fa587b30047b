package storetest

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/app/httpapi/httpapitest"
	"featurestore/modules/materialization"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// A draft is deleted with its values. Entities of which nothing else was observed are the same in both copies: rows of nothing. One that
// history has no rows of at all is extra, and counted once.
func checkDeleted(t *testing.T, pair Pair) {
	w := NewWorld(t, pair)
	require.NoError(t, w.Apply(map[string]any{
		"entity_types": []any{map[string]any{"name": "thinned", "join_keys": []map[string]string{{"name": "id", "value_type": "STRING"}}}},
		"groups": []any{map[string]any{"name": "thinned", "entity_type": "thinned", "features": []any{
			map[string]any{"name": "a", "value_type": "INTEGER", "status": "draft"}, map[string]any{"name": "b", "value_type": "INTEGER"}}}},
	}))
	group := w.Group("thinned")
	for id, values := range map[string]Values{"both": {"a": value.OfInt(1), "b": value.OfInt(1)}, "gone": {"a": value.OfInt(1)}, "gone too": {"a": value.Null()}, "kept": {"b": value.OfInt(1)}} {
		w.writeOne(t, group.Name, id, start, values)
	}
	w.Materialize(materialization.Incremental, group)
	w.requireClean(group, 4)
	deleted := httptest.NewRecorder()
	httpapitest.Serve(slog.New(slog.DiscardHandler), w.Registry.Routes).ServeHTTP(deleted, httptest.NewRequest(http.MethodDelete, "http://localhost/features/thinned/a", nil))
	require.Equal(t, http.StatusOK, deleted.Code)
	group = w.Group(group.Name)
	w.requireClean(group, 4)
	w.Materialize(materialization.Full, group)
	w.requireClean(group, 4)
	sampled, err := w.Materialization.Check(w.ctx, group, materialization.CheckRequest{Sample: 100}, nil)
	require.NoError(t, err)
	require.Equal(t, []int64{4, 4}, []int64{sampled.Entities, sampled.Equal})

	rows := w.stored(group)
	stranger := packRow(TextKey("stranger"), store.Stamp{EventTime: start, IngestID: 1}, map[uint16]value.Value{1: value.OfInt(1)})
	rows["stranger"] = stranger.Row
	w.plant(group, rows)
	found := w.check(group, true)
	require.Equal(t, []int64{5, 4, 1, 1}, []int64{found.Entities, found.Equal, found.Extra, found.Repaired})
	require.NotEmpty(t, found.Rebuilt)
	w.requireClean(group, 2)
}
