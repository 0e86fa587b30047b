package store

import (
	"context"
	"errors"
	"strconv"

	"featurestore/modules/registry"
)

// ErrOutdated says that a group's layout in the store is not the one that a write was made for, or newer than the one that a read was
// made for: read the registry again and repeat. Nothing was stored or read.
var ErrOutdated = errors.New("the group's layout has changed")

// NotStored is the ingest id of a row whose id was there already.
const NotStored int64 = 0

// Position is a place in the order of ingestion of an offline store: a decimal number of that store.
type Position string

// Offline is the full history, one table per group. All methods are safe for concurrent use. Errors of a caller's making are
// faults; ErrOutdated as said; anything else means that the store is not available or broken.
type Offline interface {
	// Claim stamps an empty store with the installation's identity, or checks that it carries it: a fault of kind Conflict if it
	// belongs to another installation.
	Claim(ctx context.Context, installation string) error

	// Identity names this store and its timeline: a watermark written under another identity is void.
	Identity(ctx context.Context) (string, error)

	// EnsureLayout makes the group's table, or adds the columns it lacks, and raises the stored layout version to the group's
	// (never lowers it). For a group that was retired it answers ErrOutdated. It can be repeated after a crash. created says that this call made the table. Where a lock cannot be had
	// within 200 ms it tries again, for five seconds in all, and then answers a fault of kind Busy.
	EnsureLayout(ctx context.Context, group *registry.Group) (created bool, err error)

	// Retire ends writing to a group, in one step with finding out that no row of it is stored: rows for its layout, or an older one,
	// are ErrOutdated from then on, those of open loads too, and so is EnsureLayout for it. used says that rows are stored, and then
	// nothing has changed. Otherwise no tick of the group is published any more. Waiting is as with EnsureLayout.
	Retire(ctx context.Context, group *registry.Group) (used bool, err error)

	// Reopen takes that back for those of the groups that are retired under the layout they have.
	Reopen(ctx context.Context, groups []*registry.Group) error

	// Append stores all of the rows or none, in one transaction, durably, and fills in IngestIDs, and EventTimes where they
	// were value.NoTime. Within a Rows and from one Append to the next that starts after it, ingest ids ascend.
	//
	// Of a group with a row id (Group.RowID), which every row must have, a row is not stored whose id is stored already or comes
	// earlier in the call: its ingest id is NotStored, and its event time stays as it is. Where a load that is under way has the id,
	// Append waits for its end or answers a fault of kind Busy. Ingest ids of such a group need not ascend within a Rows.
	Append(ctx context.Context, rows []*Rows) error

	// Idempotency is Append and Commit for requests that are stored once, however often they come.
	Idempotency

	// Ledger is the erased entities.
	Ledger

	// Quarantine is the rows that rules keep out of history.
	Quarantine

	// Publications is what pipelines publish.
	Publications

	// Retractions are notes for those who keep what they computed from rows.
	Retractions

	// Load begins a bulk load of one group under a run's id.
	Load(ctx context.Context, group *registry.Group, run int64) (Load, error)

	// Remove takes observations of a group back, durably and in one transaction: all that the selection finds then, and what waits in
	// quarantine of it: of a run, or of an entity and the event times, unless only some features are selected. No snapshot that is
	// opened afterwards shows them. Under the group's next number it notes which ingest ids each entity lost, for Snapshot.Taken. Where
	// nothing is found there is no number, and the zero Removed is answered; for a run whose notes are still there, what it took then.
	// A load of the run that is still open then, of a process that was taken for dead, does not commit any more: RunTakenBack. Ticks that the
	// run published are not published any more: see Published.
	Remove(ctx context.Context, group *registry.Group, what Selection) (Removed, error)

	// ForgetRemovals gives up the notes of a group's removals up to a number, and the space of what they took. It can be repeated.
	ForgetRemovals(ctx context.Context, group *registry.Group, upTo int64) error

	// Compact removes the rows of a group that what says, in steps: each is a transaction that holds up no other write for long, and what
	// it needs of memory does not grow with the group. It can be broken off at any time, and begun again. After each step it calls step
	// with what was done so far, and ends with its error. What others do meanwhile is minded: no row goes whose stand-ins are not there any
	// more, none of an open load, and none that Taken tells of. Where RetainFrom is given it is noted first, for Snapshot.RetainedFrom.
	Compact(ctx context.Context, group *registry.Group, what Compaction, step func(Compacted) error) (Compacted, error)

	// Snapshot is a view of what is committed now: all its answers are of that one moment. Open loads do not show.
	Snapshot(ctx context.Context) (Snapshot, error)

	// Settled answers a time, in µs of the store's clock: rows that a snapshot opened afterwards does not show, since they are under way or
	// still to come, have that ingest time or a later one. It stays so, whatever becomes of the process. The rows of a load have one
	// ingest time, of a moment when it was under way.
	Settled(ctx context.Context) (int64, error)

	// Size is how much the store takes, at once.
	Size(ctx context.Context) (StoreSize, error)

	// Ping says whether the store can be read and written.
	Ping(ctx context.Context) error

	Close() error
}

// NamedEntries is how many of the entries of a load are called by their ids before it is committed.
const NamedEntries = 10

// Load brings rows of any number in flat memory. They appear all at once with Commit, or never: after a crash, an error or
// Abort nothing of them is left. Abort after Commit does nothing.
type Load interface {
	// Add takes rows, of the group and under its layout, and keeps none of their memory.
	Add(ctx context.Context, rows *Rows) error

	// Quarantine takes entries of the group: they are in quarantine once the rows appear, or a load that has none is committed. Until then all but
	// the first NamedEntries may get other ids.
	Quarantine(ctx context.Context, entries []*Quarantined) error
	Commit(ctx context.Context) error

	// CommitOnce is Commit that also remembers the request that the rows came with, in the transaction that makes them appear, or fails
	// with ErrKnown.
	CommitOnce(ctx context.Context, request *KeyedRequest) error
	Abort(ctx context.Context) error
	// Duplicates is how many rows Commit did not store, of a group with a row id: those whose id was stored already or came twice.
	Duplicates() int64
}

// Snapshot is used by one goroutine at a time. Features passed in must be of the group, its Older too, in ascending Ordinal. A whole row
// observes those that the group had at the row's schema version: each from its Since on and before its Until.
// A group that has no table yet reads as empty. One whose table has a newer layout than the definition passed in is not read at all
// (ErrOutdated): its values may stand where that definition does not look.
type Snapshot interface {
	// Fits answers ErrOutdated where reading the group would.
	Fits(ctx context.Context, group *registry.Group) error

	// Now is the offline store's clock when the snapshot was opened, in µs.
	Now() int64

	// Position is where a later Changes goes on from: everything below it is in this snapshot, everything not in this snapshot
	// is at or above it.
	Position() Position

	// Head is a place that everything in this snapshot lies below. It equals Position where nothing is under way.
	Head() Position

	// Durable makes sure that nothing comes in later at a place below Position, or below Head where Known does not hide it, whatever becomes
	// of the store. It is called before either is kept outside of the store.
	Durable(ctx context.Context) error

	// Known says what this snapshot shows, so that a later one can be made to show the same.
	Known(ctx context.Context) (Known, error)

	// AsKnown makes this snapshot show, of what it would, only what is known, in AsOf, Current, Observations and IntegerBounds. Then a
	// definition may be older than the group's table (no ErrOutdated): all that is known came in before the table was changed, and stands
	// where that definition looks. Rows written under a newer version than the definition's are not known with it either.
	AsKnown(known Known)

	// AsOf answers for each i the values of keys[i] as they were at times[i]: each feature's newest observation with
	// event time ≤ times[i]. Only observations with event time ≥ since[i] need be found, if since is not nil.
	// The answer has the order of the questions.
	AsOf(ctx context.Context, group *registry.Group, features []*registry.Feature, keys []Key, times, since []int64) (*Current, error)

	// Current yields every entity's newest values, in batches, each entity once.
	Current(ctx context.Context, group *registry.Group, features []*registry.Feature, yield func(*Current) error) error

	// Observations yields observations as they came in, in batches; a newer ingest of the same entity and event time does not hide
	// an older one. Rows that observe none of the features come too.
	Observations(ctx context.Context, group *registry.Group, features []*registry.Feature, of Range, yield func(*Rows) error) error

	// Existence is about what there is.
	Existence

	// Measurement is about many rows at once.
	Measurement

	// Late is about what a pipeline's source has changed.
	Late

	// Sizing is about how much there is.
	Sizing

	// Sample answers up to n entities of the group, each once, chosen at random from all over it: all of them if its table has no more
	// than n rows. It costs about as much as n look-ups, however large the group is. Any entity can be chosen, but one of many
	// observations is the likelier.
	Sample(ctx context.Context, group *registry.Group, n int) ([]Key, error)

	// Removable counts what Remove would take back.
	Removable(ctx context.Context, group *registry.Group, what Selection) (Removed, error)

	// Removals are those of every group that has had any, by the group's id.
	Removals(ctx context.Context) (map[int64]Removals, error)

	// Taken yields what the group's removals after a number took, in batches; an entity may come more than once.
	Taken(ctx context.Context, group *registry.Group, after int64, yield func([]Taken) error) error

	// RetainedFrom is the latest RetainFrom under which the group was compacted, in µs; value.NoTime: it is whole.
	RetainedFrom(ctx context.Context, group *registry.Group) (int64, error)

	// IntegerBounds are the smallest and largest value of an INTEGER feature; found is false if there are none.
	IntegerBounds(ctx context.Context, feature *registry.Feature) (least, greatest int64, found bool, err error)

	Close() error
}

// Range says which observations. The zero Range is all of them.
type Range struct {
	Key     *Key     // of one entity, newest first; without Key, After and Limit as they came in; otherwise in no particular order
	Ordered bool     // of all, one entity after the other, each newest first: of the same event time the one ingested last; without Key, After and Limit
	Oldest  bool     // with Ordered: each oldest first, of the same event time the one ingested first
	From    *int64   // event time ≥ From, if not nil
	To      *int64   // event time < To, if not nil
	After   Position // at or above that position in the order of ingestion, if not ""
	Run     int64    // brought by that run, if not 0
	Limit   int      // at most so many, if not 0
}

// After tells whether p is later than q. Positions are decimal numbers; one that is not is later than none.
func (p Position) After(q Position) bool {
	a, errA := strconv.ParseUint(string(p), 10, 64)
	b, errB := strconv.ParseUint(string(q), 10, 64)
	return errA == nil && errB == nil && a > b
}
