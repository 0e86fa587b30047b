package scheduler

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/app/database/databasetest"
	"featurestore/modules/registry"
)

// TestScripts runs testdata/*.test. A script is cases, each of which begins with "case" and a sentence and has a world of its own, whose clock stands at
// 2026-01-01T00:00:00Z. Its lines:
//
//	define KIND JSON        a definition
//	delete KIND NAME
//	at TIME                 the clock is moved there, and what is due happens; between two of these lines nothing looks after schedules
//	busy | idle             runs do not end any more | end at once again
//	held | well             runs end held | succeed again
//	published NAME TIME     a pipeline has succeeded for the ticks up to there
//	succeeded NAME TIME     a pipeline has succeeded for that tick
//	followed KIND SUBJECT   a run that something else has asked for
//	pause | resume | run NAME
//	told NAME SENTENCE      what was told last of a schedule, or part of it
//	asked KIND SUBJECT JSON the parameters of the newest run
//	metric VALUE NAME{LABELS}  what a metric of the module shows; of a histogram the number and the sum of what it counts; none: it is not there
//	effect NAME             a schedule is in effect, | noeffect NAME: is not
//	count N NAME STATE      so many of its ticks are in that state
//	ticks NAME              what became of its ticks: the lines that follow, indented: TIME STATE [OUTCOME] [missed] [hand] [since TIME] ["part of the reason"]
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.test")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for i, c := range strings.Split("\n"+string(text), "\ncase ")[1:] {
			name, lines, _ := strings.Cut(c, "\n")
			t.Run(fmt.Sprintf("%s/%d %s", filepath.Base(file), i+1, name), func(t *testing.T) { script(t, lines) })
		}
	}
}

func script(t *testing.T, text string) {
	w := newWorld(t, databasetest.SQLite(t)(), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		name, second, _ := strings.Cut(rest, " ")
		switch word {
		case "define":
			_, err := w.definitions.Define(t.Context(), name, "", []byte(second), registry.Options{})
			require.NoError(t, err, line)
		case "delete":
			_, err := w.definitions.Delete(t.Context(), name, second, registry.Options{})
			require.NoError(t, err, line)
		case "at":
			w.at(timeOf(t, rest))
		case "busy":
			w.busy = make(chan struct{})
		case "idle":
			close(w.busy)
			w.settle()
		case "held", "well":
			w.fails = word == "held"
		case "published":
			w.published[name] = timeOf(t, second)
		case "succeeded":
			w.succeeded[name] = append(w.succeeded[name], timeOf(t, second))
		case "followed":
			_, err := w.work.Submit(t.Context(), name, second, nil)
			require.NoError(t, err)
		case "pause", "resume":
			schedule, err := w.schedule(rest)
			require.NoError(t, err)
			require.NoError(t, w.Pause(t.Context(), schedule, word == "pause", w.clock()), line)
		case "run":
			schedule, err := w.schedule(rest)
			require.NoError(t, err)
			_, err = w.ByHand(t.Context(), schedule, w.clock())
			require.NoError(t, err)
			w.settle()
		case "told":
			require.Contains(t, w.toldOf(name), second, line)
		case "asked":
			subject, parameters, _ := strings.Cut(second, " ")
			run, found, err := w.work.Latest(t.Context(), name, subject)
			require.NoError(t, err)
			require.True(t, found, line)
			require.JSONEq(t, parameters, string(run.Parameters))
		case "metric":
			require.Equal(t, name, cmp.Or(w.metric(second), "none"), line)
		case "effect", "noeffect":
			_, err := w.schedule(rest)
			require.Equal(t, word == "effect", err == nil, line)
		case "count":
			of, state, _ := strings.Cut(second, " ")
			n := 0
			found, err := w.repository.of(context.Background(), of, 0, 1000)
			require.NoError(t, err)
			for _, o := range found {
				if string(o.State) == state {
					n++
				}
			}
			require.Equal(t, name, fmt.Sprint(n), line)
		case "ticks":
			var wanted []string
			for i+1 < len(lines) && strings.HasPrefix(lines[i+1], "  ") {
				i++
				wanted = append(wanted, strings.TrimSpace(lines[i]))
			}
			w.compare(rest, wanted)
		default:
			t.Fatalf("unknown line: %s", line)
		}
	}
}

func timeOf(t *testing.T, text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	require.NoError(t, err)
	return at.UTC()
}

// toldOf is what was told last of a schedule.
func (w *world) toldOf(name string) string {
	for i := len(w.told) - 1; i >= 0; i-- {
		if m := w.told[i]; m.Schedule == name {
			return fmt.Sprintf("%s of %s: %s", map[bool]string{true: "kept", false: "missed"}[m.Kept], m.Group, m.Sentence)
		}
	}
	return "nothing"
}

func (w *world) compare(name string, wanted []string) {
	w.t.Helper()
	found, err := w.repository.of(context.Background(), name, 0, 1000)
	require.NoError(w.t, err)
	var got []string
	for i := len(found) - 1; i >= 0; i-- {
		o := found[i]
		line := o.Tick.Format(time.RFC3339) + " " + string(o.State)
		if o.Outcome != "" {
			line += " " + string(o.Outcome)
		}
		if o.Missed {
			line += " missed"
		}
		if o.ByHand {
			line += " hand"
		}
		if !o.Passed.IsZero() {
			line += " since " + o.Passed.Format(time.RFC3339)
		}
		got = append(got, line+fmt.Sprintf(" %q", o.Reason))
	}
	text, _ := json.MarshalIndent(got, "", "  ")
	require.Len(w.t, got, len(wanted), "%s: %s", name, text)
	for i, line := range wanted {
		plain, reason, quoted := strings.Cut(line, ` "`)
		if !quoted {
			require.Equal(w.t, line+` ""`, got[i], "%s: %s", name, text)
			continue
		}
		require.True(w.t, strings.HasPrefix(got[i], plain+` "`), "%s: wanted %s of %s", name, line, text)
		require.Contains(w.t, got[i][len(plain):], strings.TrimSuffix(reason, `"`), "%s: %s", name, text)
	}
}
