package store

import (
	"fmt"
	"time"
)

// Config is the store's part of the settings.
type Config struct {
	Unregistered     string        // what storing an unregistered name does: register or reject
	FutureTolerance  time.Duration // how far ahead an event time may be (rule 10)
	ReclaimGrace     time.Duration // how long after its TTL a value's space is kept (rule 2)
	MaxEntities      int           // of one read
	MaxValues        int           // of one read: entities × features
	MaxRows          int           // of one POST /store/{entity_type}
	OfflineReads     int           // entities that one read may take from the offline store while online cannot answer
	Writers          int           // commits under way at once; embedded: 1
	MaxBodyBytes     int64         // of one request that is not a stream
	MaxSpooledBytes  int64         // of a body that is received whole before the work: a spine, a load that is answered at once or registers features
	SpoolFolder      string        // where such bodies are kept meanwhile; "": the system's folder for temporary files
	LoadErrors       int           // bad rows that a refused load lists
	DisagreementRate float64       // of rows of a training set that find nothing, above which the answer says so

	IdempotencyRetention time.Duration // how long a request is remembered that has an Idempotency-Key
	QuarantineKeep       time.Duration // how long a row waits in quarantine, and how long it is told of after that
}

// DefaultConfig holds what config/default.yaml explains.
func DefaultConfig() Config {
	return Config{
		Unregistered:     "register",
		FutureTolerance:  5 * time.Minute,
		ReclaimGrace:     24 * time.Hour,
		MaxEntities:      10_000,
		MaxValues:        1_000_000,
		MaxRows:          10_000,
		OfflineReads:     100,
		Writers:          2,
		MaxBodyBytes:     32 << 20,
		MaxSpooledBytes:  4 << 30,
		LoadErrors:       100,
		DisagreementRate: 0.5,

		IdempotencyRetention: 24 * time.Hour,
		QuarantineKeep:       30 * 24 * time.Hour,
	}
}

// Validate names everything that is wrong.
func (c Config) Validate() []error {
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	wrong(c.Unregistered != "register" && c.Unregistered != "reject",
		"store.unregistered is %q: use register or reject", c.Unregistered)
	wrong(c.FutureTolerance < 0, "store.future_tolerance is %s: it cannot be negative", c.FutureTolerance)
	wrong(c.ReclaimGrace < 0, "store.reclaim_grace is %s: it cannot be negative", c.ReclaimGrace)
	wrong(c.MaxEntities < 1, "store.max_entities is %d: use at least 1", c.MaxEntities)
	wrong(c.MaxValues < 1, "store.max_values is %d: use at least 1", c.MaxValues)
	wrong(c.MaxRows < 1, "store.max_rows is %d: use at least 1", c.MaxRows)
	wrong(c.OfflineReads < 0, "store.offline_reads is %d: it cannot be negative", c.OfflineReads)
	wrong(c.Writers < 1 || c.Writers > 64, "store.writers is %d: use 1 to 64", c.Writers)
	wrong(c.MaxBodyBytes < 1024, "store.max_body is %d bytes: use at least 1 KiB", c.MaxBodyBytes)
	wrong(c.MaxSpooledBytes < 1024, "store.max_spooled is %d bytes: use at least 1 KiB", c.MaxSpooledBytes)
	wrong(c.LoadErrors < 1, "store.load_errors is %d: use at least 1", c.LoadErrors)
	wrong(c.DisagreementRate < 0 || c.DisagreementRate > 1, "store.disagreement_rate is %g: use 0 to 1", c.DisagreementRate)
	wrong(c.IdempotencyRetention <= 0, "store.idempotency_retention is %s: use more than nothing", c.IdempotencyRetention)
	wrong(c.QuarantineKeep <= 0, "store.quarantine_keep is %s: use more than nothing", c.QuarantineKeep)
	return errs
}
