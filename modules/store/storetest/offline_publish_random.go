package storetest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// publishModel says what random publications, loads, writes and removals leave.
type publishModel struct {
	rows      []publishedRow
	published map[string]map[int64]publishedModel // by name and tick
	ticks     map[int64]publishedRun              // of runs that have published
}

type publishedRow struct {
	name string // "": it was not published
	run  int64
	key  string
	at   int64
	says map[string]int64
}

type publishedModel struct {
	run int64
	own bool
}

type publishedRun struct {
	name  string
	ticks []int64
}

// publish answers how many rows were there, and how many were taken back.
func (m *publishModel) publish(name string, run int64, ticks []int64, rows []publishedRow) (unchanged, taken int64) {
	of := func(r publishedRow) bool { return r.name == name && slices.Contains(ticks, r.at) }
	find := func(r publishedRow) (says map[string]int64, found bool) {
		i := slices.IndexFunc(rows, func(n publishedRow) bool { return n.key == r.key && n.at == r.at })
		if i < 0 {
			return nil, false
		}
		return rows[i].says, true
	}
	var stored []publishedRow
	own := map[int64]bool{}
	for _, tick := range ticks {
		own[tick] = true
	}
	for _, n := range rows {
		same := false
		for _, r := range m.rows { // in the order in which they came in
			if of(r) && r.key == n.key && r.at == n.at {
				same = maps.Equal(r.says, n.says)
			}
		}
		if same {
			unchanged++
			own[n.at] = false
		} else {
			stored = append(stored, n)
		}
	}
	m.rows = slices.DeleteFunc(m.rows, func(r publishedRow) bool {
		if !of(r) {
			return false
		}
		says, found := find(r)
		for f := range r.says {
			if _, observed := says[f]; !observed {
				found = false
			}
		}
		if !found {
			taken++
		}
		return !found
	})
	m.rows = append(m.rows, stored...)
	if m.published[name] == nil {
		m.published[name] = map[int64]publishedModel{}
	}
	for _, tick := range ticks {
		m.published[name][tick] = publishedModel{run, own[tick]}
	}
	m.ticks[run] = publishedRun{name, ticks}
	return unchanged, taken
}

func (m *publishModel) remove(run int64) {
	m.rows = slices.DeleteFunc(m.rows, func(r publishedRow) bool { return r.run == run })
	of := m.ticks[run]
	for _, tick := range of.ticks {
		if p, found := m.published[of.name][tick]; found && (p.run == run || !p.own) {
			delete(m.published[of.name], tick)
		}
	}
	delete(m.ticks, run)
}

// says is a feature of an entity as of a time, by rule 1.
func (m *publishModel) says(key, feature string, at int64) value.Value {
	newest, v := int64(value.NoTime), value.Value{}
	for _, r := range m.rows {
		if i, observed := r.says[feature]; observed && r.key == key && r.at <= at && r.at >= newest {
			newest, v = r.at, value.OfInt(i)
		}
	}
	return v
}

// publishRandom compares with the model.
func (o *offline) publishRandom() {
	group := Group(1, "totals", Customers, counts...)
	o.ensure(group)
	for seed := range uint64(4) {
		o.publishRandomly(group, seed)
		group = Group(group.ID+1, fmt.Sprint("totals_", seed), Customers, counts...)
		o.ensure(group)
	}
}

func (o *offline) publishRandomly(group *registry.Group, seed uint64) {
	o.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	m := &publishModel{published: map[string]map[int64]publishedModel{}, ticks: map[int64]publishedRun{}}
	keys, all := []string{"x", "y", "z"}, []int64{tick1, tick2, tick3}
	draw := func(name string, run int64, key string, at int64) publishedRow {
		r := publishedRow{name: name, run: run, key: key, at: at, says: map[string]int64{}}
		for len(r.says) == 0 {
			for _, f := range group.Features {
				if random.IntN(4) > 0 {
					r.says[f.Name] = random.Int64N(2)
				}
			}
		}
		return r
	}
	seen := func(rows []publishedRow) (seen []Seen) {
		for _, r := range rows {
			values := Values{}
			for f, i := range r.says {
				values[f] = value.OfInt(i)
			}
			seen = append(seen, Seen{TextKey(r.key), r.at, values})
		}
		return seen
	}
	var runs []int64
	first := 1000 * group.ID
	for step := range int64(25) {
		run := first + step
		switch n := random.IntN(10); {
		case n < 6:
			name := []string{"daily", "other"}[random.IntN(5)/4]
			ticks := slices.DeleteFunc(slices.Clone(all), func(int64) bool { return random.IntN(3) == 0 })
			var rows []publishedRow
			for _, tick := range ticks {
				for _, key := range keys {
					if random.IntN(5) > 0 {
						rows = append(rows, draw(name, run, key, tick))
					}
				}
			}
			unchanged, taken := m.publish(name, run, ticks, rows)
			found, back := o.publish(group, published{name: name, run: run, ticks: ticks, rows: seen(rows)})
			require.Equal(o, [2]int64{unchanged, taken}, [2]int64{found, back.Rows}, "seed %d, step %d", seed, step)
			runs = append(runs, run)
		case n < 8:
			r := draw("", 0, keys[random.IntN(3)], all[random.IntN(3)])
			o.see(group, seen([]publishedRow{r})...)
			m.rows = append(m.rows, r)
		case n < 9:
			r := draw("", run, keys[random.IntN(3)], all[random.IntN(3)])
			o.load(run, RowsOf(group, seen([]publishedRow{r})...))
			m.rows = append(m.rows, r)
			runs = append(runs, run)
		case len(runs) > 0:
			removed := runs[random.IntN(len(runs))]
			m.remove(removed)
			_, err := o.store.Remove(o.ctx, group, store.Selection{Run: removed})
			require.NoError(o, err)
		}
		o.look(func(s store.Snapshot) {
			for _, key := range keys {
				for _, at := range all {
					for i, v := range o.asOf(s, group, TextKey(key), at) {
						require.Equal(o, m.says(key, group.Features[i].Name, at), v, "seed %d, step %d: %s of %s", seed, step, group.Features[i].Name, key)
					}
				}
			}
		})
		for _, name := range []string{"daily", "other"} {
			wanted := map[int64]int64{}
			for tick, p := range m.published[name] {
				wanted[tick] = p.run
			}
			require.Equal(o, wanted, o.ticksOf(group, name), "seed %d, step %d: %s", seed, step, name)
		}
	}
}
