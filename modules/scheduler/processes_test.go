package scheduler

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"featurestore/app/database"
	"featurestore/modules/batch"
	"featurestore/modules/registry"
	"featurestore/modules/runs"
	"featurestore/modules/store/storetest/servers"
)

// Three processes schedule and work on one database. They are killed, and put to sleep for longer than their leases, while a schedule has a tick each
// second: each tick has its effect once, and at least one sleeper that woke up was refused. The control does the same without the fence.
func TestProcessesThatAreKilledAndPaused(t *testing.T) {
	ticks, kills, pauses := 60, 8, 8
	if os.Getenv("FEATURESTORE_TEST_FULL") == "1" {
		ticks, kills, pauses = 2*ticks, 2*kills, 2*pauses
	}
	t.Run("fenced", func(t *testing.T) {
		t.Parallel()
		c := newCrowd(t)
		begin := c.defined
		last := begin.Truncate(time.Second).Add(time.Duration(ticks) * time.Second)
		turn := time.Duration(ticks) * time.Second / time.Duration(kills+pauses+1)
		for i := range kills + pauses {
			c.waitUntil(begin.Add(time.Duration(i+1) * turn))
			if i%2 == 0 {
				c.pause()
			} else {
				c.kill()
			}
		}
		c.waitUntil(last)
		for more := 0; c.refused() == 0 && more < 30; more++ {
			c.pause()
		}
		require.Eventually(t, func() bool { return c.doneUpTo(last) >= ticks }, 5*time.Minute, 100*time.Millisecond, "each tick up to %s ends: %s", last, &c.log)
		// Whoever sleeps now wakes up and is refused, or not.
		time.Sleep(2 * shortLease)
		effects := c.effects(last)
		require.Len(t, effects, ticks)
		for tick, n := range effects {
			require.Equal(t, 1, n, "the tick %s had %d effects", tick, n)
		}
		var runsOfTicks int64
		require.NoError(t, c.db.Raw("SELECT count(*) FROM runs WHERE kind = ? AND tick <= ?", batch.RunKind, last).Scan(&runsOfTicks).Error)
		require.EqualValues(t, ticks, runsOfTicks)
		refused := c.refused()
		require.Positive(t, refused, "no sleeper was refused: the test shows nothing")
		t.Logf("%d ticks, %d kills, %d pauses: %d effects, %d stale owners refused, after %s", ticks, kills, pauses, len(effects), refused, c.now().Sub(begin).Round(time.Second))
	})
	t.Run("without the fence", func(t *testing.T) {
		t.Parallel()
		c := newCrowd(t, processUnfenced+"=1")
		for pauses := 1; ; pauses++ {
			c.pause()
			twice := 0
			for _, n := range c.effects(c.now()) {
				if n > 1 {
					twice++
				}
			}
			if twice > 0 {
				t.Logf("%d ticks had their effect twice after %d pauses", twice, pauses)
				return
			}
			require.Less(t, pauses, 100, "nothing was done twice, so the fence guards against nothing")
		}
	})
}

// crowd is three processes on a schema.
type crowd struct {
	t         *testing.T
	db        *gorm.DB
	defined   time.Time // when its schedule was: ticks begin after it
	variables []string
	processes []*exec.Cmd
	log       bytes.Buffer // of what happened to them
}

func newCrowd(t *testing.T, variables ...string) *crowd {
	url, schema := servers.Postgres(t)
	db, err := database.OpenPostgres(context.Background(), url, schema, quiet)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, database.Close(db)) })
	for _, migrate := range []func(context.Context, *gorm.DB) error{registry.Migrate, runs.Migrate, Migrate} {
		require.NoError(t, migrate(t.Context(), db))
	}
	require.NoError(t, db.Exec("CREATE TABLE effects (run bigint, tick timestamptz, token bigint, process int)").Error)
	require.NoError(t, db.Exec("CREATE TABLE refused (run bigint, token bigint, process int)").Error)
	definitions, _ := worker(db, quiet)
	require.NoError(t, definitions.Start(t.Context()))
	defer definitions.Stop()
	_, err = definitions.Apply(t.Context(), []byte(`{"pipelines": [{"name": "upstream"}],
		"schedules": [{"name": "second", "what": "pipeline", "subject": "upstream", "every": "1s", "catch_up": "all", "retries": 20, "backoff": "1s"}]}`), "", registry.Options{})
	require.NoError(t, err)
	schedule, found := definitions.Catalog().Definition(kindSchedule, "second")
	require.True(t, found)
	c := &crowd{t: t, db: db, defined: schedule.CreatedAt, variables: append(variables, processURL+"="+url, processSchema+"="+schema)}
	for range 3 {
		c.processes = append(c.processes, c.start())
	}
	t.Cleanup(func() {
		for _, p := range c.processes {
			_ = p.Process.Kill()
			_ = p.Wait()
		}
	})
	return c
}

func (c *crowd) start() *exec.Cmd {
	program, err := os.Executable()
	require.NoError(c.t, err)
	p := exec.Command(program)
	p.Env = append(os.Environ(), c.variables...)
	p.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(c.t, p.Start())
	return p
}

// kill ends a process, one that works on a run if there is one soon, and starts another in its place.
func (c *crowd) kill() {
	i := c.working()
	p := c.processes[i]
	require.NoError(c.t, p.Process.Kill())
	_ = p.Wait()
	c.processes[i] = c.start()
	fmt.Fprintf(&c.log, "killed %d\n", p.Process.Pid)
}

// pause puts a process to sleep for longer than its lease.
func (c *crowd) pause() {
	p := c.processes[c.working()]
	require.NoError(c.t, p.Process.Signal(syscall.SIGSTOP))
	time.Sleep(2*shortLease + rand.N(shortLease/2))
	require.NoError(c.t, p.Process.Signal(syscall.SIGCONT))
	fmt.Fprintf(&c.log, "paused %d\n", p.Process.Pid)
	time.Sleep(shortLease / 2) // it ends what it was about to do
}

// working is a process that works on a run now.
func (c *crowd) working() int {
	for range 1000 {
		var owner string
		require.NoError(c.t, c.db.Raw("SELECT process FROM runs WHERE state = 'running' ORDER BY id DESC LIMIT 1").Scan(&owner).Error)
		_, number, _ := strings.Cut(owner, ", process ")
		if pid, err := strconv.Atoi(number); err == nil {
			if i := slices.IndexFunc(c.processes, func(p *exec.Cmd) bool { return p.Process.Pid == pid }); i >= 0 {
				return i
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	return rand.N(len(c.processes))
}

func (c *crowd) now() time.Time {
	var now database.Micros
	require.NoError(c.t, c.db.Raw("SELECT clock_timestamp()").Scan(&now).Error)
	return now.Time()
}

func (c *crowd) waitUntil(at time.Time) { time.Sleep(at.Sub(c.now())) }

// doneUpTo counts the ticks up to one whose runs have succeeded.
func (c *crowd) doneUpTo(last time.Time) (n int) {
	require.NoError(c.t, c.db.Raw("SELECT count(*) FROM scheduler_occurrences WHERE tick <= ? AND state = 'done' AND outcome = 'succeeded'", last).Scan(&n).Error)
	return n
}

// refused counts the sleepers that woke up and were refused.
func (c *crowd) refused() (n int64) {
	require.NoError(c.t, c.db.Raw("SELECT count(*) FROM refused").Scan(&n).Error)
	return n
}

// effects counts those of each tick up to one.
func (c *crowd) effects(last time.Time) map[string]int {
	var rows []struct {
		Tick database.Micros
		N    int
	}
	require.NoError(c.t, c.db.Raw("SELECT tick, count(*) AS n FROM effects WHERE tick <= ? GROUP BY tick", last).Scan(&rows).Error)
	found := map[string]int{}
	for _, row := range rows {
		found[row.Tick.Time().Format(time.RFC3339Nano)] = row.N
	}
	return found
}
