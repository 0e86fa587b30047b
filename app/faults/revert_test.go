package faults

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/store/storetest/servers"
)

// The program is killed while it reverts a load, under writers; the revert goes on after the start, and in the end the online copy has
// what there was before the load, and what was written beside it.
func TestKilledProgramFinishesItsReverts(t *testing.T) {
	for _, accounts := range []int{200, 1500} { // few, for which the online copy goes on answering, and many
		t.Run(fmt.Sprint("embedded, ", accounts), func(t *testing.T) { killReverts(t, newProgram(t), accounts, count(6, 50)) })
		t.Run(fmt.Sprint("on PostgreSQL and Redis, ", accounts), func(t *testing.T) {
			postgres, redis := servers.StartPostgres(t), servers.StartRedis(t, servers.RedisOptions{})
			killReverts(t, newProgram(t, append(onServers(postgres, redis), "FEATURESTORE_RUNS_LEASE=3s")...), accounts, count(2, 30))
		})
	}
}

func killReverts(t *testing.T, p *program, accounts, kills int) {
	p.start(t)
	define(t, p)
	names := make([]string, accounts)
	for i := range names {
		names[i] = fmt.Sprint("reverted-", i)
	}
	loadAll(t, p, names, -1, time.Now().Add(-2*time.Hour))
	random := rand.New(rand.NewPCG(8, uint64(accounts)))
	told := make([]atomic.Int64, writers) // the last place that was acknowledged, by writer
	tried := make([]atomic.Int64, writers)
	reverts, cut := 0, 0 // all, and the reverts that a kill found at work
	for round := int64(0); round < int64(kills) || cut == 0 && round < 10*int64(kills); round++ {
		run := loadAll(t, p, names, round, time.Now().Add(-time.Hour))
		stop := make(chan struct{})
		var writing sync.WaitGroup
		for w := range writers {
			writing.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					next := tried[w].Add(1)
					status, _, err := call("POST", p.store+"/store/account/"+names[w], fmt.Sprintf(`{"place": %d}`, next))
					if err == nil && status == http.StatusOK {
						told[w].Store(next)
					}
				}
			})
		}
		var revert struct {
			ID       int64  `json:"id"`
			State    string `json:"state"`
			Attempts int    `json:"attempts"`
		}
		mustCall(t, "POST", fmt.Sprintf("%s/runs/%d/revert", p.store, run), "", &revert)
		within := int64(20 + accounts/20) // milliseconds
		if round%2 == 1 {
			within = 3 // a small revert on a fast machine is done soon
		}
		time.Sleep(time.Duration(random.Int64N(within * int64(time.Millisecond))))
		p.kill(t)
		close(stop)
		writing.Wait()
		p.start(t)
		mustCall(t, "GET", fmt.Sprintf("%s/runs/%d?wait=1m", p.store, revert.ID), "", &revert)
		require.Equal(t, "succeeded", revert.State)
		reverts++
		if revert.Attempts > 1 {
			cut++
		}
		var v values
		await(t, 30*time.Second, "the online copy answers", func() (err error) {
			v, err = p.read(names, "load", "place")
			return err
		})
		for i, name := range names {
			require.Equal(t, "PRESENT", v.Statuses["load"][i], "%s in round %d", name, round)
			require.EqualValues(t, -1, *v.Features["load"][i], "%s in round %d", name, round)
			if i < writers {
				place := int64(0) // the kill may come before any write of a writer is stored
				if v.Features["place"][i] != nil {
					place = *v.Features["place"][i]
				}
				require.GreaterOrEqual(t, place, told[i].Load(), "%s in round %d lost what was acknowledged", name, round)
				require.LessOrEqual(t, place, tried[i].Load())
			}
		}
	}
	t.Logf("measured: %d reverts of %d accounts, %d of them cut off by the kill: no reverted value is read afterwards", reverts, accounts, cut)
	require.Positive(t, cut, "at least one is cut off")
}

// loadAll loads one value of the group loads for the accounts, waits until it is online and answers its run.
func loadAll(t *testing.T, p *program, names []string, n int64, at time.Time) int64 {
	t.Helper()
	var answer struct {
		Run    int64  `json:"run_id"`
		Online string `json:"online"`
	}
	mustCall(t, "POST", p.store+"/rows/loads?wait=1m", loadBody(names, n, at), &answer)
	require.Equal(t, "written", answer.Online)
	return answer.Run
}

// loadBody is a load of one value for each of the accounts.
func loadBody(names []string, n int64, at time.Time) string {
	var rows strings.Builder
	for i, name := range names {
		fmt.Fprintf(&rows, `%c{"account_id": %q, "event_time": %q, "load": %d}`, "[,"[min(i, 1)], name, at.UTC().Format(time.RFC3339), n)
	}
	return rows.String() + "]"
}
