package validation

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"featurestore/app/httpapi"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/runs"
	"featurestore/modules/validation/rules"
)

// row is a stored row of a test.
type row struct {
	entity string
	at     int64
	run    int64
	values []value.Value
}

// rowsInMemory are Values of a test.
type rowsInMemory struct {
	Values
	mu    sync.Mutex
	rows  map[int64][]row // by group
	batch int             // rows of one; 0: 100
	scans int
	meet  func() // called before each scan
}

func (m *rowsInMemory) add(group *registry.Group, rows ...row) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rows == nil {
		m.rows = map[int64][]row{}
	}
	m.rows[group.ID] = append(m.rows[group.ID], rows...)
}

func (m *rowsInMemory) remove(group *registry.Group, gone func(row) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rows != nil {
		m.rows[group.ID] = slices.DeleteFunc(m.rows[group.ID], gone)
	}
}

func (m *rowsInMemory) Scan(_ context.Context, group *registry.Group, window Window, yield func(*rules.Batch) error) error {
	if m.meet != nil {
		m.meet()
	}
	m.mu.Lock()
	m.scans++
	all := slices.Clone(m.rows[group.ID])
	m.mu.Unlock()
	b := rules.Batch{Width: len(group.Features)}
	for i := range group.Features {
		b.Columns = append(b.Columns, i)
		if window.Reads != nil && !window.Reads[i] {
			b.Columns[i] = -1
		}
	}
	flush := func() error {
		if b.Rows == 0 {
			return nil
		}
		err := yield(&b)
		b.Rows, b.Values, b.EventTimes = 0, nil, nil
		return err
	}
	for _, r := range all {
		if window.Run != 0 && r.run != window.Run || window.From != nil && r.at < *window.From || window.To != nil && r.at >= *window.To {
			continue
		}
		b.Rows++
		b.EventTimes = append(b.EventTimes, r.at)
		b.Values = append(b.Values, r.values...)
		for range len(group.Features) - len(r.values) {
			b.Values = append(b.Values, value.Value{})
		}
		if b.Rows == cmp.Or(m.batch, 100) {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// sentRows is a table that a call brought.
type sentRows struct{ rows [][]value.Value }

func (s *sentRows) Scan(_ context.Context, yield func(*rules.Batch) error) error {
	for _, r := range s.rows {
		b := rules.Batch{Width: len(r), Rows: 1, Values: r, EventTimes: []int64{value.NoTime}}
		for i := range r {
			b.Columns = append(b.Columns, i)
		}
		if err := yield(&b); err != nil {
			return err
		}
	}
	return nil
}

func (s *sentRows) Close() error { return nil }

// noTables reads bodies that have no table.
type noTables struct{}

func (noTables) Table(context.Context, *registry.Group, *httpapi.Payload, string) (Table, error) {
	return nil, nil
}

// world is profiles on a registry of their own.
type world struct {
	*Profiles
	t        *testing.T
	registry *registry.Registry
	work     *runs.Runs
	stored   *rowsInMemory
	now      time.Time
}

const day = 86_400_000_000

// dayOne is when the rows of tests begin.
var dayOne = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

func newWorld(t *testing.T, db *gorm.DB, stored *rowsInMemory) *world {
	ctx := t.Context()
	for _, migrate := range []func(context.Context, *gorm.DB) error{runs.Migrate, registry.Migrate, Migrate} {
		require.NoError(t, migrate(ctx, db))
	}
	log := slog.New(slog.DiscardHandler)
	definitions, err := registry.New(db, registry.DefaultConfig(), log, RuleKind(), BaselineKind())
	require.NoError(t, err)
	require.NoError(t, definitions.Start(ctx))
	t.Cleanup(definitions.Stop)
	w := &world{t: t, registry: definitions, stored: stored, now: time.UnixMicro(dayOne + 60*day).UTC()}
	clock := func() time.Time { return w.now }
	w.work = runs.New(db, runs.DefaultConfig(), time.Now, log)
	w.Profiles = NewProfiles(db, DefaultConfig(), definitions, stored, noTables{}, w.work, clock, log)
	w.HandleRuns()
	return w
}

// begin has runs done.
func (w *world) begin() {
	require.NoError(w.t, w.work.Start(w.t.Context()))
	w.t.Cleanup(w.work.Stop)
}

func (w *world) apply(yaml string) {
	_, err := w.registry.Apply(w.t.Context(), []byte(yaml), "application/yaml", registry.Options{AllowBreaking: true})
	require.NoError(w.t, err)
}

func (w *world) named(name string) *registry.Group {
	group, ok := w.registry.Catalog().Group(name)
	require.True(w.t, ok)
	return group
}

// profile makes and stores one.
func (w *world) profile(group *registry.Group, window Window) int64 {
	id, err := w.Compute(w.t.Context(), group, window, nil, func(int64) {})
	require.NoError(w.t, err)
	return id
}

func (w *world) readProfile(id int64) *ProfileAnswer {
	answer, err := w.read(w.t.Context(), id, nil)
	require.NoError(w.t, err)
	return answer
}

func (a *ProfileAnswer) of(t *testing.T, feature string) FeatureProfile {
	i := slices.IndexFunc(a.Features, func(f FeatureProfile) bool { return f.Feature == feature })
	require.GreaterOrEqual(t, i, 0, "%s has no profile", feature)
	return a.Features[i]
}

// between is a window of days behind the dayOne.
func between(from, to int64) Window {
	f, t := dayOne+from*day, dayOne+to*day
	return Window{From: &f, To: &t}
}

const shop = `
entity_types: [{name: customer, join_keys: [{name: customer_id, value_type: STRING}]}]
groups:
  - name: orders
    entity_type: customer
    features:
      - {name: amount, value_type: FLOAT}
      - {name: country, value_type: STRING}
      - {name: count, value_type: INTEGER}
      - {name: since, value_type: TIMESTAMP}
      - {name: email, value_type: STRING, tags: [pii]}
      - {name: salary, value_type: FLOAT, tags: [pii]}
`

// order is row i of a day, 100 a day.
func order(d, i int64, run int64) row {
	countries := []string{"DE", "FR", "IT", "ES"}
	r := row{entity: fmt.Sprint(i), at: dayOne + d*day + i*1_000_000, run: run, values: []value.Value{
		value.OfFloat(float64((i*37+d*11)%500) + 0.5), value.OfString(countries[(i+d)%4]), value.OfInt(i % 30),
		value.OfTime(dayOne + i*day), value.OfString(fmt.Sprintf("person%d@example.org", i)), value.OfFloat(1000 + float64(i)),
	}}
	if i%10 == 3 {
		r.values[0] = value.Null()
	}
	return r
}

// days fills days of the group, each by a load of its own.
func (w *world) days(group *registry.Group, from, to int64) {
	for d := from; d < to; d++ {
		for i := range int64(100) {
			w.stored.add(group, order(d, i, d+1))
		}
	}
}

// unmeasured is a window of values that can only be scanned.
type unmeasured struct {
	values Values
	group  *registry.Group
	window Window
}

func (u *unmeasured) Measure(context.Context, []rules.Measure) ([]rules.Measured, error) {
	return nil, rules.ErrUnmeasured
}

func (u *unmeasured) Scan(ctx context.Context, reads []bool, yield func(*rules.Batch) error) error {
	window := u.window
	window.Reads = reads
	return u.values.Scan(ctx, u.group, window, yield)
}

func (m *rowsInMemory) Read(_ context.Context, group *registry.Group, window Window, use func(rules.Source) error) error {
	return use(&unmeasured{m, group, window})
}
