package redis

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/packed"
	"featurestore/modules/store/storetest/servers"
)

// Each benchmark has a limit beside it: the same bytes by the shortest way. Read them as ratios.

func open(t testing.TB) *Online {
	url, prefix := servers.Redis(t)
	o, err := Open(context.Background(), Options{URL: url, Prefix: prefix})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, o.Close()) })
	return o
}

func groupOf(id int64) *registry.Group {
	return &registry.Group{About: registry.About{ID: id, Name: fmt.Sprint("g", id)}}
}

func keyOf(text string) store.Key { return store.NewKey([]value.Value{value.OfString(text)}) }

// used is the processor time that this process and the server have taken.
func used(t testing.TB, o *Online) (ours, server time.Duration) {
	var u syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	text, err := o.client.Do(context.Background(), o.client.B().Info().Section("cpu").Build()).ToString()
	require.NoError(t, err)
	for _, found := range regexp.MustCompile(`(?m)^used_cpu_(?:user|sys):([0-9.]+)`).FindAllStringSubmatch(text, -1) {
		seconds, err := strconv.ParseFloat(found[1], 64)
		require.NoError(t, err)
		server += time.Duration(seconds * float64(time.Second))
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), server
}

// measured runs work and reports the processor time of both sides for each of n things that one turn does.
func measured(b *testing.B, o *Online, n int, work func()) {
	work()
	ours, server := used(b, o)
	for b.Loop() {
		work()
	}
	oursAfter, serverAfter := used(b, o)
	things := float64(n * b.N)
	b.ReportMetric(float64(oursAfter-ours)/1e3/things, "client-µs")
	b.ReportMetric(float64(serverAfter-server)/1e3/things, "server-µs")
	b.ReportMetric(things/b.Elapsed().Seconds(), "per-s")
	b.ReportMetric(0, "ns/op")
}

// packedRows makes rows of 20 floats, of which from and to say which features a row observes.
func packedRows(n, from, to int, stamp int64) []store.PackedRow {
	out := make([]store.PackedRow, n)
	ordinals, values := make([]uint16, 0, 20), make([]value.Value, 0, 20)
	for j := from; j < to; j++ {
		ordinals, values = append(ordinals, uint16(j+1)), append(values, value.OfFloat(1/float64(j+3)))
	}
	for i := range out {
		key := keyOf(fmt.Sprintf("customer%06d", i))
		out[i] = store.PackedRow{Key: key, Row: string(packed.Append(nil, key.Encoded, ordinals, values, packed.Stamp{EventTime: stamp, IngestID: int64(i)}))}
	}
	return out
}

func BenchmarkMerge(b *testing.B) {
	ctx := context.Background()
	o := open(b)
	const n = 20_000
	g := groupOf(1)
	stamp := int64(1_700_000_000_000_000)
	merge := func(rows []store.PackedRow) {
		merged, err := o.Merge(ctx, g, 0, true, rows)
		require.NoError(b, err)
		require.Equal(b, n, merged.Written+merged.Older)
	}
	next := func() int64 { stamp++; return stamp }
	b.Run("limit", func(b *testing.B) {
		rows := packedRows(n, 0, 20, next())
		measured(b, o, n, func() {
			for from := 0; from < n; from += 1000 {
				commands := make(rueidis.Commands, 0, 1000)
				for _, row := range rows[from : from+1000] {
					commands = append(commands, o.client.B().Set().Key(o.keys.rows(g)+row.Key.Encoded).Value(row.Row).Build())
				}
				for _, result := range o.client.DoMulti(ctx, commands...) {
					require.NoError(b, result.Error())
				}
			}
		})
	})
	sweep := func() {
		_, err := o.Sweep(ctx, g, 0)
		require.NoError(b, err)
	}
	b.Run("absent", func(b *testing.B) {
		rows := packedRows(n, 0, 20, next())
		measured(b, o, n, func() { sweep(); merge(rows) })
	})
	b.Run("sweep", func(b *testing.B) { measured(b, o, n, sweep) })
	b.Run("whole", func(b *testing.B) { measured(b, o, n, func() { merge(packedRows(n, 0, 20, next())) }) })
	b.Run("whole-expiring", func(b *testing.B) {
		measured(b, o, n, func() {
			rows := packedRows(n, 0, 20, next())
			for i := range rows {
				rows[i].Expires = time.Now().Add(time.Hour).UnixMilli()
			}
			merge(rows)
		})
	})
	b.Run("older", func(b *testing.B) { rows := packedRows(n, 0, 20, 1); measured(b, o, n, func() { merge(rows) }) })
	b.Run("partial", func(b *testing.B) {
		measured(b, o, 2*n, func() { merge(packedRows(n, 0, 10, next())); merge(packedRows(n, 10, 20, next())) })
	})
}

// BenchmarkRead reads entities of 5 groups from 1 and from 16 callers; the limit is a client as it comes, with the keys ready made.
func BenchmarkRead(b *testing.B) {
	ctx, cancel := context.WithCancel(context.Background()) // as a request's
	defer cancel()
	o := open(b)
	url, _ := servers.Redis(b)
	option, err := rueidis.ParseURL(url)
	require.NoError(b, err)
	option.DisableCache = true
	bare, err := rueidis.NewClient(option)
	require.NoError(b, err)
	defer bare.Close()
	const groups = 5
	rows := packedRows(1000, 0, 10, 1)
	for i := range groups {
		_, err := o.Merge(ctx, groupOf(int64(i)), 0, true, rows)
		require.NoError(b, err)
	}
	for _, entities := range []int{1, 100} {
		questions := make([]store.Question, groups)
		var names []string
		for i := range questions {
			questions[i].Group = groupOf(int64(i))
			names = append(names, o.keys.marker(questions[i].Group))
		}
		for i := range questions {
			for _, row := range rows[:entities] {
				questions[i].Keys = append(questions[i].Keys, row.Key)
				names = append(names, o.keys.rows(questions[i].Group)+row.Key.Encoded)
			}
		}
		for _, callers := range []int{1, 16} {
			run := func(name string, read func() error) {
				b.Run(fmt.Sprintf("entities=%d/callers=%d/%s", entities, callers, name), func(b *testing.B) {
					const turns = 200
					measured(b, o, callers*turns, func() {
						var work sync.WaitGroup
						for range callers {
							work.Go(func() {
								for range turns {
									if err := read(); err != nil {
										b.Error(err)
									}
								}
							})
						}
						work.Wait()
					})
				})
			}
			run("ours", func() error { _, _, err := o.Read(ctx, questions); return err })
			run("limit", func() error { _, err := bare.Do(ctx, bare.B().Mget().Key(names...).Build()).AsStrSlice(); return err })
		}
	}
}
