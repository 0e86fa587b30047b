package sqlite

import (
	"database/sql/driver"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"featurestore/modules/registry/value"
	"featurestore/modules/validation/rules"
)

// aggregates are measures that one pass answers.
type aggregates struct {
	*measuring
	fields  []int
	columns []string
	args    []driver.Value
	takes   []func(columns []driver.Value) error
}

// want adds columns, and what is done with them.
func (a *aggregates) want(take func(columns []driver.Value) error, columns ...string) {
	from := len(a.columns)
	a.columns = append(a.columns, columns...)
	a.takes = append(a.takes, func(all []driver.Value) error { return take(all[from : from+len(columns)]) })
}

func (a *aggregates) add(asked *rules.Measure, answer *rules.Measured) {
	v, o, t := "NULL", "false", value.Invalid
	if len(asked.Fields) > 0 {
		f := asked.Fields[0]
		v, o, t = fmt.Sprintf("r.v%d", f), fmt.Sprintf("r.o%d", f), a.features[f].ValueType
		if !slices.Contains(a.fields, f) {
			a.fields = append(a.fields, f)
		}
	}
	switch asked.Of {
	case rules.Counts:
		a.want(func(c []driver.Value) error {
			answer.Rows, answer.Values, answer.Nulls = integer(c[0]), integer(c[1]), integer(c[2])
			return nil
		}, "count(*)", "count("+v+")", "count(CASE WHEN "+v+" IS NULL THEN CASE WHEN "+o+" THEN 1 END END)")
	case rules.Newest:
		newest := "max(r.at)"
		if len(asked.Fields) > 0 {
			newest = "max(CASE WHEN " + v + " IS NOT NULL THEN r.at END)"
		}
		a.want(func(c []driver.Value) error {
			if c[0] != nil {
				answer.Newest = integer(c[0])
			}
			return nil
		}, newest)
	case rules.Ends:
		a.want(func(c []driver.Value) (err error) {
			if c[0] == nil {
				return nil
			}
			if answer.Least, err = decode(t, c[0]); err == nil {
				answer.Greatest, err = decode(t, c[1])
			}
			return err
		}, "min("+v+")", "max("+v+")")
	case rules.Sum:
		if t == value.Float { // SQLite compensates what is lost in adding up
			a.want(func(c []driver.Value) error {
				if f, ok := c[0].(float64); ok {
					answer.Sum = value.OfFloat(f)
				}
				return nil
			}, "sum("+v+")")
			return
		}
		a.want(func(c []driver.Value) error { // in halves, which do not leave 64 bits
			sum := new(big.Int).Lsh(big.NewInt(integer(c[0])), 32)
			answer.Sum = rules.SumOf(sum.Add(sum, big.NewInt(integer(c[1]))))
			return nil
		}, "sum("+v+" >> 32)", "sum("+v+" & 4294967295)")
	case rules.Spread:
		distance := "(CAST(" + v + " AS REAL) - +?)"
		a.args = append(a.args, asked.Center, asked.Center)
		a.want(func(c []driver.Value) error {
			answer.Spread, _ = c[0].(float64)
			return nil
		}, "sum("+distance+" * "+distance+")")
	}
}

func (a *aggregates) run() error {
	if len(a.columns) == 0 {
		return nil
	}
	dest := make([]driver.Value, len(a.columns))
	return a.query(strings.Join(a.columns, ", "), "", a.fields, dest, func() error {
		for _, take := range a.takes {
			if err := take(dest); err != nil {
				return err
			}
		}
		return nil
	}, a.args...)
}

// repeats groups by the values; nulls are a group too, or several.
func (m *measuring) repeats(asked *rules.Measure, answer *rules.Measured) error {
	var columns, observed, null []string
	for _, f := range asked.Fields {
		columns, null = append(columns, fmt.Sprintf("r.v%d", f)), append(null, fmt.Sprintf("r.v%d IS NULL", f))
		observed = append(observed, fmt.Sprintf("(r.v%d IS NOT NULL OR r.o%d)", f, f))
	}
	isNull := "false"
	switch {
	case len(asked.Fields) == 1 || asked.NullWhen == "any":
		isNull = strings.Join(null, " OR ")
	case asked.NullWhen == "all":
		isNull = strings.Join(null, " AND ")
	}
	with, rows := m.rows(asked.Fields...)
	dest := make([]driver.Value, 4)
	return m.read(fmt.Sprintf(`%sSELECT sum(n) FILTER (WHERE NOT f), sum(n) FILTER (WHERE f), count(*) FILTER (WHERE NOT f), sum(n) FILTER (WHERE NOT f AND n > 1)
		FROM (SELECT count(*) AS n, (%s) AS f FROM %s WHERE %s GROUP BY %s)`, with, isNull, rows, strings.Join(observed, " AND "), strings.Join(columns, ", ")), dest, func() error {
		answer.Values, answer.Nulls, answer.Distinct, answer.Repeated = integer(dest[0]), integer(dest[1]), integer(dest[2]), integer(dest[3])
		return nil
	})
}

func (m *measuring) occurrences(asked *rules.Measure) error {
	f := asked.Fields[0]
	dest := make([]driver.Value, 2)
	return m.query(fmt.Sprintf("r.v%d, count(*)", f), fmt.Sprintf(" WHERE r.v%[1]d IS NOT NULL GROUP BY r.v%[1]d ORDER BY r.v%[1]d", f), asked.Fields, dest, func() error {
		v, err := decode(m.features[f].ValueType, dest[0])
		if err == nil {
			asked.Take(v, integer(dest[1]))
		}
		return err
	})
}

func (m *measuring) ranked(asked *rules.Measure, answer *rules.Measured) error {
	var ranks []string
	for _, rank := range asked.Ranks {
		ranks = append(ranks, fmt.Sprint(rank+1))
	}
	with, rows := m.rows(asked.Fields...)
	dest := make([]driver.Value, 1)
	return m.read(fmt.Sprintf(`%sSELECT v FROM (SELECT CAST(r.v%[2]d AS REAL) AS v, row_number() OVER (ORDER BY r.v%[2]d) AS i FROM %[3]s WHERE r.v%[2]d IS NOT NULL)
		WHERE i IN (%[4]s) ORDER BY i`, with, asked.Fields[0], rows, strings.Join(ranks, ", ")), dest, func() error {
		f, _ := dest[0].(float64)
		answer.Ranked = append(answer.Ranked, f)
		return nil
	})
}

func (m *measuring) entities(asked *rules.Measure, answer *rules.Measured) error {
	with, rows := m.rows(asked.Fields...)
	dest := make([]driver.Value, 1)
	return m.read(fmt.Sprintf("%sSELECT count(*) FROM (SELECT DISTINCT %s FROM %s WHERE r.v%d IS NOT NULL)", with, m.names(), rows, asked.Fields[0]), dest, func() error {
		answer.Entities = integer(dest[0])
		return nil
	})
}

// names are the join keys of r.
func (m *measuring) names() string {
	var names []string
	for i := range m.keys {
		names = append(names, fmt.Sprintf("r.k%d", i))
	}
	return strings.Join(names, ", ")
}

// steps looks at each value beside the one before, both as they stand in their columns or as floats.
func (m *measuring) steps(asked *rules.Measure, answer *rules.Measured) error {
	step, f := asked.Step, asked.Fields[0]
	var bad []string
	var args []driver.Value
	switch {
	case step.Change:
		if step.Absolute != nil {
			bad, args = append(bad, "abs(v - before) > +?"), append(args, *step.Absolute)
		}
		if step.Relative != nil {
			bad, args = append(bad, "abs(v - before) > +? * abs(before)"), append(args, *step.Relative)
		}
	case step.Decreasing:
		bad = append(bad, "v > before")
	default:
		bad = append(bad, "v < before")
	}
	if step.Strict {
		bad = append(bad, "v = before")
	}
	column := fmt.Sprintf("r.v%d", f)
	if step.Change {
		column = "CAST(" + column + " AS REAL)"
	}
	with, rows := m.rows(f)
	dest := make([]driver.Value, 1)
	return m.read(fmt.Sprintf("%sSELECT count(CASE WHEN %s THEN 1 END) FROM (SELECT %[3]s AS v, lead(%[3]s) OVER (PARTITION BY %[4]s ORDER BY r.at DESC, r.id DESC) AS before FROM %[5]s WHERE r.v%[6]d IS NOT NULL)",
		with, strings.Join(bad, " OR "), column, m.names(), rows, f), dest, func() error {
		answer.Steps = integer(dest[0])
		return nil
	}, args...)
}
