package validation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"featurestore/app/fault"
	"featurestore/app/httpapi"
	"featurestore/modules/registry/value/jsonscan"
	"featurestore/modules/validation/gx"
	"featurestore/modules/validation/rules"
)

type validateInput struct {
	httpapi.Payload
	Format string `query:"format" doc:"rules, the default: rules of our own; gx: a suite of Great Expectations; with group, only the answer has its form"`
	DryRun bool   `query:"dry_run" doc:"With group: keep nothing, tell nobody, and take definitions of rules that are not saved; each result says what the rule would have done"`
	Prefer string `header:"Prefer" doc:"respond-async: answer 202 with the run that evaluates" example:"respond-async"`
}

type validateOutput struct {
	Status            int
	ContentType       string `header:"Content-Type"`
	Location          string `header:"Location"`
	PreferenceApplied string `header:"Preference-Applied"`
	Body              []byte
}

// validateBody documents the body of POST /validate.
type validateBody struct {
	Group         string             `json:"group,omitempty" doc:"The group whose stored rows are looked at, instead of data in the call. Beside it stand rules and window"`
	Window        *WindowRequest     `json:"window,omitempty" doc:"With group: which rows. Left out: what each rule's own window says; only then are alerts raised and resolved"`
	Rules         []rules.Definition `json:"rules,omitempty" doc:"The rules, as they are applied; see GET /rules/kinds. At most 1,000. With group: names of saved rules, left out: all that are enabled; with dry_run=true definitions too"`
	Columns       map[string][]any   `json:"columns,omitempty" doc:"The data by columns of the same length"`
	Rows          []map[string]any   `json:"rows,omitempty" doc:"The data by rows, instead of columns. A member that is left out was not observed"`
	Types         map[string]string  `json:"types,omitempty" doc:"Value types of columns; those of the others are told from their values, texts are STRING"`
	TimeColumn    string             `json:"time_column,omitempty" doc:"The column of event times, for kinds about the order of time and freshness"`
	EntityColumns []string           `json:"entity_columns,omitempty" doc:"The columns that name the entity, for kinds about the observations of each"`
	Now           string             `json:"now,omitempty" format:"date-time" doc:"What freshness is compared with; by default the present"`
	Suite         map[string]any     `json:"suite,omitempty" doc:"With format=gx: the suite, of version 0.x or 1.x. Beside it stand columns and schema, and nothing else"`
	Schema        map[string]string  `json:"schema,omitempty" doc:"With format=gx: dtypes that columns are cast to, such as datetime64[ns]; those of the others are told as pandas does"`
}

// ValidateAnswer is the answer of POST /validate: one outcome per rule, of kinds that judge features apart one per feature.
type ValidateAnswer struct {
	Success bool            `json:"success" doc:"No outcome is fail or error"`
	Rows    int             `json:"rows"`
	Results []rules.Outcome `json:"results"`
}

// validate evaluates rules on what is stored, or rules or a suite on the data of the call.
func (v *Validation) validate(ctx context.Context, in *validateInput) (*validateOutput, error) {
	if err := knownFormat(in.Format); err != nil {
		return nil, err
	}
	text, err := in.JSON(v.config.MaxBodyBytes)
	if err != nil {
		return nil, err
	}
	if aboutStored(text) {
		return v.validateStored(ctx, text, in)
	}
	ctx, cancel := context.WithTimeout(ctx, v.config.MaxInlineTime)
	defer cancel()
	var said any
	if in.Format == "gx" {
		said, err = v.validateSuite(ctx, text)
	} else {
		said, err = v.validateRules(ctx, text)
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return nil, fault.New(fault.Unprocessable, "took-too-long",
			"the rules were not evaluated within %s: send fewer rows or rules", v.config.MaxInlineTime).At("body", "", "is too much work")
	case err != nil:
		return nil, err
	}
	return answer(said)
}

// answer is an answer of 200.
func answer(body any) (*validateOutput, error) {
	text, err := appendAnswer(nil, body)
	return &validateOutput{Status: http.StatusOK, ContentType: "application/json", Body: text}, err
}

// knownFormat refuses what is no format of results.
func knownFormat(format string) error {
	if format != "" && format != "rules" && format != "gx" {
		return unknownFormat(format, "rules or gx")
	}
	return nil
}

func unknownFormat(format, known string) error {
	return fault.New(fault.Invalid, "unknown-format", "format is %q: use %s", format, known).At("query.format", format, "use %s", known)
}

func appendAnswer(b []byte, answer any) ([]byte, error) {
	into := bytes.NewBuffer(b)
	encoder := json.NewEncoder(into)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(answer)
	return into.Bytes(), err
}

// work is how many rows times rules are evaluated between two looks at the clock.
const work = 100_000

func (v *Validation) validateRules(ctx context.Context, text string) (*ValidateAnswer, error) {
	request, err := readValidate(text, v.config.MaxInlineValues, v.now())
	if err != nil {
		return nil, err
	}
	d := request.data
	run := request.set.Begin(rules.Options{Now: request.now, TableColumns: append([]string{}, d.names...)})
	width := len(d.names)
	size := max(16, work/(1+len(request.set.Rules())))
	columns := make([]int, width)
	for i := range columns {
		columns[i] = i
	}
	for first := 0; first < d.rows; first += size {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n := min(size, d.rows-first)
		batch := rules.Batch{Values: d.values[first*width : (first+n)*width], Rows: n, Width: width, Columns: columns}
		if d.times != nil {
			batch.EventTimes = d.times[first : first+n]
		}
		if d.entity != nil {
			batch.Entity = func(row int) string { return d.entity(first + row) }
		}
		run.Add(&batch, nil)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	answer := &ValidateAnswer{Success: true, Rows: d.rows, Results: run.Finish()}
	for _, o := range answer.Results {
		answer.Success = answer.Success && o.Status != rules.Fail && o.Status != rules.Failed
	}
	return answer, nil
}

func (v *Validation) validateSuite(ctx context.Context, text string) (*gx.Answer, error) {
	text = gx.Lenient(text)
	suite, columns := "", ""
	schema := map[string]string{}
	s := jsonscan.New(text)
	err := s.Object(func(name string) (err error) {
		switch name {
		case "suite":
			suite, err = s.Value()
		case "columns":
			if s.Kind() != jsonscan.Object {
				return s.Errorf("columns is an object of lists")
			}
			columns, err = s.Value()
		case "schema":
			return s.Object(func(name string) error {
				schema[name], err = s.Text()
				return err
			})
		default:
			return s.Errorf("unknown member: the body has suite, columns and, if need be, schema")
		}
		return err
	})
	if err == nil {
		err = s.End()
	}
	if err != nil {
		return nil, jsonscan.Fault(err)
	}
	if suite == "" || columns == "" {
		return nil, fault.New(fault.Unprocessable, "invalid-validation", "the body has a suite and columns").At("body", "", "has no suite or no columns")
	}
	read, err := gx.ReadSuite(suite, v.now())
	if err != nil {
		return nil, err
	}
	data, err := gx.ReadColumns(columns, schema, v.config.MaxInlineValues)
	if err != nil {
		return nil, jsonscan.Fault(err)
	}
	return gx.Evaluate(ctx, read, data)
}

// KindsAnswer is the answer of GET /rules/kinds.
type KindsAnswer struct {
	Kinds []rules.Kind `json:"kinds"`
}

type kindsOutput struct{ Body KindsAnswer }

func (v *Validation) kinds(context.Context, *struct{}) (*kindsOutput, error) {
	return &kindsOutput{KindsAnswer{rules.Kinds()}}, nil
}
