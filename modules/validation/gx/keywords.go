package gx

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/jsonscan"
	"featurestore/modules/validation/rules"
)

// keywords are the kwargs of one expectation, from which a translator makes a rule. The first thing that cannot be taken is the reason.
type keywords struct {
	raw        map[string]string
	used       map[string]bool
	parameters map[string]string
	now        time.Time
	times      bool
	moving     bool
	reason     string
	params     map[string]any
	e          *Expectation
}

func (k *keywords) refuse(format string, args ...any) {
	if k.reason == "" {
		k.reason = fmt.Sprintf(format, args...)
	}
}

// resolve puts values in the place of {"$PARAMETER": "…"}.
func (k *keywords) resolve() {
	for name, raw := range k.raw {
		if jsonscan.KindOf(raw) != jsonscan.Object {
			continue
		}
		members, err := membersOf(raw)
		text, ok := members["$PARAMETER"]
		if err != nil || !ok {
			continue
		}
		if given, known := members["$PARAMETER."+jsonscan.Unquote(text)]; known {
			k.raw[name] = given
			continue
		}
		if jsonscan.KindOf(text) != jsonscan.String {
			k.refuse("%s has a parameter that is no text", name)
			continue
		}
		resolved, err := (&parameter{text: jsonscan.Unquote(text), now: k.now, given: k.parameters}).resolve()
		if err != nil {
			k.refuse("%s has the parameter %s: %v", name, text, err)
			continue
		}
		k.raw[name] = resolved.raw
		k.times = k.times || resolved.time
		k.moving = k.moving || resolved.moving
	}
}

// get is the raw value of a kwarg, "" where it is not given or null.
func (k *keywords) get(name string) string {
	k.used[name] = true
	raw := k.raw[name]
	if raw == "null" {
		return ""
	}
	return raw
}

func (k *keywords) text(name string) string {
	raw := k.get(name)
	if raw == "" {
		return ""
	}
	if jsonscan.KindOf(raw) != jsonscan.String {
		k.refuse("%s is no text", name)
		return ""
	}
	return jsonscan.Unquote(raw)
}

func (k *keywords) needed(name string) string {
	raw := k.get(name)
	if raw == "" {
		k.refuse("%s is not given", name)
	}
	return raw
}

func (k *keywords) truth(name string) bool {
	raw := k.get(name)
	if raw != "" && raw != "true" && raw != "false" {
		k.refuse("%s is neither true nor false", name)
	}
	return raw == "true"
}

func (k *keywords) list(name string) []string {
	raw := k.get(name)
	if raw == "" {
		return nil
	}
	if jsonscan.KindOf(raw) != jsonscan.Array {
		k.refuse("%s is no list", name)
		return nil
	}
	list := []string{}
	elements := jsonscan.ElementsOf(raw)
	for element, ok := elements.Next(); ok; element, ok = elements.Next() {
		list = append(list, element)
	}
	return list
}

func (k *keywords) texts(name string) []string {
	var texts []string
	for _, raw := range k.list(name) {
		if jsonscan.KindOf(raw) != jsonscan.String {
			k.refuse("%s holds something that is no text", name)
			return nil
		}
		texts = append(texts, jsonscan.Unquote(raw))
	}
	return texts
}

func (k *keywords) column() {
	name := k.needed("column")
	if name == "" {
		return
	}
	k.e.Rule.Features = []string{k.text("column")}
}

// set gives the rule a param, unless raw is "".
func (k *keywords) set(name, raw string) {
	if raw != "" {
		k.params[name] = json.RawMessage(raw)
	}
}

// between takes min_value, max_value and whether they are strict.
func (k *keywords) between() {
	least, most := k.get("min_value"), k.get("max_value")
	for name, raw := range map[string]string{"min": least, "max": most} {
		if kind := jsonscan.KindOf(raw); raw != "" && kind != jsonscan.Number && kind != jsonscan.String {
			k.refuse("%s_value is neither a number nor a text", name)
		}
		if !infinite(raw) {
			k.set(name, raw)
		}
	}
	for _, name := range []string{"strict_min", "strict_max"} {
		if k.truth(name) {
			k.params[name] = true
		}
	}
}

// infinite tells whether a bound is none: what Python writes as ±Infinity.
func infinite(raw string) bool {
	f, err := strconv.ParseFloat(raw, 64)
	return err != nil && math.IsInf(f, 0)
}

// common takes what every expectation can have.
func (k *keywords) common() {
	if raw := k.get("mostly"); raw != "" {
		rate, ok := complement(raw)
		switch {
		case !ok:
			k.refuse("mostly is not between 0 and 1")
		case k.e.shape.counts() && rate > 0:
			k.e.Rule.Tolerance = &rules.Tolerance{MaxBadRate: &rate}
		case !k.e.shape.counts() && rate > 0:
			k.refuse("mostly means nothing to it")
		}
	}
	condition := k.raw["row_condition"]
	k.used["row_condition"] = true
	parser := k.text("condition_parser")
	if condition != "" && condition != "null" && condition != `""` {
		where, err := readCondition(condition, parser)
		if err != nil {
			k.refuse("its row_condition cannot be translated: %v", err)
		}
		k.e.Rule.Where = where
	}
	if k.get("parse_strings_as_datetimes") == "true" {
		k.times = true
	}
}

// Kwargs that change nothing of the verdict, and those that do when they are given.
var (
	idle      = []string{"result_format", "include_config", "catch_exceptions", "batch_id", "meta", "notes", "table", "output_strftime_format", "description", "severity", "id", "ticket", "windows"}
	exclusive = []string{"auto", "profiler_config", "allow_cross_type_comparisons"}
)

// leftovers refuses kwargs that nothing has looked at: they may mean something.
func (k *keywords) leftovers() {
	var left []string
	for name, raw := range k.raw {
		if k.used[name] || slices.Contains(idle, name) || raw == "null" {
			continue
		}
		if slices.Contains(exclusive, name) && raw == "false" {
			continue
		}
		left = append(left, name)
	}
	slices.Sort(left)
	if len(left) > 0 {
		k.refuse("it has arguments that are not known here: %s", strings.Join(left, ", "))
	}
}

// complement is 1 − rate without the error that floats bring: of 0.9 it is 0.1.
func complement(raw string) (float64, bool) {
	f, err := strconv.ParseFloat(raw, 64)
	if jsonscan.KindOf(raw) != jsonscan.Number || err != nil || f < 0 || f > 1 {
		return 0, false
	}
	r, ok := new(big.Rat).SetString(string(value.AppendJSON(nil, value.OfFloat(f))))
	if !ok {
		return 0, false
	}
	rate, _ := new(big.Rat).Sub(big.NewRat(1, 1), r).Float64()
	return rate, true
}

// timeParams writes the times among a rule's params as rules have them: RFC 3339 with an offset.
func timeParams(params map[string]any) {
	rewrite := func(raw string) string {
		if jsonscan.KindOf(raw) == jsonscan.String {
			if us, ok := timeOf(jsonscan.Unquote(raw)); ok {
				return `"` + string(value.AppendTime(nil, us)) + `"`
			}
		}
		return raw
	}
	for _, name := range []string{"min", "max"} {
		if raw, ok := params[name].(json.RawMessage); ok {
			params[name] = json.RawMessage(rewrite(string(raw)))
		}
	}
	if raw, ok := params["values"].(json.RawMessage); ok {
		var list []string
		elements := jsonscan.ElementsOf(string(raw))
		for one, ok := elements.Next(); ok; one, ok = elements.Next() {
			list = append(list, rewrite(one))
		}
		params["values"] = json.RawMessage("[" + strings.Join(list, ",") + "]")
	}
}

// written is params as JSON, with < and > as they are.
func written(params any) (json.RawMessage, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(params)
	return bytes.TrimSpace(b.Bytes()), err
}
