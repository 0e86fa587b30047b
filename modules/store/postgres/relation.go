package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"featurestore/app/database"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/validation/rules"
)

var _ store.Relational = (*snapshot)(nil)

// Relation opens the transaction on a connection of its own, which sees what this snapshot does.
func (s *snapshot) Relation(ctx context.Context, group *registry.Group, features []*registry.Feature, of store.Range, merged bool,
	use func(ctx context.Context, tx pgx.Tx, query string) error) error {
	query, err := s.relation(ctx, group, features, of, merged)
	name := ""
	if err == nil {
		err = s.queryOnce(ctx, "SELECT pg_export_snapshot()", nil, func(row [][]byte) error {
			name = string(row[0])
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("reading group %s: %w", group.Name, err)
	}
	conn, err := s.offline.readers.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connecting to PostgreSQL: %w", err)
	}
	defer conn.Release()
	return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET TRANSACTION SNAPSHOT "+literal(name)); err != nil {
			return fmt.Errorf("reading group %s: %w", group.Name, err)
		}
		return use(ctx, tx, query)
	})
}

// relation is the SQL of a group's rows.
func (s *snapshot) relation(ctx context.Context, group *registry.Group, features []*registry.Feature, of store.Range, merged bool) (string, error) {
	l, err := s.layout(ctx, group)
	if err != nil {
		return "", err
	}
	if l.table == "" {
		return nothing(group, features), nil
	}
	m := &measuring{snapshot: s, ctx: ctx, layout: l, features: features, keys: keyColumns(group, "o."), table: s.rows(group, l)}
	if m.where, err = within(of); err != nil {
		return "", err
	}
	if merged {
		if err := m.merge(); errors.Is(err, rules.ErrUnmeasured) {
			m.several = true
		} else if err != nil {
			return "", err
		}
	}
	fields, columns := make([]int, len(features)), make([]string, 0, len(features)+4)
	for i, key := range group.EntityType.JoinKeys {
		columns = append(columns, fmt.Sprintf("r.k%d AS %s", i, database.Quote(key.Name)))
	}
	columns = append(columns, microseconds("r.at")+" AS event_us", "r.id AS seq")
	for i, f := range features {
		fields[i] = i
		column := fmt.Sprintf("r.v%d", i)
		if f.ValueType == value.Timestamp {
			column += " AT TIME ZONE 'UTC'"
		}
		columns = append(columns, column+" AS "+database.Quote(f.Name))
	}
	with, rows := m.rows(fields...)
	return with + "SELECT " + strings.Join(columns, ", ") + " FROM " + rows, nil
}

// nothing is the SQL of the rows of a group that has no table yet.
func nothing(group *registry.Group, features []*registry.Feature) string {
	var columns []string
	for _, key := range group.EntityType.JoinKeys {
		columns = append(columns, "NULL::"+sqlTypes[key.ValueType]+" AS "+database.Quote(key.Name))
	}
	columns = append(columns, "0::bigint AS event_us", "0::bigint AS seq")
	for _, f := range features {
		t := sqlTypes[f.ValueType]
		if f.ValueType == value.Timestamp {
			t = "timestamp"
		}
		columns = append(columns, "NULL::"+t+" AS "+database.Quote(f.Name))
	}
	return "SELECT " + strings.Join(columns, ", ") + " WHERE false"
}
