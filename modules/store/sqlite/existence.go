package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strings"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// HasEntities looks each entity up in the index.
func (s *snapshot) HasEntities(ctx context.Context, group *registry.Group, keys []store.Key) ([]bool, error) {
	has := make([]bool, len(keys))
	src, err := s.source(group, nil)
	if err == nil && src != nil {
		err = src.hasEntities(ctx, s.conn, keys, has)
	}
	if err != nil {
		return nil, fmt.Errorf("looking up %d entities of group %s: %w", len(keys), group.Name, err)
	}
	return has, nil
}

func (src *source) hasEntities(ctx context.Context, c *conn, keys []store.Key, has []bool) error {
	statement, err := c.prepare(fmt.Sprintf("SELECT 1 FROM %s WHERE %s%s LIMIT 1", src.indexed(), src.sameKey(), src.visible()))
	if err != nil {
		return err
	}
	args, dest := make([]driver.Value, len(src.keys)), make([]driver.Value, 1)
	for i, key := range keys {
		if i%1000 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		for n, v := range key.Values {
			args[n] = encode(v)
		}
		err := statement.with(args...).each(context.Background(), dest, func() error {
			has[i] = true
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// HasValues hands the values over as one JSON array, of which SQLite makes an index.
func (s *snapshot) HasValues(ctx context.Context, feature *registry.Feature, values []value.Value) ([]bool, error) {
	has := make([]bool, len(values))
	src, err := s.source(feature.Group, []*registry.Feature{feature})
	if err == nil && src != nil && len(values) > 0 {
		err = src.hasValues(ctx, s.conn, values, has)
	}
	if err != nil {
		return nil, fmt.Errorf("looking up %d values of %s: %w", len(values), feature.Reference(), err)
	}
	return has, nil
}

func (src *source) hasValues(ctx context.Context, c *conn, values []value.Value, has []bool) error {
	feature, wanted := src.features[0], map[value.Value][]int{}
	list := []byte{'['}
	for i, v := range values {
		if wanted[v] = append(wanted[v], i); len(wanted[v]) > 1 {
			continue
		}
		if len(list) > 1 {
			list = append(list, ',')
		}
		switch v.Type() {
		case value.Boolean, value.Timestamp: // stand as numbers
			v = value.OfInt(v.Int())
		}
		list = value.AppendJSON(list, v)
	}
	statement, err := c.prepare(fmt.Sprintf("SELECT DISTINCT %[1]s FROM %[2]s AS t WHERE %[1]s IN (SELECT value FROM json_each(+?))%[3]s", src.columns[0], src.table, src.visible()))
	if err != nil {
		return err
	}
	dest := make([]driver.Value, 1)
	return statement.with(string(append(list, ']'))).each(ctx, dest, func() error {
		found, err := decode(feature.ValueType, dest[0])
		for _, i := range wanted[found] {
			has[i] = true
		}
		return err
	})
}

// CountEntities walks the index of one group, and puts several together in a temporary one.
func (s *snapshot) CountEntities(ctx context.Context, groups []*registry.Group) (n int64, err error) {
	var each []string
	for _, group := range groups {
		src, err := s.source(group, nil)
		if err != nil {
			return 0, fmt.Errorf("counting the entities of group %s: %w", group.Name, err)
		}
		if src != nil {
			each = append(each, fmt.Sprintf("SELECT %s FROM %s WHERE true%s", strings.Join(src.keys, ", "), src.indexed(), src.visible()))
		}
	}
	switch len(each) {
	case 0:
		return 0, nil
	case 1:
		each[0] = strings.Replace(each[0], "SELECT", "SELECT DISTINCT", 1)
	}
	statement, err := s.conn.prepare("SELECT count(*) FROM (" + strings.Join(each, " UNION ") + ")")
	if err == nil {
		dest := make([]driver.Value, 1)
		err = statement.each(ctx, dest, func() error {
			n = integer(dest[0])
			return nil
		})
	}
	if err != nil {
		return 0, fmt.Errorf("counting entities: %w", err)
	}
	return n, nil
}

var _ store.Existence = (*snapshot)(nil)
