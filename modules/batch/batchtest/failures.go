package batchtest

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/app/fault"
	"featurestore/modules/batch"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store/storetest"
)

// counted is a situation of one entity with n hourly events and a sum of them.
func counted(n int) *situation {
	s := &situation{
		keys:       []registry.JoinKey{{Name: "customer_id", ValueType: value.String}},
		columns:    []storetest.Column{{Name: "n", Type: value.Integer}, {Name: "x", Type: value.Float}},
		outputs:    []storetest.Column{{Name: "total", Type: value.Integer}, {Name: "mean", Type: value.Float}},
		cycle:      "hourly",
		aggregates: []Aggregate{{Feature: "total", Type: value.Integer, Function: "sum", Of: "n", Decimals: -1}, {Feature: "mean", Type: value.Float, Function: "avg", Of: "x", Decimals: -1}},
	}
	for i := range int64(n) {
		at := base + i*hour
		e := Event{At: at, Values: map[string]value.Value{"n": value.OfInt(i), "x": value.OfFloat(float64(i))}}
		e.Key.Values, e.Key.Encoded = []value.Value{value.OfString("c1")}, "c1"
		s.events, s.ticks = append(s.events, e), append(s.ticks, at)
	}
	return s
}

const hour = 3_600_000_000 // µs

// runFailures looks at what is said where a computation cannot be made: a fault with one sentence, and no secret.
func runFailures(t *testing.T, s Subject) {
	w := newWorld(t, s, "f")
	each := func(t *testing.T, names []string, test func(t *testing.T, h *home)) {
		for _, h := range s.homes() {
			if slices.Contains(names, h.name) {
				t.Run(h.name, func(t *testing.T) {
					outer := w.tb
					w.tb = t
					defer func() { w.tb = outer }()
					test(t, h)
				})
			}
		}
	}
	fails := func(t *testing.T, told *told, slug string, says ...string) {
		t.Helper()
		_, err := told.compute()
		problem, ok := fault.As(err)
		require.True(t, ok && problem.Slug == slug, "wanted the problem %s, got %v", slug, explained(err))
		require.NotContains(t, strings.TrimSuffix(problem.Detail, "."), ". ", "a problem is one sentence")
		for _, part := range says {
			require.Contains(t, problem.Detail, part)
		}
		if s.Places.URL != "" {
			require.NotContains(t, problem.Detail, s.Places.URL)
		}
	}
	tables := []string{"table"}
	change := func(t *testing.T, sql string) {
		t.Helper()
		_, err := w.tables.Exec(w.ctx, strings.ReplaceAll(sql, "sales", s.Places.Schema+"."+w.own("sales")))
		require.NoError(t, err)
	}
	files := []string{"csv", "ndjson", "parquet"}
	folder := func() string { return filepath.Join(s.Places.Folder, w.own("sales")) }

	t.Run("a table that is gone", func(t *testing.T) {
		each(t, tables, func(t *testing.T, h *home) {
			told := w.must(counted(3), h)
			change(t, `DROP TABLE sales`)
			fails(t, told, "computation-failed", "does not exist")
		})
	})
	t.Run("a column that is gone", func(t *testing.T) {
		each(t, tables, func(t *testing.T, h *home) {
			told := w.must(counted(3), h)
			change(t, `ALTER TABLE sales DROP COLUMN "The ""x"", it's"`)
			fails(t, told, "missing-column", "x")
		})
	})
	t.Run("a number that is not finite", func(t *testing.T) {
		each(t, tables, func(t *testing.T, h *home) {
			for _, number := range []string{"NaN", "Infinity", "-Infinity"} {
				told := w.must(counted(3), h)
				change(t, `UPDATE sales SET "The ""x"", it's" = '`+number+`' WHERE "The ""n"", it's" = 1`)
				fails(t, told, "bad-event", "x")
			}
		})
	})
	t.Run("no entity, or no event time", func(t *testing.T) {
		each(t, tables, func(t *testing.T, h *home) {
			for _, column := range []string{"customer_id", eventTime} {
				told := w.must(counted(3), h)
				change(t, `UPDATE sales SET "The ""`+column+`"", it's" = NULL WHERE "The ""n"", it's" = 1`)
				fails(t, told, "bad-event", column)
			}
		})
	})
	t.Run("files that are gone", func(t *testing.T) {
		each(t, files, func(t *testing.T, h *home) {
			told := w.must(counted(3), h)
			require.NoError(t, os.RemoveAll(folder()))
			fails(t, told, "no-files")
		})
	})
	t.Run("a file that is damaged", func(t *testing.T) {
		each(t, []string{"parquet"}, func(t *testing.T, h *home) {
			told := w.must(counted(3), h)
			require.NoError(t, os.WriteFile(filepath.Join(folder(), "a", "part-1.parquet"), []byte("PAR1 and no more"), 0o600))
			_, err := told.compute()
			_, ok := fault.As(err)
			require.True(t, ok, "got %v", err)
		})
	})
	t.Run("a link that leads out of the root", func(t *testing.T) {
		each(t, []string{"csv"}, func(t *testing.T, h *home) {
			told := w.must(counted(3), h)
			secret := filepath.Join(t.TempDir(), "secret.csv")
			require.NoError(t, os.WriteFile(secret, []byte("a,b\n1,2\n"), 0o600))
			require.NoError(t, os.Symlink(secret, filepath.Join(folder(), "a", "part-3.csv")))
			fails(t, told, "outside-root")
		})
	})
	t.Run("time that runs out", func(t *testing.T) {
		each(t, Homes(), func(t *testing.T, h *home) {
			told := w.must(counted(50), h)
			told.limit = time.Microsecond
			fails(t, told, "took-too-long", "limits.timeout")
		})
	})
	t.Run("sources that it does not compute from", func(t *testing.T) {
		for _, h := range homes {
			switch {
			case slices.Contains(s.Homes, h.name), s.Places.URL == "" && (h.name == "table" || h.name == "query"):
				continue
			}
			t.Run(h.name, func(t *testing.T) {
				outer := w.tb
				w.tb = t
				defer func() { w.tb = outer }()
				told := w.must(counted(1), h)
				require.NotEmpty(t, s.Engine.Refuses(told.plan))
				_, err := s.Engine.Compute(context.Background(), told.job(nil))
				_, ok := fault.As(err)
				require.True(t, ok, "got %v", err)
			})
		}
	})
}

// must is tell of a definition that is good.
func (w *world) must(s *situation, h *home) *told {
	w.Helper()
	told, err := w.tell(s, h)
	require.NoError(w, explained(err))
	return told
}

// batchOf is what compute hands to an engine: the events of a group are of a snapshot, which done closes.
func (t *told) batchOf() (job *batch.Job, done func()) {
	t.Helper()
	if t.group == "" {
		return t.job(nil), func() {}
	}
	snapshot, err := t.store.Events(t.ctx, t.group)
	require.NoError(t, err)
	return t.job(snapshot), func() { require.NoError(t, snapshot.Close()) }
}
