package faults

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/store/storetest/servers"
)

// listedErasure is an entry of the ledger, as far as tests look at it.
type listedErasure struct {
	Hash string `json:"hash"`
	Done bool   `json:"done"`
	Rows int64  `json:"rows"`
}

// erasures reads the whole ledger, a page after the other.
func (p *program) erasures(t *testing.T) (all []listedErasure) {
	t.Helper()
	for token, more := "", true; more; {
		var page struct {
			Erasures []listedErasure `json:"erasures"`
			Next     string          `json:"next_page_token"`
		}
		mustCall(t, "GET", p.store+"/erasures?limit=50"+token, "", &page)
		all = append(all, page.Erasures...)
		token, more = "&page_token="+page.Next, page.Next != ""
	}
	return all
}

// awaitErasures waits until everything that is in the ledger is done.
func (p *program) awaitErasures(t *testing.T, atLeast int) {
	t.Helper()
	await(t, 2*time.Minute, "all erasures are done", func() error {
		all := p.erasures(t)
		for _, e := range all {
			if !e.Done {
				return errors.New("one is not done")
			}
		}
		if len(all) < atLeast {
			return fmt.Errorf("the ledger has %d entries", len(all))
		}
		return nil
	})
}

// requireErased wants that nothing of the accounts is read, in history or online.
func (p *program) requireErased(t *testing.T, names []string) {
	t.Helper()
	if len(names) == 0 {
		return
	}
	v, err := p.read(names, "load", "place", "n")
	require.NoError(t, err)
	for feature, statuses := range v.Statuses {
		for i, status := range statuses {
			require.Equal(t, "NOT_FOUND", status, "%s of %s", feature, names[i])
		}
	}
	for _, name := range names {
		var history struct {
			Observations []json.RawMessage `json:"observations"`
		}
		mustCall(t, "GET", p.store+"/history/account/"+name, "", &history)
		require.Empty(t, history.Observations, name)
	}
}

// The program is killed while it erases accounts, under writers that store old observations of them. What was accepted is finished after
// the start, and no import brings it back; those that were not erased are the control.
func TestKilledProgramFinishesItsErasures(t *testing.T) {
	t.Run("embedded", func(t *testing.T) { killErasures(t, newProgram(t), count(5, 40)) })
	t.Run("on PostgreSQL and Redis", func(t *testing.T) {
		postgres, redis := servers.StartPostgres(t), servers.StartRedis(t, servers.RedisOptions{})
		killErasures(t, newProgram(t, append(onServers(postgres, redis), "FEATURESTORE_RUNS_LEASE=3s")...), count(3, 25))
	})
}

func killErasures(t *testing.T, p *program, kills int) {
	p.start(t)
	define(t, p)
	random := rand.New(rand.NewPCG(12, 1))
	const accounts = 60
	accepted, cut, kept := 0, 0, atomic.Int64{}
	for round := 0; round < kills || cut == 0 && round < 10*kills; round++ {
		names := make([]string, accounts)
		for i := range names {
			names[i] = fmt.Sprintf("erased-%d-%d", round, i)
		}
		at := time.Now().Add(-time.Hour)
		loadAll(t, p, names, int64(round), at)
		stop := make(chan struct{})
		var beside sync.WaitGroup
		for w := range 4 {
			beside.Go(func() {
				for i := w; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					body := fmt.Sprintf(`{"place": %d, "n": %d, "event_time": %q}`, i, i, at.Add(time.Duration(i)*time.Millisecond).UTC().Format(time.RFC3339Nano))
					status, answer, err := call("POST", p.store+"/store/account/"+names[i%accounts], body)
					var written struct{ Erased bool }
					if err == nil && status == http.StatusOK && json.Unmarshal([]byte(answer), &written) == nil && written.Erased {
						kept.Add(1)
					}
				}
			})
		}
		var mu sync.Mutex
		var gone []string // that the program has accepted to erase
		for w := range 3 {
			beside.Go(func() {
				for i := 2 * w; i < accounts; i += 6 { // half of them
					for _, name := range names[i : i+1] {
						if status, _, err := call("DELETE", p.store+"/store/account/"+name, ""); err == nil && status == http.StatusAccepted {
							mu.Lock()
							gone = append(gone, name)
							mu.Unlock()
						}
					}
				}
			})
		}
		time.Sleep(time.Duration(random.Int64N(int64(150 * time.Millisecond))))
		p.kill(t)
		close(stop)
		beside.Wait()
		p.start(t)
		undone := 0
		for _, e := range p.erasures(t) {
			if !e.Done {
				undone++
			}
		}
		if undone > 0 {
			cut++
		}
		accepted += len(gone)
		p.awaitErasures(t, accepted)
		p.requireErased(t, gone)
		loadAll(t, p, names, int64(round), at)
		p.requireErased(t, gone)
		var others []string
		for i := 1; i < accounts; i += 2 {
			others = append(others, names[i])
		}
		v, err := p.read(others, "load")
		require.NoError(t, err)
		for i, status := range v.Statuses["load"] {
			require.Equal(t, "PRESENT", status, "the control: %s was loaded, and not erased", others[i])
		}
	}
	p.requireNothingStays(t)
	require.Positive(t, cut, "at least one kill leaves erasures to be finished")
	t.Logf("measured: %d accounts erased, with %d kills that left some to be finished; %d writes kept out; 0 back", accepted, cut, kept.Load())
}

// requireNothingStays wants that the online copies hold what history holds.
func (p *program) requireNothingStays(t *testing.T) {
	t.Helper()
	for _, group := range []string{"loads", "numbers"} {
		await(t, 90*time.Second, "the online copy of "+group+" agrees", func() error {
			var run struct {
				State  string
				Reason string
				Result compared
			}
			mustCall(t, "POST", p.store+"/materialize/check?wait=60s", `{"group": "`+group+`", "sample": "all"}`, &run)
			if run.State != "succeeded" {
				return fmt.Errorf("%s: %s", run.State, run.Reason)
			}
			require.Equal(t, run.Result.Entities, run.Result.Equal)
			return nil
		})
	}
}
