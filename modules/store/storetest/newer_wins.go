package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/packed"
)

const (
	contenders = 8
	contested  = 1000 // entities
	features   = 4
)

// RunNewerWins has 8 writers bring writes online out of order, whole and partial rows of 1,000 entities, and counts values that are
// older than the newest one written: there must be none. The control does the same by reading first and writing without a comparison
// in the store; it must show some, or else the writers did not get in each other's way.
func RunNewerWins(t *testing.T, open OpenOnline, writes int) {
	t.Run("compared in the store", func(t *testing.T) {
		c := newContest(t, open, writes)
		began := time.Now()
		c.run(func(batch []int) error {
			rows := make([]store.PackedRow, len(batch))
			for i, n := range batch {
				rows[i] = c.writes[n].row()
			}
			_, err := c.store.Merge(context.Background(), c.group, 0, false, rows)
			return err
		})
		stale := c.stale(func(view packed.View, cells []packed.Cell) {
			require.NoError(t, view.Pick([]uint16{1, 2, 3, 4}, cells))
		})
		t.Logf("measured: %d of %d values stale after %d writes by %d writers in %s", stale, contested*features, writes, contenders, time.Since(began).Round(time.Millisecond))
		require.Zero(t, stale)
	})
	t.Run("control", func(t *testing.T) {
		c := newContest(t, open, min(writes, 20_000))
		var arrived atomic.Int64
		c.run(func(batch []int) error { return c.blind(batch, &arrived) })
		stale := c.stale(func(view packed.View, cells []packed.Cell) { c.behind(view, cells) })
		t.Logf("measured: %d of %d values stale in the control, which reads and then writes", stale, contested*features)
		require.Positive(t, stale)
	})
}

// contest is writes that get in each other's way.
type contest struct {
	*testing.T
	store  store.Online
	group  *registry.Group
	writes []contending
	newest [contested][features + 1]store.Stamp // by entity and ordinal
}

// contending is one write: some features of one entity.
type contending struct {
	entity   int
	stamp    store.Stamp
	ordinals []uint16
}

var someFeatures = [][]uint16{{1, 2, 3, 4}, {1, 2, 3, 4}, {1}, {2, 3}, {4}, {1, 3, 4}}

func newContest(t *testing.T, open OpenOnline, writes int) *contest {
	o := &online{T: t, ctx: context.Background(), store: open(t, "contest")}
	t.Cleanup(func() { shut(t, o.store) })
	c := &contest{T: t, store: o.store, group: Group(1, "contested", Customers, counts...), writes: make([]contending, writes)}
	o.mark(c.group, 0)
	random := rand.New(rand.NewPCG(13, 14))
	for i := range c.writes {
		w := contending{random.IntN(contested), store.Stamp{EventTime: random.Int64N(50), IngestID: int64(i)}, someFeatures[random.IntN(len(someFeatures))]}
		for _, ordinal := range w.ordinals {
			if newest := &c.newest[w.entity][ordinal]; w.stamp.Newer(*newest) {
				*newest = w.stamp
			}
		}
		c.writes[i] = w
	}
	random.Shuffle(writes, func(i, j int) { c.writes[i], c.writes[j] = c.writes[j], c.writes[i] })
	return c
}

func (w contending) key() store.Key { return TextKey(fmt.Sprint("entity ", w.entity)) }

// row has the ingest id as the value of each feature.
func (w contending) row() store.PackedRow {
	values := make(map[uint16]value.Value, len(w.ordinals))
	for _, ordinal := range w.ordinals {
		values[ordinal] = value.OfInt(w.stamp.IngestID)
	}
	return packRow(w.key(), w.stamp, values)
}

// run deals the writes out to the writers, in calls of one and of many.
func (c *contest) run(write func(batch []int) error) {
	var next atomic.Int64
	var all sync.WaitGroup
	for i := range contenders {
		all.Go(func() {
			random := rand.New(rand.NewPCG(15, uint64(i)))
			for {
				n := int64([]int{1, 1, 10, 50, 100}[random.IntN(5)])
				from := next.Add(n) - n
				if from >= int64(len(c.writes)) {
					return
				}
				var batch []int
				for j := from; j < min(from+n, int64(len(c.writes))); j++ {
					batch = append(batch, int(j))
				}
				if err := write(batch); err != nil {
					c.Errorf("write: %v", err)
					return
				}
			}
		})
	}
	all.Wait()
}

// stale counts values that are not the newest. read fills in the cells of a row, by ordinal from 1.
func (c *contest) stale(read func(packed.View, []packed.Cell)) (stale int) {
	keys := make([]store.Key, contested)
	for i := range keys {
		keys[i] = contending{entity: i}.key()
	}
	rows, _, err := c.store.Read(context.Background(), []store.Question{{Group: c.group, Marker: marker, Keys: keys}})
	require.NoError(c, err)
	cells := make([]packed.Cell, features)
	for i, row := range rows[0] {
		if row == "" {
			clear(cells)
		} else {
			view, err := packed.Open(row)
			require.NoError(c, err)
			read(view, cells)
		}
		for j, cell := range cells {
			newest := c.newest[i][j+1]
			if newest != (store.Stamp{}) && (cell.Stamp != newest || cell.Value.Int() != newest.IngestID) {
				stale++
			}
		}
	}
	return stale
}

// blind reads the entities' rows, and writes those features back that are newer than what it read, over whatever is there by then: under a
// stamp that only says when the write arrived. The true stamps stand beside the values, under ordinals of their own.
func (c *contest) blind(batch []int, arrived *atomic.Int64) error {
	keys := make([]store.Key, len(batch))
	for i, n := range batch {
		keys[i] = c.writes[n].key()
	}
	rows, _, err := c.store.Read(context.Background(), []store.Question{{Group: c.group, Marker: marker, Keys: keys}})
	if err != nil {
		return err
	}
	var out []store.PackedRow
	for i, n := range batch {
		w := c.writes[n]
		cells := make([]packed.Cell, features)
		if row := rows[0][i]; row != "" {
			view, err := packed.Open(row)
			if err != nil {
				return err
			}
			c.behind(view, cells)
		}
		values := map[uint16]value.Value{}
		for _, ordinal := range w.ordinals {
			if cell := cells[ordinal-1]; cell.Value.IsAbsent() || w.stamp.Newer(cell.Stamp) {
				values[ordinal] = value.OfInt(w.stamp.IngestID)
				values[10+ordinal] = value.OfTime(w.stamp.EventTime)
			}
		}
		if len(values) > 0 {
			out = append(out, packRow(w.key(), store.Stamp{EventTime: arrived.Add(1)}, values))
		}
	}
	_, err = c.store.Merge(context.Background(), c.group, 0, false, out)
	return err
}

// behind reads values with their true stamps.
func (c *contest) behind(view packed.View, cells []packed.Cell) {
	var all [2 * features]packed.Cell
	require.NoError(c, view.Pick([]uint16{1, 2, 3, 4, 11, 12, 13, 14}, all[:]))
	for i := range cells {
		cells[i] = packed.Cell{Value: all[i].Value}
		if !all[i].Value.IsAbsent() {
			cells[i].Stamp = store.Stamp{EventTime: all[features+i].Value.Time(), IngestID: all[i].Value.Int()}
		}
	}
}
