package runs

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"featurestore/app/database/databasetest"
)

func TestTailKeepsTheEnd(t *testing.T) {
	var log tail
	_, fresh := log.news()
	require.False(t, fresh)
	for i := range 500 {
		log.add("t", fmt.Sprintf("line %d\r\n", i))
	}
	text, fresh := log.news()
	require.True(t, fresh)
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	require.Len(t, lines, tailLines)
	require.Equal(t, "t line 300", lines[0])
	require.Equal(t, "t line 499", lines[tailLines-1])
	_, fresh = log.news()
	require.False(t, fresh)

	log.add("t", "ä"+strings.Repeat("é", 3000)+"\x00\xff")
	log.add("t", "") // says nothing
	for range 20 {
		log.add("t", strings.Repeat("x", 1500))
	}
	text, _ = log.news()
	require.LessOrEqual(t, len(text), tailBytes)
	require.True(t, utf8.ValidString(text))
	require.NotContains(t, text, "\x00")
	for line := range strings.Lines(text) {
		require.LessOrEqual(t, len(line), lineBytes+len("t …\n"))
	}

	var next tail
	next.start(text)
	_, fresh = next.news()
	require.False(t, fresh, "that is there already")
	next.add("t", "more")
	again, _ := next.news()
	require.True(t, strings.HasSuffix(again, "\nt more\n"))
}

func TestCutBetweenCharacters(t *testing.T) {
	for n := range 4 {
		line := cut(strings.Repeat("a", n) + strings.Repeat("€", lineBytes))
		require.True(t, utf8.ValidString(line))
		require.LessOrEqual(t, len(line), lineBytes+len("…"))
	}
}

// What a run says of itself is shown while it is under way, and is whole when it has ended.
func TestWhatARunSaysIsShown(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		r := process(t, open(), nil)
		active, err := r.Begin(t.Context(), "load", "a", nil)
		require.NoError(t, err)
		active.Inputs(map[string]string{"file": "a.csv"})
		active.Rows(1)
		active.Logf("begun")
		require.Eventually(t, func() bool {
			run, err := r.Get(t.Context(), active.ID())
			return err == nil && run.Rows != nil && run.Inputs != nil
		}, 30*time.Second, 5*time.Millisecond)
		text, err := r.Log(t.Context(), active.ID())
		require.NoError(t, err)
		require.Contains(t, text, " begun\n")
		active.Logf("more")
		text, err = r.Log(t.Context(), active.ID())
		require.NoError(t, err)
		require.Contains(t, text, " more\n", "the process itself knows the newest")

		var saying sync.WaitGroup
		for i := range 4 {
			saying.Go(func() {
				for n := range 25 {
					active.Logf("%d said %d", i, n)
					active.Rows(int64(100))
				}
			})
		}
		saying.Wait()
		active.Outputs([]string{"a"})
		require.NoError(t, active.Finish(t.Context(), nil, nil))
		run := wait(t, r, active.ID())
		require.EqualValues(t, 100, *run.Rows)
		require.JSONEq(t, `["a"]`, string(run.Outputs))
		require.NotZero(t, run.HeartbeatAt)
		text, err = r.Log(t.Context(), active.ID())
		require.NoError(t, err)
		require.Equal(t, 102, strings.Count(text, "\n"))
	})
}
