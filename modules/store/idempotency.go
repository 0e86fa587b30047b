package store

import (
	"context"
	"errors"
	"time"
)

// ErrKnown says that requests are remembered already: their Earlier is filled in. Nothing was stored.
var ErrKnown = errors.New("a request with this key is remembered already")

// Remembered is what the offline store keeps of a request that had an Idempotency-Key.
type Remembered struct {
	Fingerprint [32]byte // of the key, method, path, query and body; zero in the reservation of a load whose body has not all come
	At          int64    // µs, the time of the transaction: the event time of its rows that named none. Filled in by the store
	Run         int64    // the load's; 0: single writes
	Reserved    bool     // the load of that Run is not committed: nothing is stored yet
	Status      int      // of the answer
	Answer      []byte   // as far as it is known before the commit
	Outcome     string   // what was known of it after the commit; see Settle
}

// KeyedRequest is a request to be remembered under its key: a SHA-256, the key itself is kept nowhere.
type KeyedRequest struct {
	Key [32]byte
	Remembered
	Keep    time.Duration // for how long; after that the key counts as never used, whether it has been removed or not
	Earlier *Remembered   // filled in with ErrKnown: what is remembered under this key

	counted bool // the outcome has the counts of rows that are known by ids
}

// Idempotency is how an offline store remembers requests, in the transactions of their rows. A remembered request gives way to no other,
// except that the reservation of a load gives way to a request of the same Run.
type Idempotency interface {
	// AppendOnce is Append that also remembers the requests that the rows came with, in the same transaction: both or, where some of
	// them are remembered already, neither (ErrKnown). Of two calls with the same key at the same time, in any processes, one
	// stores. The keys of one call differ.
	AppendOnce(ctx context.Context, rows []*Rows, requests []*KeyedRequest) error

	// Recall answers what is remembered under a key, nil if nothing is.
	Recall(ctx context.Context, key [32]byte) (*Remembered, error)

	// Release gives up the reservation of a load. What is no reservation of that run stays.
	Release(ctx context.Context, key [32]byte, run int64) error

	// Settle sets the Outcome of remembered requests. It need not be durable at once.
	Settle(ctx context.Context, keys [][32]byte, outcome string) error

	// Forget removes at most limit requests whose time is over, and answers how many.
	Forget(ctx context.Context, limit int) (int, error)
}
