package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"featurestore/modules/registry"
	"featurestore/modules/store"
)

const (
	countedBytes = 4 << 20 // of a table; the rows of a larger one are estimated
	sizeBlocks   = 400     // about so many, all over it, are looked at for that: enough to be some 5 % off
	blockBytes   = 8192    // as servers are built, almost all of them
)

// GroupSize counts the rows of a small table, and those of some blocks of a larger one: the planner's estimate is far off before the server has looked at
// a table by itself.
func (s *snapshot) GroupSize(ctx context.Context, group *registry.Group) (store.GroupSize, error) {
	size := store.GroupSize{}
	l, err := s.layout(ctx, group)
	if err == nil && l.table != "" {
		size, err = s.groupSize(ctx, group, l)
	}
	if err != nil {
		return store.GroupSize{}, fmt.Errorf("measuring group %s: %w", group.Name, err)
	}
	return size, nil
}

func (s *snapshot) groupSize(ctx context.Context, group *registry.Group, l layout) (size store.GroupSize, err error) {
	table := s.offline.table(l.table)
	class := "'" + strings.ReplaceAll(table, "'", "''") + "'::regclass"
	var heap int64
	err = s.queryOnce(ctx, fmt.Sprintf("SELECT pg_relation_size(%[1]s), pg_total_relation_size(%[1]s)", class), nil, func(row [][]byte) error {
		heap, size.Bytes = decodeInt64(row[0]), decodeInt64(row[1])
		return nil
	})
	if err != nil {
		return size, err
	}
	if heap <= countedBytes {
		return size, s.queryOnce(ctx, "SELECT count(*) FROM "+s.rows(group, l), nil, func(row [][]byte) error {
			size.Rows = decodeInt64(row[0])
			return nil
		})
	}
	size.Estimated = true
	share := min(100, 100*sizeBlocks*blockBytes/float64(heap))
	sampled := fmt.Sprintf("SELECT count(*) FROM %s TABLESAMPLE SYSTEM (%g) REPEATABLE (1)", table, share)
	return size, s.queryOnce(ctx, sampled, nil, func(row [][]byte) error {
		size.Rows = int64(float64(decodeInt64(row[0])) * 100 / share)
		return nil
	})
}

// Size is that of all tables of the schema, with indexes.
func (o *Offline) Size(ctx context.Context) (store.StoreSize, error) {
	size := store.StoreSize{Engine: "postgres"}
	err := o.readers.QueryRow(ctx, `SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relkind = 'r'`, pgx.QueryExecModeExec, o.schema).Scan(&size.Bytes)
	if err != nil {
		return store.StoreSize{}, fmt.Errorf("measuring PostgreSQL: %w", err)
	}
	return size, nil
}
