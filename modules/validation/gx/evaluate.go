package gx

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/jsonscan"
	"featurestore/modules/validation/rules"
)

// Answer is a suite's verdict in Great Expectations' form.
type Answer struct {
	Success     bool          `json:"success" doc:"Whether every expectation that was imported holds"`
	Results     []Result      `json:"results" doc:"One per expectation that was imported, in the suite's order"`
	NotImported []NotImported `json:"not_imported" doc:"The others, with the reason; they count neither way"`
}

// Result is one expectation's verdict.
type Result struct {
	Success           bool            `json:"success"`
	ExpectationConfig json.RawMessage `json:"expectation_config" doc:"The expectation as it was given"`
	Result            json.RawMessage `json:"result" doc:"element_count, unexpected_count, unexpected_percent, missing_count, partial_unexpected_list and so on, or observed_value, by the expectation"`
	ExceptionInfo     ExceptionInfo   `json:"exception_info"`
}

// ExceptionInfo says why an expectation could not be evaluated; success is false then.
type ExceptionInfo struct {
	RaisedException    bool    `json:"raised_exception"`
	ExceptionMessage   *string `json:"exception_message"`
	ExceptionTraceback *string `json:"exception_traceback"`
}

// chunk is how many rows are evaluated between two looks at the context.
const chunk = 2048

// judged begins the names of the columns that a rule judges while it is evaluated, so that where can still read them as they came.
const judged = "\x00"

// Evaluate evaluates a suite on columns. The error is ctx's.
func Evaluate(ctx context.Context, suite *Suite, columns *Columns) (*Answer, error) {
	answer := &Answer{Success: true, Results: []Result{}, NotImported: suite.NotImported}
	for _, e := range suite.Expectations {
		result, err := e.evaluate(ctx, columns)
		if err != nil {
			return nil, err
		}
		answer.Success = answer.Success && result.Success
		answer.Results = append(answer.Results, result)
	}
	return answer, nil
}

func (e *Expectation) exception(format string, args ...any) Result {
	message := fmt.Sprintf(format, args...)
	return Result{ExpectationConfig: e.Config, Result: json.RawMessage("{}"), ExceptionInfo: ExceptionInfo{RaisedException: true, ExceptionMessage: &message}}
}

func (e *Expectation) evaluate(ctx context.Context, columns *Columns) (Result, error) {
	rule := e.Rule
	rule.Features = nil
	var fields []rules.Field
	var sources [][]value.Value
	times := e.times
	for _, name := range e.Rule.Features {
		c := columns.by[name]
		if c == nil {
			return e.exception("the column %q does not exist", name), nil
		}
		times = times || c.dtype == "datetime64"
		if e.texts && !c.onlyTexts() {
			return e.exception("%s holds values that are no texts", name), nil
		}
	}
	for i, name := range e.Rule.Features {
		field := rules.Field{Name: fmt.Sprintf("%s%d", judged, i)}
		values, err := columns.by[name].as(e.text, times)
		if err != nil {
			return e.exception("%s: %v", name, err), nil
		}
		if times {
			field.Type = value.Timestamp
		}
		rule.Features, fields, sources = append(rule.Features, field.Name), append(fields, field), append(sources, values)
	}
	if times && !e.times {
		rule.Params = timedParams(rule.Params)
	}
	for _, name := range columns.Names {
		fields, sources = append(fields, rules.Field{Name: name}), append(sources, columns.by[name].values)
	}
	if result, done := e.byDtype(&rule, columns); done {
		return result, nil
	}
	set, wrong := rules.Compile([]rules.Definition{rule}, fields)
	if len(wrong) > 0 {
		return e.exception("%s", strings.ReplaceAll(wrong[0].Problem.String(), judged, "column ")), nil
	}
	run := set.Begin(rules.Options{Empty: true, Listed: columns.Rows + 1, TableColumns: orEmpty(columns.Names)})
	if err := columns.feed(ctx, run, set.Reads(), sources); err != nil {
		return Result{}, err
	}
	outcome := run.Finish()[0]
	if outcome.Status == rules.Failed {
		return e.exception("%s", strings.ReplaceAll(outcome.Reason, judged, "column ")), nil
	}
	success := outcome.Status == rules.Pass || outcome.Status == rules.Skipped && e.shape.counts() && outcome.Considered == 0
	return Result{Success: success, ExpectationConfig: e.Config, Result: e.result(&outcome, columns, success)}, nil
}

func orEmpty(names []string) []string {
	if names == nil {
		return []string{}
	}
	return names
}

// feed adds the rows to a run, chunk by chunk, with those columns that it reads.
func (c *Columns) feed(ctx context.Context, run *rules.Run, reads []bool, sources [][]value.Value) error {
	b := rules.Batch{Columns: make([]int, len(sources))}
	for i := range sources {
		b.Columns[i] = -1
		if reads[i] {
			b.Columns[i] = b.Width
			b.Width++
		}
	}
	for first := 0; first < c.Rows; first += chunk {
		if err := ctx.Err(); err != nil {
			return err
		}
		b.Rows = min(chunk, c.Rows-first)
		if b.Values == nil {
			b.Values = make([]value.Value, b.Rows*b.Width)
		}
		b.Values = b.Values[:b.Rows*b.Width]
		for i, column := range b.Columns {
			if column < 0 {
				continue
			}
			for row := range b.Rows {
				b.Values[row*b.Width+column] = sources[i][first+row]
			}
		}
		run.Add(&b, nil)
	}
	return ctx.Err()
}

// as are the values as an expectation looks at them.
func (c *column) as(text, times bool) ([]value.Value, error) {
	switch {
	case times:
		return timesOf(c.values)
	case !text:
		return c.values, nil
	}
	texts := make([]value.Value, len(c.values))
	for i, v := range c.values {
		texts[i] = v
		if !v.IsNull() {
			texts[i] = value.OfString(pythonText(v))
		}
	}
	return texts, nil
}

// timedParams is timeParams of params that are written already.
func timedParams(raw json.RawMessage) json.RawMessage {
	members, err := membersOf(string(raw))
	if err != nil || len(raw) == 0 {
		return raw
	}
	params := map[string]any{}
	for name, raw := range members {
		params[name] = json.RawMessage(raw)
	}
	timeParams(params)
	if timed, err := written(params); err == nil {
		return timed
	}
	return raw
}

// byDtype answers an expectation about types by the column's dtype. Of a column of objects it is the values that have types, by their
// names in Python, unless the one type that is asked for is object itself.
func (e *Expectation) byDtype(rule *rules.Definition, columns *Columns) (Result, bool) {
	if e.shape != typed {
		return Result{}, false
	}
	dtype := columns.by[e.Rule.Features[0]].dtype
	anything := slices.Contains(e.dtypes, "*")
	if dtype != "object_" || anything || e.single && slices.Contains(e.dtypes, "object_") {
		success := anything || slices.Contains(e.dtypes, dtype)
		return Result{Success: success, ExpectationConfig: e.Config, Result: json.RawMessage(`{"observed_value":"` + dtype + `"}`)}, true
	}
	types := []string{}
	for _, name := range e.dtypes {
		if native, ok := strings.CutPrefix(name, "native:"); ok {
			types = append(types, natives[native]...)
		}
	}
	rule.Params, _ = json.Marshal(map[string][]string{"types": types})
	return Result{}, false
}

// natives are the types of values in a column of objects that count as a type of Python; a bool is an int there.
var natives = map[string][]string{"INTEGER": {"INTEGER", "BOOLEAN"}, "FLOAT": {"FLOAT"}, "BOOLEAN": {"BOOLEAN"}, "STRING": {"STRING"},
	"list": {"JSON"}, "dict": {"JSON"}}

// onlyTexts tells whether all values that are not missing are texts.
func (c *column) onlyTexts() bool {
	return !slices.ContainsFunc(c.values, func(v value.Value) bool { return !v.IsNull() && v.Type() != value.String })
}

// result writes what was found in the members that the expectation's results have.
func (e *Expectation) result(o *rules.Outcome, columns *Columns, success bool) json.RawMessage {
	w := &writer{b: []byte{'{'}}
	switch e.shape {
	case bare:
	case aggregate:
		observed := string(o.Observed)
		if observed == "" {
			observed = "null"
		}
		if o.Measured.Type() == value.Timestamp {
			observed = strings.Replace(observed, `Z"`, `"`, 1)
		}
		if e.Rule.Kind == "columns" && jsonscan.KindOf(observed) == jsonscan.Array {
			e.columnsDetails(w, o, columns, success)
		} else {
			w.raw("observed_value", observed)
			if len(o.Details) > 0 {
				w.raw("details", string(o.Details))
			}
		}
	default:
		e.counts(w, o, columns)
	}
	return append(w.b, '}')
}

// counts writes what map expectations answer.
func (e *Expectation) counts(w *writer, o *rules.Outcome, columns *Columns) {
	elements := o.Considered + o.Null
	w.raw("element_count", fmt.Sprint(elements))
	w.raw("unexpected_count", fmt.Sprint(o.Bad))
	w.percent("unexpected_percent", o.Bad, o.Considered)
	var list, indexes []string
	for _, example := range o.Examples {
		list = append(list, e.element(example.Row, columns))
		indexes = append(indexes, fmt.Sprint(example.Row))
	}
	w.raw("partial_unexpected_list", "["+strings.Join(list, ",")+"]")
	if e.shape != nullness {
		w.raw("missing_count", fmt.Sprint(o.Null))
		w.percent("missing_percent", o.Null, elements)
		w.percent("unexpected_percent_total", o.Bad, elements)
		w.percent("unexpected_percent_nonmissing", o.Bad, o.Considered)
	}
	w.raw("partial_unexpected_index_list", "["+strings.Join(indexes, ",")+"]")
}

// element is an unexpected element as it stands in the lists: a value, a pair, or an object of columns.
func (e *Expectation) element(row int64, columns *Columns) string {
	var parts []string
	for _, name := range e.Rule.Features {
		text := shown(columns.by[name].values[row])
		if e.shape == joined {
			text = string(value.AppendJSONString(nil, name)) + ":" + text
		}
		parts = append(parts, text)
	}
	switch e.shape {
	case paired:
		return "[" + strings.Join(parts, ",") + "]"
	case joined:
		return "{" + strings.Join(parts, ",") + "}"
	}
	return parts[0]
}

func shown(v value.Value) string {
	if v.Type() == value.Timestamp {
		return strings.Replace(string(value.AppendJSON(nil, v)), `Z"`, `"`, 1)
	}
	if v.Type() == value.Float && !finite(v.Float()) {
		return `"` + pythonFloat(v.Float()) + `"`
	}
	return string(value.AppendJSON(nil, v))
}

// columnsDetails writes what expectations about a table's columns answer.
func (e *Expectation) columnsDetails(w *writer, o *rules.Outcome, columns *Columns, success bool) {
	var params struct {
		Names   []string `json:"names"`
		InOrder bool     `json:"in_order"`
	}
	if err := json.Unmarshal(e.Rule.Params, &params); err != nil {
		return
	}
	if !params.InOrder {
		e.setDetails(w, o, columns)
		return
	}
	w.raw("observed_value", string(value.AppendJSONStrings(nil, columns.Names)))
	if success {
		return
	}
	at := func(names []string, i int) string {
		if i >= len(names) {
			return "null"
		}
		return string(value.AppendJSONString(nil, names[i]))
	}
	var mismatched []string
	for i := range max(len(params.Names), len(columns.Names)) {
		if expected, found := at(params.Names, i), at(columns.Names, i); expected != found {
			mismatched = append(mismatched, fmt.Sprintf(`{"Expected Column Position":%d,"Expected":%s,"Found":%s}`, i, expected, found))
		}
	}
	w.raw("details", `{"mismatched":[`+strings.Join(mismatched, ",")+"]}")
}

// setDetails writes which columns are too many and which are missing; then all are sorted.
func (e *Expectation) setDetails(w *writer, o *rules.Outcome, columns *Columns) {
	var details struct{ Missing, Unexpected []string }
	if err := json.Unmarshal(o.Details, &details); err != nil {
		return
	}
	if len(details.Missing)+len(details.Unexpected) == 0 {
		w.raw("observed_value", string(value.AppendJSONStrings(nil, columns.Names)))
		return
	}
	w.raw("observed_value", string(value.AppendJSONStrings(nil, slices.Sorted(slices.Values(columns.Names)))))
	inner := &writer{b: []byte{'{'}}
	if len(details.Unexpected) > 0 {
		inner.raw("unexpected", string(value.AppendJSONStrings(nil, slices.Sorted(slices.Values(details.Unexpected)))))
	}
	if len(details.Missing) > 0 {
		inner.raw("missing", string(value.AppendJSONStrings(nil, slices.Sorted(slices.Values(details.Missing)))))
	}
	w.raw("details", `{"mismatched":`+string(append(inner.b, '}'))+"}")
}

// writer writes the members of an object.
type writer struct{ b []byte }

func (w *writer) raw(name, raw string) {
	if len(w.b) > 1 {
		w.b = append(w.b, ',')
	}
	w.b = append(append(append(append(w.b, '"'), name...), `":`...), raw...)
}

// percent writes part ÷ whole in percent, null of nothing.
func (w *writer) percent(name string, part, whole int64) {
	if whole == 0 {
		w.raw(name, "null")
		return
	}
	w.raw(name, string(value.AppendJSON(nil, value.OfFloat(float64(part)/float64(whole)*100))))
}
