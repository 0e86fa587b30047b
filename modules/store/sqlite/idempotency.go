package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"

	"featurestore/modules/store"
)

// idempotencySchema came after the first files were made, so it is made wherever it is missing. Times are µs of the store's clock.
const idempotencySchema = `
CREATE TABLE IF NOT EXISTS __idempotency (key BLOB PRIMARY KEY, fingerprint BLOB NOT NULL, at INTEGER NOT NULL, until INTEGER NOT NULL,
	run_id INTEGER NOT NULL, reserved INTEGER NOT NULL, status INTEGER NOT NULL, answer BLOB NOT NULL, outcome TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS __idempotency_until ON __idempotency (until);`

// earlierOf finds what is remembered of requests already, as of now; known says that something is.
func earlierOf(c *conn, now int64, requests []*store.KeyedRequest) (earlier []*store.Remembered, known bool, err error) {
	earlier = make([]*store.Remembered, len(requests))
	for i, r := range requests {
		found, err := recall(c, r.Key, now)
		if err != nil {
			return nil, false, err
		}
		if found != nil && !(found.Reserved && found.Run == r.Run) {
			earlier[i], known = found, true
		}
	}
	return earlier, known, nil
}

// remember keeps requests in the writer's transaction, none of which is known.
func remember(c *conn, now int64, requests []*store.KeyedRequest) error {
	for _, r := range requests {
		err := c.exec("INSERT OR REPLACE INTO __idempotency (key, fingerprint, at, until, run_id, reserved, status, answer, outcome) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
			r.Key[:], r.Fingerprint[:], now, now+r.Keep.Microseconds(), r.Run, r.Reserved, int64(r.Status), append([]byte{}, r.Answer...), r.Outcome)
		if err != nil {
			return fmt.Errorf("remembering a request: %w", err)
		}
		r.At = now
	}
	return nil
}

func recall(c *conn, key [32]byte, now int64) (*store.Remembered, error) {
	dest := make([]driver.Value, 7)
	found, err := c.row(dest, "SELECT fingerprint, at, run_id, reserved, status, answer, outcome FROM __idempotency WHERE key = +? AND until > ?", key[:], now)
	if err != nil {
		return nil, fmt.Errorf("looking for an earlier request: %w", err)
	}
	if !found {
		return nil, nil
	}
	r := &store.Remembered{At: integer(dest[1]), Run: integer(dest[2]), Reserved: integer(dest[3]) != 0, Status: int(integer(dest[4])), Outcome: text(dest[6])}
	fingerprint, _ := dest[0].([]byte)
	copy(r.Fingerprint[:], fingerprint)
	r.Answer, _ = dest[5].([]byte)
	return r, nil
}

// tell hands out what a committed transaction found.
func tell(requests []*store.KeyedRequest, earlier []*store.Remembered) error {
	for i, r := range requests {
		r.Earlier = earlier[i]
	}
	return store.ErrKnown
}

// Recall reads what was committed last.
func (o *Offline) Recall(ctx context.Context, key [32]byte) (*store.Remembered, error) {
	c, err := o.readers.get(ctx)
	if err != nil {
		return nil, fmt.Errorf("looking for an earlier request: %w", err)
	}
	found, err := recall(c, key, o.clock.time())
	return found, errors.Join(err, o.readers.put(c, err != nil))
}

// Release is a single write.
func (o *Offline) Release(ctx context.Context, key [32]byte, run int64) error {
	err := o.writer.do(ctx, single, func(c *conn) error {
		return c.exec("DELETE FROM __idempotency WHERE key = +? AND run_id = ? AND reserved", key[:], run)
	})
	if err != nil {
		return fmt.Errorf("releasing a key: %w", err)
	}
	return nil
}

// Settle is a single write.
func (o *Offline) Settle(ctx context.Context, keys [][32]byte, outcome string) error {
	err := o.writer.do(ctx, single, func(c *conn) error {
		for _, key := range keys {
			if err := c.exec("UPDATE __idempotency SET outcome = ? WHERE key = +?", outcome, key[:]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("settling an answer: %w", err)
	}
	return nil
}

// Forget is a single write: keep limit small, others wait for it.
func (o *Offline) Forget(ctx context.Context, limit int) (removed int, err error) {
	err = o.writer.do(ctx, single, func(c *conn) error {
		dest := make([]driver.Value, 1)
		removed = 0
		return c.each(dest, func() error {
			removed++
			return nil
		}, "DELETE FROM __idempotency WHERE rowid IN (SELECT rowid FROM __idempotency WHERE until <= ? ORDER BY until LIMIT +?) RETURNING 1", o.clock.time(), int64(limit))
	})
	if err != nil {
		return 0, fmt.Errorf("removing old keys: %w", err)
	}
	return removed, nil
}
