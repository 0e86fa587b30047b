package faults

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/store/storetest/servers"
)

// A client of Feast sends rows again until it hears an answer: whether the program was killed before it stored them, or after and before
// it said so, each row is there once. So it is in an event group with an id column. The control is one without.
func TestRowsThatAreSentAgainThroughKillsAreStoredOnce(t *testing.T) {
	t.Run("embedded", func(t *testing.T) { killFeastWrites(t, newProgram(t), count(5, 50)) })
	t.Run("on PostgreSQL and Redis", func(t *testing.T) {
		postgres, redis := servers.StartPostgres(t), servers.StartRedis(t, servers.RedisOptions{})
		killFeastWrites(t, newProgram(t, onServers(postgres, redis)...), count(3, 30))
	})
}

const frameRows = 200

func killFeastWrites(t *testing.T, p *program, kills int) {
	p.start(t)
	status, answer, err := call("POST", p.registry+"/apply", `{"entity_types": [{"name": "driver", "join_keys": [{"name": "driver_id", "value_type": "INTEGER"}]}], "groups": [
		{"name": "stats", "entity_type": "driver", "features": [{"name": "scan", "value_type": "STRING"}]},
		{"name": "known", "entity_type": "driver", "kind": "events", "id_column": "scan", "features": [{"name": "scan", "value_type": "STRING"}]},
		{"name": "unknown", "entity_type": "driver", "kind": "events", "features": [{"name": "scan", "value_type": "STRING"}]}]}`)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, answer)

	senders := []*sender{
		{path: "/write-to-online-store", body: func(n int) string { return feastFrame("feature_view_name", "stats", n) }},
		{path: "/push", body: func(n int) string { return feastFrame("push_source_name", "known", n) }},
		{path: "/rows/unknown", body: rowsFrame},
	}
	stop := make(chan struct{})
	var all sync.WaitGroup
	for _, s := range senders {
		all.Go(func() { s.run(t, p, stop) })
	}
	for range kills {
		for _, s := range senders {
			before := s.answered.Load()
			await(t, time.Minute, s.path+" goes on", func() error {
				if s.answered.Load() < before+3 && !t.Failed() {
					return fmt.Errorf("%d frames", s.answered.Load())
				}
				return nil
			})
		}
		p.kill(t)
		p.start(t)
	}
	close(stop)
	all.Wait()
	counts := map[string]int{}
	for _, group := range []string{"stats", "known", "unknown"} {
		status, rows, err := call("GET", p.store+"/rows/"+group+"?format=ndjson", "")
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status, rows)
		counts[group] = strings.Count(rows, "\n")
	}
	require.Equal(t, int(senders[0].answered.Load())*frameRows, counts["stats"])
	require.Equal(t, int(senders[1].answered.Load())*frameRows, counts["known"])
	require.Greater(t, counts["unknown"], int(senders[2].answered.Load())*frameRows, "the control: where nobody knows a row again, some count twice")
	t.Logf("measured: %d kills; %d and %d rows sent until answered, a fifth of them twice: each stored once; the control has %d rows too many",
		kills, counts["stats"], counts["known"], counts["unknown"]-int(senders[2].answered.Load())*frameRows)
}

// sender sends frame after frame, each until it is answered. Every fifth answer it does not hear the first time.
type sender struct {
	path     string
	body     func(n int) string
	answered atomic.Int64
}

func (s *sender) run(t *testing.T, p *program, stop chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		heard := n%5 != 0
		for {
			status, answer, err := call("POST", p.store+s.path, s.body(n))
			if err != nil || status == http.StatusServiceUnavailable {
				time.Sleep(5 * time.Millisecond)
				continue
			}
			if status != http.StatusOK {
				t.Errorf("%s answered %d: %s", s.path, status, answer)
				return
			}
			if heard {
				break
			}
			heard = true
		}
		s.answered.Add(1)
	}
}

// feastFrame is frame n for a group.
func feastFrame(member, group string, n int) string {
	at := fmt.Sprintf("2026-01-01T%02d:%02d:%02d", n/3600%24, n/60%60, n%60)
	return text(map[string]any{member: group, "df": columns(n, "event_timestamp", at)})
}

// rowsFrame is the same as a table.
func rowsFrame(n int) string { return text(columns(n, "event_time", "2026-01-01T00:00:00Z")) }

func columns(n int, timeColumn, at string) map[string]any {
	ids, times, scans := make([]int, frameRows), make([]string, frameRows), make([]string, frameRows)
	for i := range ids {
		ids[i], times[i], scans[i] = i, at, fmt.Sprintf("%d-%d", n, i)
	}
	return map[string]any{"driver_id": ids, timeColumn: times, "scan": scans}
}

func text(body any) string {
	b, err := json.Marshal(body)
	if err != nil {
		panic(err) // there is nothing in it that could not be written
	}
	return string(b)
}
