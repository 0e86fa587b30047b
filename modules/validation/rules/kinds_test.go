package rules

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/jsonscan"
)

// kindCase is one case of testdata/kinds: blocks of lines, each with a word, a colon and JSON (of case: a text).
//
//	case: what it shows
//	types: {feature: value type}            not given: any, as in inline data of mixed types
//	rule: {…}                                name is not needed; the kind is that of the file
//	data: {feature: [values]}                "absent" stands for a value that was not observed
//	want: {…} or [{…}]                       the outcomes; only the members that are given are compared
//	wrong: ["place: message"]                instead of want: what is wrong with the rule; a prefix of the message is enough
//
// and, where a kind needs it: entities, times (RFC 3339), now, history, known (what a look-up finds), all_entities, distribution, pii.
type kindCase struct {
	file, name string
	lines      map[string]string
}

func readKindCases(t *testing.T) []kindCase {
	files, err := filepath.Glob("testdata/kinds/*.test")
	require.NoError(t, err)
	var cases []kindCase
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		kind := strings.TrimSuffix(filepath.Base(file), ".test")
		for line := range strings.Lines(string(content)) {
			line = strings.TrimSpace(line)
			if line == "" || line[0] == '#' {
				continue
			}
			word, rest, ok := strings.Cut(line, ": ")
			require.True(t, ok, "%s: %s", file, line)
			if word == "case" {
				cases = append(cases, kindCase{kind, rest, map[string]string{}})
				continue
			}
			require.NotEmpty(t, cases, file)
			require.Empty(t, cases[len(cases)-1].lines[word], "%s: %s twice", file, word)
			cases[len(cases)-1].lines[word] = rest
		}
	}
	return cases
}

func (c kindCase) decode(t *testing.T, word string, into any) bool {
	text := c.lines[word]
	if text == "" {
		return false
	}
	require.NoError(t, json.Unmarshal([]byte(text), into), "%s: %s", c.name, word)
	return true
}

// fields are those of the data, in its order, with the types that are given.
func (c kindCase) fields(t *testing.T) (fields []Field, columns [][]value.Value) {
	types := map[string]string{}
	c.decode(t, "types", &types)
	var pii []string
	c.decode(t, "pii", &pii)
	s := jsonscan.New(c.lines["data"])
	require.NoError(t, s.Object(func(name string) error {
		f := Field{Name: name}
		if types[name] != "" {
			var ok bool
			f.Type, ok = value.ParseType(types[name])
			require.True(t, ok, types[name])
		}
		for _, masked := range pii {
			f.PII = f.PII || masked == name
		}
		var column []value.Value
		err := s.Array(func(int) error {
			raw, err := s.Value()
			if err != nil {
				return err
			}
			if raw == `"absent"` {
				column = append(column, value.Value{})
				return nil
			}
			v, err := constant(raw, f.Type)
			if f.Type != value.Invalid {
				v, err = value.ParseJSON(f.Type, []byte(raw))
			}
			require.NoError(t, err, "%s: %s", c.name, raw)
			column = append(column, v)
			return nil
		})
		fields, columns = append(fields, f), append(columns, column)
		return err
	}), c.name)
	return fields, columns
}

func (c kindCase) rule(t *testing.T) (Definition, []Problem) {
	members := map[string]json.RawMessage{}
	c.decode(t, "rule", &members)
	if members["name"] == nil {
		members["name"] = json.RawMessage(`"r"`)
	}
	if members["kind"] == nil {
		members["kind"] = json.RawMessage(`"` + c.file + `"`)
	}
	raw, err := json.Marshal(members)
	require.NoError(t, err)
	return Read(string(raw))
}

func (c kindCase) options(t *testing.T) Options {
	var o Options
	var now string
	if c.decode(t, "now", &now) {
		us, err := value.ParseTime(now, nil)
		require.NoError(t, err)
		o.Now = us
	}
	var history []float64
	if c.decode(t, "history", &history) {
		o.History = func(Definition, string, int) ([]float64, error) { return history, nil }
	}
	var known []json.RawMessage
	if c.decode(t, "known", &known) {
		o.Lookup = func(_ Reference, values []value.Value) ([]bool, error) {
			found := make([]bool, len(values))
			for i, v := range values {
				for _, raw := range known {
					found[i] = found[i] || show(v) == string(raw)
				}
			}
			return found, nil
		}
	}
	var entities int64
	if c.decode(t, "all_entities", &entities) {
		o.Entities = func() (int64, error) { return entities, nil }
	}
	var drift Comparison
	if c.decode(t, "distribution", &drift) {
		o.Distribution = func(Definition, Field) (Distribution, error) { return &counting{answer: drift}, nil }
	}
	return o
}

// counting is a comparison that counts what it is given, and answers what it was told to.
type counting struct {
	answer        Comparison
	values, nulls int
}

func (c *counting) Add(v value.Value, _ int64) bool {
	if v.IsNull() {
		c.nulls++
	} else {
		c.values++
	}
	return true
}

func (c *counting) Compare() (Comparison, error) {
	c.answer.Details = json.RawMessage(fmt.Sprintf(`{"values":%d,"nulls":%d}`, c.values, c.nulls))
	return c.answer, nil
}

// evaluate runs the rule over the first rows of the data, in batches of so many.
func (c kindCase) evaluate(t *testing.T, set *Set, columns [][]value.Value, rows, size int) []Outcome {
	run := set.Begin(c.options(t))
	var entities, times []string
	hasEntities, hasTimes := c.decode(t, "entities", &entities), c.decode(t, "times", &times)
	for first := 0; first == 0 || first < rows; first += size {
		n := min(size, rows-first)
		b := Batch{Rows: n, Width: len(columns)}
		for i := range columns {
			b.Columns = append(b.Columns, i)
		}
		for row := range n {
			for _, column := range columns {
				b.Values = append(b.Values, column[first+row])
			}
			if hasTimes {
				us, err := value.ParseTime(times[first+row], nil)
				require.NoError(t, err)
				b.EventTimes = append(b.EventTimes, us)
			}
		}
		if hasEntities {
			b.Entity = func(row int) string { return entities[first+row] }
		}
		run.Add(&b, func(*Bad) {})
	}
	return run.Finish()
}

func TestEveryKindMeansWhatItsCasesSay(t *testing.T) {
	seen := map[string]int{}
	for _, c := range readKindCases(t) {
		seen[c.file]++
		t.Run(c.file+"/"+c.name, func(t *testing.T) {
			rule, found := c.rule(t)
			var fields []Field
			var columns [][]value.Value
			var violations []Violation
			var set *Set
			if c.lines["data"] != "" {
				fields, columns = c.fields(t)
			}
			if len(found) == 0 {
				set, violations = Compile([]Definition{rule}, fields)
				for _, v := range violations {
					found = append(found, v.Problem)
				}
			}
			var wrong []string
			if c.decode(t, "wrong", &wrong) {
				require.Len(t, found, len(wrong), "%v", found)
				for i := range wrong {
					require.True(t, strings.HasPrefix(found[i].String(), wrong[i]), "%s", found[i])
				}
				return
			}
			require.Empty(t, found)
			rows := 0
			if len(columns) > 0 {
				rows = len(columns[0])
			}
			for _, size := range []int{1, 3, 1000} {
				c.compare(t, c.evaluate(t, set, columns, rows, size))
			}
			for _, o := range c.evaluate(t, set, columns, 0, 1) {
				require.NotEqual(t, Pass, o.Status, "empty data is never pass")
			}
		})
	}
	for _, name := range kindNames() {
		require.GreaterOrEqual(t, seen[name], 3, "cases of %s", name)
	}
	require.Len(t, seen, len(kindNames()), "a file is of no kind")
}

// compare compares outcomes with what is wanted, member by member.
func (c kindCase) compare(t *testing.T, outcomes []Outcome) {
	text := c.lines["want"]
	if strings.HasPrefix(text, "{") {
		text = "[" + text + "]"
	}
	var want []map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &want), text)
	require.Len(t, outcomes, len(want))
	for i, o := range outcomes {
		raw, err := json.Marshal(o)
		require.NoError(t, err)
		var got map[string]any
		require.NoError(t, json.Unmarshal(raw, &got))
		for name, w := range want[i] {
			require.Equal(t, w, got[name], "%s: %s of %s", c.name, name, raw)
		}
	}
}
