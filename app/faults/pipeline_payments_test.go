package faults

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const payers = 12

// pipelineDefinitions are one pipeline over payments, whose rows say all that entities have been, null where a window is empty.
const pipelineDefinitions = `{
  "entity_types": [{"name": "account", "join_keys": [{"name": "account_id", "value_type": "STRING"}]}],
  "groups": [
    {"name": "payments", "entity_type": "account", "kind": "events", "features": [{"name": "cents", "value_type": "INTEGER"}]},
    {"name": "totals", "entity_type": "account", "features": [{"name": "count_7d", "value_type": "INTEGER"}, {"name": "sum_7d", "value_type": "INTEGER"}, {"name": "ever", "value_type": "INTEGER"}]}],
  "pipelines": [{"name": "daily_totals", "source": {"group": "payments"}, "target": "totals", "tick": "daily", "engine": "local", "min_rows_ratio": 0, "aggregate": [
    {"feature": "count_7d", "function": "count", "window": "7d"%s},
    {"feature": "sum_7d", "function": "sum", "of": "cents", "window": "7d", "empty": "null"%s},
    {"feature": "ever", "function": "count", "window": "lifetime"%s}]}]}`

// ledger is what the payments really are, and what the program must say of them.
type ledger struct {
	t      *testing.T
	p      *program
	random *rand.Rand
	loads  map[int64][]payment // by run
	order  []int64             // the runs
	until  time.Time           // the last tick
	least  int64               // cents: payments below count nothing
}

type payment struct {
	account int
	at      time.Time
	cents   int64
}

var firstTick = time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)

// openLedger starts the program with the pipeline and no payments.
func openLedger(t *testing.T, p *program, seed uint64) *ledger {
	p.start(t)
	l := &ledger{t: t, p: p, random: rand.New(rand.NewPCG(6, seed)), loads: map[int64][]payment{}, until: firstTick.AddDate(0, 0, 19)}
	l.define("")
	return l
}

// define sets the pipeline, with further members of each aggregation.
func (l *ledger) define(further string) {
	mustCall(l.t, "POST", l.p.registry+"/apply", fmt.Sprintf(pipelineDefinitions, further, further, further), nil)
}

// pay loads some payments, at times exactly on ticks and between them.
func (l *ledger) pay(n int) {
	l.t.Helper()
	all, rows := make([]payment, n), make([]string, n)
	for i := range all {
		p := &all[i]
		p.account, p.at, p.cents = l.random.IntN(payers), firstTick.AddDate(0, 0, l.random.IntN(20)-1), 1+l.random.Int64N(100)
		if l.random.IntN(3) > 0 {
			p.at = p.at.Add(time.Duration(l.random.Int64N(int64(24 * time.Hour)))).Truncate(time.Microsecond)
		}
		rows[i] = fmt.Sprintf(`{"account_id": "%d", "event_time": %q, "cents": %d}`, p.account, p.at.Format(time.RFC3339Nano), p.cents)
	}
	var answer struct {
		Run int64 `json:"run_id"`
	}
	mustCall(l.t, "POST", l.p.store+"/rows/payments", "["+strings.Join(rows, ",")+"]", &answer)
	l.loads[answer.Run] = all
	l.order = append(l.order, answer.Run)
}

// takeBack reverts one of the loads.
func (l *ledger) takeBack() {
	l.t.Helper()
	i := l.random.IntN(len(l.order))
	var run startedRun
	mustCall(l.t, "POST", fmt.Sprintf("%s/runs/%d/revert", l.p.store, l.order[i]), "", &run)
	require.Equal(l.t, "succeeded", l.ended(run.ID).State)
	delete(l.loads, l.order[i])
	l.order = append(l.order[:i], l.order[i+1:]...)
}

// startedRun is a run as far as the tests look at it.
type startedRun struct {
	ID       int64  `json:"id"`
	State    string `json:"state"`
	Reason   string `json:"reason"`
	Attempts int    `json:"attempts"`
	Result   struct {
		Ticks     int   `json:"ticks"`
		Late      int   `json:"late"`
		Stored    int64 `json:"stored"`
		Unchanged int64 `json:"unchanged"`
		TakenBack int64 `json:"taken_back"`
	} `json:"result"`
}

// ended waits for the end of a run.
func (l *ledger) ended(id int64) (run startedRun) {
	l.t.Helper()
	await(l.t, 2*time.Minute, fmt.Sprintf("run %d ends", id), func() error {
		mustCall(l.t, "GET", fmt.Sprintf("%s/runs/%d?wait=10s", l.p.store, id), "", &run)
		if run.State == "queued" || run.State == "running" {
			return errors.New(run.State)
		}
		return nil
	})
	return run
}

// due asks for a run of what is due at the last tick.
func (l *ledger) due() startedRun { return l.ask("run?until=" + l.until.Format(time.DateOnly)) }

// backfill asks for a run of all ticks.
func (l *ledger) backfill() startedRun {
	return l.ask("backfill?from=" + firstTick.Format(time.DateOnly) + "&to=" + l.until.Format(time.DateOnly))
}

func (l *ledger) ask(call string) (run startedRun) {
	l.t.Helper()
	mustCall(l.t, "POST", l.p.store+"/pipelines/daily_totals/"+call, "", &run)
	return run
}

// endAt has the program end, or stop, at the n-th time that a run comes to a place.
func (l *ledger) endAt(place string, n int, signal syscall.Signal) {
	l.t.Helper()
	mustCall(l.t, "POST", fmt.Sprintf("%s/end?place=%s&n=%d&signal=%d", l.p.store, url.QueryEscape(place), n, signal), "", nil)
}

// dies waits until the program is dead, and starts it again.
func (l *ledger) dies(place string) {
	l.t.Helper()
	select {
	case <-l.p.process.Done():
	case <-time.After(time.Minute):
		require.Fail(l.t, "the run did not come to the place "+place)
	}
	l.p.start(l.t)
}

// total is what a row of the pipeline says; Sum is nil for null.
type total struct {
	Count int64
	Sum   *int64
	Ever  int64
}

// wanted is what the payments add up to: by account and tick.
func (l *ledger) wanted() map[int]map[string]total {
	all := map[int]map[string]total{}
	for tick := firstTick; !tick.After(l.until); tick = tick.AddDate(0, 0, 1) {
		for _, payments := range l.loads {
			for _, p := range payments {
				if p.at.After(tick) {
					continue
				}
				if all[p.account] == nil {
					all[p.account] = map[string]total{}
				}
				at := tick.Format(time.RFC3339)
				row := all[p.account][at]
				if p.cents >= l.least {
					row.Ever++
					if p.at.After(tick.Add(-7 * 24 * time.Hour)) {
						sum := p.cents
						if row.Sum != nil {
							sum += *row.Sum
						}
						row.Count, row.Sum = row.Count+1, &sum
					}
				}
				all[p.account][at] = row
			}
		}
	}
	return all
}

// found is what the program says, by account and tick: what its history says newest. It wants that no row says what the one before says.
func (l *ledger) found() map[int]map[string]total {
	l.t.Helper()
	all := map[int]map[string]total{}
	for account := range payers {
		var history struct {
			Observations []struct {
				EventTime string `json:"event_time"`
				Features  struct {
					Count int64  `json:"totals:count_7d"`
					Sum   *int64 `json:"totals:sum_7d"`
					Ever  int64  `json:"totals:ever"`
				} `json:"features"`
			} `json:"observations"`
		}
		mustCall(l.t, "GET", fmt.Sprintf("%s/history/account/%d?features=totals:count_7d,totals:sum_7d,totals:ever&limit=10000", l.p.store, account), "", &history)
		var last total
		for i, o := range history.Observations { // the newest first
			row := total(o.Features)
			if i > 0 && history.Observations[i-1].EventTime == o.EventTime {
				require.NotEqual(l.t, last, row, "account %d is stored twice at %s", account, o.EventTime)
				last = row
				continue
			}
			last = row
			if all[account] == nil {
				all[account] = map[string]total{}
			}
			all[account][o.EventTime] = row
		}
	}
	return all
}

// right wants that the program says what the payments add up to, online too.
func (l *ledger) right(when string) {
	l.t.Helper()
	wanted := l.wanted()
	require.Equal(l.t, wanted, l.found(), when)
	newest := l.until.Format(time.RFC3339)
	names := make([]string, payers)
	for i := range names {
		names[i] = fmt.Sprint(i)
	}
	await(l.t, time.Minute, "the online copy says the same "+when, func() error {
		v, err := l.p.read(names, "totals:count_7d", "totals:ever")
		if err != nil {
			return err
		}
		for account := range payers {
			row, is := wanted[account][newest]
			count, ever := v.Features["totals:count_7d"][account], v.Features["totals:ever"][account]
			if is != (count != nil && ever != nil) || is && (*count != row.Count || *ever != row.Ever) {
				return fmt.Errorf("account %d: %v online, and %v wanted", account, count, row)
			}
		}
		return nil
	})
}
