package postgres

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"featurestore/modules/registry/value"
	"featurestore/modules/validation/rules"
)

// aggregates are measures that one pass answers.
type aggregates struct {
	*measuring
	fields  []int
	columns []string
	takes   []func(columns [][]byte) error
	floats  bool // floats are added up
}

// want adds columns, and what is done with them.
func (a *aggregates) want(take func(columns [][]byte) error, columns ...string) {
	from := len(a.columns)
	a.columns = append(a.columns, columns...)
	a.takes = append(a.takes, func(all [][]byte) error { return take(all[from : from+len(columns)]) })
}

func (a *aggregates) add(asked *rules.Measure, answer *rules.Measured) {
	v, o, number, t := "NULL", "false", "", value.Invalid
	if len(asked.Fields) > 0 {
		f := asked.Fields[0]
		v, o, number, t = fmt.Sprintf("r.v%d", f), fmt.Sprintf("r.o%d", f), a.number(f), a.features[f].ValueType
		if !slices.Contains(a.fields, f) {
			a.fields = append(a.fields, f)
		}
	}
	switch asked.Of {
	case rules.Counts:
		a.want(func(c [][]byte) error {
			answer.Rows, answer.Values, answer.Nulls = decodeInt64(c[0]), decodeInt64(c[1]), decodeInt64(c[2])
			return nil
		}, "count(*)", "count("+v+")", "count(*) FILTER (WHERE "+v+" IS NULL AND "+o+")")
	case rules.Newest:
		newest := "max(r.at)"
		if len(asked.Fields) > 0 {
			newest = "max(r.at) FILTER (WHERE " + v + " IS NOT NULL)"
		}
		a.want(func(c [][]byte) error {
			if c[0] != nil {
				answer.Newest = decodeTime(c[0])
			}
			return nil
		}, newest)
	case rules.Ends:
		least, greatest := "min("+v+")", "max("+v+")"
		if t == value.Boolean {
			least, greatest = "bool_and("+v+")", "bool_or("+v+")"
		}
		a.want(func(c [][]byte) error {
			if c[0] != nil {
				answer.Least, answer.Greatest = decode(t, c[0]), decode(t, c[1])
			}
			return nil
		}, least, greatest)
	case rules.Sum:
		a.sum(v, t, answer)
	case rules.Spread: // what is too small to be squared adds nothing
		distance := "(" + number + " - " + floatLiteral(asked.Center) + ")"
		a.want(func(c [][]byte) error {
			if c[0] != nil {
				answer.Spread = decode(value.Float, c[0]).Float()
			}
			return nil
		}, "sum("+distance+" * "+distance+") FILTER (WHERE abs("+distance+") > 1e-150)")
	}
}

// sum adds up exactly: integers, and the shortest decimal numbers that stand for floats.
func (a *aggregates) sum(v string, t value.Type, answer *rules.Measured) {
	summand := v
	switch t {
	case value.Float:
		summand, a.floats = v+"::text::numeric", true
	case value.Boolean:
		summand = v + "::integer"
	}
	a.want(func(c [][]byte) error {
		if c[0] == nil {
			return nil
		}
		if t == value.Float {
			f, err := strconv.ParseFloat(string(c[0]), 64)
			if errors.Is(err, strconv.ErrRange) { // f is an infinity then, as a sum of floats would be
				err = nil
			}
			answer.Sum = value.OfFloat(f)
			return err
		}
		sum, ok := new(big.Int).SetString(string(c[0]), 10)
		if !ok {
			return fmt.Errorf("the sum of integers is %q", c[0])
		}
		answer.Sum = rules.SumOf(sum)
		return nil
	}, "sum("+summand+")::text")
}

func (a *aggregates) run() error {
	if len(a.columns) == 0 {
		return nil
	}
	if a.floats { // in the digits that stand for no other float
		if err := a.queryOnce(a.ctx, "SELECT set_config('extra_float_digits', '1', true)", nil, func([][]byte) error { return nil }); err != nil {
			return err
		}
	}
	with, rows := a.rows(a.fields...)
	return a.queryOnce(a.ctx, with+"SELECT "+strings.Join(a.columns, ", ")+" FROM "+rows, nil, func(row [][]byte) error {
		for _, take := range a.takes {
			if err := take(row); err != nil {
				return err
			}
		}
		return nil
	})
}

// floatLiteral is a float as SQL, exactly.
func floatLiteral(f float64) string {
	return literal(strconv.FormatFloat(f, 'g', -1, 64)) + "::double precision"
}

// repeats groups by the values; nulls are a group too, or several.
func (m *measuring) repeats(asked *rules.Measure, answer *rules.Measured) error {
	var columns, observed, null []string
	for _, f := range asked.Fields {
		columns, null = append(columns, fmt.Sprintf("r.v%d", f)), append(null, fmt.Sprintf("r.v%d IS NULL", f))
		observed = append(observed, fmt.Sprintf("r.o%d", f))
	}
	isNull := "false"
	switch {
	case len(asked.Fields) == 1 || asked.NullWhen == "any":
		isNull = strings.Join(null, " OR ")
	case asked.NullWhen == "all":
		isNull = strings.Join(null, " AND ")
	}
	with, rows := m.rows(asked.Fields...)
	text := fmt.Sprintf(`%sSELECT coalesce(sum(n) FILTER (WHERE NOT f), 0)::bigint, coalesce(sum(n) FILTER (WHERE f), 0)::bigint, count(*) FILTER (WHERE NOT f),
		coalesce(sum(n) FILTER (WHERE NOT f AND n > 1), 0)::bigint FROM (SELECT count(*) AS n, (%s) AS f FROM %s WHERE %s GROUP BY %s) g`,
		with, isNull, rows, strings.Join(observed, " AND "), strings.Join(columns, ", "))
	return m.queryOnce(m.ctx, text, nil, func(row [][]byte) error {
		answer.Values, answer.Nulls, answer.Distinct, answer.Repeated = decodeInt64(row[0]), decodeInt64(row[1]), decodeInt64(row[2]), decodeInt64(row[3])
		return nil
	})
}

func (m *measuring) occurrences(asked *rules.Measure) error {
	f := asked.Fields[0]
	with, rows := m.rows(f)
	text := fmt.Sprintf("%sSELECT r.v%[2]d, count(*) FROM %[3]s WHERE r.v%[2]d IS NOT NULL GROUP BY r.v%[2]d ORDER BY r.v%[2]d", with, f, rows)
	return m.queryOnce(m.ctx, text, nil, func(row [][]byte) error {
		asked.Take(decode(m.features[f].ValueType, row[0]), decodeInt64(row[1]))
		return nil
	})
}

func (m *measuring) ranked(asked *rules.Measure, answer *rules.Measured) error {
	var ranks []string
	for _, rank := range asked.Ranks {
		ranks = append(ranks, fmt.Sprint(rank+1))
	}
	f := asked.Fields[0]
	with, rows := m.rows(f)
	text := fmt.Sprintf("%sSELECT v FROM (SELECT %[2]s AS v, row_number() OVER (ORDER BY %[2]s) AS i FROM %[3]s WHERE r.v%[4]d IS NOT NULL) g WHERE i IN (%[5]s) ORDER BY i",
		with, m.number(f), rows, f, strings.Join(ranks, ", "))
	return m.queryOnce(m.ctx, text, nil, func(row [][]byte) error {
		answer.Ranked = append(answer.Ranked, decode(value.Float, row[0]).Float())
		return nil
	})
}

func (m *measuring) entities(asked *rules.Measure, answer *rules.Measured) error {
	with, rows := m.rows(asked.Fields...)
	text := fmt.Sprintf("%sSELECT count(*) FROM (SELECT DISTINCT %s FROM %s WHERE r.v%d IS NOT NULL) g", with, m.names(), rows, asked.Fields[0])
	return m.queryOnce(m.ctx, text, nil, func(row [][]byte) error {
		answer.Entities = decodeInt64(row[0])
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
	column := fmt.Sprintf("r.v%d", f)
	var bad []string
	switch {
	case step.Change:
		column = m.number(f)
		if step.Absolute != nil {
			bad = append(bad, "abs(v - before) > "+floatLiteral(*step.Absolute))
		}
		if step.Relative != nil {
			bad = append(bad, relative(*step.Relative))
		}
	case step.Decreasing:
		bad = append(bad, "v > before")
	default:
		bad = append(bad, "v < before")
	}
	if step.Strict {
		bad = append(bad, "v = before")
	}
	with, rows := m.rows(f)
	text := fmt.Sprintf("%sSELECT count(*) FILTER (WHERE %s) FROM (SELECT %[3]s AS v, lead(%[3]s) OVER (PARTITION BY %[4]s ORDER BY r.at DESC, r.id DESC) AS before FROM %[5]s WHERE r.v%[6]d IS NOT NULL) g",
		with, strings.Join(bad, " OR "), column, m.names(), rows, f)
	return m.queryOnce(m.ctx, text, nil, func(row [][]byte) error {
		answer.Steps = decodeInt64(row[0])
		return nil
	})
}

// relative is the condition that a change is too large for the value before it, or that the server could not multiply to find out: a product
// that is too small for a float is an error to it.
func relative(most float64) string {
	if most == 0 {
		return "v <> before"
	}
	return fmt.Sprintf("CASE WHEN before <> 0 AND abs(before) < %s THEN true ELSE abs(v - before) > %s * abs(before) END", floatLiteral(1e-280/most), floatLiteral(most))
}
