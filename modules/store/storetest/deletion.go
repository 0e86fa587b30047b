package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/table"
)

// RunDeletions deletes groups while they are written to for the first time: of a group that is gone no write was acknowledged. The control
// only looks for rows before it deletes.
func RunDeletions(t *testing.T, pair Pair, times int) {
	w := NewWorld(t, pair)
	deleted, refused, lost := w.deleteWhileWriting(t, "guarded", times)
	t.Logf("measured: %d groups deleted while 6 writers began, %d deletions refused, %d deleted with acknowledged rows", deleted, refused, lost)
	require.Zero(t, lost)
	require.NotZero(t, deleted+refused)

	w.Registry.Guards.Retire = nil
	for range 5 {
		if _, _, lost = w.deleteWhileWriting(t, "control", times); lost > 0 {
			break
		}
	}
	t.Logf("measured: the control deleted %d of %d groups with acknowledged rows", lost, times)
	require.NotZero(t, lost)
}

func (w *World) deleteWhileWriting(t *testing.T, name string, times int) (deleted, refused, lost int) {
	for i := range times {
		group := fmt.Sprintf("%s_%d", name, i)
		if _, ok := w.Registry.Catalog().Group(group); !ok {
			w.customers(group, nil)
		}
		observation := store.Observation{
			Entity:    store.Entity{Members: []store.Field{{Name: "id", Cell: table.TextCell("x")}}},
			EventTime: start, Fields: []store.Field{{Name: group + ":a", Cell: table.ValueCell(value.OfInt(1))}},
		}
		var all sync.WaitGroup
		var acknowledged atomic.Int64
		begin := make(chan struct{})
		for range 6 {
			all.Go(func() {
				<-begin
				if _, err := w.Store.Write(w.ctx, group, []store.Observation{observation}); err == nil {
					acknowledged.Add(1)
				} else if _, ok := fault.As(err); !ok {
					t.Errorf("write: %v", err)
				}
			})
		}
		all.Go(func() {
			<-begin
			_, err := w.Registry.Delete(w.ctx, "group", group, registry.Options{})
			problem, ok := fault.As(err)
			switch {
			case err == nil:
				deleted++
			case ok && (problem.Kind == fault.Conflict || problem.Kind == fault.Busy):
				refused++
			default:
				t.Errorf("delete: %v", err)
			}
		})
		close(begin)
		all.Wait()
		if _, there := w.Registry.Catalog().Group(group); !there && acknowledged.Load() > 0 {
			lost++
		}
	}
	return deleted, refused, lost
}
