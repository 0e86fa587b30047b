package database_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"featurestore/app/database"
	"featurestore/app/database/databasetest"
	"featurestore/modules/store/storetest/servers"
)

// steps are so many migrations of a module that does not exist.
func steps(n int) fs.FS {
	files := fstest.MapFS{}
	for i := range n {
		statement := "CREATE TABLE one (x INTEGER);"
		if i > 0 {
			statement = fmt.Sprintf("ALTER TABLE one ADD COLUMN y%d INTEGER;", i)
		}
		for _, dialect := range []string{"sqlite", "postgres"} {
			files[fmt.Sprintf("migrations/%s/%05d_step.sql", dialect, i+1)] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + statement)}
		}
	}
	return files
}

type row struct {
	ID   int64 `gorm:"primaryKey;autoIncrement:false"`
	Name string
	// names that gorm gives a meaning to, unless the type prevents it
	CreatedAt database.Micros
	UpdatedAt database.Micros
	Ended     *database.Micros
}

func (row) TableName() string { return "rows" }

func createRows(t *testing.T, db *gorm.DB) {
	times := "INTEGER"
	if database.Postgres(db) {
		times = "timestamptz"
	}
	require.NoError(t, db.Exec("CREATE TABLE rows (id BIGINT PRIMARY KEY, name TEXT, created_at "+times+", updated_at "+times+", ended "+times+")").Error)
}

func TestMicrosReadAsWritten(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		db := open()
		createRows(t, db)
		kolkata := time.FixedZone("", 5*3600+1800)
		ended := database.MicrosOf(time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC))
		early := row{ID: 1, CreatedAt: database.MicrosOf(time.Date(2026, 1, 2, 3, 4, 5, 123456789, kolkata)), Ended: &ended}
		late := row{ID: 2, CreatedAt: database.MicrosOf(time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC))}
		require.NoError(t, db.Create([]row{early, late}).Error)

		var read []row
		require.NoError(t, db.Order("created_at").Find(&read).Error)
		require.Equal(t, []row{early, late}, read)
		require.Equal(t, "2026-01-01T21:34:05.123456Z", read[0].CreatedAt.Time().Format(time.RFC3339Nano))

		require.NoError(t, db.Where("created_at > ?", early.CreatedAt).Find(&read).Error)
		require.Equal(t, []row{late}, read)

		require.NoError(t, db.Model(&row{}).Where("id = ?", 1).Updates(row{Name: "changed"}).Error)
		require.NoError(t, db.Find(&read, 1).Error)
		require.Zero(t, read[0].UpdatedAt, "gorm must not set times by itself")
	})
}

func TestStatementsAreLoggedWithoutValues(t *testing.T) {
	var text bytes.Buffer
	log := slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug}))
	db, err := database.OpenSQLite(context.Background(), filepath.Join(t.TempDir(), "registry.db"), log)
	require.NoError(t, err)
	defer database.Close(db) //nolint:errcheck // a test
	createRows(t, db)
	require.NoError(t, db.Create(&row{ID: 4711, Name: "a secret"}).Error)
	require.Error(t, db.Create(&row{ID: 4711, Name: "a secret"}).Error)
	require.Contains(t, text.String(), "INSERT INTO")
	require.NotContains(t, text.String(), "secret")
	require.NotContains(t, text.String(), "4711")
}

func TestPathsWithSignsOfAURI(t *testing.T) {
	path := filepath.Join(t.TempDir(), "what? 100% #1 ä")
	for range 2 {
		db, err := database.OpenSQLite(context.Background(), path, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		require.NoError(t, database.Close(db))
	}
	require.FileExists(t, path)
}

func TestMigrationsRunOnceForConcurrentStarters(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		const starters, rounds = 6, 5
		databases := make([]*gorm.DB, starters)
		for i := range databases {
			databases[i] = open()
		}
		require.NoError(t, database.Migrate(context.Background(), databases[0], "again", steps(1)))
		want := []int{0, 1}
		for round := range rounds {
			want = append(want, round+2)
			errs := make([]error, starters)
			start := make(chan struct{})
			var wg sync.WaitGroup
			for i, db := range databases {
				wg.Go(func() {
					<-start
					errs[i] = database.Migrate(context.Background(), db, "again", steps(round+2))
				})
			}
			close(start)
			wg.Wait()
			require.NoError(t, errors.Join(errs...))
			var versions []int
			require.NoError(t, databases[0].Raw("SELECT version_id FROM again_migrations ORDER BY id").Scan(&versions).Error)
			require.Equal(t, want, versions)
		}
	})
}

func TestOpeningAtTheSameTime(t *testing.T) {
	url, schema := servers.Postgres(t)
	errs := make([]error, 6)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			db, err := database.OpenPostgres(context.Background(), url, schema, slog.New(slog.DiscardHandler))
			if err == nil {
				err = database.Close(db)
			}
			errs[i] = err
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
}

func TestWritersWaitForEachOther(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		createRows(t, open())
		var wg sync.WaitGroup
		errs := make([]error, 8)
		for w := range 8 {
			db := open()
			wg.Go(func() {
				for i := range 20 {
					errs[w] = errors.Join(errs[w], db.Transaction(func(tx *gorm.DB) error {
						var n int64
						if err := tx.Model(&row{}).Count(&n).Error; err != nil {
							return err
						}
						return tx.Create(&row{ID: int64(w*1000 + i)}).Error
					}))
				}
			})
		}
		wg.Wait()
		require.NoError(t, errors.Join(errs...))
	})
}

func TestQuote(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		db := open()
		for _, name := range []string{"plain", "select", `a"b`, "Ä b;--", "a.b", "`x`", `\`} {
			require.NoError(t, db.Exec("CREATE TABLE "+database.Quote(name)+" (x INTEGER)").Error, name)
			require.NoError(t, db.Exec("INSERT INTO "+database.Quote(name)+" VALUES (1)").Error, name)
		}
	})
}

func TestFull(t *testing.T) {
	db := databasetest.SQLite(t)()
	require.NoError(t, db.Exec("CREATE TABLE x (y BLOB)").Error)
	require.NoError(t, db.Exec("PRAGMA max_page_count = 10").Error)
	err := db.Exec("INSERT INTO x VALUES (zeroblob(100000))").Error
	require.Error(t, err)
	require.True(t, database.Full(fmt.Errorf("publish: %w", err)), "%v", err)
	require.True(t, database.Full(&fs.PathError{Op: "write", Path: "rows", Err: syscall.ENOSPC}))
	require.True(t, database.Full(&pgconn.PgError{Code: "53100"}))
	err = db.Exec("INSERT INTO z VALUES (1)").Error
	require.False(t, database.Full(err), "%v", err)
	require.False(t, database.Full(nil))
}

func TestUnreachable(t *testing.T) {
	_, err := database.OpenPostgres(context.Background(), "postgres://someone:hidden@127.0.0.1:1/x", "featurestore", slog.New(slog.DiscardHandler))
	require.EqualError(t, err, "PostgreSQL at 127.0.0.1:1 gives no connection: dial tcp 127.0.0.1:1: connect: connection refused; is it running, and is postgres.url right?")
	require.NotContains(t, err.Error(), "hidden")
	require.True(t, database.Unavailable(err))

	_, err = database.OpenPostgres(context.Background(), "postgres://someone:hidden@[::/x", "featurestore", slog.New(slog.DiscardHandler))
	require.Error(t, err)
	require.NotContains(t, err.Error(), "hidden")
}
