package faults

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	_ "github.com/mattn/go-sqlite3"
	"github.com/stretchr/testify/require"
)

// The program is killed after a retraction was committed and before the profiles are told of it: the next one tells them. The control, whose
// note is deleted meanwhile, has the observation in its profile for good.
func TestKilledProgramTellsProfilesOfRetractions(t *testing.T) {
	onBothStacks(t, func(t *testing.T, p *program) {
		p.start(t)
		define(t, p)
		first := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -9)
		days := []time.Time{first, first.AddDate(0, 0, 1), first.AddDate(0, 0, 2)}
		at := func(d int) time.Time { return days[d].Add(time.Hour) }
		for d := range days {
			for i, n := range []int64{1, 2, 1000} {
				p.writeAt(t, []string{"one", "two", "outlier"}[i], n, at(d))
			}
			mustCall(t, "POST", p.store+"/profiles", `{"group": "numbers", "features": ["n"], "window": {`+between(days[d])+`}}`, nil)
			require.Equal(t, "1000", p.greatest(t, days[d]))
		}
		becomes := func(d int, wanted string) {
			await(t, time.Minute, "the profile is made again", func() error {
				if found := p.greatest(t, days[d]); found != wanted {
					return fmt.Errorf("the greatest one is %q", found)
				}
				return nil
			})
		}
		p.killInRetraction(t, "outlier", at(0))
		p.start(t)
		becomes(0, "2")

		p.killInRetraction(t, "outlier", at(1))
		p.lock(t, "offline.db", "__retractions", "DELETE FROM %s")()
		p.start(t)
		mustCall(t, "DELETE", p.store+observationOf("outlier", at(2)), "", nil)
		becomes(2, "2")
		require.Equal(t, "1000", p.greatest(t, days[1]), "the control has told nobody")
	})
}

// between is a day, as a window's members.
func between(day time.Time) string {
	return fmt.Sprintf(`"from": %q, "to": %q`, day.Format(time.RFC3339), day.AddDate(0, 0, 1).Format(time.RFC3339))
}

func observationOf(account string, at time.Time) string {
	return "/history/account/" + account + "?event_time=" + at.Format(time.RFC3339)
}

// greatest is the greatest n in the profile of a day; "" while it is outdated.
func (p *program) greatest(t *testing.T, day time.Time) string {
	t.Helper()
	var read struct {
		Profiles []struct {
			Features []struct{ Max any }
		}
	}
	mustCall(t, "GET", fmt.Sprintf("%s/profiles?group=numbers&feature=n&kind=window&from=%s&to=%s", p.store,
		day.Format(time.RFC3339), day.AddDate(0, 0, 1).Format(time.RFC3339)), "", &read)
	if len(read.Profiles) == 0 {
		return ""
	}
	return fmt.Sprint(read.Profiles[0].Features[0].Max)
}

// killInRetraction kills the program once a retraction is in history, while the profiles cannot be changed.
func (p *program) killInRetraction(t *testing.T, account string, at time.Time) {
	t.Helper()
	release := p.lock(t, "registry.db", "validation_profiles", "LOCK TABLE %s IN EXCLUSIVE MODE")
	var calling sync.WaitGroup
	calling.Go(func() {
		if status, answer, err := call("DELETE", p.store+observationOf(account, at), ""); err == nil && status != http.StatusOK {
			t.Errorf("retract: %d %s", status, answer)
		}
	})
	await(t, time.Minute, "history is without it", func() error {
		status, answer, err := call("GET", p.store+"/history/account/"+account+"?features=numbers:n", "")
		if err == nil && (status != http.StatusOK || strings.Contains(answer, at.Format(time.RFC3339))) {
			err = errors.New(answer)
		}
		return err
	})
	p.kill(t)
	calling.Wait()
	release()
}

// lock does a statement about a table in a transaction that ends with release. In SQLite's file it has the lock of all who write; nothing is
// done there to lock a table.
func (p *program) lock(t *testing.T, file, table, statement string) (release func()) {
	t.Helper()
	ctx := context.Background()
	if at := p.setting("FEATURESTORE_POSTGRES_URL"); at != "" {
		conn, err := pgx.Connect(ctx, at)
		require.NoError(t, err)
		var schema string
		require.NoError(t, conn.QueryRow(ctx, "SELECT schemaname FROM pg_tables WHERE tablename = $1", table).Scan(&schema))
		tx, err := conn.Begin(ctx)
		require.NoError(t, err)
		_, err = tx.Exec(ctx, fmt.Sprintf(statement, pgx.Identifier{schema, table}.Sanitize()))
		require.NoError(t, err)
		return func() { require.NoError(t, errors.Join(tx.Commit(ctx), conn.Close(ctx))) }
	}
	db, err := sql.Open("sqlite3", filepath.Join(p.what.Folder, "data", file)+"?_txlock=immediate&_busy_timeout=10000")
	require.NoError(t, err)
	tx, err := db.Begin()
	require.NoError(t, err)
	if !strings.HasPrefix(statement, "LOCK") {
		_, err = tx.Exec(fmt.Sprintf(statement, table))
		require.NoError(t, err)
	}
	return func() { require.NoError(t, errors.Join(tx.Commit(), db.Close())) }
}
