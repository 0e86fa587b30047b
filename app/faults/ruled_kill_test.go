package faults

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/store"
)

// Calls with keys, a half of which hold a row that goes into quarantine, and loads, are sent until they are answered, while the program is killed:
// each row is in history or in quarantine, once, and a call sent again is answered with the same entry. The control commits entries
// apart from the keys: some are there twice.
func TestKilledProgramQuarantinesOnce(t *testing.T) {
	onBothStacks(t, func(t *testing.T, p *program) {
		if url := p.setting("FEATURESTORE_POSTGRES_URL"); url != "" {
			killRuled(t, p, partsProgram(t, partsPostgres+"="+url, partsSchema+"=ruled", partsApart+"=1"), count(2, 30))
		} else {
			killRuled(t, p, partsProgram(t, partsApart+"=1"), count(4, 40))
		}
	})
}

// setting is one that the program is started with.
func (p *program) setting(name string) string {
	for _, variable := range p.what.Environment {
		if text, found := strings.CutPrefix(variable, name+"="); found {
			return text
		}
	}
	return ""
}

func killRuled(t *testing.T, p, control *program, kills int) {
	sent := p.payRuled(t, kills, 0)
	found := p.countRuled(t)
	for n := range sent.calls {
		require.Equal(t, 1-n%2, found.rows[fmt.Sprint(n)], "the payment of call %d in history", n)
		require.Equal(t, n%2, found.entries[fmt.Sprint(n)], "the payment of call %d in quarantine", n)
		require.Equal(t, 1, found.last[fmt.Sprint(n)], "the other row of call %d", n)
	}
	for load := range sent.loads {
		for i := range ruledLoadRows {
			name := ruledLoadRow(load, i)
			require.Equal(t, [2]int{one01(i%10 != 0), one01(i%10 == 0)}, [2]int{found.rows[name], found.entries[name]}, name)
		}
	}
	total := 0
	for _, of := range []map[string]int{found.rows, found.entries} {
		for _, n := range of {
			total += n
		}
	}
	require.Equal(t, sent.calls+sent.loads*ruledLoadRows, total, "received = stored + quarantined")

	twice, calls := 0, 0
	for round := 0; twice == 0 && round < 20; round++ {
		calls += control.payRuled(t, 2, calls).calls
		for _, n := range control.countRuled(t).entries {
			twice += one01(n > 1)
		}
	}
	require.Positive(t, twice, "the control has rows twice")
	t.Logf("measured: %d kills; %d calls and %d loads of %d rows, each row once in history or in quarantine, and each call replayed with its entry; "+
		"the control has %d of the rows of %d calls twice", kills, sent.calls, sent.loads, ruledLoadRows, twice, calls)
}

func one01(is bool) int {
	if is {
		return 1
	}
	return 0
}

const (
	ruledCalls    = 150 // for each kill
	ruledLoadRows = 2000
)

func ruledLoadRow(load, i int) string { return fmt.Sprintf("load %d row %d", load, i) }

// sentRuled is how much was sent.
type sentRuled struct{ calls, loads int }

// payRuled sends calls, and a load, for each of some kills, until all of them are answered; the first call has that number.
func (p *program) payRuled(t *testing.T, kills, first int) sentRuled {
	if p.process == nil {
		p.start(t)
	}
	mustCall(t, "POST", p.registry+"/apply", `{
	  "entity_types": [{"name": "account", "join_keys": [{"name": "account_id", "value_type": "STRING"}]}],
	  "groups": [{"name": "payments", "entity_type": "account", "kind": "events", "features": [{"name": "n", "value_type": "STRING"}, {"name": "amount", "value_type": "INTEGER"}]},
	             {"name": "balances", "entity_type": "account", "features": [{"name": "last", "value_type": "INTEGER"}]}],
	  "rules": [{"name": "amount_range", "group": "payments", "kind": "range", "features": ["amount"], "params": {"min": 0}, "action": "quarantine"},
	            {"name": "amount_set", "group": "payments", "kind": "not_null", "features": ["amount"], "action": "reject_batch"}]}`, nil)
	answers := make([]string, kills*ruledCalls)
	for kill := range kills {
		var next, answered atomic.Int64
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				for n := int(next.Add(1)) - 1; n < ruledCalls && !t.Failed(); n = int(next.Add(1)) - 1 {
					n += kill * ruledCalls
					answer, err := p.payOne(first + n)
					if err != nil {
						t.Error(err)
					}
					answers[n] = answer
					answered.Add(1)
				}
			})
		}
		all.Go(func() {
			if err := p.loadRuled(first/ruledCalls + kill); err != nil {
				t.Error(err)
			}
		})
		await(t, 30*time.Second, "some are answered", func() error {
			if answered.Load() < int64(10+37*kill%100) {
				return errors.New("not yet")
			}
			return nil
		})
		p.kill(t)
		p.start(t)
		all.Wait()
	}
	for n, wanted := range answers {
		answer, err := p.payOne(first + n)
		require.NoError(t, err)
		require.Equal(t, wanted, answer, "call %d sent again", first+n)
	}
	return sentRuled{len(answers), kills}
}

// payOne sends call n until it is answered: a payment, which is bad if n is odd, and a good row of another group.
func (p *program) payOne(n int) (string, error) {
	amount, status := n, http.StatusOK
	if n%2 == 1 {
		amount, status = -n, http.StatusAccepted
	}
	body := fmt.Sprintf(`{"payments:n": "%d", "payments:amount": %d, "last": %d}`, n, amount, n)
	return p.untilAnswered(fmt.Sprintf("/store/account/%d", n%100), body, "application/json", fmt.Sprint("ruled ", n), status)
}

// loadRuled sends a load until it is answered. A tenth of its rows are bad.
func (p *program) loadRuled(load int) error {
	var b strings.Builder
	b.WriteString("account_id,n,amount\n")
	for i := range ruledLoadRows {
		fmt.Fprintf(&b, "%d,%s,%d\n", i, ruledLoadRow(load, i), i%10-1)
	}
	answer, err := p.untilAnswered("/rows/payments", b.String(), "text/csv", fmt.Sprint("ruled load ", load), http.StatusOK)
	if wanted := fmt.Sprintf(`"received":%d,"stored":%d,"duplicate":0,"rejected":0,"quarantined":%d,"erased":0`, ruledLoadRows, ruledLoadRows*9/10, ruledLoadRows/10); err == nil && !strings.Contains(answer, wanted) {
		err = fmt.Errorf("the load %d: %s", load, answer)
	}
	return err
}

// untilAnswered sends a call with a key until it is answered with that status. That rows are not online yet may be said of one that was replayed.
func (p *program) untilAnswered(path, body, contentType, key string, wanted int) (string, error) {
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		status, answer, _, err := keyedCall(p.store+path, body, contentType, key)
		switch {
		case err == nil && status == wanted:
			return strings.ReplaceAll(answer, `"online":"pending"`, `"online":"written"`), nil
		case err == nil && status != http.StatusConflict && status != http.StatusServiceUnavailable || time.Now().After(deadline):
			return "", fmt.Errorf("%s with the key %s: %d %s %v", path, key, status, answer, err)
		}
	}
}

// foundRuled is how often each row was found.
type foundRuled struct{ rows, entries, last map[string]int }

// countRuled counts the payments in history and in quarantine, and the rows that came with them.
func (p *program) countRuled(t *testing.T) foundRuled {
	found := foundRuled{map[string]int{}, map[string]int{}, map[string]int{}}
	for column, into := range map[string]map[string]int{"n": found.rows, "last": found.last} {
		require.NoError(t, p.export(map[string]string{"n": "payments", "last": "balances"}[column], time.Time{}, time.Time{}, func(row map[string]string) error {
			into[row[column]]++
			return nil
		}))
	}
	for token := ""; ; {
		var page struct {
			Rows []struct {
				Features struct{ N string }
			}
			Next string `json:"next_page_token"`
		}
		mustCall(t, "GET", p.store+"/quarantine?group=payments&limit=1000"+token, "", &page)
		for _, row := range page.Rows {
			found.entries[row.Features.N]++
		}
		if page.Next == "" {
			return found
		}
		token = "&page_token=" + page.Next
	}
}

// apart is a control: it commits what goes into quarantine in a transaction of its own, before the rows and the key, and that entries were
// replayed after the rows.
type apart struct{ store.Offline }

func (a apart) AppendTogether(ctx context.Context, all *store.Together) error {
	for _, request := range all.Requests {
		if known, err := a.Recall(ctx, request.Key); known != nil || err != nil {
			return a.Offline.AppendTogether(ctx, all)
		}
	}
	if err := a.Offline.AppendTogether(ctx, &store.Together{Entries: all.Entries}); err != nil {
		return err
	}
	if err := a.Offline.AppendTogether(ctx, &store.Together{Rows: all.Rows, Requests: all.Requests}); err != nil {
		return err
	}
	return a.Offline.AppendTogether(ctx, &store.Together{Replayed: all.Replayed})
}
