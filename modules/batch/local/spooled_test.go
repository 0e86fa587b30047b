package local

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/batch"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

// What files hold that are read directly is spooled until the last tick, times as numbers, with what is known of the columns.
func TestSpool(t *testing.T) {
	plan := &batch.Plan{Keys: []registry.JoinKey{{Name: "id", ValueType: value.Integer}}, Columns: scatteredColumns()}
	plan.Source.Entity = []string{"id"}
	job := &batch.Job{Plan: plan, Folder: t.TempDir(), Threads: 2, Memory: 256 << 20}
	d, err := open(job)
	require.NoError(t, err)
	t.Cleanup(d.close)
	_, err = d.stage(t.Context(), `SELECT * FROM (VALUES (1, 0, 5, 1.5, 'a', true, make_timestamp(9)), (2, 1, NULL, -2.5, 'b', false, NULL), (3, 2, 7, NULL, NULL, NULL, NULL), (4, 3, 99, 99, 'late', true, NULL))
		AS v (id, us, n, x, s, ok, due)`, filepath.Join(job.Folder, "values.parquet"))
	require.NoError(t, err)
	path := filepath.Join(job.Folder, "source.parquet")
	_, err = d.stage(t.Context(), `SELECT CAST(id AS BIGINT) AS id, make_timestamp(us) AT TIME ZONE 'UTC' AS event_time, CAST(n AS BIGINT) AS n, CAST(x AS DOUBLE) AS x, s, ok, due AT TIME ZONE 'UTC' AS due,
		CAST(NULL AS VARCHAR) AS note FROM read_parquet('`+filepath.Join(job.Folder, "values.parquet")+`')`, path)
	require.NoError(t, err)
	job.Plan.Source.Files, job.Plan.Source.EventTime = &batch.Files{Pattern: "source.parquet"}, "event_time"
	root, folder := job.Folder, t.TempDir()
	job.Folder, job.Ticks = folder, []int64{2}
	spooled, err := Spool(t.Context(), oneRoot(root), job)
	require.NoError(t, err)
	require.Equal(t, &batch.Spooled{Path: filepath.Join(folder, "events.parquet"), Rows: 3, Columns: []batch.Range{
		{Nulls: 1, Least: 5, Greatest: 7}, {Nulls: 1, Least: -2.5, Greatest: 1.5}, {Nulls: 1}, {Nulls: 1}, {Nulls: 2}, {Nulls: 3},
	}}, spooled)
	seen := 0
	require.NoError(t, d.query(t.Context(), "SELECT k0, event_us, seq, c4 FROM read_parquet('"+spooled.Path+"') ORDER BY k0", func(c *chunk) error {
		seen += c.rows
		require.Equal(t, int64(1), c.vector(0).int(0))
		require.Equal(t, int64(0), c.vector(1).int(0))
		require.Equal(t, int64(9), c.vector(3).int(0))
		return nil
	}))
	require.Equal(t, 3, seen)
}

// oneRoot is a root by any name.
type oneRoot string

func (r oneRoot) Root(string) (string, error) { return string(r), nil }
func (oneRoot) URL(string) (string, error)    { return "", nil }
