package gx

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"featurestore/app/fault"
	"featurestore/modules/registry/value/jsonscan"
	"featurestore/modules/validation/rules"
)

// Suite is a suite of expectations, read.
type Suite struct {
	Name         string
	Expectations []*Expectation // those that could be imported, in their order
	NotImported  []NotImported
}

// NotImported is an expectation that could not be made a rule.
type NotImported struct {
	Expectation json.RawMessage `json:"expectation" doc:"The expectation as it was given"`
	Reason      string          `json:"reason" doc:"Why it is not imported"`
}

// Expectation is one that has become a rule.
type Expectation struct {
	Config json.RawMessage  // as it was given
	Rule   rules.Definition // what it means
	shape  shape
	text   bool // values are read as their text in Python
	times  bool // columns are read as times
	texts  bool // values that are no texts are an exception
	moving bool // a bound was computed from the clock
	single bool // it names one type

	Severe bool // it says itself how severe it is
	dtypes []string
}

// maxExpectations bounds a suite.
const maxExpectations = 5_000

// ReadSuite reads a suite of any version: an object with expectations, or only the list of them. The error is a fault about the suite as a
// whole; what is wrong with one expectation is listed in NotImported. now is the time that parameters such as now() mean.
func ReadSuite(raw string, now time.Time) (*Suite, error) {
	suite := &Suite{NotImported: []NotImported{}}
	wrong := func(format string, args ...any) error {
		return fault.New(fault.Unprocessable, "invalid-suite", format, args...).At("suite", fault.Shorten(raw), "see detail")
	}
	var list []string
	parameters := map[string]string{}
	s := jsonscan.New(raw)
	readList := func() error {
		return s.Array(func(int) error {
			one, err := s.Value()
			list = append(list, one)
			return err
		})
	}
	var err error
	listed := false
	switch s.Kind() {
	case jsonscan.Array:
		listed, err = true, readList()
	case jsonscan.Object:
		err = s.Object(func(name string) error {
			switch {
			case (name == "expectation_suite_name" || name == "name") && s.Kind() == jsonscan.String:
				suite.Name, err = s.Text()
				return err
			case name == "expectations" && s.Kind() == jsonscan.Array:
				listed = true
				return readList()
			case (name == "evaluation_parameters" || name == "suite_parameters") && s.Kind() == jsonscan.Object:
				return s.Object(func(name string) error {
					raw, err := s.Value()
					parameters[name] = raw
					return err
				})
			}
			return nil
		})
	default:
		return nil, wrong("a suite is an object with expectations, or a list of them")
	}
	switch {
	case err != nil:
		return nil, jsonscan.Fault(err)
	case !listed:
		return nil, wrong("the suite has no list of expectations")
	case len(list) > maxExpectations:
		return nil, wrong("the suite has %d expectations, more than %d", len(list), maxExpectations)
	}
	names := map[string]int{}
	for _, one := range list {
		e, reason := readExpectation(one, parameters, now)
		if reason != "" {
			suite.NotImported = append(suite.NotImported, NotImported{json.RawMessage(jsonscan.Minify(one)), reason})
			continue
		}
		names[e.Rule.Name]++
		if n := names[e.Rule.Name]; n > 1 {
			e.Rule.Name = fmt.Sprintf("%s_%d", e.Rule.Name, n)
		}
		suite.Expectations = append(suite.Expectations, e)
	}
	return suite, nil
}

func readExpectation(raw string, parameters map[string]string, now time.Time) (_ *Expectation, reason string) {
	if jsonscan.KindOf(raw) != jsonscan.Object {
		return nil, "an expectation is an object with expectation_type (or type) and kwargs"
	}
	kind, severity, description, kwargs := "", "", "", "{}"
	s := jsonscan.New(raw)
	err := s.Object(func(name string) (err error) {
		switch {
		case (name == "expectation_type" || name == "type") && s.Kind() == jsonscan.String:
			kind, err = s.Text()
		case name == "kwargs" && s.Kind() == jsonscan.Object:
			kwargs, err = s.Value()
		case name == "severity" && s.Kind() == jsonscan.String:
			severity, err = s.Text()
		case name == "description" && s.Kind() == jsonscan.String:
			description, err = s.Text()
		}
		return err
	})
	if err != nil {
		return nil, err.Error()
	}
	t, known := translators()[kind]
	if !known {
		if why := refused(kind); why != "" {
			return nil, why
		}
		if kind == "" {
			return nil, "it has no expectation_type (0.x) or type (1.x)"
		}
		return nil, fmt.Sprintf("%s has no counterpart among the kinds of rules", kind)
	}
	k := &keywords{now: now, parameters: parameters, used: map[string]bool{}, params: map[string]any{}}
	if k.raw, err = membersOf(kwargs); err != nil {
		return nil, err.Error()
	}
	k.resolve()
	e := &Expectation{Config: json.RawMessage(jsonscan.Minify(raw)), shape: t.shape, text: t.text}
	e.Rule = rules.Definition{Kind: t.kind, NullPolicy: rules.IgnoreNulls, Severity: severities[severity], Action: rules.Record, Enabled: true, Description: description}
	if e.Severe = e.Rule.Severity != ""; !e.Severe {
		e.Rule.Severity = rules.Error
	}
	e.texts = kind == "expect_column_values_to_match_strftime_format" || kind == "expect_column_values_to_be_dateutil_parseable" || kind == "expect_column_values_to_match_json_schema"
	e.single = kind == "expect_column_values_to_be_of_type"
	k.e = e
	t.translate(k)
	k.common()
	k.leftovers()
	if k.reason != "" {
		return nil, k.reason
	}
	e.Rule.Name = ruleName(kind, e.Rule.Features)
	e.times, e.moving = k.times, k.moving
	if k.times {
		timeParams(k.params)
	}
	if len(k.params) > 0 {
		if e.Rule.Params, err = written(k.params); err != nil {
			return nil, "its arguments cannot be written as JSON"
		}
	}
	return e, ""
}

var severities = map[string]rules.Severity{"critical": rules.Error, "warning": rules.Warn, "info": rules.Info}

// ruleName makes a name of an expectation's type and columns, as rules have them.
func ruleName(kind string, columns []string) string {
	parts := append(columns[:min(len(columns), 2):min(len(columns), 2)], strings.TrimPrefix(kind, "expect_"))
	name := []byte{}
	for _, c := range []byte(strings.ToLower(strings.Join(parts, "_"))) {
		if c-'a' >= 26 && c-'0' >= 10 {
			c = '_'
		}
		if c == '_' && len(name) > 0 && name[len(name)-1] == '_' {
			continue
		}
		name = append(name, c)
	}
	text := strings.Trim(string(name), "_")
	if text == "" || text[0]-'a' >= 26 {
		text = "gx_" + text
	}
	return text[:min(len(text), 90)]
}

func membersOf(object string) (map[string]string, error) {
	members := map[string]string{}
	s := jsonscan.New(object)
	err := s.Object(func(name string) error {
		raw, err := s.Value()
		members[name] = raw
		return err
	})
	return members, err
}

// Importable are the expectations of the suite whose rules, about the group, can be applied; what lives on the clock of one evaluation, or
// could never hold, joins what is not imported.
func (s *Suite) Importable(group string) ([]Expectation, []NotImported) {
	importable, left := []Expectation{}, append([]NotImported{}, s.NotImported...)
	for _, e := range s.Expectations {
		one := *e
		one.Rule.Group = group
		if e.moving {
			left = append(left, NotImported{e.Config, "a bound is computed from the clock, which a rule cannot: use a rule of kind freshness, or an expression"})
			continue
		}
		raw, err := json.Marshal(one.Rule)
		if err == nil {
			var problems []rules.Problem
			if _, problems = rules.Read(string(raw)); len(problems) == 0 {
				importable = append(importable, one)
				continue
			}
			left = append(left, NotImported{e.Config, problems[0].String()})
			continue
		}
		left = append(left, NotImported{e.Config, "it cannot be written as a rule"})
	}
	return importable, left
}
