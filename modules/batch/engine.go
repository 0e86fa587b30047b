package batch

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"featurestore/modules/registry"
	"featurestore/modules/store"
)

// Names of engines, as definitions call them.
const (
	Local    = "local"    // DuckDB in this process
	Postgres = "postgres" // SQL in the PostgreSQL where the events are
	Spark    = "spark"
)

// Engine computes what a plan says. Package batchtest holds every engine to this. Its methods are safe for concurrent use.
type Engine interface {
	// Name is what definitions call it.
	Name() string

	// Refuses says in a sentence why it cannot run a plan, above all for its source; "": it can. It asks nobody.
	Refuses(plan *Plan) string

	// Compute computes all rows of all ticks of a job, each entity and tick once, into the job's folder. ctx ends it and everything that it started.
	// Faults are the caller's: events that cannot be added up, SQL that fails on them, limits that are reached.
	Compute(ctx context.Context, job *Job) (*Staged, error)
}

// Job is one computation.
type Job struct {
	Plan   *Plan
	Ticks  []int64 // µs, ascending, at least one
	From   int64   // the tick before the first of Ticks, in µs: for the :from of SQL
	Events Events  // of a plan whose source is a group; nil for others

	Folder  string // an absolute path; it exists, is empty and for this job alone
	Memory  int64  // bytes
	Threads int
	Timeout time.Duration // 0: none

	Sample   int                // at most so many entities, the first by their keys' order; 0: all
	Progress func(done, of int) // is told how many ticks are done; may be nil
}

// Staged is what a job has computed. Its files hold a column for each join key, event_time (the tick), a column for each feature of Plan.Outputs, by
// its name, and, where Plan.Partial, presence, as tables with ?presence=true have it.
type Staged struct {
	Files   []string // Parquet or Arrow streams in the job's folder, in the order in which they are to be read
	Rows    int64
	PerTick map[int64]int64 // rows of each tick; a tick without any may be left out
}

// Events is one snapshot of a source group.
type Events interface {
	// Scan yields the rows that are not after to, and after from (nil: no bound): every row of an event group; of a features group one row for each entity and event
	// time, with each feature's newest ingest at that event time, null where it was not observed, under the greatest ingest id of the rows put together.
	// ordered asks for entity by entity, each oldest first, by event time, then ingest id. The rows are only lent.
	Scan(ctx context.Context, features []*registry.Feature, ordered bool, from, to *int64, yield func(*store.Rows) error) error

	// Relation says the same as SQL, where the group's table is in PostgreSQL: use is called with a read-only transaction that sees the snapshot, and a query,
	// without parameters, that yields the join keys, event_us and seq (BIGINT) and a column for each feature, by its present name, TIMESTAMP
	// ones as timestamp without time zone, in UTC. ok is false, and use is not called, where the store is none.
	Relation(ctx context.Context, features []*registry.Feature, from, to *int64, use func(ctx context.Context, tx pgx.Tx, query string) error) (ok bool, err error)
}
