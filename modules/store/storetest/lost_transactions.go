package storetest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/materialization"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/table"
)

// hasty is an offline store whose places are kept before they are durable: the control.
type hasty struct{ store.Offline }

func (h hasty) Snapshot(ctx context.Context) (store.Snapshot, error) {
	snapshot, err := h.Offline.Snapshot(ctx)
	return hastySnapshot{snapshot}, err
}

type hastySnapshot struct{ store.Snapshot }

func (hastySnapshot) Durable(context.Context) error { return nil }

// RunLostTransactions has transactions end of which nothing is on disk yet (lose), gives out a watermark and a token above them, and lets the
// offline store crash (crash), so that it may use their numbers again, and as many more (spend). What comes in then must be brought online, and
// not be known to the token. The control gives them out without waiting for the disk.
func RunLostTransactions(t *testing.T, pair Pair, lose, crash, spend func()) {
	after := func(t *testing.T, pair Pair) (online value.Value, before, again string) {
		w := NewWorld(t, pair)
		group := w.customers("lost", nil)
		w.loadSome(group, w.newLoad(group), start-3, 1, "x")
		lose()
		before, token := w.known(group, "")
		w.Materialize(materialization.Incremental, group)
		crash()
		w.until(func() bool { return w.Store.Offline().Ping(w.ctx) == nil })
		run := w.newLoad(group)
		w.until(func() bool { // the connections from before are broken
			load, err := w.Store.Offline().Load(w.ctx, group, run)
			if err != nil {
				return false
			}
			if err = load.Add(w.ctx, RowsOf(group, Seen{TextKey("x"), start - 2, Values{"a": value.OfInt(2)}})); err == nil {
				err = load.Commit(w.ctx)
			}
			if err != nil {
				require.NoError(w, load.Abort(w.ctx))
			}
			return err == nil
		})
		spend()
		w.Materialize(materialization.Incremental, group)
		now, _ := w.known(group, "")
		require.Equal(t, "2", now)
		again, _ = w.known(group, token)
		return w.online(group, "x")[0], before, again
	}
	online, before, again := after(t, pair)
	require.Equal(t, value.OfInt(2), online)
	require.Equal(t, "1", before)
	require.Equal(t, before, again)
	t.Run("without waiting for the disk", func(t *testing.T) {
		open := pair.Offline.Open
		pair.Offline.Open = func(t testing.TB, place string) store.Offline { return hasty{open(t, place)} }
		online, _, again := after(t, pair)
		require.Equal(t, value.OfInt(1), online, "the control does not bring online what came in")
		require.Equal(t, "2", again, "and takes it for known")
	})
}

// known asks for feature a of the entity x as a training set, perhaps as known then, and answers it with the token.
func (w *World) known(group *registry.Group, at string) (a, token string) {
	w.Helper()
	request := store.TrainingRequest{Resolve: resolving(group.Features[:1])}
	if at != "" {
		moment, err := w.Store.KnownAt(w.ctx, at, time.UTC)
		require.NoError(w, err)
		request.Moment = moment
	}
	spine, _, err := table.NewReader(strings.NewReader("id,event_time\nx,"+string(value.AppendTime(nil, start))+"\n"), table.ReadOptions{ContentType: "text/csv"})
	require.NoError(w, err)
	out := &memoryTable{}
	_, err = w.Store.TrainingSet(w.ctx, request, spine, func(head store.Head) (table.Writer, error) {
		token = head.KnownAt
		for _, c := range head.Columns {
			out.columns = append(out.columns, c.Name)
		}
		return out, nil
	})
	require.NoError(w, err)
	return out.cells[len(out.cells)-1].Display(), token
}
