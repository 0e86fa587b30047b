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

// HasEntities looks all of them up in the index, with one query.
func (s *snapshot) HasEntities(ctx context.Context, group *registry.Group, keys []store.Key) ([]bool, error) {
	has := make([]bool, len(keys))
	l, err := s.layout(ctx, group)
	if err == nil && l.table != "" && len(keys) > 0 {
		var unnested, names []string
		var parameters [][]byte
		for i, key := range group.EntityType.JoinKeys {
			parameters = append(parameters, arrayOf(key.ValueType, len(keys), func(n int) value.Value { return keys[n].Values[i] }))
			unnested, names = append(unnested, fmt.Sprintf("$%d::%s[]", i+1, sqlTypes[key.ValueType])), append(names, "k"+strconv.Itoa(i))
		}
		text := fmt.Sprintf("SELECT s.n FROM unnest(%s) WITH ORDINALITY AS s(%s, n) WHERE EXISTS (SELECT FROM %s WHERE %s)",
			strings.Join(unnested, ", "), strings.Join(names, ", "), s.rows(group, l), sameKey(group))
		err = s.query(ctx, text, parameters, func(row [][]byte) error {
			has[decodeInt64(row[0])-1] = true
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("looking up %d entities of group %s: %w", len(keys), group.Name, err)
	}
	return has, nil
}

// HasValues reads the column once, against a hash table of the values.
func (s *snapshot) HasValues(ctx context.Context, feature *registry.Feature, values []value.Value) ([]bool, error) {
	has := make([]bool, len(values))
	l, err := s.layout(ctx, feature.Group)
	if err == nil && l.table != "" && len(values) > 0 {
		text := fmt.Sprintf("SELECT s.n FROM unnest($1::%s[]) WITH ORDINALITY AS s(v, n) WHERE s.v IN (SELECT %s FROM %s)",
			sqlTypes[feature.ValueType], l.column(feature), s.rows(feature.Group, l))
		parameters := [][]byte{arrayOf(feature.ValueType, len(values), func(n int) value.Value { return values[n] })}
		err = s.query(ctx, text, parameters, func(row [][]byte) error {
			has[decodeInt64(row[0])-1] = true
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("looking up %d values of %s: %w", len(values), feature.Reference(), err)
	}
	return has, nil
}

// arrayOf is n values of a type as a parameter.
func arrayOf(t value.Type, n int, v func(int) value.Value) []byte {
	b := beginArray(make([]byte, 0, arrayHead+16*n), typeIDs[t], n)
	for i := range n {
		b = appendField(b, v(i))
	}
	return b
}

// CountEntities puts the entities of all groups together on the server.
func (s *snapshot) CountEntities(ctx context.Context, groups []*registry.Group) (n int64, err error) {
	var each []string
	for _, group := range groups {
		l, err := s.layout(ctx, group)
		if err != nil {
			return 0, fmt.Errorf("counting the entities of group %s: %w", group.Name, err)
		}
		if l.table == "" {
			continue
		}
		keys := keyColumns(group, "o.")
		for i, key := range group.EntityType.JoinKeys {
			keys[i] += "::" + sqlTypes[key.ValueType]
		}
		each = append(each, fmt.Sprintf("SELECT %s FROM %s", strings.Join(keys, ", "), s.rows(group, l)))
	}
	switch len(each) {
	case 0:
		return 0, nil
	case 1:
		each[0] = strings.Replace(each[0], "SELECT", "SELECT DISTINCT", 1)
	}
	err = s.query(ctx, "SELECT count(*) FROM ("+strings.Join(each, " UNION ")+") e", nil, func(row [][]byte) error {
		n = decodeInt64(row[0])
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("counting entities: %w", err)
	}
	return n, nil
}

var _ store.Existence = (*snapshot)(nil)
