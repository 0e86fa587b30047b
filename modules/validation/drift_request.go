package validation

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"featurestore/app/fault"
	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/jsonscan"
	"featurestore/modules/validation/drift"
)

// Ways to divide values.
const (
	deciles            = "deciles"
	categories         = "categories"
	equalWidthCombined = "equal_width_combined"
	doaneReference     = "doane_reference"
)

const (
	defaultCategories = 20
	maxViolations     = 100
)

// driftRequest is a body of POST /drift.
type driftRequest struct {
	reference, current *driftValues
	kind               drift.Kind
	metrics            []metric
	binning            string
	maxCategories      int
	jsBase             string
	thresholds         drift.Thresholds
}

// driftValues is one side, its values read as the kind wants them.
type driftValues struct {
	raw        []string // JSON
	nulls      int64
	numbers    []float64
	categories map[string]int64
}

// readDrift reads a body and names everything that is wrong with it.
func readDrift(text string, most int) (*driftRequest, error) {
	r := &driftRequest{maxCategories: defaultCategories, jsBase: "e", thresholds: drift.DefaultThresholds()}
	problem := fault.New(fault.Unprocessable, "invalid-drift", "the values cannot be compared")
	wrong := func(location, value, format string, args ...any) {
		if len(problem.Violations) < maxViolations {
			problem.At(location, value, format, args...)
		}
	}
	var asked []string
	metricsGiven, given := false, 0
	scanner := jsonscan.New(text)
	side := func() (*driftValues, error) {
		values := &driftValues{}
		err := scanner.Array(func(int) error {
			raw, err := scanner.Value()
			if given++; given <= most {
				values.raw = append(values.raw, raw)
			}
			return err
		})
		return values, err
	}
	err := scanner.Object(func(name string) (err error) {
		switch name {
		case "reference":
			r.reference, err = side()
		case "current":
			r.current, err = side()
		case "kind":
			kind, e := scanner.Text()
			r.kind, err = drift.Kind(kind), e
		case "metrics":
			metricsGiven = true
			asked, err = scanner.Texts()
		case "binning":
			r.binning, err = scanner.Text()
		case "max_categories":
			raw, e := scanner.Value()
			n, bad := strconv.Atoi(raw)
			if r.maxCategories = n; bad != nil || n < 1 || n >= drift.MaxBins {
				wrong("max_categories", raw, "expected a number from 1 to %d", drift.MaxBins-1)
			}
			err = e
		case "js_base":
			r.jsBase, err = scanner.Text()
			if err == nil && r.jsBase != "e" && r.jsBase != "2" {
				wrong("js_base", r.jsBase, "use e or 2, written as a text")
			}
		case "warn_at":
			r.thresholds.Warn, err = threshold(scanner, "warn_at", wrong)
		case "alert_at":
			r.thresholds.Alert, err = threshold(scanner, "alert_at", wrong)
		default:
			wrong(fault.Shorten(name), "", "unknown member: use reference, current, kind, metrics, binning, max_categories, js_base, warn_at, alert_at")
		}
		return err
	})
	if err == nil {
		err = scanner.End()
	}
	if err != nil {
		return nil, jsonscan.Fault(err)
	}
	if given > most {
		return nil, fault.New(fault.TooLarge, "too-many-values", "reference and current have %d values together, more than validation.max_drift_values, %d: send fewer, drawn by chance", given, most).
			At("reference", "", "has too many values, together with current")
	}
	r.check(wrong)
	if r.kind == drift.Numeric || r.kind == drift.Categorical {
		r.chooseMetrics(asked, metricsGiven, wrong)
		r.readSides(wrong)
	}
	if len(problem.Violations) > 0 {
		return nil, problem
	}
	return r, nil
}

// complain takes one thing that is wrong.
type complain func(location, value, format string, args ...any)

func threshold(scanner *jsonscan.Scanner, location string, wrong complain) (float64, error) {
	raw, err := scanner.Value()
	if err != nil {
		return 0, err
	}
	v, bad := value.ParseJSON(value.Float, []byte(raw))
	if bad != nil || v.IsNull() || v.Float() < 0 {
		wrong(location, raw, "expected a number of at least 0")
		return 0, nil
	}
	return v.Float(), nil
}

// check looks at what does not depend on the values.
func (r *driftRequest) check(wrong complain) {
	if r.reference == nil {
		wrong("reference", "", "is missing: give the list of values to compare with")
	}
	if r.current == nil {
		wrong("current", "", "is missing: give the list of values to compare")
	}
	if r.thresholds.Warn > r.thresholds.Alert {
		wrong("warn_at", fmt.Sprint(r.thresholds.Warn), "is above alert_at, %v", r.thresholds.Alert)
	}
	var fitting []string
	switch r.kind {
	case drift.Numeric:
		fitting = []string{deciles, equalWidthCombined, doaneReference}
	case drift.Categorical:
		fitting = []string{categories, equalWidthCombined}
	case "":
		wrong("kind", "", "is missing: use numeric or categorical")
		return
	default:
		wrong("kind", string(r.kind), "unknown kind: use numeric or categorical")
		return
	}
	if r.binning == "" {
		r.binning = fitting[0]
	}
	if !slices.Contains(fitting, r.binning) {
		wrong("binning", r.binning, "is no binning of %s values: use %s", r.kind, orList(fitting))
	}
}

// chooseMetrics takes what was asked for, or all.
func (r *driftRequest) chooseMetrics(asked []string, given bool, wrong complain) {
	for i, name := range asked {
		location := "metrics[" + strconv.Itoa(i) + "]"
		n := slices.IndexFunc(metrics, func(m metric) bool { return m.name == name })
		switch {
		case n < 0:
			wrong(location, name, "unknown metric: use %s", strings.Join(metricNames(r.kind), ", "))
		case !metrics[n].fits(r.kind):
			wrong(location, name, "is not defined for %s values: use %s", r.kind, strings.Join(metricNames(r.kind), ", "))
		}
	}
	if given && len(asked) == 0 {
		wrong("metrics", "", "names no metric: leave it out for all of them")
	}
	for _, m := range metrics {
		if m.fits(r.kind) && (!given || slices.Contains(asked, m.name)) {
			r.metrics = append(r.metrics, m)
		}
	}
}

// readSides reads the values of both sides.
func (r *driftRequest) readSides(wrong complain) {
	kind := jsonscan.Null // of the first category that is not null; all others must be of it
	for _, side := range []struct {
		name   string
		values *driftValues
	}{{"reference", r.reference}, {"current", r.current}} {
		if side.values == nil {
			continue
		}
		v := side.values
		if r.kind == drift.Categorical {
			v.categories = map[string]int64{}
		}
		for i, raw := range v.raw {
			var err error
			if own := jsonscan.KindOf(raw); own == jsonscan.Null {
				v.nulls++
			} else if r.kind == drift.Numeric {
				err = v.addNumber(raw)
			} else {
				if kind == jsonscan.Null {
					kind = own
				}
				err = v.addCategory(raw, own, kind)
			}
			if err != nil {
				wrong(side.name+"["+strconv.Itoa(i)+"]", raw, "%s", err)
			}
		}
		v.raw = nil
	}
}

func (v *driftValues) addNumber(raw string) error {
	number, err := value.ParseJSON(value.Float, []byte(raw))
	if err == nil {
		v.numbers = append(v.numbers, number.Float())
		return nil
	}
	if jsonscan.KindOf(raw) != jsonscan.String {
		return err
	}
	switch text := jsonscan.Unquote(raw); strings.ToLower(strings.TrimLeft(text, "+-")) {
	case "nan", "inf", "infinity":
		return fmt.Errorf("%s is refused, numbers are finite: write null for a missing value", text)
	}
	return fmt.Errorf("expected a number or null, got the text %s: write numbers without quotes, or use kind categorical", fault.Shorten(raw))
}

// addCategory adds a text, number or boolean; all must be of one kind.
func (v *driftValues) addCategory(raw string, own, first jsonscan.Kind) error {
	if own == jsonscan.Array || own == jsonscan.Object {
		return errors.New("is no category: use texts, numbers or booleans")
	}
	if own != first {
		names := map[jsonscan.Kind]string{jsonscan.String: "texts", jsonscan.Number: "numbers", jsonscan.Bool: "booleans"}
		return fmt.Errorf("is not of one type with the first value: give only %s, or only %s", cmp.Or(names[first], "texts"), names[own])
	}
	name := raw
	switch own {
	case jsonscan.String:
		name = jsonscan.Unquote(raw)
	case jsonscan.Number: // 1, 1.0 and 1e0 are one category
		number, err := value.ParseJSON(value.Float, []byte(raw))
		if err != nil {
			if number, err = value.ParseJSON(value.Integer, []byte(raw)); err != nil {
				return err
			}
		} else if whole, err := value.Convert(number, value.Integer, nil); err == nil {
			number = whole
		}
		name = string(value.AppendJSON(nil, number))
	}
	v.categories[name]++
	return nil
}

func orList(words []string) string {
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
