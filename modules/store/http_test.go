package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/app/database/databasetest"
	"featurestore/app/httpapi/httpapitest"
	"featurestore/modules/registry"
	"featurestore/modules/runs"
	"featurestore/modules/store"
	"featurestore/modules/store/sqlite"
	"featurestore/modules/validation"
)

// served is a store on the embedded engines with what it stands on, behind its routes.
type served struct {
	*httpapitest.Server
	definitions *registry.Registry
	offline     store.Offline
	values      *store.Store
	folder      string
	down        atomic.Pointer[string]        // what does not answer now: "online", "offline", or the "clock" of the latter
	held        atomic.Pointer[chan struct{}] // requests with keys, or with entries, wait before their commit until it is closed; nil: they do not
	waiting     atomic.Int64                  // how many of them wait
	blind       atomic.Bool                   // a control: entries count as checked against any ledger
	refuses     atomic.Pointer[error]         // what the next commit of writes fails with
	later       atomic.Int64                  // µs, how far the clocks of the offline store and of the definitions are ahead of noon
}

// noon is where the clock of these tests stands.
var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func serve(t *testing.T, change ...func(*store.Config)) *served {
	return serveKeeping(t, store.DefaultHistory(), change...)
}

// serveKeeping is serve under other settings of history.
func serveKeeping(t *testing.T, past store.History, change ...func(*store.Config)) *served {
	return serveChecking(t, nil, past, change...)
}

// serveChecking is serveKeeping with rules, which are registered with the other definitions.
func serveChecking(t *testing.T, checks func(*registry.Registry) store.Rules, past store.History, change ...func(*store.Config)) *served {
	log, clock := slog.New(slog.DiscardHandler), func() time.Time { return noon }
	s := &served{folder: t.TempDir()}
	db := databasetest.SQLite(t)()
	require.NoError(t, registry.Migrate(t.Context(), db))
	require.NoError(t, runs.Migrate(t.Context(), db))
	var err error
	s.definitions, err = registry.New(db, registry.DefaultConfig(), log, validation.RuleKind(), validation.BaselineKind())
	require.NoError(t, err)
	ticking := func() time.Time { return noon.Add(time.Duration(s.later.Load()) * time.Microsecond) }
	s.definitions.Clock = ticking
	require.NoError(t, s.definitions.Start(t.Context()))
	t.Cleanup(s.definitions.Stop)
	s.offline, err = sqlite.OpenOffline(filepath.Join(s.folder, "offline.db"), sqlite.Options{Now: ticking, Log: log})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.offline.Close()) })
	online, err := sqlite.OpenOnline(filepath.Join(s.folder, "online.db"), sqlite.Options{Now: clock, Log: log})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, online.Close()) })
	config := store.DefaultConfig()
	for _, c := range change {
		c(&config)
	}
	work := runs.New(db, runs.DefaultConfig(), time.Now, log)
	values := store.New(config, s.definitions, work, flakyOffline{s.offline, s}, flakyOnline{online, s}, clock, log)
	s.values = values
	values.KeepHistory(past)
	if checks != nil {
		values.CheckWith(checks(s.definitions))
	}
	values.PublishWith(publisher{work})
	work.Handle("materialization", 1, s.publish(values))
	values.HandleRuns()
	require.NoError(t, values.Start(t.Context()))
	t.Cleanup(values.Stop)
	require.NoError(t, work.Start(t.Context()))
	t.Cleanup(work.Stop)
	s.Server = httpapitest.Listen(t, httpapitest.Serve(log, s.definitions.Routes, values.Routes, work.Routes, values.RunRoutes))
	return s
}

// fails answers an error while that engine is down.
func (s *served) fails(engine string) error {
	if down := s.down.Load(); down != nil && *down == engine {
		return fmt.Errorf("dial tcp: connection refused")
	}
	return nil
}

// hold has a commit wait.
func (s *served) hold() {
	if held := s.held.Load(); held != nil {
		s.waiting.Add(1)
		<-*held
		s.waiting.Add(-1)
	}
}

// failsToCommit is fails of the offline store, or what it refuses the next commit with.
func (s *served) failsToCommit() error {
	if refusal := s.refuses.Swap(nil); refusal != nil {
		return *refusal
	}
	return s.fails("offline")
}

// flakyOnline is an online store that can be down.
type flakyOnline struct {
	store.Online
	served *served
}

func (f flakyOnline) Read(ctx context.Context, questions []store.Question) ([][]string, []bool, error) {
	if err := f.served.fails("online"); err != nil {
		return nil, nil, err
	}
	return f.Online.Read(ctx, questions)
}

func (f flakyOnline) Merge(ctx context.Context, group *registry.Group, fence int64, unmarked bool, rows []store.PackedRow) (store.Merged, error) {
	if err := f.served.fails("online"); err != nil {
		return store.Merged{}, err
	}
	return f.Online.Merge(ctx, group, fence, unmarked, rows)
}

func (f flakyOnline) State(ctx context.Context, group *registry.Group) (store.State, error) {
	if err := f.served.fails("online"); err != nil {
		return store.State{}, err
	}
	return f.Online.State(ctx, group)
}

func (f flakyOnline) Size(ctx context.Context) (store.StoreSize, error) {
	if err := f.served.fails("online"); err != nil {
		return store.StoreSize{}, err
	}
	return f.Online.Size(ctx)
}

// flakyOffline is an offline store that can be down.
type flakyOffline struct {
	store.Offline
	served *served
}

func (f flakyOffline) Size(ctx context.Context) (store.StoreSize, error) {
	if err := f.served.fails("offline"); err != nil {
		return store.StoreSize{}, err
	}
	return f.Offline.Size(ctx)
}

func (f flakyOffline) Append(ctx context.Context, rows []*store.Rows) error {
	if err := f.served.failsToCommit(); err != nil {
		return err
	}
	return f.Offline.Append(ctx, rows)
}

func (f flakyOffline) AppendTogether(ctx context.Context, all *store.Together) error {
	f.served.hold()
	if f.served.blind.Load() {
		for _, e := range all.Entries {
			e.Checked = math.MaxInt64
		}
	}
	if err := f.served.failsToCommit(); err != nil {
		return err
	}
	return f.Offline.AppendTogether(ctx, all)
}

func (f flakyOffline) AppendOnce(ctx context.Context, rows []*store.Rows, requests []*store.KeyedRequest) error {
	f.served.hold()
	if err := f.served.fails("offline"); err != nil {
		return err
	}
	return f.Offline.AppendOnce(ctx, rows, requests)
}

func (f flakyOffline) Recall(ctx context.Context, key [32]byte) (*store.Remembered, error) {
	if err := f.served.fails("offline"); err != nil {
		return nil, err
	}
	return f.Offline.Recall(ctx, key)
}

func (f flakyOffline) Load(ctx context.Context, group *registry.Group, run int64) (store.Load, error) {
	if err := f.served.fails("offline"); err != nil {
		return nil, err
	}
	return f.Offline.Load(ctx, group, run)
}

func (f flakyOffline) Snapshot(ctx context.Context) (store.Snapshot, error) {
	if err := f.served.fails("offline"); err != nil {
		return nil, err
	}
	return f.Offline.Snapshot(ctx)
}

func (f flakyOffline) Settled(ctx context.Context) (int64, error) {
	if err := f.served.fails("clock"); err != nil {
		return 0, err
	}
	return f.Offline.Settled(ctx)
}

// publisher stands for package materialization, which is to the right of this one.
type publisher struct{ work *runs.Runs }

func (p publisher) Publish(ctx context.Context, group *registry.Group) (int64, error) {
	run, err := p.work.Submit(ctx, "materialization", group.Name, nil)
	return run.ID, err
}

func (s *served) publish(values *store.Store) runs.Work {
	return func(ctx context.Context, run *runs.Active) (any, error) {
		group, _ := s.definitions.Catalog().Group(run.Subject())
		snapshot, err := s.offline.Snapshot(ctx)
		if err != nil {
			return nil, err
		}
		defer snapshot.Close()
		return nil, snapshot.Current(ctx, group, group.Features, func(current *store.Current) error {
			_, err := values.Online().Merge(ctx, group, 0, true, values.PackCurrent(current))
			return err
		})
	}
}

// inStep has the online copies of all groups say that they hold everything, as materialization does once it has brought it there.
func (s *served) inStep(t *testing.T) {
	t.Helper()
	snapshot, err := s.offline.Snapshot(t.Context())
	require.NoError(t, err)
	defer snapshot.Close()
	for _, group := range s.definitions.Catalog().Groups() {
		if group.Kind != registry.Features {
			continue
		}
		from, err := s.values.Online().State(t.Context(), group)
		require.NoError(t, err)
		to := from
		to.Watermark.Position = snapshot.Position()
		swapped, err := s.values.Online().Swap(t.Context(), group, from, to)
		require.NoError(t, err)
		require.True(t, swapped)
	}
}

// dump is all that is stored: every row of both stores, and the revision of the definitions.
func (s *served) dump(t *testing.T) string {
	var all strings.Builder
	fmt.Fprintln(&all, "revision", s.definitions.Catalog().Revision())
	for _, file := range []string{"offline.db", "online.db"} {
		db, err := sql.Open("sqlite3", "file:"+filepath.Join(s.folder, file)+"?mode=ro")
		require.NoError(t, err)
		tables := texts(t, db, `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '\_\_%' ESCAPE '\' ORDER BY name`)
		for _, table := range tables {
			columns := texts(t, db, `SELECT quote(name) FROM pragma_table_info(?)`, table)
			for i, c := range columns {
				columns[i] = "quote(" + `"` + strings.Trim(c, "'") + `")`
			}
			for _, row := range texts(t, db, "SELECT "+strings.Join(columns, "||','||")+` FROM "`+table+`" ORDER BY 1`) {
				fmt.Fprintln(&all, table, row)
			}
		}
		require.NoError(t, db.Close())
	}
	return all.String()
}

func texts(t *testing.T, db *sql.DB, query string, args ...any) []string {
	rows, err := db.Query(query, args...)
	require.NoError(t, err)
	defer rows.Close()
	var found []string
	for rows.Next() {
		var text string
		require.NoError(t, rows.Scan(&text))
		found = append(found, text)
	}
	require.NoError(t, rows.Err())
	return found
}

// Every route, by scenarios that go on from each other.
func TestHTTP(t *testing.T) {
	serve(t).Run(t, "testdata/http/*.txt")
}

// While an engine is down: what still works, and what says so.
func TestHTTPWhileAnEngineIsDown(t *testing.T) {
	for _, engine := range []string{"online", "offline"} {
		s := serve(t, func(c *store.Config) { c.OfflineReads = 2 })
		s.Run(t, "testdata/http/1_storing.txt")
		s.down.Store(&engine)
		s.Run(t, "testdata/http_down/"+engine+".txt")
	}
}

// A body that is longer than what is kept in memory.
func TestLongSpine(t *testing.T) {
	s := serve(t, func(c *store.Config) { c.MaxSpooledBytes = 4 << 20 })
	s.Run(t, "testdata/http/1_storing.txt")
	var spine, wanted strings.Builder
	spine.WriteString("n,customer_id,event_time\n")
	wanted.WriteString("n,customer_id,event_time,vip\n")
	for i := range 70_000 {
		customer, vip := "12345", "true"
		if i%3 == 1 {
			customer, vip = "nobody", ""
		}
		line := fmt.Sprintf("%d,%s,2026-05-02T00:00:00Z", i, customer)
		fmt.Fprintln(&spine, line)
		fmt.Fprintf(&wanted, "%s,%s\n", line, vip)
	}
	require.Greater(t, spine.Len(), 2<<20)
	answer := s.Call(t, "POST /training-sets?features=profile:vip", spine.String(), "Content-Type: text/csv")
	require.Equal(t, 200, answer.Status)
	require.Equal(t, wanted.String(), answer.Body)

	answer = s.Call(t, "POST /training-sets?features=profile:vip", spine.String()+strings.Repeat("x", 3<<20), "Content-Type: text/csv")
	require.Equal(t, 413, answer.Status, answer.Body)
	require.Contains(t, answer.Body, "store.max_spooled")

	answer = s.Call(t, "POST /rows/profile", spine.String(), "Content-Type: text/csv", "Prefer: wait=5, respond-async")
	require.Equal(t, 202, answer.Status, answer.Body)
	ended := s.Call(t, "GET "+answer.Header.Get("Location")+"?wait=30s", "")
	require.Contains(t, ended.Body, `"state":"failed"`, "the column n is unknown")
	require.Contains(t, ended.Body, "create=true")

	answer = s.Call(t, "POST /rows/profile", "customer_id,event_time,vip\n1,2026-05-01T00:00:00Z,perhaps\n", "Content-Type: text/csv", "Prefer: respond-async")
	require.Equal(t, 202, answer.Status, answer.Body)
	ended = s.Call(t, "GET "+answer.Header.Get("Location")+"?wait=30s", "")
	require.Contains(t, ended.Body, `"state":"failed"`)
	require.Contains(t, ended.Body, `"result":{"bad_rows":[{"row":1,"column":"vip","value":"perhaps","reason":"expected BOOLEAN (true or false), got perhaps"}]}`)
}
