package local

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/batch"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

// Events that are put in order here come as those do that DuckDB sorts: with keys of one number and of several parts, nulls, texts, and times that are out of order.
func TestAssembled(t *testing.T) {
	for name, keys := range map[string][]registry.JoinKey{
		"a number":      {{Name: "id", ValueType: value.Integer}},
		"a text":        {{Name: "name", ValueType: value.String}},
		"several parts": {{Name: "name", ValueType: value.String}, {Name: "id", ValueType: value.Integer}},
	} {
		t.Run(name, func(t *testing.T) {
			d, job := scattered(t, keys, 70_000)
			assembled := fed(t, job, d.assembled(job))
			require.Len(t, assembled, 70_000)
			require.Equal(t, fed(t, job, d.sorted(job)), assembled)
		})
	}
}

// More events than are held are sorted by DuckDB, from the first one on.
func TestAssembledOfTooMany(t *testing.T) {
	d, job := scattered(t, []registry.JoinKey{{Name: "id", ValueType: value.Integer}}, 100_000)
	held := fed(t, job, d.assembled(job))
	job.Memory = 8 << 20
	h, err := newHeld(job)
	require.NoError(t, err)
	require.ErrorIs(t, d.query(t.Context(), "SELECT id, event_us, n, x, s, ok, due, note FROM events", h.take), errTooMany)
	require.NoError(t, h.free())
	require.Positive(t, h.rows, "some were held before")
	require.Equal(t, held, fed(t, job, d.assembled(job)))
}

// scattered is a database with a view of some events of a few hundred entities, at times that no two share, in no order.
func scattered(t *testing.T, keys []registry.JoinKey, n int) (*database, *batch.Job) {
	plan := &batch.Plan{Keys: keys, Columns: scatteredColumns()}
	for _, k := range keys {
		plan.Source.Entity = append(plan.Source.Entity, k.Name)
	}
	job := &batch.Job{Plan: plan, Ticks: []int64{1 << 50}, Folder: t.TempDir(), Threads: 2, Memory: 256 << 20}
	d, err := open(job)
	require.NoError(t, err)
	t.Cleanup(d.close)
	path := filepath.Join(job.Folder, "events.parquet")
	null := func(of string, every int) string {
		return fmt.Sprintf("CASE WHEN hash(i) %% %d > 0 THEN %s END", every, of)
	}
	_, err = d.stage(t.Context(), fmt.Sprintf(`SELECT CAST(hash(i) %% 300 AS BIGINT) - 100 AS id, 'c ' || hash(i + 1) %% 50 AS name,
		make_timestamp(CAST(hash(i + 2) %% 1000000 AS BIGINT) * %d + i) AT TIME ZONE 'UTC' AS event_time, %s AS n, %s AS x, %s AS s, %s AS ok, %s AS due, CAST(NULL AS VARCHAR) AS note
		FROM range(%d) AS t (i)`, n, null("CAST(i AS BIGINT)", 3), null("i / 7.0", 4), null("'text ' || i % 1000", 5), null("i % 2 = 0", 6), null("make_timestamp(i) AT TIME ZONE 'UTC'", 7), n), path)
	require.NoError(t, err)
	of, err := d.direct(t.Context(), plan, []string{path})
	require.NoError(t, err)
	require.NotNil(t, of)
	require.NoError(t, d.relation(t.Context(), job, []string{path}, of))
	return d, job
}

func scatteredColumns() []batch.Column {
	return []batch.Column{{Name: "n", From: "n", Type: value.Integer}, {Name: "x", From: "x", Type: value.Float}, {Name: "s", From: "s", Type: value.String},
		{Name: "ok", From: "ok", Type: value.Boolean}, {Name: "due", From: "due", Type: value.Timestamp}, {Name: "note", From: "note", Type: value.String}}
}

// fed is all that a feed yields, an event a line.
func fed(t *testing.T, job *batch.Job, from feed) (events []string) {
	blocks := sync.Pool{New: func() any { return newBlock(job.Plan) }}
	require.NoError(t, from(context.Background(), &blocks, func(b *block) error {
		at := 0
		for entity, end := range b.ends {
			for ; at < end; at++ {
				line := fmt.Appendf(nil, "@%d", b.times[at])
				for _, v := range b.keys[entity] {
					line = value.AppendJSON(append(line, ' '), v)
				}
				for i := range b.columns {
					line = value.AppendJSON(append(line, ' '), b.columns[i].value(at))
				}
				events = append(events, string(line))
			}
		}
		b.reset()
		blocks.Put(b)
		return nil
	}))
	return events
}
