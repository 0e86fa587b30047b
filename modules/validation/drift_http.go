package validation

import (
	"math"

	"featurestore/app/httpapi"
	"featurestore/modules/registry/value"
	"featurestore/modules/validation/drift"
)

type driftInput struct {
	httpapi.Payload
}

// driftBody documents the body of POST /drift.
type driftBody struct {
	Reference     []any    `json:"reference" doc:"The values to compare with: numbers; for categories texts, numbers or booleans. null is a missing value"`
	Current       []any    `json:"current" doc:"The values to compare"`
	Kind          string   `json:"kind" enum:"numeric,categorical"`
	Metrics       []string `json:"metrics,omitempty" doc:"Which measures; left out: all that there are for the kind" enum:"psi,kl_divergence,js_distance,hellinger,wasserstein,wasserstein_distance,ks,chi_square,chi_square_fit,l_infinity,new_share,null_rate_change"`
	Binning       string   `json:"binning,omitempty" enum:"deciles,categories,equal_width_combined,doane_reference" doc:"How values are divided: deciles of the reference (the default for numbers); categories: the most frequent ones of the reference and the others (the default for categories); as others do it: equal_width_combined, as Evidently (bins of equal width by Sturges' rule over both sides; for categories a bin for each of both sides, which is also what Evidently does to numbers with at most 20 different values: send those as categories), or doane_reference, as NannyML (bins of equal width by Doane's rule over the reference)"`
	MaxCategories int      `json:"max_categories,omitempty" default:"20" minimum:"1" maximum:"999" doc:"With categories: how many have a bin of their own"`
	JSBase        string   `json:"js_base,omitempty" enum:"e,2" default:"e" doc:"The base of the logarithm in js_distance"`
	WarnAt        float64  `json:"warn_at,omitempty" default:"0.1" doc:"The score at which warnings begin"`
	AlertAt       float64  `json:"alert_at,omitempty" default:"0.2" doc:"The score at which alerts begin"`
}

// driftAnswer documents the answer of POST /drift.
type driftAnswer struct {
	Metrics   driftMetrics `json:"metrics" doc:"Those asked for; null where one is not defined for the values"`
	Score     *float64     `json:"score" doc:"What the verdict goes by: psi with half an observation in the place of none"`
	NoiseGate *float64     `json:"noise_gate" doc:"What the score of unchanged values stays below in 99 of 100 cases"`
	WarnAt    *float64     `json:"warn_at" doc:"Raised to the noise gate"`
	AlertAt   *float64     `json:"alert_at" doc:"Raised to the noise gate"`
	Verdict   string       `json:"verdict" enum:"ok,warn,alert,skipped"`
	Reason    string       `json:"reason"`
	Reference driftSide    `json:"reference"`
	Current   driftSide    `json:"current"`
	Bins      []driftBin   `json:"bins"`
}

type driftMetrics struct {
	PSI                 *float64   `json:"psi,omitempty"`
	KLDivergence        *float64   `json:"kl_divergence,omitempty"`
	JSDistance          *float64   `json:"js_distance,omitempty"`
	JSBase              string     `json:"js_base,omitempty"`
	Hellinger           *float64   `json:"hellinger,omitempty"`
	Wasserstein         *float64   `json:"wasserstein,omitempty" doc:"Divided by the reference's standard deviation"`
	WassersteinDistance *float64   `json:"wasserstein_distance,omitempty" doc:"In the unit of the values"`
	KS                  *driftTest `json:"ks,omitempty"`
	ChiSquare           *driftTest `json:"chi_square,omitempty" doc:"Of the two samples, by bins"`
	ChiSquareFit        *driftTest `json:"chi_square_fit,omitempty" doc:"Of the current counts against the reference's shares taken as exact"`
	LInfinity           *float64   `json:"l_infinity,omitempty"`
	NewShare            *float64   `json:"new_share,omitempty" doc:"The share of current values whose category the reference does not have"`
	NullRateChange      *float64   `json:"null_rate_change,omitempty" doc:"The current share of nulls less the reference's"`
}

type driftTest struct {
	Statistic        *float64 `json:"statistic"`
	PValue           *float64 `json:"p_value"`
	DegreesOfFreedom int      `json:"degrees_of_freedom,omitempty"`
	YatesStatistic   *float64 `json:"yates_statistic,omitempty" doc:"chi_square of two bins with Yates' correction"`
	YatesPValue      *float64 `json:"yates_p_value,omitempty"`
}

type driftSide struct {
	Rows  int64 `json:"rows"`
	Nulls int64 `json:"nulls"`
}

// driftBin documents a bin; of the first six members it has those that say which values fall into it.
type driftBin struct {
	Lower          *float64 `json:"lower,omitempty" doc:"The least number in it; null: open"`
	Upper          *float64 `json:"upper,omitempty" doc:"The least number above it; null: open"`
	Value          *float64 `json:"value,omitempty" doc:"The only number in it"`
	Category       string   `json:"category,omitempty"`
	Other          bool     `json:"other,omitempty" doc:"The categories that have no bin of their own"`
	Null           bool     `json:"null,omitempty" doc:"The missing values"`
	Reference      int64    `json:"reference"`
	Current        int64    `json:"current"`
	ReferenceShare *float64 `json:"reference_share"`
	CurrentShare   *float64 `json:"current_share"`
}

// drift compares two lists of values.
func (v *Validation) drift(r *httpapi.Request, b []byte) ([]byte, error) {
	text, err := r.Payload().JSON(v.config.MaxBodyBytes)
	if err != nil {
		return nil, err
	}
	if isStoredDrift(text) {
		return v.profiles.drift(r.Context(), text, b)
	}
	request, err := readDrift(text, v.config.MaxDriftValues)
	if err != nil {
		return nil, err
	}
	return request.compare().append(append(b, '{'), request.metrics), nil
}

// append writes what is said of the comparison, without its opening brace.
func (c *comparison) append(b []byte, metrics []metric) []byte {
	b = append(b, `"metrics":{`...)
	for _, metric := range metrics {
		b = metric.append(append(append(b, '"'), metric.name...), c)
		b = append(b, ',')
	}
	b = closed(b, '}')
	for _, member := range []struct {
		name  string
		value drift.Optional
	}{{"score", c.judgement.Score}, {"noise_gate", c.judgement.NoiseGate}, {"warn_at", c.judgement.Warn}, {"alert_at", c.judgement.Alert}} {
		b = append(append(append(b, `,"`...), member.name...), `":`...)
		b = appendOptional(b, member.value)
	}
	b = value.AppendJSONString(append(b, `,"verdict":`...), string(c.judgement.Verdict))
	b = value.AppendJSONString(append(b, `,"reason":`...), c.judgement.Reason)
	b = appendSide(append(b, `,"reference":`...), c.reference)
	b = appendSide(append(b, `,"current":`...), c.current)
	return append(c.appendBins(append(b, `,"bins":`...)), '}')
}

func appendOptional(b []byte, o drift.Optional) []byte {
	if v, ok := o.Get(); ok {
		return appendNumber(b, v)
	}
	return append(b, "null"...)
}

func appendNumber(b []byte, v float64) []byte { return value.AppendJSON(b, value.OfFloat(v)) }

func appendCount(b []byte, n int64) []byte { return value.AppendJSON(b, value.OfInt(n)) }

func appendSide(b []byte, w *drift.Window) []byte {
	b = appendCount(append(b, `{"rows":`...), w.Rows())
	return append(appendCount(append(b, `,"nulls":`...), w.Nulls), '}')
}

// closed ends a list or object whose members each are followed by a comma.
func closed(b []byte, bracket byte) []byte {
	if b[len(b)-1] == ',' {
		b = b[:len(b)-1]
	}
	return append(b, bracket)
}

// appendBins writes the bins, the one for nulls last and only if there are any. A bin that is empty on both sides, such as
// the one between 0 and 1 of a count, is left out unless others' bins were asked for.
func (c *comparison) appendBins(b []byte) []byte {
	b = append(b, '[')
	if c.masked {
		return append(b, ']')
	}
	bins, cuts, categories := c.reference.Bins(), c.reference.Bins().Cuts(), c.reference.Bins().CategoryNames()
	for i := range bins.Len() {
		if c.reference.Counts[i]+c.current.Counts[i] == 0 && !c.everyBin {
			continue
		}
		b = append(b, '{')
		switch {
		case bins.Kind() == drift.Categorical && i < len(categories):
			b = value.AppendJSONString(append(b, `"category":`...), categories[i])
		case bins.Kind() == drift.Categorical:
			b = append(b, `"other":true`...)
		case i > 0 && i < len(cuts) && cuts[i] == math.Nextafter(cuts[i-1], math.Inf(1)):
			b = appendNumber(append(b, `"value":`...), cuts[i-1])
		default:
			b = append(b, `"lower":`...)
			if i == 0 {
				b = append(b, "null"...)
			} else {
				b = appendNumber(b, cuts[i-1])
			}
			b = append(b, `,"upper":`...)
			if i == len(cuts) {
				b = append(b, "null"...)
			} else {
				b = appendNumber(b, cuts[i])
			}
		}
		b = c.appendCounts(b, c.reference.Counts[i], c.current.Counts[i])
	}
	if c.reference.Nulls+c.current.Nulls > 0 {
		b = c.appendCounts(append(b, `{"null":true`...), c.reference.Nulls, c.current.Nulls)
	}
	return closed(b, ']')
}

func (c *comparison) appendCounts(b []byte, reference, current int64) []byte {
	b = appendCount(append(b, `,"reference":`...), reference)
	b = appendCount(append(b, `,"current":`...), current)
	b = appendOptional(append(b, `,"reference_share":`...), c.reference.Share(reference))
	return append(appendOptional(append(b, `,"current_share":`...), c.current.Share(current)), '}', ',')
}
