package redis

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/redis/rueidis"

	"featurestore/modules/store"
)

// The copy of the ledger of erased entities is one hash. A field is an entity type's id, a secret and a hash; a value the cut-off with its
// sign bit flipped, the time and the run: 8 bytes a number, big-endian.
const (
	erasureField = 8 + 32 + 32
	erasureValue = 3 * 8
)

// keptErasures is how many entries one call of the script takes.
const keptErasures = 500

// KeepErasures runs the script over the entries.
func (o *Online) KeepErasures(ctx context.Context, erasures []store.Erasure) error {
	for len(erasures) > 0 {
		n := min(len(erasures), keptErasures)
		c := call{keys: []string{o.keys.erasures()}, arguments: make([]string, 0, 2*n)}
		for _, e := range erasures[:n] {
			field := binary.BigEndian.AppendUint64(make([]byte, 0, erasureField), uint64(e.EntityType))
			field = append(append(field, e.Secret[:]...), e.Hash[:]...)
			kept := binary.BigEndian.AppendUint64(make([]byte, 0, erasureValue), uint64(e.CutOff)^1<<63)
			kept = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(kept, uint64(e.At)), uint64(e.Run))
			c.arguments = append(c.arguments, string(field), string(kept))
		}
		if _, err := run(ctx, o.bulk, erasuresScript, c); err != nil {
			return fmt.Errorf("keeping erasures: %w", err)
		}
		erasures = erasures[n:]
	}
	return nil
}

// KeptErasures goes over the hash.
func (o *Online) KeptErasures(ctx context.Context) ([]store.Erasure, error) {
	seen := map[string]store.Erasure{} // a field may come twice
	for cursor := uint64(0); ; {
		page, err := o.bulk.Do(ctx, o.bulk.B().Hscan().Key(o.keys.erasures()).Cursor(cursor).Count(keptErasures).Build().ToRetryable()).AsScanEntry()
		if err != nil {
			return nil, fmt.Errorf("reading the copy of the ledger: %w", err)
		}
		for i := 0; i+1 < len(page.Elements); i += 2 {
			field, kept := page.Elements[i], page.Elements[i+1]
			if len(field) != erasureField || len(kept) != erasureValue {
				return nil, fmt.Errorf("reading the copy of the ledger: %s holds something else", o.keys.erasures())
			}
			number := func(text string, at int) int64 { return int64(binary.BigEndian.Uint64([]byte(text[at : at+8]))) }
			e := store.Erasure{EntityType: number(field, 0), CutOff: number(kept, 0) ^ -1<<63, At: number(kept, 8), Run: number(kept, 16)}
			copy(e.Secret[:], field[8:])
			copy(e.Hash[:], field[40:])
			seen[field] = e
		}
		if cursor = page.Cursor; cursor == 0 {
			break
		}
	}
	found := make([]store.Erasure, 0, len(seen))
	for _, e := range seen {
		found = append(found, e)
	}
	return found, nil
}

// CountErasures asks for the hash's length.
func (o *Online) CountErasures(ctx context.Context) (int64, error) {
	n, err := o.client.Do(ctx, o.client.B().Hlen().Key(o.keys.erasures()).Build().ToRetryable()).AsInt64()
	if err != nil && !rueidis.IsRedisNil(err) {
		return 0, fmt.Errorf("counting the copy of the ledger: %w", err)
	}
	return n, nil
}

// Scrub does nothing: what was removed leaves the server's files as they are written anew, which for all values at once is the server's to
// time.
func (o *Online) Scrub(context.Context) error { return nil }
