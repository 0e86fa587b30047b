package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// sampledRows is how many rows are taken for each entity that is asked for: many can be of one entity.
const sampledRows = 4

// Sample reads about n of the table's blocks, which the server chooses, and a few of their rows.
func (s *snapshot) Sample(ctx context.Context, group *registry.Group, n int) ([]store.Key, error) {
	l, err := s.layout(ctx, group)
	var sampled []store.Key
	if err == nil && l.table != "" && n > 0 {
		sampled, err = s.sample(ctx, group, s.offline.table(l.table), n)
	}
	if err != nil {
		return nil, fmt.Errorf("sampling group %s: %w", group.Name, err)
	}
	return sampled, nil
}

func (s *snapshot) sample(ctx context.Context, group *registry.Group, table string, n int) ([]store.Key, error) {
	share := 100.0
	sizes := "SELECT pg_relation_size('" + strings.ReplaceAll(table, "'", "''") + "'::regclass) / current_setting('block_size')::bigint"
	err := s.queryOnce(ctx, sizes, nil, func(row [][]byte) error {
		if blocks := decodeInt64(row[0]); blocks > int64(n) {
			share = 100 * float64(n) / float64(blocks)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	keys := keyColumns(group, "o.")
	columns, names := make([]string, len(keys)), make([]string, len(keys))
	for i, key := range group.EntityType.JoinKeys {
		names[i] = "k" + strconv.Itoa(i)
		columns[i] = keys[i] + "::" + sqlTypes[key.ValueType] + " AS " + names[i]
	}
	text := fmt.Sprintf("SELECT %[1]s FROM (SELECT %[2]s FROM %[3]s o TABLESAMPLE SYSTEM (%[4]g) ORDER BY random() LIMIT %[5]d) r GROUP BY %[1]s ORDER BY random() LIMIT %[6]d",
		strings.Join(names, ", "), strings.Join(columns, ", "), table, share, sampledRows*n, n)
	var sampled []store.Key
	err = s.queryOnce(ctx, text, nil, func(row [][]byte) error {
		sampled = append(sampled, store.NewKey(appendKey(make([]value.Value, 0, len(keys)), group, row)))
		return nil
	})
	return sampled, err
}
