package faults

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/store/storetest/servers"
)

// keyDefinitions is an event group: each of its rows counts.
const keyDefinitions = `{
  "entity_types": [{"name": "account", "join_keys": [{"name": "account_id", "value_type": "STRING"}]}],
  "groups": [{"name": "payments", "entity_type": "account", "kind": "events", "features": [{"name": "n", "value_type": "INTEGER"}]},
             {"name": "balances", "entity_type": "account", "features": [{"name": "last", "value_type": "INTEGER"}]}]
}`

// onBothStacks runs a test on a program with embedded engines and on one with servers. Runs of a dead process are soon known as such.
func onBothStacks(t *testing.T, test func(t *testing.T, p *program)) {
	const lease = "FEATURESTORE_RUNS_LEASE=3s"
	t.Run("embedded", func(t *testing.T) { test(t, newProgram(t, lease)) })
	t.Run("on PostgreSQL and Redis", func(t *testing.T) {
		postgres, redis := servers.StartPostgres(t), servers.StartRedis(t, servers.RedisOptions{})
		test(t, newProgram(t, append(onServers(postgres, redis), lease)...))
	})
}

// oneEach sends each request over a connection of its own.
var oneEach = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// keyedCall sends a request with a key; without one if that is "".
func keyedCall(url, body, contentType, key string) (status int, answer string, replayed bool, err error) {
	request, err := http.NewRequest("POST", url, strings.NewReader(body))
	if err != nil {
		return 0, "", false, err
	}
	request.Header.Set("Content-Type", contentType)
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	response, err := oneEach.Do(request)
	if err != nil {
		return 0, "", false, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), response.Header.Get("Idempotency-Replayed") == "true", err
}

// pay sends the n-th payment until it is answered, and tells how often it was sent and whether the answer was a replay.
func (p *program) pay(n int, key string) (sends int, replayed bool, err error) {
	body := fmt.Sprintf(`{"payments:n": %d, "last": %d}`, n, n)
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		status, answer, replayed, err := keyedCall(fmt.Sprintf("%s/store/account/%d", p.store, n%100), body, "application/json", key)
		sends++
		switch {
		case err == nil && status == http.StatusOK:
			return sends, replayed, nil
		case err == nil && status != http.StatusConflict && status != http.StatusServiceUnavailable:
			return sends, false, fmt.Errorf("payment %d: %d %s", n, status, answer)
		case time.Now().After(deadline):
			return sends, false, fmt.Errorf("payment %d is not answered: %d %s %v", n, status, answer, err)
		}
	}
}

// payments are sent by many at once, each until it is answered.
type payments struct {
	next, sent, answered, replayed atomic.Int64
	done                           sync.WaitGroup
}

// beginPayments sends payments numbered from first on.
func (p *program) beginPayments(t *testing.T, first, count int, key func(n int) string) *payments {
	all := &payments{}
	for range 16 {
		all.done.Go(func() {
			for {
				n := int(all.next.Add(1)) - 1
				if n >= count || t.Failed() {
					return
				}
				sends, replayed, err := p.pay(first+n, key(first+n))
				if err != nil {
					t.Error(err)
				}
				all.sent.Add(int64(sends))
				all.answered.Add(1)
				if replayed {
					all.replayed.Add(1)
				}
			}
		})
	}
	return all
}

func (p *program) pays(t *testing.T, first, count int, key func(n int) string) *payments {
	all := p.beginPayments(t, first, count, key)
	all.done.Wait()
	return all
}

func keyOf(n int) string      { return fmt.Sprint("payment ", n) }
func withoutKey(_ int) string { return "" }

// paid counts the rows of each payment.
func (p *program) paid(t *testing.T) (rows int, of map[string]int) {
	t.Helper()
	of = map[string]int{}
	require.NoError(t, p.export("payments", time.Time{}, time.Time{}, func(row map[string]string) error {
		rows++
		of[row["n"]]++
		return nil
	}))
	return rows, of
}

// requirePaid wants each of the payments once.
func requirePaid(t *testing.T, of map[string]int, payments int) {
	t.Helper()
	for n := range payments {
		require.Equal(t, 1, of[strconv.Itoa(n)], "payment %d", n)
	}
}

func TestRetriesThroughCutsStoreOnce(t *testing.T) {
	onBothStacks(t, func(t *testing.T, p *program) {
		p.start(t)
		mustCall(t, "POST", p.registry+"/apply", keyDefinitions, nil)
		c, behind := cutBefore(t, p, 20)
		writes := count(2_000, 10_000)
		keyed := behind.pays(t, 0, writes, keyOf)
		cut := c.cut.Load()
		rows, of := p.paid(t)
		require.Equal(t, writes, rows)
		requirePaid(t, of, writes)
		require.Greater(t, keyed.sent.Load(), int64(writes))
		require.Positive(t, keyed.replayed.Load())

		const control = 300
		again := behind.pays(t, writes, control, withoutKey)
		all, _ := p.paid(t)
		require.Greater(t, all-rows, control, "without keys, retries are stored again")
		t.Logf("measured: %d writes sent %d times, %d answers cut: %d rows, %d replays; the control without keys, %d writes sent %d times: %d rows",
			writes, keyed.sent.Load(), cut, rows, keyed.replayed.Load(), control, again.sent.Load(), all-rows)
	})
}

// keyedLoad is a load of one row for each of some accounts.
func keyedLoad(number, rows int) string {
	var b strings.Builder
	b.WriteString("account_id,n\n")
	for i := range rows {
		fmt.Fprintf(&b, "loaded-%d,%d\n", i, number)
	}
	return b.String()
}

// loadKeyed sends a load until it is answered.
func (p *program) loadKeyed(body, key string, rows int) error {
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		status, answer, _, err := keyedCall(p.store+"/rows/payments", body, "text/csv", key)
		switch {
		case err == nil && status == http.StatusOK && strings.Contains(answer, fmt.Sprintf(`"stored":%d,`, rows)):
			return nil
		case err == nil && status != http.StatusConflict && status != http.StatusServiceUnavailable || time.Now().After(deadline):
			return fmt.Errorf("the load %s: %d %s %v", key, status, answer, err)
		}
	}
}

// Killed after the commit and before the answer, and killed anywhere.
func TestRetriesAfterKillsStoreOnce(t *testing.T) {
	onBothStacks(t, func(t *testing.T, p *program) {
		const loadRows = 20_000
		p.start(t)
		mustCall(t, "POST", p.registry+"/apply", keyDefinitions, nil)
		c, behind := cutBefore(t, p, 100)
		c.late.Store(true)
		const unanswered = 40
		for n := range unanswered {
			_, _, _, err := keyedCall(behind.store+"/store/account/1", fmt.Sprintf(`{"payments:n": %d}`, n), "application/json", keyOf(n))
			require.Error(t, err, "the answer is cut")
		}
		p.kill(t)
		p.start(t)
		for n := range unanswered {
			status, answer, replayed, err := keyedCall(p.store+"/store/account/1", fmt.Sprintf(`{"payments:n": %d}`, n), "application/json", keyOf(n))
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, status, answer)
			require.True(t, replayed, "it was committed before the kill")
		}

		kills, total, replays := count(3, 20), unanswered, int64(0)
		for round := range kills {
			var loads sync.WaitGroup
			body := keyedLoad(-1-round, loadRows)
			loads.Go(func() {
				if err := p.loadKeyed(body, fmt.Sprint("load ", round), loadRows); err != nil {
					t.Error(err)
				}
			})
			all := p.beginPayments(t, total, 400, keyOf)
			await(t, 30*time.Second, "some are answered", func() error {
				if all.answered.Load() < int64(50+40*round%300) {
					return errors.New("not yet")
				}
				return nil
			})
			p.kill(t)
			p.start(t)
			all.done.Wait()
			loads.Wait()
			total += 400
			replays += all.replayed.Load()
		}
		rows, of := p.paid(t)
		requirePaid(t, of, total)
		for round := range kills {
			require.Equal(t, loadRows, of[strconv.Itoa(-1-round)], "load %d", round)
		}
		require.Equal(t, total+kills*loadRows, rows)
		t.Logf("measured: %d writes were committed and not answered before a kill: %d replays after it; %d kills under load: %d writes and %d loads each stored once, %d replays",
			unanswered, unanswered, kills, total-unanswered, kills, replays)
	})
}

// Two processes are sent the same at once.
func TestOneKeyInTwoProcessesStoresOnce(t *testing.T) {
	postgres, redis := servers.StartPostgres(t), servers.StartRedis(t, servers.RedisOptions{})
	one, two := newProgram(t, onServers(postgres, redis)...), newProgram(t, onServers(postgres, redis)...)
	one.start(t)
	mustCall(t, "POST", one.registry+"/apply", keyDefinitions, nil)
	two.start(t)
	writes := count(500, 5_000)
	a, b := one.beginPayments(t, 0, writes, keyOf), two.beginPayments(t, 0, writes, keyOf)
	body := keyedLoad(-1, 1000)
	var loads sync.WaitGroup
	for _, p := range []*program{one, two} {
		loads.Go(func() {
			if err := p.loadKeyed(body, "load", 1000); err != nil {
				t.Error(err)
			}
		})
	}
	a.done.Wait()
	b.done.Wait()
	loads.Wait()
	rows, of := one.paid(t)
	requirePaid(t, of, writes)
	require.Equal(t, writes+1000, rows)
	require.EqualValues(t, writes, a.replayed.Load()+b.replayed.Load())

	one.beginPayments(t, writes, 50, withoutKey).done.Wait()
	two.beginPayments(t, writes, 50, withoutKey).done.Wait()
	again, _ := one.paid(t)
	require.Equal(t, rows+100, again, "without keys both store")
	t.Logf("measured: %d keys sent to two processes at once, and a load: each stored once; %d replays by one, %d by the other",
		writes, a.replayed.Load(), b.replayed.Load())
}
