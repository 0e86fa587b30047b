package database

import (
	"context"
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
		goose.WithTableName(module + "_migrations"),
		goose.WithDisableGlobalRegistry(true),
		goose.WithSlog(slog.New(slog.DiscardHandler)),
	}
	if Postgres(db) {
		dialect, folder = goose.DialectPostgres, "migrations/postgres"
		locker, err := sessionLock(ctx, db, module)
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

// sessionLock is for one module in one schema of one database, so that installations that share a server do not wait for each
// other.
func sessionLock(ctx context.Context, db *gorm.DB, module string) (lock.SessionLocker, error) {
	var schema string
	if err := db.WithContext(ctx).Raw("SELECT current_schema()").Scan(&schema).Error; err != nil {
		return nil, err
	}
	id := int64(crc32.ChecksumIEEE([]byte("featurestore " + schema + " " + module)))
	return lock.NewPostgresSessionLocker(lock.WithLockID(id), lock.WithLockTimeout(1, 120))
}
