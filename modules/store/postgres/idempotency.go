package postgres

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// rememberText keeps requests, and answers the time of the transaction. A key that is there already is left as it is, unless its time is
// over or it is the reservation of the same run; then the count of those kept is short, and the root of a negative number fails the
// transaction, whatever else goes down the same pipeline. Another transaction that has the key, not yet committed, is waited for.
func (o *Offline) rememberText() string {
	return `WITH kept AS (
		INSERT INTO ` + o.table("__idempotency") + ` AS i (key, fingerprint, until, run_id, reserved, status, answer, outcome)
		SELECT u.key, u.fingerprint, clock_timestamp() + u.keep * interval '1 microsecond', u.run_id, u.reserved, u.status, u.answer, u.outcome
		FROM unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::bigint[], $5::boolean[], $6::integer[], $7::bytea[], $8::text[])
			AS u(key, fingerprint, keep, run_id, reserved, status, answer, outcome)
		ON CONFLICT (key) DO UPDATE SET fingerprint = excluded.fingerprint, at = excluded.at, until = excluded.until, run_id = excluded.run_id,
			reserved = excluded.reserved, status = excluded.status, answer = excluded.answer, outcome = excluded.outcome
		WHERE i.until <= clock_timestamp() OR i.reserved AND i.run_id = excluded.run_id
		RETURNING at)
	SELECT max(at), sqrt(count(*) - cardinality($1::bytea[])) FROM kept`
}

// remembering is the call that keeps requests.
func (o *Offline) remembering(requests []*store.KeyedRequest) *call {
	return &call{text: o.rememberText(), parameters: rememberParameters(requests), done: func(rows [][][]byte) {
		for _, r := range requests {
			r.At = decodeTime(rows[0][0])
		}
	}}
}

// rememberParameters encodes requests for rememberText.
func rememberParameters(requests []*store.KeyedRequest) [][]byte {
	column := func(elementType uint32, field func(b []byte, r *store.KeyedRequest) []byte) []byte {
		b := beginArray(make([]byte, 0, arrayHead+64*len(requests)), elementType, len(requests))
		for _, r := range requests {
			b = field(b, r)
		}
		return b
	}
	long := func(b []byte, i int64) []byte { return appendInt64(append(b, 0, 0, 0, 8), i) }
	return [][]byte{
		column(byteaID, func(b []byte, r *store.KeyedRequest) []byte { return appendBytes(b, r.Key[:]) }),
		column(byteaID, func(b []byte, r *store.KeyedRequest) []byte { return appendBytes(b, r.Fingerprint[:]) }),
		column(typeIDs[value.Integer], func(b []byte, r *store.KeyedRequest) []byte { return long(b, r.Keep.Microseconds()) }),
		column(typeIDs[value.Integer], func(b []byte, r *store.KeyedRequest) []byte { return long(b, r.Run) }),
		column(typeIDs[value.Boolean], func(b []byte, r *store.KeyedRequest) []byte {
			if r.Reserved {
				return append(b, 0, 0, 0, 1, 1)
			}
			return append(b, 0, 0, 0, 1, 0)
		}),
		column(integerID, func(b []byte, r *store.KeyedRequest) []byte { return appendInt32(append(b, 0, 0, 0, 4), r.Status) }),
		column(byteaID, func(b []byte, r *store.KeyedRequest) []byte { return appendBytes(b, r.Answer) }),
		column(typeIDs[value.String], func(b []byte, r *store.KeyedRequest) []byte { return appendBytes(b, []byte(r.Outcome)) }),
	}
}

func appendBytes(b, field []byte) []byte { return append(appendInt32(b, len(field)), field...) }

func sortedByKey(requests []*store.KeyedRequest) []*store.KeyedRequest {
	if len(requests) < 2 {
		return requests
	}
	return slices.SortedFunc(slices.Values(requests), func(a, b *store.KeyedRequest) int { return bytes.Compare(a.Key[:], b.Key[:]) })
}

// tell fills in what is remembered already of requests; known says that something is.
func (o *Offline) tell(ctx context.Context, requests []*store.KeyedRequest) (known bool, err error) {
	keys := make([][]byte, len(requests))
	for i, r := range requests {
		keys[i] = r.Key[:]
	}
	found, err := o.recall(ctx, keys)
	if err != nil {
		return false, err
	}
	for _, r := range requests {
		if earlier := found[r.Key]; earlier != nil && !(earlier.Reserved && earlier.Run == r.Run) {
			r.Earlier, known = earlier, true
		}
	}
	return known, nil
}

// remember keeps a request in the load's transaction.
func (l *load) remember(ctx context.Context, request *store.KeyedRequest) error {
	requests := []*store.KeyedRequest{request}
	conn := l.conn.Conn().PgConn()
	prepared, err := prepare(ctx, conn, l.offline.rememberText())
	if err != nil {
		return fmt.Errorf("preparing to remember a load: %w", err)
	}
	result := conn.ExecStatement(ctx, prepared, rememberParameters(requests), binaryFormat, binaryFormat)
	for result.NextRow() {
		request.At = decodeTime(result.Values()[0])
	}
	_, err = result.Close()
	if code(err) == invalidSquareRoot {
		if _, failed := l.offline.tell(ctx, requests); failed != nil {
			return failed
		}
		return store.ErrKnown
	}
	if err != nil {
		return fmt.Errorf("remembering a load: %w", err)
	}
	return nil
}

// Recall reads what was committed last.
func (o *Offline) Recall(ctx context.Context, key [32]byte) (*store.Remembered, error) {
	found, err := o.recall(ctx, [][]byte{key[:]})
	return found[key], err
}

func (o *Offline) recall(ctx context.Context, keys [][]byte) (map[[32]byte]*store.Remembered, error) {
	rows, err := o.writers.Query(ctx, `SELECT key, fingerprint, (extract(epoch FROM at) * 1000000)::bigint, run_id, reserved, status, answer, outcome
		FROM `+o.table("__idempotency")+` WHERE key = ANY($1) AND until > clock_timestamp()`, keys)
	if err != nil {
		return nil, fmt.Errorf("looking for earlier requests: %w", err)
	}
	found := map[[32]byte]*store.Remembered{}
	var key, fingerprint, answer []byte
	var r store.Remembered
	_, err = pgx.ForEachRow(rows, []any{&key, &fingerprint, &r.At, &r.Run, &r.Reserved, &r.Status, &answer, &r.Outcome}, func() error {
		one := r
		one.Fingerprint, one.Answer = [32]byte(fingerprint), answer
		found[[32]byte(key)] = &one
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for earlier requests: %w", err)
	}
	return found, nil
}

// Release waits for a commit that is under way with that key.
func (o *Offline) Release(ctx context.Context, key [32]byte, run int64) error {
	_, err := o.writers.Exec(ctx, `DELETE FROM `+o.table("__idempotency")+` WHERE key = $1 AND run_id = $2 AND reserved`, key[:], run)
	if err != nil {
		return fmt.Errorf("releasing a key: %w", err)
	}
	return nil
}

// Settle does not wait for the disk: what a crash takes away of it was only more than had to be said. It locks in the order of the keys.
func (o *Offline) Settle(ctx context.Context, keys [][32]byte, outcome string) error {
	list := make([][]byte, len(keys))
	for i := range keys {
		list[i] = keys[i][:]
	}
	table := o.table("__idempotency")
	text := `WITH relaxed AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)),
			locked AS (SELECT key FROM ` + table + ` WHERE key = ANY($1) ORDER BY key FOR UPDATE)
		UPDATE ` + table + ` AS i SET outcome = $2 FROM locked, relaxed WHERE i.key = locked.key`
	if _, err := o.writers.Exec(ctx, text, list, outcome); err != nil {
		return fmt.Errorf("settling answers: %w", err)
	}
	return nil
}

// Forget leaves out what another process removes at the same time.
func (o *Offline) Forget(ctx context.Context, limit int) (int, error) {
	table := o.table("__idempotency")
	done, err := o.writers.Exec(ctx, `DELETE FROM `+table+` WHERE key IN (
		SELECT key FROM `+table+` WHERE until <= clock_timestamp() ORDER BY until LIMIT $1 FOR UPDATE SKIP LOCKED)`, limit)
	if err != nil {
		return 0, fmt.Errorf("removing old keys: %w", err)
	}
	return int(done.RowsAffected()), nil
}
