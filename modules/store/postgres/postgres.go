package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"featurestore/modules/store"
)

// Options say where the store is and how much of the server it takes.
type Options struct {
	URL     string // postgres://user@host/database, or a list of name=value
	Schema  string // made if it is not there; it must be the store's alone
	Writers int    // connections for writes and layouts; 0: 8
	Readers int    // connections for snapshots and loads, each of which holds one while it is open; 0: 16

	ReadOnly bool // nothing is made or changed: the server refuses it to these connections
}

// Offline is the offline store. It keeps two pools, so that long reads and loads never make a write wait for a connection.
type Offline struct {
	schema  string
	reading bool // Options.ReadOnly
	writers *pgxpool.Pool
	readers *pgxpool.Pool

	mu      sync.Mutex
	inserts map[string]*insert // by what they insert; see insertFor
}

var _ store.Offline = (*Offline)(nil)

// session is what every connection is told at its start, whatever the server, the database or the role say: what is
// acknowledged is durable, statements see what was committed before them, streams may take as long as they need. Plans do not
// look at the values: arrays of thousands of keys would be planned with, over and over.
var session = map[string]string{
	"application_name":                    "featurestore",
	"client_encoding":                     "UTF8",
	"default_transaction_isolation":       "read committed",
	"default_transaction_read_only":       "off", // on with Options.ReadOnly
	"statement_timeout":                   "0",
	"idle_in_transaction_session_timeout": "0",
	"lock_timeout":                        "0",
	"jit":                                 "off",
	"plan_cache_mode":                     "force_generic_plan",
}

// Open connects, and makes the schema and the store's own tables if they are missing. The store's Close ends all connections.
func Open(ctx context.Context, options Options) (*Offline, error) {
	if options.Schema == "" || strings.ContainsRune(options.Schema, 0) || len(options.Schema) > 63 {
		return nil, fmt.Errorf("%q is no name of a PostgreSQL schema", options.Schema)
	}
	if options.Writers == 0 {
		options.Writers = 8
	}
	if options.Readers == 0 {
		options.Readers = 16
	}
	if options.Writers < 1 || options.Readers < 1 {
		return nil, fmt.Errorf("PostgreSQL pools of %d and %d connections: each needs at least 1", options.Writers, options.Readers)
	}
	o := &Offline{schema: options.Schema, reading: options.ReadOnly, inserts: map[string]*insert{}}
	var err error
	if o.writers, err = openPool(ctx, options, options.Writers); err != nil {
		return nil, err
	}
	if o.readers, err = openPool(ctx, options, options.Readers); err != nil {
		o.writers.Close()
		return nil, err
	}
	prepare := o.prepareSchema
	if o.reading {
		prepare = o.lookAtSchema
	}
	if err := prepare(ctx); err != nil {
		o.writers.Close()
		o.readers.Close()
		return nil, err
	}
	return o, nil
}

func openPool(ctx context.Context, options Options, size int) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(options.URL)
	if err != nil { // whose text can hold the password
		return nil, errors.New("the PostgreSQL URL cannot be understood")
	}
	for name, value := range session {
		config.ConnConfig.RuntimeParams[name] = value
	}
	if options.ReadOnly {
		config.ConnConfig.RuntimeParams["default_transaction_read_only"] = "on"
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = 5 * time.Second
	}
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		// A server may be set to acknowledge before the commit is on its disk; a stricter setting stays.
		_, err := conn.Exec(ctx, `SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'`, pgx.QueryExecModeSimpleProtocol)
		return err
	}
	config.MaxConns = int32(size)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("opening PostgreSQL: %w", err)
	}
	return pool, nil
}

// Ping says whether the server can be reached and takes writes.
func (o *Offline) Ping(ctx context.Context) error {
	var standby bool
	if err := o.writers.QueryRow(ctx, `SELECT pg_is_in_recovery()`, pgx.QueryExecModeSimpleProtocol).Scan(&standby); err != nil {
		return fmt.Errorf("asking PostgreSQL: %w", err)
	}
	if standby {
		return errors.New("this PostgreSQL is a standby and takes no writes: connect to the primary")
	}
	return nil
}

// Close waits for what is under way and ends all connections. Snapshots and loads must be closed before.
func (o *Offline) Close() error {
	o.writers.Close()
	o.readers.Close()
	return nil
}

// statements are the prepared statements of one connection.
type statements struct {
	byText map[string]*pgconn.StatementDescription
	made   int
}

// maxStatements bounds the statements that a connection keeps; beyond it all are forgotten and the busy ones prepared again.
const maxStatements = 200

// prepare gives the statement for a text, kept for the next time.
func prepare(ctx context.Context, conn *pgconn.PgConn, text string) (*pgconn.StatementDescription, error) {
	prepared, err := prepareAll(ctx, conn, text)
	if err != nil {
		return nil, err
	}
	return prepared[0], nil
}

// prepareAll gives the statements of a batch, so that none of them is forgotten to make room for another.
func prepareAll(ctx context.Context, conn *pgconn.PgConn, texts ...string) ([]*pgconn.StatementDescription, error) {
	kept, ok := conn.CustomData()["statements"].(*statements)
	if !ok {
		kept = &statements{byText: map[string]*pgconn.StatementDescription{}}
		conn.CustomData()["statements"] = kept
	}
	missing := 0
	for _, text := range texts {
		if kept.byText[text] == nil {
			missing++
		}
	}
	if missing > 0 && len(kept.byText)+missing > maxStatements {
		for text, s := range kept.byText {
			if err := conn.Deallocate(ctx, s.Name); err != nil {
				return nil, err
			}
			delete(kept.byText, text)
		}
	}
	all := make([]*pgconn.StatementDescription, len(texts))
	for i, text := range texts {
		s, ok := kept.byText[text]
		if !ok {
			kept.made++
			var err error
			if s, err = conn.Prepare(ctx, fmt.Sprintf("featurestore_%d", kept.made), text, nil); err != nil {
				return nil, err
			}
			kept.byText[text] = s
		}
		all[i] = s
	}
	return all, nil
}
