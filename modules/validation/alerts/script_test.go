package alerts

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"featurestore/app/database"
	"featurestore/app/database/databasetest"
)

// The files in testdata/time say what is told when. Each scenario begins with a line "### name" and an empty database at time 0;
// its lines are
//
//	receiver NAME [min=info] [owners=a,b] [groups=a,b]   warn and above unless said otherwise
//	rule NAME GROUP[:FEATURE] SEVERITY [class=drift] [for=2] [resolve=2] [owner=a]
//	observe [run=1] RULE STATUS [RULE STATUS …]          one run's outcomes, at the time of the clock
//	again RULE STATUS                                    an outcome of the same time as the last, which does not count
//	+30s                                                 time passes, and what is due then is made out
//	told RECEIVER [run=1]: EVENT RULE SEVERITY, …        one notification of those made out since the last +, in any order
//	told nothing                                         there was none, or no further one
//	alert ID STATE [SEVERITY] [muted]                    how it stands
//	acknowledge ID, resolve ID, silence UNTIL pattern=…, unsilence ID, gone GROUP RULE
type script struct {
	t        *testing.T
	clock    *fakeClock
	alerts   *Alerts
	known    *listed
	rules    map[string]Outcome
	last     int64    // delivery
	told     []string // since the last +
	timeLast time.Time
}

func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/time/*.test")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		db := open()
		hasten(t, db)
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			for _, part := range strings.Split("\n"+string(text), "\n### ")[1:] {
				name, lines, _ := strings.Cut(part, "\n")
				t.Run(strings.TrimSuffix(filepath.Base(file), ".test")+"/"+name, func(t *testing.T) {
					s := &script{t: t, clock: &fakeClock{now: epoch}, known: &listed{}, rules: map[string]Outcome{}}
					s.alerts = process(t, db, testConfig(t), s.known, s.clock, quiet)
					empty(t, db)
					for i, line := range strings.Split(lines, "\n") {
						if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
							s.run(line, fmt.Sprintf("line %d: %s", i+1, line))
						}
					}
					require.Empty(t, s.told, "told, and not expected")
				})
			}
		}
	})
}

// empty makes the tables as new.
func empty(t require.TestingT, db *gorm.DB) {
	tables := []string{"validation_alert_groups", "validation_alert_subjects", "validation_alerts", "validation_silences",
		"validation_alert_deliveries", "validation_alert_receivers"}
	if database.Postgres(db) {
		require.NoError(t, db.Exec("TRUNCATE "+strings.Join(tables, ", ")+" RESTART IDENTITY").Error)
		return
	}
	for _, table := range append(tables, "sqlite_sequence") {
		require.NoError(t, db.Exec("DELETE FROM "+table).Error)
	}
}

// options takes the words name=value out of words.
func options(words []string) (rest []string, values map[string]string) {
	values = map[string]string{}
	for _, word := range words {
		if name, value, found := strings.Cut(word, "="); found {
			values[name] = value
		} else {
			rest = append(rest, word)
		}
	}
	return rest, values
}

func (s *script) number(text string) int64 {
	n, err := strconv.ParseInt("0"+text, 10, 64)
	require.NoError(s.t, err)
	return n
}

func (s *script) list(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

func (s *script) run(line, at string) {
	t, ctx := s.t, s.t.Context()
	words, values := options(strings.Fields(line))
	switch verb := words[0]; {
	case strings.HasPrefix(verb, "+"):
		require.Empty(t, s.told, "%s: told, and not expected", at)
		wait, err := time.ParseDuration(verb[1:])
		require.NoError(t, err, at)
		s.clock.Advance(wait)
		s.makeOut()
	case verb == "receiver":
		r := Receiver{Name: words[1], Kind: Webhook, MinSeverity: Warn, Owners: s.list(values["owners"]), Groups: s.list(values["groups"])}
		if values["min"] != "" {
			r.MinSeverity = Severity(values["min"])
		}
		s.known.set(append(slices.Clone(s.known.Receivers()), r)...)
	case verb == "rule":
		group, feature, _ := strings.Cut(words[2], ":")
		s.rules[words[1]] = Outcome{
			Rule: words[1], Group: group, Feature: feature, Severity: Severity(words[3]), Class: Class(values["class"]), Owner: values["owner"],
			For: int(s.number(values["for"])), ResolveAfter: int(s.number(values["resolve"])),
		}
	case verb == "observe", verb == "again":
		if verb == "observe" {
			s.timeLast = s.clock.Now()
			s.clock.Advance(time.Microsecond)
		}
		var outcomes []Outcome
		for i := 1; i < len(words); i += 2 {
			o, known := s.rules[words[i]]
			require.True(t, known, at)
			o.Status, o.Run, o.At = Status(words[i+1]), s.number(values["run"]), s.timeLast
			outcomes = append(outcomes, o)
		}
		require.NoError(t, s.alerts.Observe(ctx, outcomes...), at)
	case verb == "told":
		if words[1] == "nothing" {
			require.Empty(t, s.told, at)
			return
		}
		i := slices.Index(s.told, strings.TrimPrefix(line, "told ")) // what is due at once about several groups comes in any order
		require.GreaterOrEqual(t, i, 0, "%s: told was %q", at, s.told)
		s.told = slices.Delete(s.told, i, i+1)
	case verb == "alert":
		alert, err := s.alerts.Get(ctx, s.number(words[1]))
		require.NoError(t, err, at)
		is := []string{string(alert.State), string(alert.Severity)}
		if alert.MutedBy != 0 {
			is = append(is, "muted")
		}
		if len(words) == 3 {
			is = is[:1]
		}
		require.Equal(t, words[2:], is, at)
	case verb == "acknowledge":
		_, err := s.alerts.Acknowledge(ctx, s.number(words[1]), "somebody", "", false)
		require.NoError(t, err, at)
	case verb == "resolve":
		_, err := s.alerts.Resolve(ctx, s.number(words[1]), "somebody", "it is meant so", false)
		require.NoError(t, err, at)
	case verb == "silence":
		wait, err := time.ParseDuration(words[1])
		require.NoError(t, err, at)
		_, _, err = s.alerts.Silence(ctx, Silence{
			Matcher: Matcher{Group: values["group"], Rule: values["rule"], Feature: values["feature"], Owner: values["owner"]},
			Until:   s.clock.Now().Add(wait), Author: "somebody", Reason: "maintenance",
		}, false)
		require.NoError(t, err, at)
	case verb == "unsilence":
		_, err := s.alerts.Unsilence(ctx, s.number(words[1]), false)
		require.NoError(t, err, at)
	case verb == "gone":
		require.NoError(t, s.alerts.ResolveRule(ctx, words[1], words[2], "the rule was deleted"), at)
	default:
		require.Fail(t, "unknown line", at)
	}
}

// makeOut makes out what is due, and notes it as the lines of told have it.
func (s *script) makeOut() {
	require.NoError(s.t, s.alerts.review(s.t.Context()))
	for more := true; more; {
		var err error
		more, err = s.alerts.tell(s.t.Context())
		require.NoError(s.t, err)
	}
	s.told = append(s.told, madeOut(s.t, s.alerts, &s.last)...)
}

// madeOut lists the deliveries since one, as the lines of told have it.
func madeOut(t require.TestingT, a *Alerts, last *int64) (told []string) {
	var rows []deliveryRow
	require.NoError(t, a.repository.db.Order("id").Find(&rows, "id > ?", *last).Error)
	for i := range rows {
		*last = rows[i].ID
		d, err := rows[i].delivery()
		require.NoError(t, err)
		var items []string
		for _, item := range d.Message.Items {
			items = append(items, fmt.Sprintf("%s %s %s", item.Event, item.Rule, item.Severity))
		}
		run := ""
		if d.Run != 0 {
			run = fmt.Sprintf(" run=%d", d.Run)
		}
		told = append(told, d.Receiver+run+": "+strings.Join(items, ", "))
	}
	return told
}
