package rules

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"featurestore/modules/registry/value"
)

func compileFreshness(c *compiler) {
	f := c.feature()
	most, given := c.duration("max_age")
	warn, warns := c.duration("warn_age")
	if !given && !c.has("max_age") {
		if most = 2 * f.Frequency; most == 0 {
			if !c.loose {
				c.found.at("params.max_age", "", "must be given: no frequency tells how old values may be")
			}
			return
		}
	}
	if warns && warn > most {
		c.wrong("warn_age", "is above max_age, so that it would never warn")
	}
	c.expect("newest event at most %s old", durationText(most))
	rule := c.rule
	judge := func(newest, now int64, o *Outcome) {
		age := max(0, now-newest)
		o.Measured = value.OfTime(newest)
		o.Observed = []byte(show(o.Measured))
		o.Details = []byte(fmt.Sprintf(`{"age_seconds":%d}`, age/1_000_000))
		o.conclude(rule, age > most, warns && age > warn)
	}
	c.out.asks = askNewest(judge)
	c.out.begin = func(r *Run) accumulator {
		newest := int64(math.MinInt64)
		return &simple{take: func(w *window) {
			if w.EventTimes == nil && w.Rows > 0 {
				w.reason = "the data have no event times"
				return
			}
			w.each(func(i int, row []value.Value) {
				if len(w.at) > 0 && row[w.at[0]].IsNull() {
					w.null++
					return
				}
				w.considered++
				newest = max(newest, w.EventTimes[i])
			})
		}, end: func(t *tally, o *Outcome) {
			if t.reason == "" && t.considered > 0 {
				judge(newest, r.options.Now, o)
			}
		}}
	}
}

func compileEntities(c *compiler) {
	accepted, warns := c.accepted(value.Float)
	c.expect("%s", accepted.text("share of entities with "+c.feature().Name))
	rule := c.rule
	judge := func(r *Run, seen int64, o *Outcome) {
		if r.options.Entities == nil {
			o.fail("the entities cannot be counted here: it needs what is stored")
			return
		}
		all, err := r.options.Entities()
		switch {
		case err != nil:
			o.fail("%s", sentence(err, "the entities cannot be counted"))
		case all == 0:
			o.skip("there are no entities")
		default:
			o.measured(value.OfFloat(float64(seen)/float64(all)), "", rule, accepted, warns, false)
		}
	}
	c.out.asks = askEntities(judge)
	c.out.begin = func(r *Run) accumulator {
		seen := map[string]struct{}{}
		return &simple{take: func(w *window) {
			if w.Entity == nil && w.Rows > 0 {
				w.reason = "the data do not say whose the values are"
				return
			}
			w.each(func(i int, row []value.Value) {
				if row[w.at[0]].IsNull() {
					w.null++
					return
				}
				w.considered++
				if len(seen) < maxHeld {
					seen[w.Entity(i)] = struct{}{}
				} else {
					w.reason = tooMany
				}
			})
		}, end: func(t *tally, o *Outcome) {
			if t.reason == "" {
				judge(r, int64(len(seen)), o)
			}
		}}
	}
}

var historyMetrics = []string{"row_count", "completeness", "distinct_count", "distinct_ratio", "mean", "median", "sum", "min", "max", "stddev"}

func compileHistory(c *compiler) {
	metric := c.word("metric", append([]string{""}, historyMetrics...)...)
	if metric == "row_count" && len(c.fields) > 0 {
		c.found.at("features", "", "row_count is of no feature")
	}
	if metric != "row_count" && len(c.fields) == 0 {
		c.found.at("features", "", "%s is of one feature", metric)
	}
	if metric != "row_count" && metric != "completeness" && !strings.HasPrefix(metric, "distinct") && len(c.fields) > 0 && !numeric(c.feature().Type) {
		c.wrong("metric", "%s is %s: use completeness, distinct_count or distinct_ratio", c.feature().Name, c.feature().Type)
	}
	change, hasChange := c.atLeast("max_change", 0)
	deviations, hasDeviations := c.atLeast("max_deviations", 0)
	if !c.has("max_change") && !c.has("max_deviations") {
		c.found.at("params", "", "max_change or max_deviations must be given")
	}
	runs, given := c.params.count("runs")
	if !given {
		runs = 30
	}
	if runs < 1 || runs > 1000 {
		c.wrong("runs", "use 1 to 1000")
		runs = 30
	}
	c.expect("%s as in its last runs", metric)
	c.out.ofValues = metric == "min" || metric == "max" || metric == "median"
	rule, feature := *c.rule, c.feature().Name
	judge := func(v value.Value, reason string, r *Run, _ *tally, o *Outcome) {
		if v.IsAbsent() || reason != "" {
			o.skip("%s", reason)
			return
		}
		now, _ := number(&v)
		o.Measured = value.OfFloat(now)
		o.Observed = []byte(show(o.Measured))
		if r.options.History == nil {
			o.fail("what was measured before is not known here: it needs what is stored")
			return
		}
		past, err := r.options.History(rule, feature, int(runs))
		if err != nil {
			o.fail("%s", sentence(err, "what was measured before cannot be read"))
			return
		}
		past = past[:min(len(past), int(runs))]
		if len(past) == 0 || !hasChange && len(past) < 2 {
			o.skip("there are %d earlier runs to compare with", len(past))
			return
		}
		broken := hasChange && math.Abs(now-past[0]) > change*math.Abs(past[0])
		o.Expected = fmt.Sprintf("last run %s", show(value.OfFloat(past[0])))
		if hasDeviations && len(past) >= 2 {
			mean := meanOf(past)
			spread, _ := deviation(slices.Clone(past))
			broken = broken || math.Abs(now-mean) > deviations*spread
			o.Expected += fmt.Sprintf(", mean of %d runs %s ± %s", len(past), show(value.OfFloat(mean)), show(value.OfFloat(deviations*spread)))
		}
		o.conclude(&rule, broken, false)
	}
	if metric == "row_count" {
		c.rows(func(r *Run, t *tally, o *Outcome) {
			if t.considered > 0 {
				judge(value.OfInt(t.considered), "", r, t, o)
			}
		})
		return
	}
	c.out.begin = func(r *Run) accumulator {
		m := newMeasurer(metric, c.params)
		return &simple{take: func(w *window) { w.measure(m) }, end: func(t *tally, o *Outcome) {
			if t.reason == "" && t.considered+t.null > 0 {
				v, reason := m.result(t)
				judge(v, reason, r, t, o)
			}
		}}
	}
	c.out.asks = askMetric(metric, c.params, func(v value.Value, reason string, r *Run, t *tally, o *Outcome) {
		if t.considered+t.null > 0 {
			judge(v, reason, r, t, o)
		}
	})
}

// distributionMetrics are what a distribution can be judged by, the default first.
var distributionMetrics = []string{"psi", "js_distance", "hellinger", "wasserstein", "ks", "l_infinity", "new_share", "null_rate_change"}

func compileDistribution(c *compiler) {
	baseline := c.text("baseline")
	if c.has("baseline") && baseline == "" {
		c.wrong("baseline", "names no baseline")
	}
	c.word("metric", distributionMetrics...)
	warn, warns := c.atLeast("warn", 0)
	most, given := c.atLeast("max", 0)
	if warns && given && warn > most {
		c.wrong("warn", "is above max, so that it would never warn")
	}
	c.expect("as in %s", baseline)
	rule, feature := *c.rule, c.feature()
	c.out.begin = func(r *Run) accumulator {
		var comparing Distribution
		var failed error
		if r.options.Distribution != nil {
			comparing, failed = r.options.Distribution(rule, feature)
		}
		return &simple{take: func(w *window) {
			w.each(func(i int, row []value.Value) {
				v, at := row[w.at[0]], int64(value.NoTime)
				if w.EventTimes != nil {
					at = w.EventTimes[i]
				}
				switch {
				case comparing != nil && !comparing.Add(v, at):
				case v.IsNull():
					w.null++
				default:
					w.considered++
				}
			})
		}, end: func(t *tally, o *Outcome) {
			switch {
			case t.considered+t.null == 0:
				return
			case failed != nil:
				o.fail("%s", sentence(failed, "the distribution cannot be compared with its baseline"))
				return
			case comparing == nil:
				o.fail("there are no baselines here: it needs what is stored")
				return
			}
			found, err := comparing.Compare()
			if err != nil {
				o.fail("%s", sentence(err, "the distribution cannot be compared with its baseline"))
				return
			}
			o.Details = found.Details
			if found.Expected != "" {
				o.Expected = found.Expected
			}
			if !math.IsNaN(found.Score) && !math.IsInf(found.Score, 0) && found.Verdict != Skipped {
				o.Measured = value.OfFloat(found.Score)
				o.Observed = []byte(show(o.Measured))
			}
			if found.Verdict == Skipped {
				o.skip("%s", found.Reason)
				return
			}
			o.conclude(&rule, found.Verdict == Fail, found.Verdict == Warned)
		}}
	}
}
