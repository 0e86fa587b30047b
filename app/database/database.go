// Package database opens the relational database that definitions and runs are kept in, SQLite or PostgreSQL, brings its
// tables up to date, and says which programs may use it. What is stored there belongs to the modules; each brings its own
// migrations.
package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/driver/postgres"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
)

// BusyTimeout is how long a statement waits for another writer before it gives up.
const BusyTimeout = 10 * time.Second

// OpenSQLite opens or makes the file. Transactions take the write lock when they begin, so that they never fail half-way
// for having read before another wrote; a committed transaction is on the disk.
func OpenSQLite(ctx context.Context, path string, log *slog.Logger) (*gorm.DB, error) {
	pool, err := sql.Open("sqlite3", sqliteDSN(path))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	pool.SetMaxOpenConns(4)
	pool.SetMaxIdleConns(2)
	return open(ctx, sqlite.New(sqlite.Config{Conn: pool}), pool, path, log)
}

// sqliteDSN escapes what has a meaning in a URI, so that any path works.
func sqliteDSN(path string) string {
	escaped := strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(filepath.ToSlash(path))
	return "file:" + escaped + "?" + url.Values{
		"_txlock":        {"immediate"},
		"_journal_mode":  {"WAL"},
		"_synchronous":   {"FULL"},
		"_busy_timeout":  {fmt.Sprint(BusyTimeout.Milliseconds())},
		"_foreign_keys":  {"on"},
		"_secure_delete": {"on"},
	}.Encode()
}

// OpenPostgres opens the database that a URL or key-value string names and works in the schema of that name, which is made if
// it is not there. Errors never show the password.
func OpenPostgres(ctx context.Context, dsn, schema string, log *slog.Logger) (*gorm.DB, error) {
	return openPostgres(ctx, dsn, schema, false, log)
}

// OpenPostgresReading is OpenPostgres for a program that changes nothing: the server refuses it, also to bring tables up to date
// (ReadOnly).
func OpenPostgresReading(ctx context.Context, dsn, schema string, log *slog.Logger) (*gorm.DB, error) {
	return openPostgres(ctx, dsn, schema, true, log)
}

func openPostgres(ctx context.Context, dsn, schema string, reading bool, log *slog.Logger) (*gorm.DB, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil { // whose text can hold the password
		return nil, errors.New("the address of PostgreSQL cannot be understood")
	}
	config.RuntimeParams["search_path"] = Quote(schema)
	if reading {
		config.RuntimeParams["default_transaction_read_only"] = "on"
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "featurestore"
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 5 * time.Second
	}
	pool := stdlib.OpenDB(*config)
	pool.SetMaxOpenConns(8)
	pool.SetMaxIdleConns(2)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	if err := ensureSchema(ctx, pool, schema); err != nil {
		_ = pool.Close()
		var unreachable *pgconn.ConnectError
		if errors.As(err, &unreachable) {
			return nil, fmt.Errorf("PostgreSQL at %s:%d gives no connection: %w; is it running, and is postgres.url right?",
				config.Host, config.Port, lastCause(unreachable))
		}
		return nil, fmt.Errorf("prepare schema %s at %s:%d: %w", schema, config.Host, config.Port, err)
	}
	name := fmt.Sprintf("PostgreSQL at %s:%d", config.Host, config.Port)
	return open(ctx, postgres.New(postgres.Config{Conn: pool}), pool, name, log)
}

// lastCause is what went wrong with the last address that was tried: pgx repeats all of them around it.
func lastCause(err error) error {
	for {
		switch wrapped := err.(type) {
		case interface{ Unwrap() []error }:
			all := wrapped.Unwrap()
			err = all[len(all)-1]
			continue
		case *net.OpError, *pgconn.PgError:
			return err
		}
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// ensureSchema makes the schema unless it is there, so that a user without the right to make one can be given one.
func ensureSchema(ctx context.Context, pool *sql.DB, schema string) error {
	var there bool
	exists := func() error {
		return pool.QueryRowContext(ctx, "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", schema).Scan(&there)
	}
	if err := exists(); err != nil || there {
		return err
	}
	_, err := pool.ExecContext(ctx, "CREATE SCHEMA IF NOT EXISTS "+Quote(schema))
	if code(err) == "23505" || code(err) == "42P06" { // another starter made it at the same moment
		return nil
	}
	return err
}

func open(ctx context.Context, dialector gorm.Dialector, pool *sql.DB, name string, log *slog.Logger) (*gorm.DB, error) {
	fail := func(err error) (*gorm.DB, error) {
		_ = pool.Close()
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	db, err := gorm.Open(dialector, &gorm.Config{
		Logger:                 statements{log},
		SkipDefaultTransaction: true,
		DisableAutomaticPing:   true,
	})
	if err != nil {
		return fail(err)
	}
	if err := admit(ctx, db, Level, OldestServed); err != nil {
		return fail(err)
	}
	return db, nil
}

// Close closes all connections.
func Close(db *gorm.DB) error {
	pool, err := db.DB()
	if err != nil {
		return err
	}
	return pool.Close()
}

// Postgres tells the dialect: PostgreSQL, or else SQLite.
func Postgres(db *gorm.DB) bool { return db.Name() == "postgres" }

// code is the SQLSTATE of an error of PostgreSQL, "" of any other.
func code(err error) string {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		return answer.Code
	}
	return ""
}
