package drift

import "math"

// Optional is a finite number, or none where a measure is not defined for the data.
type Optional struct {
	number  float64
	defined bool
}

// known is a number; one that is not finite is none.
func known(v float64) Optional {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return Optional{}
	}
	return Optional{v + 0, true}
}

// Get is the number, and whether there is one.
func (o Optional) Get() (float64, bool) { return o.number, o.defined }

// Base2 is a Jensen–Shannon distance to base 2.
func (o Optional) Base2() Optional {
	if !o.defined {
		return o
	}
	return known(min(o.number/math.Sqrt(math.Ln2), 1))
}

// Pointer is the number, nil where there is none.
func (o Optional) Pointer() *float64 {
	if !o.defined {
		return nil
	}
	return &o.number
}
