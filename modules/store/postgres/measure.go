package postgres

import (
	"context"
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
	l, err := s.layout(ctx, group)
	if err == nil && l.table != "" {
		m := &measuring{snapshot: s, ctx: ctx, layout: l, features: features, keys: keyColumns(group, "o."), table: s.rows(group, l)}
		if m.where, err = within(of); err == nil && merged {
			err = m.merge()
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

// within is the condition that a row is in a range.
func within(of store.Range) (string, error) {
	conditions := []string{"true"}
	if of.From != nil {
		conditions = append(conditions, "o.event_time >= "+timeLiteral(*of.From))
	}
	if of.To != nil {
		conditions = append(conditions, "o.event_time < "+timeLiteral(*of.To))
	}
	if of.Run != 0 {
		conditions = append(conditions, fmt.Sprintf("o.run_id = %d", of.Run))
	}
	if of.After != "" {
		position, err := strconv.ParseUint(string(of.After), 10, 63)
		if err != nil {
			return "", fmt.Errorf("%q is no position of this store: %w", of.After, err)
		}
		conditions = append(conditions, fmt.Sprintf("o.ingest_xid >= %d", position))
	}
	return strings.Join(conditions, " AND "), nil
}

// measuring is one call of Measure. The rows that it looks at are r in its SQL: k0, k1 and so on are the join keys, at the event time, id the
// ingest id, v3 the value of feature 3, and o3 whether the row observes it.
type measuring struct {
	*snapshot
	ctx      context.Context
	layout   layout
	features []*registry.Feature
	keys     []string
	table    string // the rows o
	where    string
	several  bool // rows have to be merged
}

// merge finds out whether some entity has several rows of one event time, once for what is asked of one snapshot. It goes along the index, which
// has them beside each other: to group them takes three times as long, since a million groups go through files.
func (m *measuring) merge() error {
	text := fmt.Sprintf("SELECT count(*) FILTER (WHERE again), count(*) FROM (SELECT o.event_time = lag(o.event_time) OVER (PARTITION BY %s ORDER BY o.event_time DESC) AS again FROM %s WHERE %s) g",
		strings.Join(m.keys, ", "), m.table, m.where)
	several, known := m.merged[text]
	if !known {
		err := m.queryOnce(m.ctx, text, nil, func(row [][]byte) error {
			if several = decodeInt64(row[0]); store.TooManyMerged(several, decodeInt64(row[1])) {
				several = -1
			}
			return nil
		})
		if err != nil {
			return err
		}
		if m.merged == nil {
			m.merged = map[string]int64{}
		}
		m.merged[text] = several
	}
	if m.several = several > 0; several < 0 {
		return rules.ErrUnmeasured
	}
	return nil
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
		keys, short = append(keys, fmt.Sprintf("%s = d.k%d", key, i)), append(short, fmt.Sprintf("d.k%d", i))
	}
	same := strings.Join(keys, " AND ") + " AND o.event_time = d.at"
	plain := strings.Join(named, ", ") + ", o.event_time AS at, o.ingest_id AS id"
	latest := strings.Join(short, ", ") + ", d.at, d.id"
	for _, f := range fields {
		observed := m.layout.observed(m.features[f])
		plain += fmt.Sprintf(", %s AS v%d, %s AS o%d", m.column(f), f, observed, f)
		newest := fmt.Sprintf(" FROM %s WHERE %s AND %s", m.table, same, observed)
		latest += fmt.Sprintf(", (SELECT %s%s ORDER BY o.ingest_id DESC LIMIT 1), EXISTS (SELECT%s)", m.column(f), newest, newest)
	}
	rows = fmt.Sprintf("SELECT %s FROM %s WHERE %s", plain, m.table, m.where)
	if !m.several {
		return "", "(" + rows + ") r"
	}
	with = fmt.Sprintf("WITH __d AS MATERIALIZED (SELECT %s, o.event_time AS at, max(o.ingest_id) AS id FROM %s WHERE %s GROUP BY %s, o.event_time HAVING count(*) > 1) ",
		strings.Join(named, ", "), m.table, m.where, strings.Join(m.keys, ", "))
	return with, fmt.Sprintf("(%s AND NOT EXISTS (SELECT FROM __d d WHERE %s) UNION ALL SELECT %s FROM __d d) r", rows, same, latest)
}

// column is a feature's value in a form that has equality and order: of texts that of their bytes.
func (m *measuring) column(field int) string {
	column := m.layout.column(m.features[field])
	if t := m.features[field].ValueType; t == value.String || t == value.JSON {
		return "(" + column + `)::text COLLATE "C"`
	}
	return column
}

// number is a feature's value in r as a float.
func (m *measuring) number(field int) string {
	if m.features[field].ValueType == value.Boolean {
		return fmt.Sprintf("r.v%d::integer::double precision", field)
	}
	return fmt.Sprintf("r.v%d::double precision", field)
}
