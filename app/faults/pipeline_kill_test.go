package faults

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/store/storetest/servers"
)

// The program is killed at each place of a run, in which late payments, and others that were taken back, are computed. Once it is back the run goes on by
// itself; then, and after the next run, history and the online copy say what a ledger says: nothing twice, nothing missing. The control publishes ticks
// before all their rows are there: the same test notices.
func TestKilledRunsOfPipelinesEndRight(t *testing.T) {
	t.Run("embedded", func(t *testing.T) {
		killRuns(t, func(variables ...string) *program { return partsProgram(t, variables...) }, endings, count(3, 10))
	})
	t.Run("on PostgreSQL", func(t *testing.T) {
		places := endings
		if count(1, 10) == 1 { // a lease has to end each time
			places = []string{"behind the fence"}
		}
		killRuns(t, func(variables ...string) *program { return partsProgram(t, append(variables, onPostgres(t)...)...) }, places, count(1, 10))
	})
}

// onPostgres are the variables of a program that has its tables in a schema of their own.
func onPostgres(t *testing.T) []string {
	url, schema := servers.Postgres(t)
	return []string{partsPostgres + "=" + url, partsSchema + "=" + schema}
}

func killRuns(t *testing.T, program func(...string) *program, places []string, seeds int) {
	l := openLedger(t, program(), 1)
	l.pay(60)
	require.Equal(t, "succeeded", l.ended(l.backfill().ID).State)
	l.right("after the first back-fill")
	kills, attempts := 0, 0
	for seed := range seeds {
		for i, place := range places {
			l.pay(15)
			if i%4 == 3 {
				l.takeBack()
			}
			n := 1
			if i%2 == 0 { // several chunks, and one of them
				n += l.random.IntN(3)
			}
			if place == "deciding" {
				n = 1
			}
			l.endAt(place, n, syscall.SIGKILL)
			run := l.backfill
			if n == 1 {
				run = l.due
			}
			id := run().ID
			l.dies(place)
			kills++
			first := l.ended(id)
			require.Equal(t, "succeeded", first.State, "%s: %s", place, first.Reason)
			attempts = max(attempts, first.Attempts)
			if seed == 0 {
				l.right("after the run that was killed: " + place)
			}
			next := l.ended(l.due().ID)
			require.Equal(t, "succeeded", next.State, next.Reason)
			l.right(fmt.Sprintf("after a kill at %s, time %d", place, n))
		}
	}
	require.Greater(t, attempts, 1, "a run is taken up again")
	nothing := l.ended(l.backfill().ID)
	require.EqualValues(t, 20, nothing.Result.Ticks)
	require.Zero(t, nothing.Result.Stored+nothing.Result.TakenBack, "running again changes nothing")
	t.Logf("measured: %d kills at %d places: each time the next run ends in what the ledger says", kills, len(places))
	if len(places) < len(endings) {
		return
	}
	control := openLedger(t, program(partsHalves+"=1"), 2)
	control.pay(60)
	control.endAt(betweenHalves, 1, syscall.SIGKILL)
	control.backfill()
	control.dies(betweenHalves)
	control.settle()
	require.NotEqual(t, control.wanted(), control.found(), "the control loses rows")
}

// settle waits for the end of all runs of the pipeline, and for one more of what is due.
func (l *ledger) settle() {
	l.t.Helper()
	var all struct {
		Runs []startedRun `json:"runs"`
	}
	mustCall(l.t, "GET", l.p.store+"/runs?kind=pipeline&limit=1000", "", &all)
	for _, run := range all.Runs {
		l.ended(run.ID)
	}
	l.ended(l.due().ID)
}

// A process is stopped with what it has computed in hand, longer than its lease. Another one takes the run over, publishes, and then publishes what has
// come in since. The first one goes on, and is refused by the fence: what it has computed is older. The control does not ask whether the run is still
// held: it publishes the older rows over the newer ones. Both do not hear that the run was taken from them.
func TestStaleOwnerPublishesNothing(t *testing.T) {
	for _, control := range []bool{false, true} {
		variables := onPostgres(t)
		first := openLedger(t, partsProgram(t, append(variables, partsDeaf+"=1", fmt.Sprintf("%s=%t", partsUnfenced, control))...), 3)
		first.pay(60)
		first.endAt("staged", 1, syscall.SIGSTOP)
		id := first.backfill().ID
		await(t, time.Minute, "the process is stopped", first.p.stopped)

		other := *first
		other.p = partsProgram(t, variables...)
		other.p.start(t)
		require.Equal(t, "succeeded", other.ended(id).State)
		other.pay(60)
		require.Equal(t, "succeeded", other.ended(other.due().ID).State)
		other.right("before the first process goes on")

		require.NoError(t, first.p.process.Signal(syscall.SIGCONT))
		await(t, time.Minute, "the first process has tried to publish", func() error {
			if !strings.Contains(first.p.process.Tail(), publicationEnded) {
				return errors.New("not yet")
			}
			return nil
		})
		if control {
			require.NotEqual(t, other.wanted(), other.found(), "the control overwrites")
			continue
		}
		require.Contains(t, first.p.process.Tail(), "is not this process's any more")
		other.right("after the first process has gone on")
	}
}

// stopped tells by an error that the process is not stopped by a signal.
func (p *program) stopped() error {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.process.PID()))
	if err != nil {
		return err
	}
	if _, state, _ := strings.Cut(string(stat), ") "); !strings.HasPrefix(state, "T") {
		return fmt.Errorf("its state is %.1s", state)
	}
	return nil
}
