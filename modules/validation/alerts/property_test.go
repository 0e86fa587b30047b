package alerts

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"featurestore/app/database/databasetest"
)

// model says by brute force what receivers are told. It keeps every outcome and all that was done, and works out each answer from the whole
// of it.
type model struct {
	now      time.Time
	outcomes []Outcome // those that count, in their order
	alerts   []*modelAlert
	silences []Silence
}

// modelAlert is an alert as the model sees it: what happened to it, in order.
type modelAlert struct {
	key                key
	class              Class
	severity, told     Severity
	run                int64
	acknowledged       Severity // "": it is not
	muted              bool
	resolved, finished bool // finished: there is nothing more to tell
	toldAt             time.Time
	due                time.Time // when it is made out; zero: there is nothing to tell
}

// streak counts the outcomes of a key at the end that are all bad, or all good; skipped ones are passed over.
func (m *model) streak(k key, good bool) int {
	n := 0
	for _, o := range slices.Backward(m.outcomes) {
		switch {
		case o.key() != k || o.Status == Skipped:
		case (o.Status == Passed) != good:
			return n
		default:
			n++
		}
	}
	return n
}

func (m *model) silenced(a *modelAlert) bool {
	return slices.ContainsFunc(m.silences, func(s Silence) bool { return s.Until.After(m.now) && (s.Rule == a.key.rule || s.Rule == "") })
}

// wants says why receivers would be told of an alert now; "": they would not.
func (m *model) wants(a *modelAlert) Event {
	switch {
	case a.resolved && !a.finished:
		return EventResolved
	case a.resolved || a.muted || a.acknowledged != "" || m.silenced(a):
		return ""
	case a.toldAt.IsZero():
		return EventNew
	case a.severity.rank() > a.told.rank():
		return EventRisen
	case !m.now.Before(a.toldAt.Add(24 * time.Hour)):
		return EventRepeated
	}
	return ""
}

func (m *model) observe(outcomes []Outcome) {
	bad := map[*modelAlert]bool{}
	for _, o := range outcomes {
		m.outcomes = append(m.outcomes, o)
		i := slices.IndexFunc(m.alerts, func(a *modelAlert) bool { return a.key == o.key() && !a.resolved })
		switch {
		case o.alarm() != "":
			if i < 0 && m.streak(o.key(), false) >= o.For {
				m.alerts = append(m.alerts, &modelAlert{key: o.key(), class: o.Class})
				i = len(m.alerts) - 1
			}
			if i >= 0 {
				a := m.alerts[i]
				a.severity, a.run, bad[a] = o.alarm(), o.Run, true
				if a.severity.rank() > a.acknowledged.rank() {
					a.acknowledged = ""
				}
			}
		case i >= 0 && o.Status == Passed && m.streak(o.key(), true) >= o.ResolveAfter:
			m.resolve(m.alerts[i], o.Run)
		}
	}
	m.settle(bad)
}

func (m *model) resolve(a *modelAlert, run int64) {
	a.finished = a.toldAt.IsZero() && m.wants(a) == "" // nobody knows of it
	a.resolved, a.run = true, run
}

// settle mutes, and notes when what there is to tell is made out.
func (m *model) settle(bad map[*modelAlert]bool) {
	source := slices.ContainsFunc(m.alerts, func(a *modelAlert) bool { return a.class == Source && !a.resolved })
	for _, a := range m.alerts {
		if a.class == Drift && !a.resolved && (source || bad[a]) {
			a.muted = source
		}
	}
	for _, a := range m.alerts {
		event := m.wants(a)
		switch {
		case event == "":
			a.due = time.Time{}
		case !a.due.IsZero(): // it waits already, and goes on to, whatever has become of it
		case event == EventRepeated:
			a.due = m.now
		default:
			a.due = m.now.Add(30 * time.Second)
			for _, other := range m.alerts { // of one run, what waits is told with the first
				if other.run == a.run && m.wants(other) != "" && !other.due.IsZero() && other.due.Before(a.due) {
					a.due = other.due
				}
			}
		}
	}
}

// told lists what is made out now, a line per run.
func (m *model) tell() (lines []string) {
	for {
		var first *modelAlert
		for _, a := range m.alerts {
			if !a.due.IsZero() && !m.now.Before(a.due) && (first == nil || a.due.Before(first.due)) {
				first = a
			}
		}
		if first == nil {
			return lines
		}
		var items []string
		for _, a := range m.alerts {
			if event := m.wants(a); event != "" && a.run == first.run {
				items = append(items, fmt.Sprintf("%s %s %s", event, a.key.rule, a.severity))
				a.toldAt, a.told, a.due, a.finished = m.now, a.severity, time.Time{}, a.resolved
			}
		}
		lines = append(lines, fmt.Sprintf("all run=%d: %s", first.run, strings.Join(items, ", ")))
	}
}

// Random outcomes, silences, acknowledgements and waits are told exactly as the model says.
func TestRandomHistories(t *testing.T) {
	steps := 25
	if os.Getenv("FEATURESTORE_TEST_FULL") == "1" {
		steps = 120
	}
	db := databasetest.SQLite(t)()
	hasten(t, db)
	config := testConfig(t)
	rules := []Outcome{
		{Rule: "range", Group: "g", Feature: "a", Severity: Error, For: 1, ResolveAfter: 1, Class: Data},
		{Rule: "nulls", Group: "g", Feature: "a", Severity: Warn, For: 2, ResolveAfter: 2, Class: Data},
		{Rule: "psi", Group: "g", Feature: "b", Severity: Error, For: 1, ResolveAfter: 2, Class: Drift},
		{Rule: "fresh", Group: "g", Severity: Error, For: 1, ResolveAfter: 1, Class: Source},
	}
	clock := &fakeClock{}
	a := process(t, db, config, &listed{all: []Receiver{{Name: "all", MinSeverity: Info}}}, clock, quiet)
	rapid.Check(t, func(t *rapid.T) {
		clock.now = epoch
		empty(t, db)
		m := &model{now: epoch}
		var last int64
		run := int64(1)
		waits := rapid.SampledFrom([]time.Duration{time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 12 * time.Hour, 25 * time.Hour})
		for range steps {
			switch what := rapid.SampledFrom([]string{"observe", "observe", "observe", "observe", "wait", "wait", "silence", "end", "acknowledge", "resolve"}).Draw(t, "what"); what {
			case "observe":
				if rapid.Bool().Draw(t, "another run") {
					run++
				}
				clock.Advance(time.Microsecond)
				m.now = clock.Now()
				var outcomes []Outcome
				for _, rule := range rules {
					if rapid.Bool().Draw(t, rule.Rule) {
						rule.Status = rapid.SampledFrom([]Status{Passed, Passed, Warned, Failed, Failed, Errored, Skipped}).Draw(t, "status")
						rule.Run, rule.At = run, m.now
						outcomes = append(outcomes, rule)
					}
				}
				require.NoError(t, a.Observe(t.Context(), outcomes...))
				m.observe(outcomes)
			case "silence":
				s := Silence{Matcher: Matcher{Group: "g", Rule: rapid.SampledFrom([]string{"", "range", "psi"}).Draw(t, "rule")},
					Until: clock.Now().Add(waits.Draw(t, "until")), Author: "a", Reason: "b"}
				_, _, err := a.Silence(t.Context(), s, false)
				require.NoError(t, err)
				m.silences = append(m.silences, s)
				m.settle(nil)
			case "end":
				if n := len(m.silences); n > 0 && m.silences[n-1].Until.After(m.now) {
					_, err := a.Unsilence(t.Context(), int64(n), false)
					require.NoError(t, err)
					m.silences[n-1].Until = m.now
					m.settle(nil)
				}
			case "acknowledge", "resolve":
				var open []int
				for i, alert := range m.alerts {
					if !alert.resolved {
						open = append(open, i)
					}
				}
				if len(open) == 0 {
					continue
				}
				i := rapid.SampledFrom(open).Draw(t, "alert")
				if what == "acknowledge" {
					_, err := a.Acknowledge(t.Context(), int64(i+1), "somebody", "", false)
					require.NoError(t, err)
					m.alerts[i].acknowledged = higher(m.alerts[i].severity, m.alerts[i].told)
				} else {
					_, err := a.Resolve(t.Context(), int64(i+1), "somebody", "enough", false)
					require.NoError(t, err)
					m.resolve(m.alerts[i], m.alerts[i].run)
				}
				m.settle(nil)
			case "wait":
				clock.Advance(waits.Draw(t, "wait"))
				m.now = clock.Now()
			}
			require.NoError(t, a.review(t.Context()))
			for more := true; more; {
				var err error
				more, err = a.tell(t.Context())
				require.NoError(t, err)
			}
			m.settle(nil)
			got, wanted := madeOut(t, a, &last), m.tell()
			slices.Sort(got)
			slices.Sort(wanted)
			require.Equal(t, wanted, got)
		}
		all, err := a.List(t.Context(), Filter{Limit: 1000})
		require.NoError(t, err)
		require.Len(t, all, len(m.alerts))
		for _, alert := range all {
			require.Equal(t, m.alerts[alert.ID-1].resolved, alert.State == Resolved)
			require.Equal(t, m.alerts[alert.ID-1].muted && alert.State != Resolved, alert.MutedBy != 0)
		}
	})
}
