package batchtest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/batch"
	"featurestore/modules/registry/value"
	"featurestore/modules/store/storetest"
)

// Job is the computation of a few ticks over as many events of one entity, c1, in a home, for tests of an engine's own: total, the sum of n, and the mean of x; or what sql
// yields as total.
func Job(t *testing.T, s Subject, home, sql string) *batch.Job {
	w, situation := newWorld(t, s, "j"), counted(3)
	if sql != "" {
		situation.sql, situation.aggregates, situation.outputs = sql, nil, []storetest.Column{{Name: "total", Type: value.Integer}}
	}
	for _, h := range homes {
		if h.name == home {
			job, done := w.must(situation, h).batchOf()
			t.Cleanup(done)
			return job
		}
	}
	require.FailNow(t, "there is no home "+home)
	return nil
}
