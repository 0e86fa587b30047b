package validation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"featurestore/app/database/databasetest"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/runs"
	"featurestore/modules/validation/alerts"
	"featurestore/modules/validation/rules"
)

// bench is a module on a database, with alerts, over values of a test.
type bench struct {
	*Validation
	work   *runs.Runs
	alerts *alerts.Alerts
	group  *registry.Group
}

const judgedFile = `{"entity_types": [{"name": "customer", "join_keys": [{"name": "customer_id", "value_type": "STRING"}]}],
 "groups": [{"name": "orders", "entity_type": "customer", "owner": "shop", "features": [{"name": "amount", "value_type": "FLOAT"}]}],
 "rules": [{"name": "range", "group": "orders", "kind": "range", "features": ["amount"], "params": {"min": 0}, "tolerance": {"max_bad_rate": 0.5}},
   {"name": "rows", "group": "orders", "kind": "row_count", "params": {"min": 3}},
   {"name": "mean", "group": "orders", "kind": "mean", "features": ["amount"], "params": {"min": 0}, "window": "1d", "owner": "finance"}]}`

// named are values of a test with entities, which are called by their keys.
type named struct {
	rowsInMemory
	fails   error
	erased  func(entity string) bool
	scan    func(ctx context.Context) error // before each scan
	waiting bool                            // rows are in quarantine

	newest int64 // load
}

func (n *named) Scan(ctx context.Context, group *registry.Group, window Window, yield func(*rules.Batch) error) error {
	if n.scan != nil {
		if err := n.scan(ctx); err != nil {
			return err
		}
	}
	if n.fails != nil {
		return n.fails
	}
	return n.rowsInMemory.Scan(ctx, group, window, func(b *rules.Batch) error {
		b.Entity = func(row int) string { return fmt.Sprint("customer ", row) }
		return yield(b)
	})
}

func (n *named) Read(_ context.Context, group *registry.Group, window Window, use func(rules.Source) error) error {
	return use(&unmeasured{n, group, window})
}

func (n *named) NewestLoad(context.Context, *registry.Group) (int64, error) { return n.newest, nil }

func (n *named) Waiting(context.Context, *registry.Group) (bool, error) { return n.waiting, nil }

func (n *named) EntityID(_ *registry.EntityType, encoded string) json.RawMessage {
	text, _ := json.Marshal(encoded)
	return text
}

func (n *named) Erased(_ context.Context, _ *registry.EntityType, encoded []string) ([]bool, error) {
	erased := make([]bool, len(encoded))
	for i, e := range encoded {
		erased[i] = n.erased != nil && n.erased(e)
	}
	return erased, nil
}

// judge makes the module over values, whose database and registry may be those of another one before it.
func judge(t *testing.T, db *gorm.DB, definitions *registry.Registry, values Values, config Config) *bench {
	for _, migrate := range []func(context.Context, *gorm.DB) error{runs.Migrate, alerts.Migrate, Migrate} {
		require.NoError(t, migrate(context.Background(), db))
	}
	work := runs.New(db, runs.DefaultConfig(), time.Now, quiet)
	told, err := alerts.New(db, alerts.DefaultConfig(), alerts.Defined{Registry: definitions}, time.Now, quiet)
	require.NoError(t, err)
	v := New(config, Parts{DB: db, Definitions: definitions, Runs: work, Values: values, Told: told, Clock: time.Now, Log: quiet,
		Profiles: NewProfiles(db, config, definitions, values, nil, work, time.Now, quiet)})
	v.HandleRuns()
	group, found := definitions.Catalog().Group("orders")
	require.True(t, found)
	return &bench{v, work, told, group}
}

func (j *bench) run(t *testing.T, request evaluationRequest) *Report {
	run, err := j.work.Submit(t.Context(), EvaluationKind, "orders", request)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	run, err = j.work.Wait(ctx, run.ID)
	require.NoError(t, err)
	require.Equal(t, runs.Succeeded, run.State, run.Reason)
	report, err := j.repository.of(t.Context(), run.ID)
	require.NoError(t, err)
	require.NotNil(t, report)
	return report
}

func (j *bench) openAlerts(t *testing.T) map[string]*alerts.Alert {
	open, err := j.alerts.List(t.Context(), alerts.Filter{Open: true, Limit: 100})
	require.NoError(t, err)
	by := map[string]*alerts.Alert{}
	for _, a := range open {
		by[a.Rule] = a
	}
	return by
}

func statuses(r *Report) map[string]rules.Status {
	found := map[string]rules.Status{}
	for _, result := range r.Results {
		found[result.Rule] = result.Status
	}
	return found
}

func eachJudged(t *testing.T, test func(t *testing.T, open func() *gorm.DB, definitions *registry.Registry)) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		definitions := registryOn(t, open())
		apply(t, definitions, judgedFile)
		test(t, open, definitions)
	})
}

// A run is done again by another process after one was stopped in the middle of it, and once more after one ended between its report and its
// own end: there is one report of it, and one alert.
func TestOneReportPerRun(t *testing.T) {
	eachJudged(t, func(t *testing.T, open func() *gorm.DB, definitions *registry.Registry) {
		db := open()
		began := make(chan struct{})
		stuck := &named{scan: func(ctx context.Context) error {
			close(began)
			<-ctx.Done()
			return ctx.Err()
		}}
		first := judge(t, db, definitions, stuck, DefaultConfig())
		require.NoError(t, first.work.Start(t.Context()))
		run, err := first.work.Submit(t.Context(), EvaluationKind, "orders", evaluationRequest{Way: ByCall, Rules: []string{"range"}})
		require.NoError(t, err)
		<-began
		first.work.Stop()

		values := &named{}
		values.add(first.group, row{values: []value.Value{number(-1)}})
		for range 2 {
			second := judge(t, db, definitions, values, DefaultConfig())
			require.NoError(t, second.work.Start(t.Context()))
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			ended, err := second.work.Wait(ctx, run.ID)
			cancel()
			require.NoError(t, err)
			require.Equal(t, runs.Succeeded, ended.State, ended.Reason)
			second.work.Stop()
			reports, err := second.repository.list(t.Context(), ReportFilter{Limit: 10})
			require.NoError(t, err)
			require.Len(t, reports, 1)
			require.Equal(t, run.ID, reports[0].Evaluation)
			require.Equal(t, rules.Fail, reports[0].Status)
			require.Equal(t, run.ID, second.openAlerts(t)["range"].Run)
			require.NoError(t, db.Exec("UPDATE runs SET state = 'queued', result = '', finished_at = NULL WHERE id = ?", run.ID).Error)
		}
	})
}

// What rules said of single writes adds up in the reports, however many write and whenever it is reported.
func TestWrittenAddsUp(t *testing.T) {
	eachJudged(t, func(t *testing.T, open func() *gorm.DB, definitions *registry.Registry) {
		j := judge(t, open(), definitions, &named{}, DefaultConfig())
		const writers, calls = 8, 200
		var writing sync.WaitGroup
		for w := range writers {
			writing.Go(func() {
				set := j.Guard(j.group)
				for i := range calls {
					run := set.Begin(rules.Options{})
					values := []value.Value{number(1), number(float64(-i % 2)), value.Null()}
					run.Add(&rules.Batch{Values: values, Rows: 3, Width: 1, Columns: []int{0}, Entity: func(int) string { return fmt.Sprint("customer ", w) }}, nil)
					j.Written(j.group, run.Finish())
				}
			})
		}
		var done atomic.Bool
		reporting := make(chan error)
		go func() {
			for !done.Load() {
				if err := j.reportWritten(t.Context()); err != nil {
					reporting <- err
					return
				}
			}
			reporting <- nil
		}()
		writing.Wait()
		done.Store(true)
		require.NoError(t, <-reporting)
		require.NoError(t, j.reportWritten(t.Context()))
		require.NoError(t, j.reportWritten(t.Context()), "and nothing more")
		reports, err := j.repository.list(t.Context(), ReportFilter{Way: string(ByWrite), Limit: 100_000})
		require.NoError(t, err)
		var rows, considered, null, bad int64
		for _, r := range reports {
			require.NoError(t, j.repository.fill(t.Context(), r))
			require.Len(t, r.Results, 1)
			require.LessOrEqual(t, len(r.Results[0].Examples), rules.DefaultExamples)
			for _, e := range r.Results[0].Examples {
				require.Contains(t, string(e.EntityID), `"customer `)
			}
			require.Equal(t, rules.Pass, r.Status, "half of the rows may be bad")
			rows, considered, null, bad = rows+r.Rows, considered+r.Results[0].Considered, null+r.Results[0].Null, bad+r.Results[0].Bad
		}
		require.EqualValues(t, 3*writers*calls, rows)
		require.EqualValues(t, 2*writers*calls, considered)
		require.EqualValues(t, writers*calls, null)
		require.EqualValues(t, writers*calls/2, bad)
	})
}

// While the database cannot be written, what was written waits; the last report is made when the module is stopped.
func TestWrittenWaits(t *testing.T) {
	eachJudged(t, func(t *testing.T, open func() *gorm.DB, definitions *registry.Registry) {
		j := judge(t, open(), definitions, &named{}, DefaultConfig())
		write := func(f float64) {
			run := j.Guard(j.group).Begin(rules.Options{})
			run.Add(&rules.Batch{Values: []value.Value{number(f)}, Rows: 1, Width: 1, Columns: []int{0}}, nil)
			j.Written(j.group, run.Finish())
		}
		require.NoError(t, j.Start(t.Context()))
		write(1)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, j.reportWritten(gone), context.Canceled)
		write(-1)
		write(-1)
		j.Stop()
		reports, err := j.repository.list(t.Context(), ReportFilter{Limit: 10})
		require.NoError(t, err)
		require.Len(t, reports, 1)
		require.EqualValues(t, 3, reports[0].Rows)
		require.Equal(t, rules.Fail, reports[0].Status)
		require.Contains(t, j.openAlerts(t)["range"].Sentence, "bad are 2 of 3 rows (66.7 %)")
	})
}

// What cannot be evaluated is a result of status error, and told.
func TestErrorsAreResults(t *testing.T) {
	eachJudged(t, func(t *testing.T, open func() *gorm.DB, definitions *registry.Registry) {
		values := &named{fails: errors.New("the disk is gone")}
		j := judge(t, open(), definitions, values, DefaultConfig())
		require.NoError(t, j.work.Start(t.Context()))
		t.Cleanup(j.work.Stop)
		report := j.run(t, evaluationRequest{Way: ByCall})
		require.Equal(t, map[string]rules.Status{"range": rules.Failed, "rows": rules.Failed, "mean": rules.Failed}, statuses(report))
		require.Equal(t, rules.Failed, report.Status)
		require.Equal(t, "the rows could not be read: an error of the server, which its log has", report.Results[0].Reason)
		require.Equal(t, alerts.Warn, j.openAlerts(t)["rows"].Severity)
		require.Equal(t, "finance", j.openAlerts(t)["mean"].Owner)
		require.Equal(t, "shop", j.openAlerts(t)["rows"].Owner)

		values.fails, values.waiting = nil, true
		values.add(j.group, row{at: time.Now().UnixMicro(), values: []value.Value{number(4)}}, row{values: []value.Value{number(-40)}})
		report = j.run(t, evaluationRequest{Way: ByCall})
		require.Equal(t, map[string]rules.Status{"range": rules.Pass, "rows": rules.Fail, "mean": rules.Pass}, statuses(report), "each in its own window")
		require.Equal(t, "the last 1d", report.Results[2].LookedAt)
		require.Contains(t, j.openAlerts(t), "range", "that a row rule holds on what is stored says nothing while rows wait in quarantine")
		require.NotContains(t, j.openAlerts(t), "mean")
		values.waiting = false
		j.run(t, evaluationRequest{Way: ByCall})
		require.Len(t, j.openAlerts(t), 1)
		require.Equal(t, alerts.Error, j.openAlerts(t)["rows"].Severity)

		// Rows that are asked for neither raise nor resolve alerts, and are not what later runs compare with.
		report = j.run(t, evaluationRequest{Way: ByCall, Window: &WindowRequest{To: "1980-01-01T00:00:00Z"}})
		require.Equal(t, map[string]rules.Status{"range": rules.Fail, "rows": rules.Fail, "mean": rules.Fail}, statuses(report))
		require.Len(t, j.openAlerts(t), 1)
		measured, err := j.repository.measured(t.Context(), "orders", subject{"mean", "amount"}, 0, 10)
		require.NoError(t, err)
		require.Equal(t, []float64{4, 4}, measured)
	})
}

// A rule that does not fit the group any more is an outcome, and the others are judged.
func TestRulesThatDoNotFit(t *testing.T) {
	fits, _ := rules.Read(`{"name": "fits", "kind": "not_null", "features": ["a"]}`)
	not, _ := rules.Read(`{"name": "not", "kind": "mean", "features": ["a"], "params": {"min": 1}}`)
	gone, _ := rules.Read(`{"name": "gone", "kind": "not_null", "features": ["b"]}`)
	set, broken := compileFitting([]*rules.Definition{&not, &fits, &gone}, []rules.Field{{Name: "a", Type: value.String}})
	require.Len(t, set.Rules(), 1)
	require.Len(t, broken, 2)
	for _, o := range broken {
		require.Equal(t, rules.Failed, o.Status)
		require.Contains(t, o.Reason, "the rule does not fit the group: ")
	}
}

// A rule that is deleted or switched off ends its alerts; the ticker has the others evaluated, and gives up what is old but for the newest.
func TestTicker(t *testing.T) {
	eachJudged(t, func(t *testing.T, open func() *gorm.DB, definitions *registry.Registry) {
		config := DefaultConfig()
		config.Every = time.Second
		j := judge(t, open(), definitions, &named{}, config)
		old := time.Now().Add(-100 * 24 * time.Hour)
		for i := range 3 {
			report := &Report{Group: "orders", Way: ByCall, Evaluation: int64(1_000_000 + i), StartedAt: old, Results: []Result{{At: old, Usual: true,
				Outcome: rules.Outcome{Rule: "range", Group: "orders", Kind: "range", Features: []string{"amount"}, Status: rules.Fail, Severity: rules.Error, Considered: 1, Bad: 1}}}}
			require.NoError(t, j.keep(t.Context(), report, j.group, nil))
		}
		require.Contains(t, j.openAlerts(t), "range")
		require.NoError(t, j.work.Start(t.Context()))
		t.Cleanup(j.work.Stop)
		ticker := j.Ticker()
		require.NoError(t, ticker.Start(t.Context()))
		t.Cleanup(ticker.Stop)
		eventually(t, func() bool {
			reports, err := j.repository.list(t.Context(), ReportFilter{Way: string(BySchedule), Limit: 10})
			require.NoError(t, err)
			return len(reports) >= 2
		})
		found, err := j.repository.history(t.Context(), "range", "", 0, 10)
		require.NoError(t, err)
		found = slices.DeleteFunc(found, func(r Result) bool { return r.At.After(old.Add(time.Hour)) })
		require.Len(t, found, 1, "the newest is kept")
		require.Contains(t, j.openAlerts(t), "range")
		apply(t, definitions, `{"rules": [{"name": "range", "enabled": false}]}`)
		eventually(t, func() bool { return j.openAlerts(t)["range"] == nil })
		resolved, err := j.alerts.List(t.Context(), alerts.Filter{Rule: "range", Limit: 1})
		require.NoError(t, err)
		require.Equal(t, "the rule was switched off", resolved[0].Resolution)
		eventually(t, func() bool {
			newest, err := j.repository.newest(t.Context(), 10)
			require.NoError(t, err)
			return !slices.ContainsFunc(newest, func(r Result) bool { return r.Rule == "range" })
		})
	})
}

func eventually(t *testing.T, holds func() bool) {
	t.Helper()
	for until := time.Now().Add(3 * time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		require.True(t, time.Now().Before(until), "it does not come about")
	}
}

// No report shows an entity that was erased, whether before it was made, while it was, or after.
func TestReportsForget(t *testing.T) {
	eachJudged(t, func(t *testing.T, open func() *gorm.DB, definitions *registry.Registry) {
		values := &named{}
		j := judge(t, open(), definitions, values, DefaultConfig())
		shown := func() (entities []string) {
			found, err := j.repository.history(t.Context(), "range", "", 0, 10)
			require.NoError(t, err)
			for _, r := range found {
				for _, e := range r.Examples {
					entities = append(entities, plainID(e.EntityID))
				}
			}
			return entities
		}
		report := func(evaluation int64) *Report {
			r := &Report{Group: "orders", Way: ByCall, Evaluation: evaluation, StartedAt: time.Now(), Results: []Result{{At: time.Now(), Usual: true,
				Outcome: rules.Outcome{Rule: "range", Group: "orders", Kind: "range", Features: []string{"amount"}, Status: rules.Fail, Severity: rules.Error, Considered: 2, Bad: 2,
					Examples: []rules.Example{{Row: 1, Entity: "a&b", Values: json.RawMessage(`{"amount":1}`)}, {Row: 2, Entity: "c", Values: json.RawMessage(`{"amount":2}`)}}}}}}
			j.nameEntities(j.group, r.Results[0].Examples)
			return r
		}
		require.NoError(t, j.keep(t.Context(), report(1), j.group, nil))
		require.Equal(t, []string{`"a&b`, `"c`}, shown())
		require.NoError(t, j.Forget(t.Context(), j.group.EntityType, []json.RawMessage{json.RawMessage(`"a&b"`)}))
		require.Equal(t, []string{`"c`}, shown())
		looks := 0
		values.erased = func(entity string) bool { looks++; return entity == "a&b" && looks > 2 } // erased between the look and the commit
		require.NoError(t, j.keep(t.Context(), report(2), j.group, nil))
		require.Equal(t, []string{`"c`, `"c`}, shown())
		values.erased = func(entity string) bool { return entity == "c" } // erased before
		require.NoError(t, j.keep(t.Context(), report(3), j.group, nil))
		require.Equal(t, []string{`"a&b`, `"c`, `"c`}, shown())

		values.erased = nil
		o := report(4).Results[0].Outcome
		j.Written(j.group, []rules.Outcome{o})
		require.NoError(t, j.Forget(t.Context(), j.group.EntityType, []json.RawMessage{json.RawMessage(`"a&b"`), json.RawMessage(`"c"`)}))
		require.NoError(t, j.reportWritten(t.Context()))
		require.Empty(t, shown())
	})
}

func TestPercent(t *testing.T) {
	for _, c := range []struct {
		bad, of int64
		says    string
	}{{3, 1000, "3 of 1,000 rows (0.3 %)"}, {0, 12, "0 of 12 rows (0 %)"}, {1, 1_000_000, "1 of 1,000,000 rows (less than 0.01 %)"}, {2, 3, "2 of 3 rows (66.7 %)"},
		{12, 12, "12 of 12 rows (100 %)"}, {99_999, 100_000, "99,999 of 100,000 rows (more than 99.9 %)"}, {1, 0, "no rows"}, {100, 1000, "100 of 1,000 rows (10 %)"}} {
		require.Equal(t, c.says, flagged(c.bad, c.of))
	}
}
