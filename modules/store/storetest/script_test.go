package storetest

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/app/fault"
	"featurestore/modules/store"
	"featurestore/modules/store/sqlite"
)

func TestScriptsThatCannotBeRead(t *testing.T) {
	for text, wanted := range map[string]string{
		"# nothing":                             "has no case",
		"case a\n write customer c1 a=1":        "indented by 1",
		"case a\n    c1 a=1":                    "does not belong here",
		"case a\n  write customer c1\n    c1 a": "does not belong here",
		"case a\n  write customer c1 s=\"x":     "not closed",
	} {
		_, err := ParseScript("x.test", text)
		require.ErrorContains(t, err, wanted, "%q", text)
	}
	for text, wanted := range map[string]string{"5": "is no time", "d": "is no time", "5d6": "is no time", "x": "is no time", "2039-13-01T00:00:00Z": "time"} {
		_, err := parseTime(text)
		require.ErrorContains(t, err, wanted, "%q", text)
	}
	at, err := parseTime("5d-1us")
	require.NoError(t, err)
	require.Equal(t, start+5*24*3600*second-1, at)
}

// What a script wants wrongly must be noticed in each way of asking: a suite that cannot fail proves nothing.
func TestWrongExpectationsAreNoticed(t *testing.T) {
	folder := t.TempDir()
	pair := Pair{
		Offline: OfflineEngine{Open: func(t testing.TB, place string) store.Offline {
			s, err := sqlite.OpenOffline(filepath.Join(folder, "offline.db"), sqlite.Options{})
			require.NoError(t, err)
			return s
		}},
		Online: func(t testing.TB, place string) store.Online {
			s, err := sqlite.OpenOnline(filepath.Join(folder, "online.db"), sqlite.Options{})
			require.NoError(t, err)
			return s
		},
	}
	world := NewWorld(t, pair)
	world.SetClock(caseBegins)
	script, err := ParseScript("wrong.test", `entity customer(customer_id STRING)
group spending of customer ttl 200d (count INTEGER, amount FLOAT)
case all
  write customer c1 @5d count=1 amount=null
  write customer c1 @6d count=2
  expect WAY customer c1: count=1@6d
  expect WAY customer c1: count=2@5d
  expect WAY customer c1: count=null@6d
  expect WAY customer c1: count=never
  expect WAY customer c1: count=expired@6d
  expect WAY customer c1: amount=0.0@5d
  expect WAY customer c1: amount=never
  expect WAY customer c2: count=2@6d
  expect WAY customer c2: count=null@6d
`)
	require.NoError(t, err)
	run := &scriptRun{World: world, path: script.Path, entityOf: map[string]string{}}
	noticed := 0
	for _, s := range script.Cases[0].Statements {
		if s.Words[0] != "expect" {
			require.NoError(t, run.run(s))
			continue
		}
		for _, way := range append([]Way{Served}, allWays...) {
			s.Words[1] = string(way)
			require.ErrorContains(t, run.run(s), " is ", "%s", s.Words)
			noticed++
		}
	}
	require.Equal(t, 9*5, noticed)
	// An observation whose cells are all missing is one of nothing, in whatever place of a call.
	missing := store.Observation{Entity: store.Entity{Path: "c1"}, EventTime: start, Fields: []store.Field{{Name: "count"}}}
	_, err = world.Store.Write(world.ctx, run.own("customer"), []store.Observation{missing})
	require.True(t, fault.Is(err, "invalid-observation"), "%v", err)

	for _, wrong := range []string{
		"train spending:count:\n    c1 @5d -> 2@6d",
		"train spending:count:\n    c1 @7d -> 2@6d\n    c1 @5d -> 2@6d",
		"history customer c1 count:\n    @6d 2",
		"history customer c1 count:\n    @5d 1\n    @6d 2",
		"export spending:\n    c1 @5d count=1 amount=null",
		"export spending latest:\n    c1 @5d count=2 amount=null",
		"count spending 3",
		"load spending csv stored=2:\n    c1 @7d count=1",
	} {
		script, err := ParseScript("wrong.test", "case wrong\n  "+wrong)
		require.NoError(t, err)
		require.Error(t, run.run(script.Cases[0].Statements[0]), "%s", wrong)
	}
}
