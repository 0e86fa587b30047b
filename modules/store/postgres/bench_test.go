package postgres

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// Each benchmark has a limit beside it: the same work by the shortest way to the same table. Read them as ratios.

func floats(t testing.TB, o *Offline, id int64) *registry.Group {
	types := make([]value.Type, 10)
	for i := range types {
		types[i] = value.Float
	}
	g := group(id, fmt.Sprintf("g%d", id), []value.Type{value.String}, types...)
	ensure(t, o, g)
	return g
}

// random makes observations of 10 floats each.
func random(g *registry.Group, n, entities int) *store.Rows {
	r := &store.Rows{Group: g, Features: g.Features}
	for range n {
		r.Keys = append(r.Keys, stringKey(fmt.Sprintf("customer%07d", rand.IntN(entities))))
		r.EventTimes = append(r.EventTimes, at(0)+rand.Int64N(365*86_400_000_000))
		for range g.Features {
			r.Values = append(r.Values, value.OfFloat(rand.Float64()))
		}
	}
	return r
}

// used is the processor time that this process and the backends of the store's connections have taken.
func used(b *testing.B, o *Offline) (ours, server time.Duration) {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	ours = time.Duration(u.Utime.Nano() + u.Stime.Nano())
	for _, pool := range []interface {
		AcquireAllIdle(context.Context) []*pgxpool.Conn
	}{o.writers, o.readers} {
		for _, conn := range pool.AcquireAllIdle(context.Background()) {
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", conn.Conn().PgConn().PID()))
			require.NoError(b, err)
			fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
			user, _ := strconv.Atoi(fields[11])
			system, _ := strconv.Atoi(fields[12])
			server += time.Duration(user+system) * 10 * time.Millisecond
			conn.Release()
		}
	}
	return ours, server
}

// measured runs work and reports the processor time of both sides for each of n things that one turn does.
func measured(b *testing.B, o *Offline, n int, work func()) {
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

func BenchmarkAppend(b *testing.B) {
	ctx := context.Background()
	o := open(b)
	for _, n := range []int{1, 8, 64, 1000} {
		ours, limit := floats(b, o, int64(n)), floats(b, o, int64(-n)+10_000)
		b.Run(fmt.Sprintf("rows=%d/ours", n), func(b *testing.B) {
			r := random(ours, n, 100_000)
			measured(b, o, n, func() { require.NoError(b, o.Append(ctx, []*store.Rows{r})) })
		})
		b.Run(fmt.Sprintf("rows=%d/limit", n), func(b *testing.B) {
			r := random(limit, n, 100_000)
			keys, times, columns := make([]string, n), make([]time.Time, n), make([][]float64, 10)
			for i := range n {
				keys[i], times[i] = r.Keys[i].Encoded, time.UnixMicro(r.EventTimes[i])
				for j := range columns {
					columns[j] = append(columns[j], r.Row(i)[j].Float())
				}
			}
			text := `INSERT INTO ` + o.table(limit.Name) + ` (key0, event_time, schema_version, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9)
				SELECT u.k, u.t, 1, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9 FROM unnest($1::text[], $2::timestamptz[], $3::float8[], $4::float8[], $5::float8[],
				$6::float8[], $7::float8[], $8::float8[], $9::float8[], $10::float8[], $11::float8[], $12::float8[]) AS u(k, t, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9)
				RETURNING ingest_id`
			args := []any{keys, times}
			for _, c := range columns {
				args = append(args, c)
			}
			measured(b, o, n, func() {
				rows, err := o.writers.Query(ctx, text, args...)
				require.NoError(b, err)
				_, err = pgx.CollectRows(rows, pgx.RowTo[int64])
				require.NoError(b, err)
			})
		})
	}
}

// BenchmarkLoad compares with a bare COPY of bytes that are there already.
func BenchmarkLoad(b *testing.B) {
	ctx := context.Background()
	o := open(b)
	const rows, batch = 300_000, 1000
	fresh := func() {
		_, err := o.writers.Exec(ctx, "TRUNCATE "+o.table("g1"))
		require.NoError(b, err)
	}
	g := floats(b, o, 1)
	r := random(g, rows, 100_000)
	b.Run("ours", func(b *testing.B) {
		measured(b, o, rows, func() {
			fresh()
			l, err := o.Load(ctx, g, 1)
			require.NoError(b, err)
			for from := 0; from < rows; from += batch {
				part := *r
				part.Keys, part.EventTimes, part.Values = r.Keys[from:from+batch], r.EventTimes[from:from+batch], r.Values[10*from:10*(from+batch)]
				require.NoError(b, l.Add(ctx, &part))
			}
			require.NoError(b, l.Commit(ctx))
		})
	})
	b.Run("limit", func(b *testing.B) {
		bytes := []byte("PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00")
		for i, key := range r.Keys {
			bytes = appendField(append(bytes, 0, 13), key.Values[0])
			bytes = appendInt64(append(bytes, 0, 0, 0, 8), timestamp(r.EventTimes[i]))
			bytes = appendInt32(append(bytes, 0, 0, 0, 4), 1)
			for _, v := range r.Row(i) {
				bytes = binary.BigEndian.AppendUint64(append(bytes, 0, 0, 0, 8), math.Float64bits(v.Float()))
			}
		}
		bytes = append(bytes, 0xff, 0xff)
		measured(b, o, rows, func() {
			fresh()
			conn, err := o.readers.Acquire(ctx)
			require.NoError(b, err)
			_, err = conn.Conn().PgConn().CopyFrom(ctx, readerOf(bytes), "COPY "+o.table(g.Name)+" (key0, event_time, schema_version, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9) FROM STDIN (FORMAT binary)")
			require.NoError(b, err)
			conn.Release()
		})
	})
}

func readerOf(b []byte) io.Reader { return &sliceReader{b} }

type sliceReader struct{ rest []byte }

func (r *sliceReader) Read(into []byte) (int, error) {
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(into, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// BenchmarkAsOf asks 100,000 questions of 1,000,000 observations, whole rows and rows that observe half of the features each.
func BenchmarkAsOf(b *testing.B) {
	ctx := context.Background()
	o := open(b)
	const observations, entities, asked = 1_000_000, 100_000, 100_000
	load := func(g *registry.Group, partial bool) {
		l, err := o.Load(ctx, g, 1)
		require.NoError(b, err)
		for range observations / 1000 {
			r := random(g, 1000, entities)
			for i := range r.Values {
				if partial && (i/5)%2 == (i/10)%2 {
					r.Values[i] = value.Value{}
				}
			}
			require.NoError(b, l.Add(ctx, r))
		}
		require.NoError(b, l.Commit(ctx))
		_, err = o.writers.Exec(ctx, "VACUUM ANALYZE "+o.table(g.Name))
		require.NoError(b, err)
	}
	whole, partial := floats(b, o, 1), floats(b, o, 2)
	load(whole, false)
	load(partial, true)
	spine := random(whole, asked, entities*11/10)
	for _, g := range []*registry.Group{whole, partial} {
		for _, chunk := range []int{32768} {
			b.Run(fmt.Sprintf("%s/ours/chunk=%d", g.Name, chunk), func(b *testing.B) {
				measured(b, o, asked, func() {
					s, err := o.Snapshot(ctx)
					require.NoError(b, err)
					for from := 0; from < asked; from += chunk {
						to := min(asked, from+chunk)
						_, err := s.AsOf(ctx, g, g.Features, spine.Keys[from:to], spine.EventTimes[from:to], nil)
						require.NoError(b, err)
					}
					require.NoError(b, s.Close())
				})
			})
		}
		columns := "f0, f1, f2, f3, f4, f5, f6, f7, f8, f9"
		b.Run(g.Name+"/limit", func(b *testing.B) {
			measured(b, o, asked, func() {
				tx, err := o.readers.Begin(ctx)
				require.NoError(b, err)
				_, err = tx.Exec(ctx, `SET LOCAL plan_cache_mode = auto; CREATE TEMP TABLE spine (k text COLLATE "C", t timestamptz, n int) ON COMMIT DROP`)
				require.NoError(b, err)
				bytes := []byte("PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00")
				for i, key := range spine.Keys {
					bytes = appendField(append(bytes, 0, 3), key.Values[0])
					bytes = appendInt64(append(bytes, 0, 0, 0, 8), timestamp(spine.EventTimes[i]))
					bytes = appendInt32(append(bytes, 0, 0, 0, 4), i)
				}
				_, err = tx.Conn().PgConn().CopyFrom(ctx, readerOf(append(bytes, 0xff, 0xff)), "COPY spine FROM STDIN (FORMAT binary)")
				require.NoError(b, err)
				var text string
				if g == whole {
					text = `SELECT s.n, r.* FROM (SELECT * FROM spine ORDER BY k, t) s LEFT JOIN LATERAL (SELECT ` + columns + ` FROM ` + o.table(g.Name) + ` o
						WHERE o.key0 = s.k AND o.event_time <= s.t ORDER BY o.event_time DESC, o.ingest_id DESC LIMIT 1) r ON true`
				} else {
					text = `SELECT s.n`
					for j := range 10 {
						text += fmt.Sprintf(`, (SELECT f%d FROM %s o WHERE o.key0 = s.k AND o.event_time <= s.t AND (o.presence IS NULL OR %d = ANY (o.presence))
							ORDER BY o.event_time DESC, o.ingest_id DESC LIMIT 1)`, j, o.table(g.Name), j+1)
					}
					text += ` FROM (SELECT * FROM spine ORDER BY k, t) s`
				}
				result := tx.Conn().PgConn().ExecParams(ctx, text, nil, nil, nil, binaryFormat)
				for result.NextRow() {
					for _, column := range result.Values() {
						_ = column
					}
				}
				_, err = result.Close()
				require.NoError(b, err)
				require.NoError(b, tx.Commit(ctx))
			})
		})
	}
}

// BenchmarkReadAll reads a whole group: every observation, and every entity's newest values, of one and of ten observations each.
func BenchmarkReadAll(b *testing.B) {
	ctx := context.Background()
	o := open(b)
	const entities = 100_000
	for id, depth := range map[int64]int{1: 1, 2: 10} {
		g := floats(b, o, id)
		l, err := o.Load(ctx, g, 1)
		require.NoError(b, err)
		for range depth {
			for from := 0; from < entities; from += 1000 {
				r := random(g, 1000, entities)
				for i := range r.Keys {
					r.Keys[i] = stringKey(fmt.Sprintf("customer%07d", (from+i)*7919%entities))
				}
				require.NoError(b, l.Add(ctx, r))
			}
		}
		require.NoError(b, l.Commit(ctx))
		_, err = o.writers.Exec(ctx, "VACUUM ANALYZE "+o.table(g.Name))
		require.NoError(b, err)
		reading := func(read func(s store.Snapshot) error) func() {
			return func() {
				s, err := o.Snapshot(ctx)
				require.NoError(b, err)
				require.NoError(b, read(s))
				require.NoError(b, s.Close())
			}
		}
		b.Run(fmt.Sprintf("depth=%d/observations", depth), func(b *testing.B) {
			measured(b, o, depth*entities, reading(func(s store.Snapshot) error {
				return s.Observations(ctx, g, g.Features, store.Range{}, func(*store.Rows) error { return nil })
			}))
		})
		b.Run(fmt.Sprintf("depth=%d/observations-limit", depth), func(b *testing.B) {
			measured(b, o, depth*entities, func() {
				conn, err := o.readers.Acquire(ctx)
				require.NoError(b, err)
				_, err = conn.Conn().PgConn().CopyTo(ctx, io.Discard, "COPY "+o.table(g.Name)+" TO STDOUT (FORMAT binary)")
				require.NoError(b, err)
				conn.Release()
			})
		})
		b.Run(fmt.Sprintf("depth=%d/current", depth), func(b *testing.B) {
			measured(b, o, entities, reading(func(s store.Snapshot) error {
				return s.Current(ctx, g, g.Features, func(*store.Current) error { return nil })
			}))
		})
		b.Run(fmt.Sprintf("depth=%d/current-limit", depth), func(b *testing.B) {
			measured(b, o, entities, func() {
				conn, err := o.readers.Acquire(ctx)
				require.NoError(b, err)
				_, err = conn.Conn().PgConn().CopyTo(ctx, io.Discard, "COPY (SELECT DISTINCT ON (key0) * FROM "+o.table(g.Name)+" ORDER BY key0, event_time DESC, ingest_id DESC) TO STDOUT (FORMAT binary)")
				require.NoError(b, err)
				conn.Release()
			})
		})
	}
}
