package faults

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/store/storetest/servers"
)

// loadsARound keeps the numbers of the rounds' loads apart.
const loadsARound = 1000

// onServers are the settings of a program on servers of its own.
func onServers(postgres *servers.PostgresServer, redis *servers.RedisServer) []string {
	return []string{"FEATURESTORE_POSTGRES_URL=" + postgres.URL(), "FEATURESTORE_REDIS_URL=" + redis.URL()}
}

func TestKilledProgramKeepsWhatItAcknowledged(t *testing.T) {
	t.Run("embedded", func(t *testing.T) {
		killProgram(t, newProgram(t), count(30, 100))
	})
	t.Run("on PostgreSQL and Redis", func(t *testing.T) {
		postgres, redis := servers.StartPostgres(t), servers.StartRedis(t, servers.RedisOptions{})
		killProgram(t, newProgram(t, onServers(postgres, redis)...), count(8, 30))
	})
}

func killProgram(t *testing.T, p *program, kills int) {
	p.start(t)
	define(t, p)
	var all []*traffic
	for round := range kills {
		tr := begin(p, fmt.Sprint("round", round))
		tr.beginLoads(int64(round * loadsARound))
		tr.awaitMore(t, 100)
		p.kill(t)
		tr.end()
		p.start(t)
		tr.verify(t)
		all = append(all, tr)
	}
	for _, tr := range all {
		missing, example, err := tr.missing()
		require.NoError(t, err)
		require.Zero(t, missing, "lost in a later round: %s", example)
	}
	t.Logf("measured: %s", summary(kills, all))
}

// summary is what some rounds proved.
func summary(kills int, all []*traffic) string {
	acknowledged, pending, loads, whole := 0, 0, 0, 0
	for _, tr := range all {
		acknowledged += tr.acknowledgements()
		pending += tr.pending
		loads += len(tr.loads)
		for _, acknowledged := range tr.loads {
			if acknowledged {
				whole++
			}
		}
	}
	return fmt.Sprintf("%d kills; %d writes acknowledged, %d of them not online yet: 0 lost; %d loads begun, %d acknowledged: 0 seen by half",
		kills, acknowledged, pending, loads, whole)
}

func TestKilledPostgresKeepsWhatWasAcknowledged(t *testing.T) {
	postgres, redis := servers.StartPostgres(t), servers.StartRedis(t, servers.RedisOptions{Fsync: "everysec"})
	p := newProgram(t, onServers(postgres, redis)...)
	p.start(t)
	define(t, p)
	var all []*traffic
	kills := count(8, 30)
	for round := range kills {
		tr := begin(p, fmt.Sprint("round", round))
		tr.beginLoads(int64(round * loadsARound))
		tr.awaitMore(t, 100)
		require.NoError(t, postgres.Kill())
		tr.down.Store(true)
		known := tr.known()
		for range 20 {
			await(t, 30*time.Second, "online reads go on without PostgreSQL", func() error { return tr.behind(known) })
			time.Sleep(20 * time.Millisecond)
		}
		tr.down.Store(false)
		require.NoError(t, postgres.Start())
		tr.awaitMore(t, 100)
		tr.end()
		tr.verify(t)
		all = append(all, tr)
	}
	require.True(t, p.running())
	t.Logf("measured: %s", summary(kills, all))
}

func TestKilledRedisKeepsWhatWasAcknowledged(t *testing.T) {
	postgres, redis := servers.StartPostgres(t), servers.StartRedis(t, servers.RedisOptions{Fsync: "everysec"})
	p := newProgram(t, onServers(postgres, redis)...)
	p.start(t)
	define(t, p)
	var all []*traffic
	kills := count(8, 30)
	for round := range kills {
		tr := begin(p, fmt.Sprint("round", round))
		tr.beginLoads(int64(round * loadsARound))
		tr.awaitMore(t, 100)
		require.NoError(t, redis.Kill())
		tr.awaitMore(t, 100)
		known := tr.known()
		require.NoError(t, tr.behind(known), "reads of few are answered by the offline store")
		for account := range known {
			require.True(t, p.get(t, account, "n").Offline, "and say so")
		}
		require.NoError(t, redis.Start())
		tr.awaitMore(t, 100)
		tr.end()
		tr.verify(t)
		require.Positive(t, tr.pending, "writes without Redis say that they are not online")
		all = append(all, tr)
	}
	require.True(t, p.running())
	t.Logf("measured: %s", summary(kills, all))
}

// The control is the same program behind a door that acknowledges a write before it passes it on.
func TestKillsNoticeWhatIsAcknowledgedTooEarly(t *testing.T) {
	t.Run("program", func(t *testing.T) {
		p := newProgram(t)
		p.start(t)
		define(t, p)
		noticed(t, p, func() {
			p.kill(t)
			p.start(t)
		})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		postgres, redis := servers.StartPostgres(t), servers.StartRedis(t, servers.RedisOptions{})
		p := newProgram(t, onServers(postgres, redis)...)
		p.start(t)
		define(t, p)
		noticed(t, p, func() {
			require.NoError(t, postgres.Kill())
			require.NoError(t, postgres.Start())
		})
	})
}

// noticed wants that at least one of some kills of a hasty program is seen to lose something.
func noticed(t *testing.T, p *program, kill func()) {
	const kills = 3
	lost, acknowledged := 0, 0
	for round := range kills {
		h := beHasty(t, p)
		tr := begin(h.program, fmt.Sprint("round", round))
		tr.awaitMore(t, 100)
		kill()
		tr.end()
		h.close()
		tr.program = p
		await(t, 30*time.Second, "the program works again", func() error {
			missing, _, err := tr.missing()
			if err == nil {
				lost += missing
				acknowledged += tr.acknowledgements()
			}
			return err
		})
	}
	require.Positive(t, lost)
	t.Logf("measured: %d kills of a control, %d writes acknowledged, %d lost", kills, acknowledged, lost)
}

// hasty acknowledges writes before they are committed, and passes everything else on.
type hasty struct {
	program *program
	server  *httptest.Server
	writes  sync.WaitGroup
}

func beHasty(t *testing.T, p *program) *hasty {
	target, err := url.Parse(p.store)
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(target)
	h := &hasty{}
	h.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || !strings.HasPrefix(r.URL.Path, "/store/") {
			proxy.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		h.writes.Go(func() { _, _, _ = call(r.Method, p.store+r.URL.Path, string(body)) })
		_, _ = io.WriteString(w, `{"online": "written"}`)
	}))
	t.Cleanup(h.close)
	behind := *p
	behind.store = h.server.URL
	h.program = &behind
	return h
}

func (h *hasty) close() {
	h.server.Close()
	h.writes.Wait()
}
