package validation

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"featurestore/modules/validation/rules"
)

// about is what a result is about, as a person writes it.
func (r *Result) about() string {
	if feature := r.Feature(); feature != "" {
		return r.Group + ":" + feature
	}
	return r.Group
}

// found is what was found, as a person reads it.
func (r *Result) found() string {
	switch {
	case r.Status == rules.Failed || r.Status == rules.Skipped:
		return r.Reason
	case len(r.Observed) > 0 && r.Bad == 0:
		return rounded(r.Observed)
	}
	return flagged(r.Bad, r.Considered)
}

// rounded is a JSON value as a person reads it: fractions have six digits.
func rounded(observed []byte) string {
	text := string(observed)
	if f, err := strconv.ParseFloat(text, 64); err == nil && strings.ContainsAny(text, ".eE") && f != math.Trunc(f) {
		return strconv.FormatFloat(f, 'g', 6, 64)
	}
	return text
}

// sentence says what came of an evaluation, and of the rows.
func (r *Result) sentence() string {
	switch r.Status {
	case rules.Failed:
		return fmt.Sprintf("The rule %s could not be evaluated on %s: %s.", r.Rule, r.about(), r.Reason)
	case rules.Skipped:
		return fmt.Sprintf("The rule %s had nothing to judge on %s: %s.", r.Rule, r.about(), r.Reason)
	case rules.Pass:
		return fmt.Sprintf("The rule %s holds on %s.", r.Rule, r.about())
	}
	text := fmt.Sprintf("The rule %s is broken on %s, looking at %s", r.Rule, r.about(), r.LookedAt)
	if len(r.Observed) > 0 && r.Bad == 0 {
		text = fmt.Sprintf("%s: observed %s, expected %s.", text, rounded(r.Observed), r.Expected)
		if r.Refused {
			text += " It was refused, and not published."
		}
		return text
	}
	text = fmt.Sprintf("%s: bad are %s; expected %s.", text, flagged(r.Bad, r.Considered), r.Expected)
	switch {
	case !r.OnTheWay: // they are stored
	case r.Refused:
		text += " What brought them was refused as a whole."
	case r.Action == rules.Quarantine:
		text += " They wait in quarantine, and are not stored."
	}
	return text
}

// flagged is so many of so many rows: "3 of 1,000 rows (0.3 %)".
func flagged(bad, considered int64) string {
	if considered == 0 {
		return "no rows"
	}
	return fmt.Sprintf("%s of %s rows (%s %%)", grouped(bad), grouped(considered), percent(bad, considered))
}

// percent is a share with as many places as it needs; what is neither none nor all is never shown as such.
func percent(part, whole int64) string {
	p := 100 * float64(part) / float64(whole)
	switch {
	case part == 0:
		return "0"
	case p < 0.01:
		return "less than 0.01"
	case p < 1:
		return trimmed(p, 2)
	case part < whole && p >= 99.95:
		return "more than 99.9"
	}
	return trimmed(p, 1)
}

func trimmed(f float64, places int) string {
	text := strconv.FormatFloat(f, 'f', places, 64)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// grouped writes a count with commas.
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
