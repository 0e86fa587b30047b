package database

import (
	"context"
	"database/sql"
	"fmt"
	"hash/crc32"
	"io/fs"
	"log/slog"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"gorm.io/gorm"
)

// Migrate brings the tables of one module up to date. files holds goose's SQL files in migrations/sqlite and
// migrations/postgres (the module says //go:embed migrations); which of them have run is kept in the table
// <module>_migrations. Several processes may do it at once: in PostgreSQL one after the other under a session lock, in SQLite
// by each migration being a transaction.
//
// Migrations that ran and that this program does not know are left alone: whether it may work beside them is decided when the
// database is opened.
func Migrate(ctx context.Context, db *gorm.DB, module string, files fs.FS) error {
	pool, err := db.DB()
	if err != nil {
		return err
	}
	dialect, folder := goose.DialectSQLite3, "migrations/sqlite"
	options := []goose.ProviderOption{
		goose.WithTableName(module + migrationsSuffix),
		goose.WithDisableGlobalRegistry(true),
		goose.WithSlog(slog.New(slog.DiscardHandler)),
	}
	if Postgres(db) {
		dialect, folder = goose.DialectPostgres, "migrations/postgres"
		locker, err := newSessionLock(ctx, db, module)
		if err != nil {
			return fmt.Errorf("migrate %s: %w", module, err)
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	scripts, err := fs.Sub(files, folder)
	if err != nil {
		return fmt.Errorf("migrate %s: %w", module, err)
	}
	provider, err := goose.NewProvider(dialect, pool, scripts, options...)
	if err != nil {
		return fmt.Errorf("migrate %s: %w", module, err)
	}
	for before := int64(-1); ; {
		_, err := provider.Up(ctx)
		if err == nil {
			return nil
		}
		// In SQLite, two that start together both try the same migration; the later one fails, and the version has moved.
		version, versionErr := provider.GetDBVersion(ctx)
		if Postgres(db) || versionErr != nil || version == before {
			return fmt.Errorf("migrate %s: %w", module, err)
		}
		before = version
	}
}

// sessionLock is PostgreSQL's lock for the migrations of one module in one schema of one database: installations that share a
// server do not wait for each other. (goose's own asks for the lock once a second at most.)
type sessionLock int64

var _ lock.SessionLocker = sessionLock(0)

func newSessionLock(ctx context.Context, db *gorm.DB, module string) (sessionLock, error) {
	var schema string
	err := db.WithContext(ctx).Raw("SELECT current_schema()").Scan(&schema).Error
	return sessionLock(crc32.ChecksumIEEE([]byte("featurestore " + schema + " " + module))), err
}

func (id sessionLock) SessionLock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", int64(id))
	return err
}

func (id sessionLock) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "SELECT pg_advisory_unlock($1)", int64(id))
	return err
}
