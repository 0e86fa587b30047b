package runs

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"featurestore/app/database"
	"featurestore/app/fault"
	"featurestore/modules/store/storetest/servers"
)

// TestMain is also a process that does runs, for the tests that stop and kill one: of each it says "begun", waits for a line, publishes, and
// says what came of it.
func TestMain(m *testing.M) {
	if url := os.Getenv("RUNS_TEST_URL"); url != "" {
		if err := worker(url, os.Getenv("RUNS_TEST_SCHEMA"), os.Getenv("RUNS_TEST_FENCED") == "true"); err != nil {
			fmt.Println("error", err)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func worker(url, schema string, fenced bool) error {
	ctx := context.Background()
	db, err := database.OpenPostgres(ctx, url, schema, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	pool, err := db.DB()
	if err != nil {
		return err
	}
	input := bufio.NewReader(os.Stdin)
	config := quick
	config.Lease = 3 * time.Second
	r := New(db, config, time.Now, slog.New(slog.DiscardHandler))
	r.Handle("work", 1, func(_ context.Context, run *Active) (any, error) {
		fmt.Println("begun")
		if _, err := input.ReadString('\n'); err != nil {
			return nil, err
		}
		tx, err := pool.BeginTx(ctx, nil) // with the process's context: it has not heard yet
		if err != nil {
			return nil, err
		}
		defer tx.Rollback() //nolint:errcheck // after a commit it does nothing
		if _, err := tx.ExecContext(ctx, "INSERT INTO effects VALUES ($1)", run.ID()); err != nil {
			return nil, err
		}
		if fenced {
			if err := run.StillHeld(ctx, asQuerier{tx}); err != nil {
				fmt.Println("refused", fault.Is(err, "run-taken"))
				return nil, err
			}
		}
		if err := tx.Commit(); err != nil {
			return nil, err
		}
		fmt.Println("published")
		return nil, nil
	})
	if err := r.Start(ctx); err != nil {
		return err
	}
	select {} // until it is killed
}

// A process that is stopped between its work and its publication for longer than its lease, and one that is killed there.
func TestStoppedAndKilledProcesses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		fenced  bool
		kill    bool
		effects int64
	}{{"stopped", true, false, 1}, {"killed", true, true, 1}, {"control", false, false, 2}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			url, schema := servers.Postgres(t)
			db, err := database.OpenPostgres(t.Context(), url, schema, slog.New(slog.DiscardHandler))
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, database.Close(db)) })
			require.NoError(t, Migrate(t.Context(), db))
			require.NoError(t, db.Exec("CREATE TABLE effects (run bigint)").Error)
			r := New(db, quick, time.Now, slog.New(slog.DiscardHandler))
			run, _, err := r.Order(t.Context(), Order{Kind: "work"})
			require.NoError(t, err)

			first := startWorker(t, url, schema, c.fenced)
			require.Equal(t, "begun", first.says(t))
			if c.kill {
				require.NoError(t, first.cmd.Process.Kill())
			} else {
				require.NoError(t, first.cmd.Process.Signal(syscall.SIGSTOP))
			}
			second := startWorker(t, url, schema, c.fenced)
			require.Equal(t, "begun", second.says(t), "it took the run over")
			second.goOn(t)
			require.Equal(t, "published", second.says(t))
			if !c.kill {
				require.NoError(t, first.cmd.Process.Signal(syscall.SIGCONT))
				first.goOn(t)
				if c.fenced {
					require.Equal(t, "refused true", first.says(t))
				} else {
					require.Equal(t, "published", first.says(t))
				}
			}
			run = wait(t, r, run.ID)
			require.Equal(t, Succeeded, run.State)
			require.Equal(t, 2, run.Attempts)
			require.Len(t, run.Ended, 1)
			require.Contains(t, run.Ended[0].Reason, "its process ended, or was not heard of")
			require.Contains(t, run.Ended[0].Process, fmt.Sprintf("process %d", first.cmd.Process.Pid))
			var effects int64
			require.NoError(t, db.Raw("SELECT count(*) FROM effects").Scan(&effects).Error)
			require.Equal(t, c.effects, effects)
		})
	}
}

// workerProcess is a process of TestMain's.
type workerProcess struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startWorker(t *testing.T, url, schema string, fenced bool) *workerProcess {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "RUNS_TEST_URL="+url, "RUNS_TEST_SCHEMA="+schema, fmt.Sprintf("RUNS_TEST_FENCED=%v", fenced))
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return &workerProcess{cmd, in, bufio.NewReader(out)}
}

func (w *workerProcess) says(t *testing.T) string {
	t.Helper()
	line, err := w.out.ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSuffix(line, "\n")
}

func (w *workerProcess) goOn(t *testing.T) {
	t.Helper()
	_, err := fmt.Fprintln(w.in)
	require.NoError(t, err)
}
