package sqlite

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/storetest"
)

func hwm() string {
	b, _ := os.ReadFile("/proc/self/status")
	out := ""
	for _, l := range strings.Split(string(b), "\n") {
		if strings.HasPrefix(l, "VmHWM") || strings.HasPrefix(l, "VmRSS") || strings.HasPrefix(l, "RssAnon") {
			out += strings.Join(strings.Fields(l), " ") + "; "
		}
	}
	return out
}

func TestBig(t *testing.T) {
	if os.Getenv("BIG") == "" {
		t.Skip()
	}
	const n = 5_000_000
	group := benchGroup()
	os.MkdirAll("/tmp/exp/big", 0o755)
	o, err := OpenOffline("/tmp/exp/big/offline.db", Options{})
	require.NoError(t, err)
	created, err := o.EnsureLayout(ctx, group)
	require.NoError(t, err)
	clock := func(what string) func() {
		began, c := time.Now(), cpuTime()
		return func() { fmt.Println(what, "wall", time.Since(began).Round(time.Millisecond), "cpu", (cpuTime()-c).Round(time.Millisecond), hwm()) }
	}
	fmt.Println(hwm())
	if created {
		random := rand.New(rand.NewPCG(1, 2))
		l, err := o.Load(ctx, group, 1)
		require.NoError(t, err)
		done := clock("add")
		for range n / 1000 {
			rows := &store.Rows{Group: group, Features: group.Features, Run: 1}
			for range 1000 {
				rows.Keys = append(rows.Keys, benchKey(random.IntN(500_000)))
				rows.EventTimes = append(rows.EventTimes, benchTime(random))
				for range benchFeatures {
					rows.Values = append(rows.Values, value.OfFloat(random.NormFloat64()))
				}
			}
			require.NoError(t, l.Add(ctx, rows))
		}
		done()
		done = clock("commit")
		require.NoError(t, l.Commit(ctx))
		done()
	}
	s, err := o.Snapshot(ctx)
	require.NoError(t, err)
	done := clock("current")
	entities := 0
	require.NoError(t, s.Current(ctx, group, group.Features, func(c *store.Current) error { entities += len(c.Keys); return nil }))
	done()
	done = clock("observations")
	rows := 0
	require.NoError(t, s.Observations(ctx, group, group.Features, store.Range{}, func(c *store.Rows) error { rows += len(c.Keys); return nil }))
	done()
	fmt.Println(entities, rows)
	closed(t, s)
	wider := storetest.WithColumn(group, storetest.Column{Name: fmt.Sprint("x", time.Now().Unix()), Type: value.Float})
	done = clock("add column")
	_, err = o.EnsureLayout(ctx, wider)
	require.NoError(t, err)
	done()
	require.NoError(t, o.Close())
}
