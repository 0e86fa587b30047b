package store

import (
	"context"

	"featurestore/modules/registry"
)

// Online is the newest values by key: one packed row (package packed) per group and entity, and per group a State.
// All methods are safe for concurrent use; an error means that the store is not available.
type Online interface {
	// Claim stamps an empty store with the installation's identity, or checks that it carries it: a fault of kind Conflict if it
	// belongs to another installation.
	Claim(ctx context.Context, installation string) error

	// Read answers all of the questions in one round trip. rows[i][j] is the packed row of questions[i].Keys[j], "" if there is
	// none. marked[i] is false unless the group's marker is questions[i].Marker and was set in this run of the server, or a state was
	// swapped in in it: else nothing can be concluded from rows[i]. The first read after a new connection takes a few round trips more.
	Read(ctx context.Context, questions []Question) (rows [][]string, marked []bool, err error)

	// Merge puts each row in by the rule that newer wins, feature by feature, atomically per row. One that is no packed row, or has no
	// feature, is an error, and nothing of it is written. Under an older fence than the
	// store's nothing is written and Refused is set. Unless unmarked is true, nothing is written either while the
	// group's marker is absent, and Unmarked is set. expires is for reclaiming space only, in ms since 1970; 0: never.
	Merge(ctx context.Context, group *registry.Group, fence int64, unmarked bool, rows []PackedRow) (Merged, error)

	// Walk answers some of a group's rows, about a thousand at most, and where to go on: from "" it begins, and next "" says that there is
	// nothing left. A row that is there all the while is answered, and may be so more than once; none need be although more follow.
	// From Anywhere it begins at a place chosen at random and goes on to the same end.
	Walk(ctx context.Context, group *registry.Group, from string) (rows []StoredRow, next string, err error)

	// Drop takes, atomically per row, every feature out of the stored row whose value came with one of the row's IDs, merges the row
	// given into what is left, as Merge does, and removes a row of which nothing is left. A stored row that is damaged is replaced. Under
	// an older fence than the store's nothing is done and Refused is set; the marker does not matter.
	Drop(ctx context.Context, group *registry.Group, fence int64, rows []Dropping) (Merged, error)

	// State is the group's marker, watermark and fence; the zero State if there is none.
	State(ctx context.Context, group *registry.Group) (State, error)

	// Swap replaces the group's state by to, if it still equals from in every member and the server still is in the run to.Server:
	// otherwise a restart may have lost rows that the run behind this swap has written.
	Swap(ctx context.Context, group *registry.Group, from, to State) (swapped bool, err error)

	// Run names this run of the server: it differs after a restart that may have lost something (embedded: never differs).
	Run(ctx context.Context) (string, error)

	// Sweep removes all rows of a group, in steps that hold nothing up. Under an older fence than the store's no more rows are removed, and
	// refused is true.
	Sweep(ctx context.Context, group *registry.Group, fence int64) (refused bool, err error)

	// LedgerCopy is the erased entities.
	LedgerCopy

	// Size is how much the store takes, at once.
	Size(ctx context.Context) (StoreSize, error)

	// Ping answers an error that says so if the store cannot be used, or evicts keys.
	Ping(ctx context.Context) error

	Close() error
}

// Question asks for the rows of some entities in one group, whose marker must be Marker.
type Question struct {
	Group  *registry.Group
	Marker string
	Keys   []Key
}

// PackedRow is a row to merge.
type PackedRow struct {
	Key     Key
	Row     string // package packed
	Expires int64  // ms since 1970 after which its space may be reclaimed; 0: never
}

// Anywhere is a place for Walk to begin at.
const Anywhere = "anywhere"

// StoredRow is a row as the store holds it, which need not be a packed one, nor its key one of the entity type's.
type StoredRow struct {
	Key string // Key.Encoded
	Row string
}

// Merged counts what became of rows.
type Merged struct {
	Written  int   // at least one feature was newer
	Older    int   // nothing was newer, or the same was there already
	Refused  bool  // nothing was written: the fence is newer than the writer's
	Unmarked bool  // nothing was written: the group's marker is absent
	Fence    int64 // the group's fence now
}

// State is what a group's online copy says of itself.
type State struct {
	Marker    string // "" while absent: reads are answered offline
	Watermark Watermark
	Fence     int64
	Raised    int64  // the removal that the fence was last raised for
	Server    string // Online.Run when the state was written: another one now means that the server restarted since
}

// Watermark is how far materialization got.
type Watermark struct {
	Store    string   // Offline.Identity
	Position Position // everything below it is online; "" : nothing was ever materialized
	TTL      int64    // the TTL it was written under, in µs; 0: none
	Removal  int64    // the last of the group's removals that has been applied
}
