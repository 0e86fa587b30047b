package validation

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/jsonscan"
	"featurestore/modules/validation/rules"
)

const (
	maxRules         = 1_000
	maxInlineColumns = 2_000
)

// validateRequest is a body of POST /validate with rules of our own.
type validateRequest struct {
	set  *rules.Set
	data *inline
	now  int64
}

// inline is a table that a call brings, row by row.
type inline struct {
	names  []string
	index  map[string]int
	types  []value.Type // Invalid: mixed, or nothing but nulls
	raw    [][]string   // by column; "" was not given
	rows   int
	values []value.Value
	times  []int64
	entity func(row int) string
}

// readValidate reads a body and names everything that is wrong with it.
func readValidate(text string, most int, now time.Time) (*validateRequest, error) {
	problem := fault.New(fault.Unprocessable, "invalid-validation", "the request is not valid; violations lists what is wrong")
	wrong := func(location, value, format string, args ...any) {
		if len(problem.Violations) < maxViolations {
			problem.At(location, value, format, args...)
		}
	}
	r := &validateRequest{data: &inline{index: map[string]int{}}, now: now.UnixMicro()}
	var definitions []rules.Definition
	types := map[string]string{}
	timeColumn := ""
	var entityColumns []string
	given := map[string]bool{}
	s := jsonscan.New(text)
	err := s.Object(func(name string) (err error) {
		given[name] = true
		switch name {
		case "rules":
			return s.Array(func(i int) error {
				raw, err := s.Value()
				if i == maxRules {
					wrong("rules", "", "are more than %d", maxRules)
				}
				if i >= maxRules || err != nil {
					return err
				}
				d, problems := rules.Read(raw)
				for _, p := range problems {
					wrong(within("rules["+strconv.Itoa(i)+"]", p.At), p.Value, "%s", p.Message)
				}
				definitions = append(definitions, d)
				return nil
			})
		case "columns":
			return r.data.readColumns(s, most)
		case "rows":
			return r.data.readRows(s, most)
		case "types":
			return s.Object(func(name string) error {
				types[name], err = s.Text()
				return err
			})
		case "time_column":
			timeColumn, err = s.Text()
		case "entity_columns":
			entityColumns, err = s.Texts()
		case "now":
			var text string
			if text, err = s.Text(); err == nil {
				if r.now, err = value.ParseTime(text, nil); err != nil {
					wrong("now", text, "%v", err)
					err = nil
				}
			}
		default:
			wrong(name, "", "unknown member%s", registry.DidYouMean(name, slices.Values([]string{"group", "rules", "columns", "rows", "types", "time_column", "entity_columns", "now"})))
		}
		return err
	})
	if err == nil {
		err = s.End()
	}
	if err != nil {
		return nil, jsonscan.Fault(err)
	}
	if !given["rules"] {
		wrong("rules", "", "must be given: the rules to evaluate")
	}
	if given["columns"] == given["rows"] {
		wrong("columns", "", "give columns or rows")
	}
	r.data.read(types, timeColumn, entityColumns, wrong)
	if len(problem.Violations) == 0 {
		var violations []rules.Violation
		r.set, violations = rules.Compile(definitions, r.data.fields())
		for _, v := range violations {
			wrong(within("rules["+strconv.Itoa(v.Rule)+"]", v.At), v.Value, "%s", v.Message)
		}
	}
	if len(problem.Violations) > 0 {
		if v := problem.Violations[0]; len(problem.Violations) == 1 {
			problem.Detail = v.Location + ": " + v.Message
		}
		return nil, problem
	}
	return r, nil
}

func within(outer, inner string) string {
	if inner == "" {
		return outer
	}
	return outer + "." + inner
}

// tooMany is the fault for more values than a call may bring.
func tooMany(most int) error {
	return fault.New(fault.TooLarge, "too-many-values", "the data have more than %d values (rows × columns): send them in parts, or load them and validate what is stored", most).
		At("columns", "", "has too many values")
}

// column gives the place of a column, a new one if need be.
func (d *inline) column(s *jsonscan.Scanner, name string, most int) (int, error) {
	i, known := d.index[name]
	if known {
		return i, nil
	}
	if len(d.names) == maxInlineColumns {
		return 0, s.Errorf("there are more than %d columns", maxInlineColumns)
	}
	if (len(d.names)+1)*d.rows > most {
		return 0, tooMany(most)
	}
	i = len(d.names)
	d.index[name] = i
	d.names, d.raw = append(d.names, name), append(d.raw, make([]string, d.rows))
	return i, nil
}

func (d *inline) readColumns(s *jsonscan.Scanner, most int) error {
	return s.Object(func(name string) error {
		var column []string
		err := s.Array(func(int) error {
			raw, err := s.Value()
			column = append(column, raw)
			if len(column)*(len(d.names)+1) > most {
				return tooMany(most)
			}
			return err
		})
		if err != nil {
			return err
		}
		if len(d.names) > 0 && len(column) != d.rows {
			return s.Errorf("the column has %d values, %q has %d", len(column), d.names[0], d.rows)
		}
		d.rows = len(column)
		i, err := d.column(s, name, most)
		if err == nil {
			d.raw[i] = column
		}
		return err
	})
}

func (d *inline) readRows(s *jsonscan.Scanner, most int) error {
	return s.Array(func(int) error {
		if d.rows++; d.rows*max(1, len(d.names)) > most {
			return tooMany(most)
		}
		for i := range d.raw {
			d.raw[i] = append(d.raw[i], "")
		}
		return s.Object(func(name string) error {
			i, err := d.column(s, name, most)
			if err != nil {
				return err
			}
			d.raw[i][d.rows-1], err = s.Value()
			return err
		})
	})
}

// read makes values of what was given: of the types that were named, else of those that they look like.
func (d *inline) read(types map[string]string, timeColumn string, entityColumns []string, wrong func(location, value, format string, args ...any)) {
	for _, name := range slices.Sorted(keys(types)) {
		if _, known := d.index[name]; !known {
			wrong("types."+name, "", "there is no column %q%s", name, registry.DidYouMean(name, slices.Values(d.names)))
		} else if _, ok := value.ParseType(types[name]); !ok {
			wrong("types."+name, types[name], "is no value type: use BOOLEAN, INTEGER, FLOAT, STRING, TIMESTAMP, JSON or one of the first five with []")
		}
	}
	named := func(at, name string) (column int, ok bool) {
		i, known := d.index[name]
		if !known {
			wrong(at, name, "there is no column %q%s", name, registry.DidYouMean(name, slices.Values(d.names)))
		}
		return i, known
	}
	if timeColumn != "" {
		if _, known := named("time_column", timeColumn); known && types[timeColumn] == "" {
			types[timeColumn] = value.Timestamp.String()
		}
	}
	d.values = make([]value.Value, d.rows*len(d.names))
	for c, name := range d.names {
		t, asked := value.ParseType(types[name])
		if !asked {
			t = inferColumn(d.raw[c])
		}
		d.types = append(d.types, t)
		for row, raw := range d.raw[c] {
			v, err := inlineValue(raw, t)
			if err != nil {
				wrong(fmt.Sprintf("columns.%s[%d]", name, row), fault.Shorten(raw), "%v", err)
				break // one of a column is enough
			}
			d.values[row*len(d.names)+c] = v
		}
		d.raw[c] = nil
	}
	var entities []int
	for i, name := range entityColumns {
		if c, known := named("entity_columns["+strconv.Itoa(i)+"]", name); known {
			entities = append(entities, c)
		}
	}
	if len(entities) > 0 {
		d.entity = func(row int) string {
			var key []byte
			for _, c := range entities {
				key = append(value.AppendJSON(key, d.values[row*len(d.names)+c]), 0)
			}
			return string(key)
		}
	}
	c, known := d.index[timeColumn]
	if timeColumn == "" || !known {
		return
	}
	for row := range d.rows {
		v := d.values[row*len(d.names)+c]
		if v.Type() != value.Timestamp {
			wrong(fmt.Sprintf("columns.%s[%d]", timeColumn, row), "", "is no time: every row needs its event time")
			return
		}
		d.times = append(d.times, v.Time())
	}
}

func keys(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for name := range m {
			if !yield(name) {
				return
			}
		}
	}
}

// inferColumn is the type that holds all values of a column: Invalid if they have none in common. Texts are texts, whatever they look
// like.
func inferColumn(raws []string) value.Type {
	common := value.Invalid
	for _, raw := range raws {
		if raw == "" || raw == "null" {
			continue
		}
		t := looksLike(raw)
		if common == value.Invalid {
			common = t
		}
		if common != t {
			if common = value.Common(common, t); common == value.Invalid {
				return value.Invalid
			}
		}
	}
	return common
}

func looksLike(raw string) value.Type {
	switch jsonscan.KindOf(raw) {
	case jsonscan.String:
		return value.String
	case jsonscan.Object:
		return value.JSON
	}
	t, err := value.InferJSON([]byte(raw), nil)
	switch {
	case err != nil && jsonscan.KindOf(raw) == jsonscan.Number:
		return value.Float
	case err != nil:
		return value.JSON
	case t == value.TimestampArray:
		return value.StringArray
	}
	return t
}

// inlineValue reads one value; of a column of mixed types each by itself.
func inlineValue(raw string, t value.Type) (value.Value, error) {
	if raw == "" {
		return value.Value{}, nil
	}
	if t == value.Invalid && raw != "null" {
		t = looksLike(raw)
	}
	return value.ParseJSON(t, []byte(raw))
}

func (d *inline) fields() []rules.Field {
	fields := make([]rules.Field, len(d.names))
	for i, name := range d.names {
		fields[i] = rules.Field{Name: name, Type: d.types[i]}
	}
	return fields
}
