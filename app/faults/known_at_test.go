package faults

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/store/storetest/servers"
)

// The program is killed while loads and writes are under way of which tokens, and settled times, know. After the start, and after more of the
// same and other definitions, each of them gets the training set that it was given for, to the byte.
func TestKilledProgramKnowsWhatWasKnown(t *testing.T) {
	t.Run("embedded", func(t *testing.T) { killKnown(t, newProgram(t), count(3, 20)) })
	t.Run("on PostgreSQL and Redis", func(t *testing.T) {
		postgres, redis := servers.StartPostgres(t), servers.StartRedis(t, servers.RedisOptions{})
		killKnown(t, newProgram(t, append(onServers(postgres, redis), "FEATURESTORE_RUNS_LEASE=3s")...), count(3, 20))
	})
}

// knownSet is a training set and what asks for it again.
type knownSet struct{ known, body string }

func killKnown(t *testing.T, p *program, kills int) {
	p.start(t)
	define(t, p)
	names := make([]string, 300)
	spine := "account_id,event_time\n"
	at := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	for i := range names {
		names[i] = fmt.Sprint("known-", i)
		spine += names[i] + "," + at + "\n"
	}
	ask := func(known string) (status int, body, token string) {
		request, err := http.NewRequest("POST", p.store+"/training-sets?features=loads:load,mirrors:mirror"+known, strings.NewReader(spine))
		require.NoError(t, err)
		request.Header.Set("Content-Type", "text/csv")
		response, err := client.Do(request)
		require.NoError(t, err)
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return response.StatusCode, string(text), response.Header.Get("Known-At")
	}
	var sets []knownSet
	random, open, times := rand.New(rand.NewPCG(4, 7)), 0, 0
	for round := range int64(kills) {
		loadAll(t, p, names, 100*round, time.Now().Add(-time.Hour))
		before := time.Now().Add(-time.Millisecond) // of all that is under way below
		var working sync.WaitGroup
		stop := make(chan struct{})
		repeat := func(work func(n int64)) {
			working.Go(func() {
				for n := int64(0); ; n++ {
					select {
					case <-stop:
						return
					default:
						work(n)
					}
				}
			})
		}
		for w := range 2 { // what is not acknowledged may be there or not
			repeat(func(n int64) {
				_, _, _ = call("POST", p.store+"/store/account/"+names[w], fmt.Sprintf(`{"place": %d, "mirror": %d}`, n, n))
			})
			repeat(func(n int64) {
				_, _, _ = call("POST", p.store+"/rows/loads", loadBody(names, 100*round+n, time.Now().Add(-time.Hour)))
			})
		}
		for i := range 8 {
			status, body, token := ask("")
			require.Equal(t, http.StatusOK, status, body)
			require.NotEmpty(t, token)
			sets = append(sets, knownSet{token, body})
			at := before
			if i > 0 {
				at = time.Now().Add(-time.Duration(random.Int64N(int64(time.Second))))
			}
			moment := url.QueryEscape(at.UTC().Format("2006-01-02T15:04:05.000000Z"))
			switch status, body, token = ask("&known_at=" + moment); status {
			case http.StatusOK:
				times++
				sets = append(sets, knownSet{moment, body}, knownSet{token, body})
			case http.StatusConflict:
				open++ // a write under way may be as old
			default:
				require.Equal(t, http.StatusNotFound, status, body) // it was not registered yet
			}
		}
		p.kill(t)
		close(stop)
		working.Wait()
		p.start(t)
		mustCall(t, "POST", p.registry+"/apply", fmt.Sprintf(`{"groups": [{"name": "loads", "ttl": "%dh", "features": [{"name": "added_%d", "value_type": "FLOAT"}]}]}`, 2+round, round), nil)
		p.mustWrite(t, names[2], round)
		for i, set := range sets {
			status, body, _ := ask("&known_at=" + set.known)
			require.Equal(t, http.StatusOK, status, body)
			require.Equal(t, set.body, body, "training set %d of %d in round %d, known at %s", i, len(sets), round, set.known)
		}
	}
	require.Positive(t, times)
	t.Logf("measured: %d training sets are the same after %d kills; of %d times %d were refused since a write was under way", len(sets), kills, times+open, open)
}
