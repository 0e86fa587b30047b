package drift

import (
	"fmt"
	"strconv"

	"gonum.org/v1/gonum/stat/distuv"
)

// Verdict is what is said of a comparison.
type Verdict string

const (
	OK      Verdict = "ok"
	Warn    Verdict = "warn"
	Alert   Verdict = "alert"
	Skipped Verdict = "skipped" // there is too little to compare
)

// Thresholds are what the score is held against.
type Thresholds struct {
	Warn, Alert float64
}

// DefaultThresholds are the usual ones of PSI (N. Siddiqi, "Credit Risk Scorecards", 2006, gives 0.1 and 0.25; alerts are from 0.2 on here).
func DefaultThresholds() Thresholds { return Thresholds{Warn: 0.1, Alert: 0.2} }

// MinRows is how many rows each side must have.
const MinRows = 50

// Judgement is a verdict with what led to it.
type Judgement struct {
	Verdict   Verdict
	Reason    string
	Score     Optional
	NoiseGate Optional
	Warn      Optional // the thresholds that counted: raised to the noise gate
	Alert     Optional
}

// Gate is what the score of two samples of one distribution stays below in 99 of 100 cases:
//
//	χ²₀.₉₉(B−1) · (1/n + 1/m)
//
// with n, m rows and B bins that are not empty on both sides, since nm/(n+m) · PSI tends to χ² with B−1 degrees of freedom (B. Yurdakul, J. Naranjo,
// "Statistical properties of the population stability index", J. Risk Model Validation 14, 2020). 0 for one bin; none if either side is empty.
func Gate(reference, current []int64) Optional {
	n, m, b := float64(total(reference)), float64(total(current)), occupied(reference, current)
	if n == 0 || m == 0 {
		return Optional{}
	}
	if b < 2 {
		return known(0)
	}
	return known(distuv.ChiSquared{K: float64(b - 1)}.Quantile(0.99) * (1/n + 1/m))
}

// Judge compares two windows of the same bins, nulls being a bin as well. Fewer than MinRows rows on a side, or no value but nulls on both,
// are skipped.
func Judge(reference, current *Window, t Thresholds) Judgement {
	a, b := Counts(reference, current)
	j := Judgement{Verdict: Skipped, Score: Score(a, b), NoiseGate: Gate(a, b)}
	gate := j.NoiseGate.number
	if j.NoiseGate.defined {
		j.Warn, j.Alert = known(max(t.Warn, gate)), known(max(t.Alert, gate))
	}
	score := j.Score.number
	switch {
	case reference.Rows() < MinRows:
		j.Reason = fmt.Sprintf("the reference has %s, fewer than %d", rows(reference.Rows()), MinRows)
	case current.Rows() < MinRows:
		j.Reason = fmt.Sprintf("the current values have %s, fewer than %d", rows(current.Rows()), MinRows)
	case reference.Values()+current.Values() == 0:
		j.Reason = "there is nothing but nulls on both sides"
	case score >= j.Alert.number:
		j.Verdict, j.Reason = Alert, fmt.Sprintf("the score %s reaches %s, where alerts begin%s", short(score), short(j.Alert.number), raised(t.Alert, gate))
	case score >= j.Warn.number:
		j.Verdict, j.Reason = Warn, fmt.Sprintf("the score %s reaches %s, where warnings begin%s", short(score), short(j.Warn.number), raised(t.Warn, gate))
	default:
		j.Verdict, j.Reason = OK, fmt.Sprintf("the score %s is below %s, where warnings begin%s", short(score), short(j.Warn.number), raised(t.Warn, gate))
	}
	return j
}

func rows(n int64) string {
	if n == 1 {
		return "1 row"
	}
	return strconv.FormatInt(n, 10) + " rows"
}

// raised says that a threshold was raised.
func raised(threshold, gate float64) string {
	if gate <= threshold {
		return ""
	}
	return fmt.Sprintf(": %s raised to what chance alone brings about in samples of this size", short(threshold))
}

func short(v float64) string { return strconv.FormatFloat(v, 'g', 3, 64) }
