package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"math/rand/v2"
	"strings"

	"featurestore/modules/registry"
	"featurestore/modules/store"
)

// sampledRows is how many rows are looked at for each entity that is asked for: many can be of one entity.
const sampledRows = 4

// Sample looks at the rows behind ingest ids drawn at random. Behind a stretch in which other groups were written an entity is the
// likelier; a table of few rows is read whole.
func (s *snapshot) Sample(ctx context.Context, group *registry.Group, n int) ([]store.Key, error) {
	src, err := s.source(group, nil)
	var sampled []store.Key
	if err == nil && src != nil && n > 0 {
		sampled, err = s.sample(ctx, src, n)
	}
	if err != nil {
		return nil, fmt.Errorf("sampling group %s: %w", group.Name, err)
	}
	return sampled, nil
}

func (s *snapshot) sample(ctx context.Context, src *source, n int) ([]store.Key, error) {
	statement, err := s.conn.prepare(fmt.Sprintf("SELECT t.ingest_id, %s FROM %s AS t WHERE t.ingest_id >= +?%s ORDER BY t.ingest_id LIMIT +?",
		strings.Join(src.keys, ", "), src.table, src.visible()))
	if err != nil {
		return nil, err
	}
	dest := make([]driver.Value, 1+len(src.keys))
	seen := make(map[string]bool, n)
	var sampled []store.Key
	var first, last int64
	read := func(from, rows int64) (found int64, err error) {
		err = statement.with(from, rows).each(context.Background(), dest, func() error {
			found++
			last = integer(dest[0])
			if first == 0 {
				first = last
			}
			if key := keyOf(dest[1:]); !seen[key.Encoded] {
				seen[key.Encoded] = true
				sampled = append(sampled, key)
			}
			return nil
		})
		return found, err
	}
	if found, err := read(0, sampledRows*int64(n)+1); err != nil || found <= sampledRows*int64(n) {
		return shuffled(sampled, n), err
	}
	clear(seen)
	sampled = sampled[:0]
	for drawn := 0; drawn < sampledRows*n && len(sampled) < n; drawn++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if _, err := read(first+rand.Int64N(max(1, s.next-first)), 1); err != nil {
			return nil, err
		}
	}
	return sampled, nil
}

// shuffled is n of the keys, chosen at random.
func shuffled(keys []store.Key, n int) []store.Key {
	rand.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	return keys[:min(n, len(keys))]
}
