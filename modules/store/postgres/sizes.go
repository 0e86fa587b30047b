package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"featurestore/modules/registry"
	"featurestore/modules/store"
)

// countedBytes is up to which size of a table its rows are counted.
const countedBytes = 4 << 20

// GroupSize counts the rows of a small table, and of a larger one takes the planner's estimate, which goes by the table's size now.
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
	return size, s.queryOnce(ctx, "EXPLAIN (FORMAT JSON) SELECT FROM "+table, nil, func(row [][]byte) error {
		var plans []struct {
			Plan struct {
				Rows float64 `json:"Plan Rows"`
			}
		}
		if err := json.Unmarshal(row[0], &plans); err != nil {
			return fmt.Errorf("reading a plan: %w", err)
		}
		if len(plans) != 1 {
			return errors.New("PostgreSQL has made no plan")
		}
		size.Rows = int64(plans[0].Plan.Rows)
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
