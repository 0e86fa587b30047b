package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strconv"
	"strings"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/validation/rules"
)

// Measure computes what it can in one pass over the table, and makes one more for each measure that takes an order of its own.
func (s *snapshot) Measure(ctx context.Context, group *registry.Group, features []*registry.Feature, of store.Range, merged bool, measures []rules.Measure) ([]rules.Measured, error) {
	answers := make([]rules.Measured, len(measures))
	for i := range answers {
		answers[i].Newest, answers[i].Sum = value.NoTime, value.OfInt(0)
	}
	src, err := s.source(group, features)
	if err == nil && src != nil {
		m := &measuring{source: src, ctx: ctx, conn: s.conn}
		if m.where, err = src.within(of); err == nil && merged {
			m.several, err = s.several(ctx, src, m.where)
		}
		if err == nil {
			err = m.answer(measures, answers)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("measuring group %s: %w", group.Name, err)
	}
	return answers, nil
}

// within is the condition that a row is visible and in a range.
func (src *source) within(of store.Range) (string, error) {
	b := []byte("true")
	if of.From != nil {
		b = fmt.Appendf(b, " AND t.event_time >= %d", *of.From)
	}
	if of.To != nil {
		b = fmt.Appendf(b, " AND t.event_time < %d", *of.To)
	}
	if of.Run != 0 {
		b = fmt.Appendf(b, " AND t.run_id = %d", of.Run)
	}
	if of.After != "" {
		after, err := strconv.ParseInt(string(of.After), 10, 64)
		if err != nil {
			return "", fmt.Errorf("%q is no position of this store", of.After)
		}
		b = fmt.Appendf(b, " AND t.ingest_id >= %d", after)
	}
	return string(b) + src.visible(), nil
}

// several tells whether some entity has several rows of one event time. It reads the index, once for what is asked of one snapshot.
func (s *snapshot) several(ctx context.Context, src *source, where string) (bool, error) {
	text := fmt.Sprintf("SELECT count(*) FILTER (WHERE n > 1), count(*) FROM (SELECT count(*) AS n FROM %s WHERE %s GROUP BY %s, t.event_time)",
		src.indexed(), where, strings.Join(src.keys, ", "))
	several, known := s.merged[text]
	if !known {
		all := int64(0)
		dest := make([]driver.Value, 2)
		statement, err := s.conn.prepare(text)
		if err == nil {
			err = statement.each(ctx, dest, func() error { several, all = integer(dest[0]), integer(dest[1]); return nil })
		}
		if err != nil {
			return false, err
		}
		if store.TooManyMerged(several, all) {
			several = -1
		}
		if s.merged == nil {
			s.merged = map[string]int64{}
		}
		s.merged[text] = several
	}
	if several < 0 {
		return false, rules.ErrUnmeasured
	}
	return several > 0, nil
}

// measuring is one call of Measure. The rows that it looks at are r in its SQL: k0, k1 and so on are the join keys, at the event time, id the
// ingest id, v3 the value of feature 3, and o3 whether the row observes it, which need not be asked where v3 is not null.
type measuring struct {
	*source
	ctx     context.Context
	conn    *conn
	where   string
	several bool // rows have to be merged
}

func (m *measuring) answer(measures []rules.Measure, answers []rules.Measured) error {
	all := &aggregates{measuring: m}
	for i := range measures {
		if err := m.one(all, &measures[i], &answers[i]); err != nil {
			return err
		}
	}
	return all.run()
}

// one answers a measure, or adds it to those that are answered by one pass.
func (m *measuring) one(all *aggregates, asked *rules.Measure, answer *rules.Measured) error {
	switch asked.Of {
	case rules.Repeats:
		return m.repeats(asked, answer)
	case rules.Occurrences:
		return m.occurrences(asked)
	case rules.Ranked:
		return m.ranked(asked, answer)
	case rules.Entities:
		return m.entities(asked, answer)
	case rules.Steps:
		return m.steps(asked, answer)
	}
	all.add(asked, answer)
	return nil
}

// rows is the table r with some features, and what has to stand before the SELECT.
func (m *measuring) rows(fields ...int) (with, rows string) {
	var named, keys, short []string
	for i, key := range m.keys {
		named = append(named, fmt.Sprintf("%s AS k%d", key, i))
		keys, short = append(keys, fmt.Sprintf("%s = d.k%d", key, i)), append(short, fmt.Sprintf("k%d", i))
	}
	plain := strings.Join(named, ", ") + ", t.event_time AS at, t.ingest_id AS id"
	latest := "d." + strings.Join(short, ", d.") + ", d.at, 0"
	for _, f := range fields {
		plain += fmt.Sprintf(", %s AS v%d, %s AS o%d", m.columns[f], f, m.observed(f), f)
		newest := fmt.Sprintf(" FROM %s WHERE %s AND t.event_time = d.at%s AND %s", m.indexed(), strings.Join(keys, " AND "), m.visible(), m.observed(f))
		latest += fmt.Sprintf(", (SELECT %s%s ORDER BY t.ingest_id DESC LIMIT 1), EXISTS (SELECT 1%s)", m.columns[f], newest, newest)
	}
	rows = fmt.Sprintf("SELECT %s FROM %s AS t NOT INDEXED WHERE %s", plain, m.table, m.where)
	if !m.several {
		return "", "(" + rows + ") AS r"
	}
	with = fmt.Sprintf("WITH __d AS MATERIALIZED (SELECT %s, t.event_time AS at FROM %s WHERE %s GROUP BY %s, t.event_time HAVING count(*) > 1) ",
		strings.Join(named, ", "), m.indexed(), m.where, strings.Join(m.keys, ", "))
	return with, fmt.Sprintf("(%s AND (%s, t.event_time) NOT IN (SELECT %s, at FROM __d) UNION ALL SELECT %s FROM __d AS d) AS r",
		rows, strings.Join(m.keys, ", "), strings.Join(short, ", "), latest)
}

// observed is the condition that the row t observes a feature, as observer.observes has it.
func (src *source) observed(field int) string {
	feature := src.features[field]
	whole := fmt.Sprintf("t.schema_version >= %d", feature.Since)
	if feature.Until != 0 {
		whole += fmt.Sprintf(" AND t.schema_version < %d", feature.Until)
	}
	return fmt.Sprintf("CASE WHEN t.presence IS NULL THEN %s ELSE instr(t.presence, '.%d.') > 0 END", whole, feature.Ordinal)
}

// query reads the rows of a SELECT over r. Its arguments must stand before r.
func (m *measuring) query(columns, behind string, fields []int, dest []driver.Value, row func() error, args ...driver.Value) error {
	with, rows := m.rows(fields...)
	return m.read(with+"SELECT "+columns+" FROM "+rows+behind, dest, row, args...)
}

func (m *measuring) read(text string, dest []driver.Value, row func() error, args ...driver.Value) error {
	statement, err := m.conn.prepare(text)
	if err != nil {
		return err
	}
	return statement.with(args...).each(m.ctx, dest, row)
}
