package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	onlineredis "featurestore/modules/store/redis"
	"featurestore/modules/store/storetest/servers"
)

// compared is what a check of a group found.
type compared struct {
	Entities  int64             `json:"entities"`
	Equal     int64             `json:"equal"`
	Different int64             `json:"different"`
	Missing   int64             `json:"missing"`
	Extra     int64             `json:"extra"`
	Examples  []json.RawMessage `json:"examples"`
}

// requireAgreement waits until the online copy of a group is complete, and wants it to hold what the history holds, of so many entities.
func (p *program) requireAgreement(t *testing.T, group string, entities int) {
	t.Helper()
	var found compared
	await(t, 90*time.Second, "the online copy of "+group+" is complete", func() error {
		var run struct {
			State  string
			Reason string
			Result compared
		}
		mustCall(t, "POST", p.store+"/materialize/check?wait=60s", `{"group": "`+group+`", "sample": "all"}`, &run)
		if found = run.Result; run.State != "succeeded" {
			return fmt.Errorf("%s: %s", run.State, run.Reason)
		}
		return nil
	})
	require.Empty(t, found.Examples)
	require.Equal(t, compared{Entities: int64(entities), Equal: int64(entities), Examples: []json.RawMessage{}}, found)
}

// loadPlaces loads n accounts into the group loads, each with its place and the number of the load.
func (p *program) loadPlaces(t *testing.T, number int64, n int) {
	t.Helper()
	var table strings.Builder
	table.WriteString("account_id,event_time,load,place\n")
	for i := range n {
		fmt.Fprintf(&table, "loaded-%d,%s,%d,%d\n", i, loadTime(number).Format(time.RFC3339), number, i)
	}
	response, err := (&http.Client{Timeout: 5 * time.Minute}).Post(p.store+"/rows/loads?wait=60s", "text/csv", strings.NewReader(table.String()))
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode, string(text))
}

// answered is how a read was answered.
type answered int

const (
	online answered = iota
	offline
	refused // 503: more than are read offline
)

// readPlaces reads some of the accounts of loadPlaces. An answer that is wrong is an error.
func (p *program) readPlaces(number int64, places []int) (answered, error) {
	ids := make([]string, len(places))
	for i, place := range places {
		ids[i] = fmt.Sprint("loaded-", place)
	}
	body, err := json.Marshal(map[string]any{"entity_ids": ids, "features": []string{"load", "place"}})
	if err != nil {
		return refused, err
	}
	response, err := client.Post(p.store+"/get/account", "application/json", strings.NewReader(string(body)))
	if err != nil {
		return refused, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return refused, err
	case response.StatusCode == http.StatusServiceUnavailable:
		return refused, nil
	case response.StatusCode != http.StatusOK:
		return refused, fmt.Errorf("%d %s", response.StatusCode, text)
	}
	how := online
	if response.Header.Get("X-Served-From") == "offline" {
		how = offline
	}
	var v values
	if err := json.Unmarshal(text, &v); err != nil {
		return how, err
	}
	for i, place := range places {
		load, at := v.Features["load"][i], v.Features["place"][i]
		if load == nil || *load != number || at == nil || *at != int64(place) {
			return how, fmt.Errorf("loaded-%d reads as load %s, place %s", place, shown(load), shown(at))
		}
	}
	return how, nil
}

// somePlaces draws n of them.
func somePlaces(n, of int) []int {
	places := make([]int, n)
	for i := range places {
		places[i] = rand.IntN(of)
	}
	return places
}

// Redis is emptied while others read and write: everything comes back, and until then every answer is right, or there is none.
// The control believes what Redis has.
func TestFlushallUnderLoad(t *testing.T) {
	ctx := context.Background()
	postgres, redis := servers.StartPostgres(t), servers.StartRedis(t, servers.RedisOptions{Fsync: "no"})
	p := newProgram(t, onServers(postgres, redis)...)
	p.start(t)
	define(t, p)
	entities := count(20_000, 100_000)
	p.loadPlaces(t, 1, entities)
	p.requireAgreement(t, "loads", entities)
	engine, err := onlineredis.Open(ctx, onlineredis.Options{URL: redis.URL(), Prefix: "featurestore"})
	require.NoError(t, err)
	defer func() { require.NoError(t, engine.Close()) }()
	group := &registry.Group{About: registry.About{ID: findTable(t, connect(t, postgres.URL()), "loads").group, Name: "loads"}}

	tr := begin(p, "flushed")
	var readers sync.WaitGroup
	var reads, marked, without, believed atomic.Int64
	var wrong sync.Map
	stop := make(chan struct{})
	for i := range 4 {
		readers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				size := []int{1, 20, 100, 500}[i]
				how, err := p.readPlaces(1, somePlaces(size, entities))
				if err != nil {
					wrong.Store(err.Error(), true)
				}
				reads.Add(1)
				switch how {
				case offline:
					marked.Add(1)
				case refused:
					without.Add(1)
				}
			}
		})
	}
	readers.Go(func() { // the control
		for {
			select {
			case <-stop:
				return
			default:
			}
			key := store.NewKey([]value.Value{value.OfString(fmt.Sprint("loaded-", rand.IntN(entities)))})
			rows, _, err := engine.Read(ctx, []store.Question{{Group: group, Keys: []store.Key{key}}})
			if err == nil && rows[0][0] == "" {
				believed.Add(1)
			}
		}
	})
	tr.awaitMore(t, 100)
	began := time.Now()
	command(t, redis, "FLUSHALL")
	await(t, 60*time.Second, "all of them are back", func() error {
		if before := marked.Load() + without.Load(); before == 0 {
			return errors.New("no reader has noticed yet")
		}
		how, err := p.readPlaces(1, somePlaces(500, entities))
		require.NoError(t, err)
		if how != online {
			return errors.New("not answered online yet")
		}
		return nil
	})
	took := time.Since(began)
	tr.awaitMore(t, 100)
	tr.end()
	close(stop)
	readers.Wait()
	wrong.Range(func(text, _ any) bool { t.Errorf("a wrong answer: %s", text); return true })
	tr.verify(t)
	p.requireAgreement(t, "loads", entities)
	require.Positive(t, believed.Load(), "the control")
	t.Logf("measured: %d entities back %s after FLUSHALL; of %d reads %d were marked, %d refused, 0 wrong; the control missed %d entities",
		entities, took.Round(time.Millisecond), reads.Load(), marked.Load(), without.Load(), believed.Load())
}

// A rebuild is killed at moments drawn at random: another one brings the copy back, and every answer is right from the first on.
func TestKilledInTheMiddleOfARebuild(t *testing.T) {
	t.Run("embedded", func(t *testing.T) { killRebuilds(t, newProgram(t), count(4, 30)) })
	t.Run("on PostgreSQL and Redis", func(t *testing.T) {
		postgres, redis := servers.StartPostgres(t), servers.StartRedis(t, servers.RedisOptions{})
		killRebuilds(t, newProgram(t, append(onServers(postgres, redis), "FEATURESTORE_RUNS_POLL=500ms", "FEATURESTORE_RUNS_LEASE=2s")...), count(2, 20))
	})
}

func killRebuilds(t *testing.T, p *program, kills int) {
	p.start(t)
	define(t, p)
	const entities = 20_000
	p.loadPlaces(t, 1, entities)
	inMiddle, round := 0, 0
	for ; round < kills || inMiddle == 0 && round < kills+40; round++ {
		mustCall(t, "POST", p.store+"/materialize", `{"groups": ["loads"], "mode": "rebuild"}`, nil)
		await(t, time.Minute, "the rebuild has begun, or ended", func() error {
			how, err := p.readPlaces(1, somePlaces(10, entities))
			require.NoError(t, err)
			var listed struct {
				Runs []struct{ State string }
			}
			mustCall(t, "GET", p.store+"/runs?kind=materialization&subject=loads&limit=1", "", &listed)
			if how == offline || listed.Runs[0].State == "succeeded" {
				return nil
			}
			return errors.New(listed.Runs[0].State)
		})
		time.Sleep(time.Duration(rand.IntN(150>>(round%6))) * time.Millisecond) // a fast machine is done soon
		p.kill(t)
		p.start(t)
		how, err := p.readPlaces(1, somePlaces(50, entities))
		require.NoError(t, err)
		if how == offline {
			inMiddle++
		}
		p.requireAgreement(t, "loads", entities)
		how, err = p.readPlaces(1, somePlaces(500, entities))
		require.NoError(t, err)
		require.Equal(t, online, how)
	}
	require.Positive(t, inMiddle, "of the kills that were in the middle")
	t.Logf("measured: %d kills, %d of them in the middle of a rebuild of %d entities; each came back", round, inMiddle, entities)
}

// PostgreSQL is restored to an earlier moment, and Redis still has what came after it: none of that is answered, and the copies meet again.
func TestPostgresRestoredToAnEarlierMoment(t *testing.T) {
	postgres, redis := servers.StartPostgres(t, servers.Archiving()...), servers.StartRedis(t, servers.RedisOptions{})
	require.NoError(t, postgres.Backup())
	p := newProgram(t, onServers(postgres, redis)...)
	restored(t, p, p.stop, p.start, func() {
		require.NoError(t, postgres.Mark("before"))
	}, func() {
		require.NoError(t, postgres.RestoreTo("before"))
	})
}

// The same with an offline.db that is put back from a copy. Its ingest ids are given out a second time.
func TestAnOldOfflineFileIsPutBack(t *testing.T) {
	p := newProgram(t)
	var data string
	for _, variable := range p.what.Environment {
		if folder, ok := strings.CutPrefix(variable, "FEATURESTORE_DATA="); ok {
			data = folder
		}
	}
	var kept []byte
	file := filepath.Join(data, "offline.db")
	restored(t, p, p.stop, p.start, func() {
		p.stop(t) // the file is whole then
		var err error
		kept, err = os.ReadFile(file)
		require.NoError(t, err)
		p.start(t)
	}, func() {
		require.NoError(t, os.WriteFile(file, kept, 0o600))
	})
}

// restored has a program's offline store kept and restored, between the calls of before and after: what was written in between is gone,
// everywhere.
func restored(t *testing.T, p *program, before, after func(*testing.T), keep, restore func()) {
	p.start(t)
	define(t, p)
	const entities, lost = 3000, 40
	p.loadPlaces(t, 1, entities)
	now := time.Now()
	for i := range lost {
		p.writeAt(t, fmt.Sprint("kept-", i), 1, now.Add(-time.Minute))
	}
	p.requireAgreement(t, "numbers", lost)
	keep()
	p.loadPlaces(t, 2, entities+500)
	for i := range lost {
		p.writeAt(t, fmt.Sprint("kept-", i), 2, now.Add(-time.Minute)) // a correction: its stamp is newer by the ingest id alone
		p.writeAt(t, fmt.Sprint("lost-", i), 2, now)
	}
	p.materialize(t, "incremental")
	p.requireOnline(t, "lost-0", 2)
	p.requireAgreement(t, "loads", entities+500)
	before(t)
	restore()

	after(t)
	one, three := int64(1), int64(3)
	for i := range lost {
		require.Equal(t, &one, p.get(t, fmt.Sprint("kept-", i), "n").Value)
		require.Equal(t, "NOT_FOUND", p.get(t, fmt.Sprint("lost-", i), "n").Status)
		for range 10 { // the ids of what was lost are soon given out again
			p.writeAt(t, fmt.Sprint("new-", i), 3, now.Add(-time.Minute))
		}
		require.Equal(t, &three, p.get(t, fmt.Sprint("new-", i), "n").Value)
	}
	_, err := p.readPlaces(1, somePlaces(100, entities))
	require.NoError(t, err)
	p.requireAgreement(t, "numbers", 2*lost)
	p.requireAgreement(t, "loads", entities)
	for i := range lost {
		p.requireOnline(t, fmt.Sprint("kept-", i), 1)
		require.Equal(t, "NOT_FOUND", p.get(t, fmt.Sprint("lost-", i), "n").Status)
	}
	_, err = p.readPlaces(1, somePlaces(100, entities))
	require.NoError(t, err)
}
