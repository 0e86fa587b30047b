package store

import (
	"context"
	"errors"

	"featurestore/modules/registry"
)

// ErrUnchecked says that entities were erased since the rows were checked against the ledger: check them again and repeat. Nothing was
// stored.
var ErrUnchecked = errors.New("entities were erased since the rows were checked")

// Erasure is an entry of the ledger of erased entities: what is observed of that entity with an event time up to CutOff is not to be
// stored, by whichever way it comes.
type Erasure struct {
	Number     int64            // entries are numbered from 1, in the order in which they were entered or last changed
	EntityType int64            // the entity type's id
	Secret     [32]byte         // the key of Hash
	Hash       [32]byte         // HMAC-SHA-256 of the entity's join keys
	CutOff     int64            // µs
	At         int64            // µs: when it was entered
	Run        int64            // that did it; 0: it is not done
	Rows       map[string]int64 // what was stored of the entity, by the groups' names
	Done       bool             // everything of the entity is deleted
	Entity     string           // its join keys, until it is done (entityText); "": only the hash is known
}

// ErasureRange says which entries of a ledger, in ascending number. The zero ErasureRange is all of them.
type ErasureRange struct {
	After  int64     // numbered above
	Limit  int       // at most so many, if not 0
	Undone bool      // only those that are not done
	Hash   *[32]byte // only those of this hash, if not nil
}

// LedgerState says where a ledger stands.
type LedgerState struct {
	Version int64 // the highest number given so far
	Entries int64
	Undone  int64
}

// Ledger is how an offline store keeps the erased entities, and keeps rows out that were not checked against all of them: Append and
// Load.Add answer ErrUnchecked for rows whose Checked is lower than the ledger's version, which for a load is that of its beginning.
type Ledger interface {
	// Erase enters an entity, durably. It fills in Number, At by the store's clock, Rows with what shows of the entity in the groups, and
	// CutOff: the latest of the one given, that clock and the newest of those event times. An entry of the same entity type, secret and
	// hash is replaced; its cut-off never becomes earlier.
	Erase(ctx context.Context, erasure *Erasure, key Key, groups []*registry.Group) error

	// Enter adds entries of another copy of the ledger, durably and all or none, as not done and without entities. Those that are there
	// with that cut-off or a later one stay as they are. It answers how many were added or changed.
	Enter(ctx context.Context, erasures []Erasure) (int, error)

	// Finish notes that these are done, by Run, with those Rows, and gives up their entities. One whose number has changed stays.
	Finish(ctx context.Context, erasures []Erasure) error

	// Erasures reads entries.
	Erasures(ctx context.Context, of ErasureRange) ([]Erasure, error)

	// LedgerState reads where the ledger stands.
	LedgerState(ctx context.Context) (LedgerState, error)

	// AwaitWrites waits until every Append and Load of rows of the groups has ended that had begun before the call.
	AwaitWrites(ctx context.Context, groups []*registry.Group) error

	// Scrub takes what was deleted from the groups, from notes of removals and from the ledger out of the store's files, as far as
	// the engine can: package documentation says what remains. Where readers hold it up, it waits.
	Scrub(ctx context.Context, groups []*registry.Group) error
}

// LedgerCopy is how an online store keeps a copy of the ledger: the entries' entity types, secrets, hashes, cut-offs, times and runs.
type LedgerCopy interface {
	// KeepErasures adds entries; of two for one entity type, secret and hash that of the later cut-off stays.
	KeepErasures(ctx context.Context, erasures []Erasure) error

	// KeptErasures reads all entries, in no particular order.
	KeptErasures(ctx context.Context) ([]Erasure, error)

	// CountErasures is how many there are.
	CountErasures(ctx context.Context) (int64, error)

	// Scrub takes what was removed out of the store's files, as far as the engine can.
	Scrub(ctx context.Context) error
}
