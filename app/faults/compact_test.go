package faults

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/store/storetest/servers"
)

// The program is killed while it compacts; the compaction goes on after the start. In the end of each account's observations the newest is
// there, and only that.
func TestKilledProgramFinishesItsCompactions(t *testing.T) {
	past := []string{"FEATURESTORE_HISTORY_HORIZON=0s", "FEATURESTORE_HISTORY_COMPACT_EVERY=0s"}
	t.Run("embedded", func(t *testing.T) { killCompactions(t, newProgram(t, past...), 10_000, count(3, 30)) })
	t.Run("on PostgreSQL and Redis", func(t *testing.T) {
		postgres, redis := servers.StartPostgres(t), servers.StartRedis(t, servers.RedisOptions{})
		killCompactions(t, newProgram(t, append(append(past, onServers(postgres, redis)...), "FEATURESTORE_RUNS_LEASE=3s")...), 5_000, count(2, 20))
	})
}

func killCompactions(t *testing.T, p *program, accounts, kills int) {
	p.start(t)
	define(t, p)
	names := make([]string, accounts)
	for i := range names {
		names[i] = fmt.Sprint("compacted-", i)
	}
	at := time.Now().Add(-time.Hour)
	random := rand.New(rand.NewPCG(9, uint64(accounts)))
	cut, removed := 0, int64(0)
	for round := int64(0); round < int64(kills) || cut == 0 && round < 10*int64(kills); round++ {
		for correction := range int64(2) {
			loadAll(t, p, names, 2*round+correction, at)
		}
		var asked struct {
			Runs []struct {
				ID int64 `json:"id"`
			} `json:"runs"`
		}
		mustCall(t, "POST", p.store+"/compact", `{"group": "loads"}`, &asked)
		within := int64(200) >> (round % 6) // milliseconds; a fast machine is done soon
		time.Sleep(time.Duration(random.Int64N(within * int64(time.Millisecond))))
		p.kill(t)
		p.start(t)
		var run struct {
			State    string `json:"state"`
			Attempts int    `json:"attempts"`
			Result   struct {
				Superseded int64 `json:"superseded"`
			} `json:"result"`
		}
		mustCall(t, "GET", fmt.Sprintf("%s/runs/%d?wait=1m", p.store, asked.Runs[0].ID), "", &run)
		require.Equal(t, "succeeded", run.State)
		removed += run.Result.Superseded
		if run.Attempts > 1 {
			cut++
		}
		require.Equal(t, accounts, exported(t, p), "one observation of each account in round %d", round)
		var v values
		for from := 0; from < accounts; from += 1000 {
			await(t, 30*time.Second, "the online copy answers", func() (err error) {
				v, err = p.read(names[from:from+1000], "load")
				return err
			})
			for i := range 1000 {
				require.NotNil(t, v.Features["load"][i])
				require.Equal(t, 2*round+1, *v.Features["load"][i], "%s in round %d", names[from+i], round)
			}
		}
	}
	t.Logf("measured: compactions of %d accounts, %d of them cut off by the kill; %d rows counted by the last attempts: the newest observation of each account is there, and only that",
		accounts, cut, removed)
	require.Positive(t, cut, "at least one is cut off")
}

// exported counts the observations of the group loads.
func exported(t *testing.T, p *program) int {
	t.Helper()
	response, err := http.Get(p.store + "/rows/loads?format=csv")
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return strings.Count(string(text), "\n") - 1
}
