package faults

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Rows in quarantine are replayed by several callers at once while the program is killed: each is stored once, or waits. The control marks them
// as replayed in a transaction of its own: some are stored twice.
func TestKilledProgramReplaysOnce(t *testing.T) {
	onBothStacks(t, func(t *testing.T, p *program) {
		if url := p.setting("FEATURESTORE_POSTGRES_URL"); url != "" {
			killReplays(t, p, partsProgram(t, partsPostgres+"="+url, partsSchema+"=ruled", partsApart+"=1"), count(2, 30))
		} else {
			killReplays(t, p, partsProgram(t, partsApart+"=1"), count(4, 40))
		}
	})
}

const (
	barredRows     = 3000 // of each load
	replayedAtOnce = 30
)

func killReplays(t *testing.T, p, control *program, kills int) {
	cut, loads, waiting := 0, 0, 0 // cut are the kills that left some waiting
	for round := 0; round < kills || cut == 0 && round < 10*kills; round++ {
		if round%4 == 0 || waiting == 0 {
			p.bar(t, loads)
			loads++
		}
		p.replayAndKill(t, 3+11*round%20)
		found := p.countRuled(t)
		for load := range loads {
			for i := range barredRows {
				name := barredRow(load, i)
				require.Equal(t, 1, found.rows[name]+found.entries[name], "%s: %d in history, %d in quarantine", name, found.rows[name], found.entries[name])
			}
		}
		waiting = len(found.entries)
		cut += one01(waiting > 0)
	}
	require.Positive(t, cut, "some kill comes in the middle")
	p.replayAndKill(t, 1<<30)
	found := p.countRuled(t)
	require.Empty(t, found.entries)
	require.Len(t, found.rows, loads*barredRows)

	twice, rounds := 0, 0
	for ; twice == 0 && rounds < 20; rounds++ {
		control.bar(t, rounds)
		control.replayAndKill(t, 3+rounds)
		control.replayAndKill(t, 1<<30)
		for _, n := range control.countRuled(t).rows {
			twice += one01(n > 1)
		}
	}
	require.Positive(t, twice, "the control has rows twice")
	t.Logf("measured: %d kills, %d of them in the middle: each of %d rows once in history or in quarantine; the control has %d twice after %d rounds", kills, cut, len(found.rows), twice, rounds)
}

func barredRow(load, i int) string { return fmt.Sprintf("load %d row %d", load, i) }

// bar loads rows all of which go into quarantine, and gives up the rule that keeps them there.
func (p *program) bar(t *testing.T, load int) {
	t.Helper()
	if p.process == nil {
		p.start(t)
	}
	ruled := func(enabled bool) {
		mustCall(t, "POST", p.registry+"/apply", fmt.Sprintf(`{
		  "entity_types": [{"name": "account", "join_keys": [{"name": "account_id", "value_type": "STRING"}]}],
		  "groups": [{"name": "payments", "entity_type": "account", "kind": "events", "features": [{"name": "n", "value_type": "STRING"}, {"name": "amount", "value_type": "INTEGER"}]},
		             {"name": "balances", "entity_type": "account", "features": [{"name": "last", "value_type": "INTEGER"}]}],
		  "rules": [{"name": "amount_range", "group": "payments", "kind": "range", "features": ["amount"], "params": {"min": 0}, "action": "quarantine", "enabled": %t}]}`, enabled), nil)
	}
	ruled(true)
	var b strings.Builder
	b.WriteString("account_id,n,amount\n")
	for i := range barredRows {
		fmt.Fprintf(&b, "%d,%s,-1\n", i%100, barredRow(load, i))
	}
	status, answer, _, err := keyedCall(p.store+"/rows/payments", b.String(), "text/csv", fmt.Sprint("barred ", load))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, answer)
	require.Contains(t, answer, fmt.Sprintf(`"quarantined":%d,`, barredRows))
	ruled(false)
}

// replayAndKill replays, by several callers at once, until nothing waits or so many calls are answered, kills the program, and starts it again.
func (p *program) replayAndKill(t *testing.T, answers int) {
	t.Helper()
	var answered atomic.Int64
	var done atomic.Bool
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for !done.Load() {
				status, answer, err := call("POST", fmt.Sprintf("%s/quarantine/replay?limit=%d", p.store, replayedAtOnce), `{"all": true}`)
				if err != nil {
					return // it is dead
				}
				var r struct{ Selected, Replayed, Waiting, Gone int }
				if err := json.Unmarshal([]byte(answer), &r); err != nil || status != http.StatusOK || r.Waiting > 0 || r.Selected != r.Replayed+r.Gone {
					t.Errorf("replay: %d %s", status, answer)
					return
				}
				if r.Selected == 0 {
					done.Store(true)
				}
				answered.Add(1)
			}
		})
	}
	await(t, 60*time.Second, "rows are replayed", func() error {
		if !done.Load() && answered.Load() < int64(answers) && !t.Failed() {
			return errors.New("not yet")
		}
		return nil
	})
	p.kill(t)
	done.Store(true)
	callers.Wait()
	p.start(t)
}
