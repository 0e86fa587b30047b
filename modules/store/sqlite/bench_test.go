package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/packed"
)

// The limits are the same work by hand through database/sql, as one would write it for this one table. Each benchmark reports the
// CPU time of a row, of ours and of the limit: on shared cores it says more than the clock.

const benchFeatures = 10

func benchGroup() *registry.Group {
	entityType := &registry.EntityType{About: registry.About{ID: 1, Name: "customer"}, JoinKeys: []registry.JoinKey{{Name: "customer_id", ValueType: value.String}}}
	group := &registry.Group{About: registry.About{ID: 1, Name: "history"}, EntityType: entityType, Kind: registry.Features, SchemaVersion: 1}
	for i := range benchFeatures {
		name := fmt.Sprintf("f%d", i)
		group.Features = append(group.Features, &registry.Feature{About: registry.About{ID: int64(i + 1), Name: name}, Group: group, ValueType: value.Float,
			Status: registry.Active, Ordinal: uint16(i + 1), Column: name, Since: 1})
	}
	return group
}

// benchRows are n rows of entities in random order, in batches of a thousand.
func benchRows(group *registry.Group, n, entities int) []*store.Rows {
	random := rand.New(rand.NewPCG(1, 2))
	var batches []*store.Rows
	for at := 0; at < n; at += 1000 {
		rows := &store.Rows{Group: group, Features: group.Features, Run: 1}
		for range min(1000, n-at) {
			rows.Keys = append(rows.Keys, benchKey(random.IntN(entities)))
			rows.EventTimes = append(rows.EventTimes, benchTime(random))
			for range benchFeatures {
				rows.Values = append(rows.Values, value.OfFloat(random.NormFloat64()))
			}
		}
		batches = append(batches, rows)
	}
	return batches
}

func benchKey(entity int) store.Key {
	return store.NewKey([]value.Value{value.OfString(fmt.Sprintf("customer_%07d", entity))})
}

func benchTime(random *rand.Rand) int64 {
	return 1_700_000_000_000_000 + random.Int64N(90*24*3600)*1_000_000
}

// partially leaves out features at random, so that each row has about half of them.
func partially(batches []*store.Rows) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, rows := range batches {
		for i := range rows.Values {
			if random.IntN(2) == 0 {
				rows.Values[i] = value.Value{}
			}
		}
	}
}

type benchRow struct {
	key    string
	at     int64
	values [benchFeatures]value.Value
}

func plainRows(batches []*store.Rows) []benchRow {
	var rows []benchRow
	for _, batch := range batches {
		for i, key := range batch.Keys {
			row := benchRow{key: key.Encoded, at: batch.EventTimes[i]}
			copy(row.values[:], batch.Row(i))
			rows = append(rows, row)
		}
	}
	return rows
}

func compareRows(a, b benchRow) int {
	if c := strings.Compare(a.key, b.key); c != 0 {
		return c
	}
	return int(a.at - b.at)
}

func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// versus runs ours and the limit in turn and reports both and their ratio.
func versus(b *testing.B, n int, ours, limit func()) {
	var took [2]time.Duration
	for b.Loop() {
		for i, work := range []func(){ours, limit} {
			began := cpuTime()
			work()
			took[i] += cpuTime() - began
		}
	}
	per := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / float64(n) / float64(b.N) }
	b.ReportMetric(per(took[0]), "cpu-ns/row")
	b.ReportMetric(per(took[1]), "limit-cpu-ns/row")
	b.ReportMetric(float64(took[1])/float64(took[0]), "ratio")
	b.ReportMetric(0, "ns/op")
}

func openBench(b *testing.B, options Options) *Offline {
	o, err := OpenOffline(filepath.Join(b.TempDir(), "offline.db"), options)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, o.Close()) })
	return o
}

func loadBench(b *testing.B, o *Offline, group *registry.Group, batches []*store.Rows) {
	ctx := context.Background()
	_, err := o.EnsureLayout(ctx, group)
	require.NoError(b, err)
	l, err := o.Load(ctx, group, 1)
	require.NoError(b, err)
	for _, rows := range batches {
		require.NoError(b, l.Add(ctx, rows))
	}
	require.NoError(b, l.Commit(ctx))
}

func limitTable(b *testing.B, path string) *sql.DB {
	db, err := sql.Open("sqlite3", "file:"+path+"?_journal_mode=WAL&_synchronous=FULL&_txlock=immediate&_secure_delete=true")
	require.NoError(b, err)
	db.SetMaxOpenConns(1)
	b.Cleanup(func() { _ = db.Close() })
	columns := ""
	for i := range benchFeatures {
		columns += fmt.Sprintf(", f%d REAL", i)
	}
	_, err = db.Exec(`CREATE TABLE history (customer_id TEXT NOT NULL, event_time INTEGER NOT NULL, ingest_time INTEGER NOT NULL, ingest_id INTEGER PRIMARY KEY,
		run_id INTEGER, schema_version INTEGER NOT NULL DEFAULT 1, presence TEXT` + columns + `) STRICT; CREATE INDEX by_entity ON history (customer_id, event_time DESC)`)
	require.NoError(b, err)
	return db
}

func limitLoad(b *testing.B, db *sql.DB, rows []benchRow) {
	const many = 50
	tx, err := db.Begin()
	require.NoError(b, err)
	names := ""
	for i := range benchFeatures {
		names += fmt.Sprintf(", f%d", i)
	}
	one := "(" + strings.TrimSuffix(strings.Repeat("?,", 3+benchFeatures), ",") + "),"
	insert, err := tx.Prepare(`INSERT INTO history (customer_id, event_time, ingest_time` + names + `) VALUES ` + strings.TrimSuffix(strings.Repeat(one, many), ","))
	require.NoError(b, err)
	args := make([]any, 0, many*(3+benchFeatures))
	for at := 0; at+many <= len(rows); at += many {
		args = args[:0]
		for i := range rows[at : at+many] {
			row := &rows[at+i]
			args = append(args, row.key, row.at, row.at)
			for _, v := range row.values {
				args = append(args, encode(v))
			}
		}
		_, err := insert.Exec(args...)
		require.NoError(b, err)
	}
	require.NoError(b, tx.Commit())
}

func BenchmarkLoad(b *testing.B) {
	const n = 1_000_000
	group := benchGroup()
	shuffled := benchRows(group, n, 100_000)
	sorted := slices.SortedFunc(slices.Values(plainRows(shuffled)), compareRows)
	inOrder := make([]*store.Rows, len(shuffled))
	for i := range inOrder {
		rows := &store.Rows{Group: group, Features: group.Features, Run: 1}
		for _, row := range sorted[i*1000 : (i+1)*1000] {
			rows.Keys, rows.EventTimes = append(rows.Keys, store.NewKey([]value.Value{value.OfString(row.key)})), append(rows.EventTimes, row.at)
			rows.Values = append(rows.Values, row.values[:]...)
		}
		inOrder[i] = rows
	}
	for name, batches := range map[string][]*store.Rows{"shuffled": shuffled, "sorted": inOrder} {
		rows := plainRows(batches)
		b.Run(name, func(b *testing.B) {
			versus(b, n, func() {
				loadBench(b, openBench(b, Options{}), group, batches)
			}, func() {
				ordered := slices.Clone(rows)
				if name == "shuffled" {
					slices.SortStableFunc(ordered, compareRows)
				}
				limitLoad(b, limitTable(b, filepath.Join(b.TempDir(), "limit.db")), ordered)
			})
		})
	}
}

func BenchmarkAsOf(b *testing.B) {
	const observations, asked = 1_000_000, 100_000
	group := benchGroup()
	for _, form := range []string{"whole", "partial"} {
		batches := benchRows(group, observations, 100_000)
		random := rand.New(rand.NewPCG(5, 6))
		keys, times := make([]store.Key, asked), make([]int64, asked)
		for i := range keys {
			keys[i], times[i] = benchKey(random.IntN(110_000)), benchTime(random)
		}
		b.Run(form, func(b *testing.B) {
			if form == "partial" {
				partially(batches)
			}
			db := limitTable(b, filepath.Join(b.TempDir(), "limit.db"))
			limitLoad(b, db, slices.SortedFunc(slices.Values(plainRows(batches)), compareRows))
			o := openBench(b, Options{})
			loadBench(b, o, group, batches)
			versus(b, asked, func() {
				s, err := o.Snapshot(context.Background())
				require.NoError(b, err)
				for at := 0; at < asked; at += 32_768 {
					end := min(asked, at+32_768)
					_, err := s.AsOf(context.Background(), group, group.Features, keys[at:end], times[at:end], nil)
					require.NoError(b, err)
				}
				require.NoError(b, s.Close())
			}, func() { limitAsOf(b, db, keys, times, form == "partial") })
		})
	}
}

// limitAsOf uploads the spine, looks up each row in the order of the index, and reads the answers in the order of the spine.
func limitAsOf(b *testing.B, db *sql.DB, keys []store.Key, times []int64, partial bool) {
	_, err := db.Exec(`DROP TABLE IF EXISTS temp.spine; DROP TABLE IF EXISTS temp.found; CREATE TEMP TABLE spine (n INTEGER PRIMARY KEY, customer_id TEXT, event_time INTEGER)`)
	require.NoError(b, err)
	tx, err := db.Begin()
	require.NoError(b, err)
	insert, err := tx.Prepare("INSERT INTO spine (customer_id, event_time) VALUES " + strings.TrimSuffix(strings.Repeat("(?,?),", 50), ","))
	require.NoError(b, err)
	for at := 0; at < len(keys); at += 50 {
		args := make([]any, 0, 100)
		for i := at; i < at+50; i++ {
			args = append(args, keys[i].Encoded, times[i])
		}
		_, err := insert.Exec(args...)
		require.NoError(b, err)
	}
	require.NoError(b, tx.Commit())
	if partial {
		limitPartial(b, db)
		return
	}
	_, err = db.Exec(`CREATE TEMP TABLE found AS SELECT n, (SELECT ingest_id FROM history h WHERE h.customer_id = s.customer_id AND h.event_time <= s.event_time
		ORDER BY h.event_time DESC, ingest_id DESC LIMIT 1) a FROM spine s ORDER BY customer_id, event_time`)
	require.NoError(b, err)
	limitRead(b, db, `SELECT a.event_time, a.f0, a.f1, a.f2, a.f3, a.f4, a.f5, a.f6, a.f7, a.f8, a.f9 FROM found f LEFT JOIN history a ON a.ingest_id = f.a ORDER BY f.n`)
}

// limitPartial looks each feature up on its own: what a row does not observe is null in the limit's table.
func limitPartial(b *testing.B, db *sql.DB) {
	columns := ""
	for i := range benchFeatures {
		columns += fmt.Sprintf(`, (SELECT f%[1]d FROM history h WHERE h.customer_id = s.customer_id AND h.event_time <= s.event_time AND f%[1]d IS NOT NULL
			ORDER BY h.event_time DESC, ingest_id DESC LIMIT 1) f%[1]d`, i)
	}
	_, err := db.Exec(`CREATE TEMP TABLE found AS SELECT n` + columns + ` FROM spine s ORDER BY customer_id, event_time`)
	require.NoError(b, err)
	limitRead(b, db, `SELECT n, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9 FROM found ORDER BY n`)
}

func limitRead(b *testing.B, db *sql.DB, text string) {
	rows, err := db.Query(text)
	require.NoError(b, err)
	var at sql.NullInt64
	var values [benchFeatures]sql.NullFloat64
	into := []any{&at}
	for i := range values {
		into = append(into, &values[i])
	}
	for rows.Next() {
		require.NoError(b, rows.Scan(into...))
	}
	require.NoError(b, rows.Err())
	require.NoError(b, rows.Close())
}

func benchPacked(entity int) store.PackedRow {
	random := rand.New(rand.NewPCG(7, uint64(entity)))
	ordinals, values := make([]uint16, benchFeatures), make([]value.Value, benchFeatures)
	for i := range values {
		ordinals[i], values[i] = uint16(i+1), value.OfFloat(random.NormFloat64())
	}
	key := benchKey(entity)
	return store.PackedRow{Key: key, Row: string(packed.Append(nil, key.Encoded, ordinals, values, store.Stamp{EventTime: benchTime(random), IngestID: int64(entity)}))}
}

// BenchmarkRead reads one entity, and a hundred of them, at random. The limit reads the same rows one by one with a prepared statement.
func BenchmarkRead(b *testing.B) {
	const total, reads = 100_000, 100_000
	group := benchGroup()
	o, err := OpenOnline(filepath.Join(b.TempDir(), "online.db"), Options{})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, o.Close()) })
	swapped, err := o.Swap(context.Background(), group, store.State{}, store.State{Marker: "complete", Server: o.server})
	require.NoError(b, err)
	require.True(b, swapped)
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(b.TempDir(), "limit.db")+"?_journal_mode=WAL&_synchronous=NORMAL")
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, db.Close()) })
	_, err = db.Exec(`CREATE TABLE rows (k TEXT PRIMARY KEY, v BLOB NOT NULL)`)
	require.NoError(b, err)
	tx, err := db.Begin()
	require.NoError(b, err)
	order := rand.New(rand.NewPCG(8, 9)).Perm(total)
	for at := 0; at < total; at += 1000 {
		var rows []store.PackedRow
		for _, entity := range order[at : at+1000] {
			rows = append(rows, benchPacked(entity))
		}
		_, err := o.Merge(context.Background(), group, 0, true, rows)
		require.NoError(b, err)
		for _, row := range rows {
			_, err := tx.Exec(`INSERT INTO rows VALUES (?, ?)`, row.Key.Encoded, row.Row)
			require.NoError(b, err)
		}
	}
	require.NoError(b, tx.Commit())
	get, err := db.Prepare(`SELECT v FROM rows WHERE k = ?`)
	require.NoError(b, err)
	keys := make([]store.Key, reads)
	random := rand.New(rand.NewPCG(10, 11))
	for i := range keys {
		keys[i] = benchKey(random.IntN(total))
	}
	limit := func() {
		var row []byte
		for _, key := range keys {
			require.NoError(b, get.QueryRow(key.Encoded).Scan(&row))
		}
	}
	for _, at := range []int{1, 100} {
		b.Run(fmt.Sprint(at), func(b *testing.B) {
			versus(b, reads, func() {
				for from := 0; from < reads; from += at {
					rows, marked, err := o.Read(context.Background(), []store.Question{{Group: group, Marker: "complete", Keys: keys[from : from+at]}})
					if err != nil || !marked[0] || rows[0][0] == "" {
						b.Fatal(rows, marked, err)
					}
				}
			}, limit)
		})
	}
}

// BenchmarkAppend has clients that write a row each, and the limit one client that commits each row on its own.
func BenchmarkAppend(b *testing.B) {
	for _, clients := range []int{1, 8, 64} {
		b.Run(fmt.Sprint(clients), func(b *testing.B) {
			group := benchGroup()
			o := openBench(b, Options{})
			_, err := o.EnsureLayout(context.Background(), group)
			require.NoError(b, err)
			var next atomic.Int64
			var all sync.WaitGroup
			random := rand.New(rand.NewPCG(1, 2))
			rows := benchRows(group, 1, 1)[0]
			rows.EventTimes[0] = benchTime(random)
			began := cpuTime()
			b.ResetTimer()
			for range clients {
				all.Go(func() {
					mine := *rows
					for next.Add(1) <= int64(b.N) {
						if err := o.Append(context.Background(), []*store.Rows{&mine}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64((cpuTime()-began).Nanoseconds())/float64(b.N), "cpu-ns/row")
		})
	}
}

// BenchmarkAppendLimit commits one row at a time by hand.
func BenchmarkAppendLimit(b *testing.B) {
	db := limitTable(b, filepath.Join(b.TempDir(), "limit.db"))
	row := plainRows(benchRows(benchGroup(), 1, 1))
	insert, err := db.Prepare(`INSERT INTO history (customer_id, event_time, ingest_time, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)`)
	require.NoError(b, err)
	args := []any{row[0].key, row[0].at, row[0].at}
	for _, v := range row[0].values {
		args = append(args, v.Float())
	}
	began := cpuTime()
	b.ResetTimer()
	for range b.N {
		tx, err := db.Begin()
		require.NoError(b, err)
		_, err = tx.Stmt(insert).Exec(args...)
		require.NoError(b, err)
		require.NoError(b, tx.Commit())
	}
	b.ReportMetric(float64((cpuTime()-began).Nanoseconds())/float64(b.N), "cpu-ns/row")
}

// BenchmarkMerge writes a million new entities as materialization does, in the order of their keys and at random.
func BenchmarkMerge(b *testing.B) {
	const total = 1_000_000
	for _, shuffled := range []bool{false, true} {
		b.Run(fmt.Sprintf("shuffled %t", shuffled), func(b *testing.B) {
			for b.Loop() {
				o, err := OpenOnline(filepath.Join(b.TempDir(), "online.db"), Options{})
				require.NoError(b, err)
				order := make([]int, total)
				for i := range order {
					order[i] = total - i
				}
				if shuffled {
					order = rand.New(rand.NewPCG(8, 9)).Perm(total)
				}
				took := time.Duration(0)
				for at := 0; at < total; at += 1000 {
					var rows []store.PackedRow
					for _, entity := range order[at : at+1000] {
						rows = append(rows, benchPacked(entity))
					}
					began := cpuTime()
					_, err := o.Merge(context.Background(), benchGroup(), 0, true, rows)
					require.NoError(b, err)
					took += cpuTime() - began
				}
				b.ReportMetric(float64(took.Nanoseconds())/total, "cpu-ns/row")
				require.NoError(b, o.Close())
			}
		})
	}
}
