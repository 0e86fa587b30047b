package web

import (
	"context"
	"net/url"
)

// Healths of features and groups, the best first.
const (
	healthy  = "healthy"  // rules look at it, and no alert is open
	unjudged = "unjudged" // no rule looks at it
	warned   = "warned"   // a rule warned, and has not held since
	broken   = "broken"   // a rule is broken
)

// healthsInOrder are what the catalogue can be narrowed to.
var healthsInOrder = []string{healthy, unjudged, warned, broken}

// judgements is what rules say of everything now.
type judgements struct {
	groups   map[string]string // group → what rules say of it as a whole
	features map[string]string // group:feature → what they say of the feature alone
	worst    map[string]string // group → the worst of both
}

// of is the health of a feature.
func (j judgements) of(group, feature string) string {
	return worse(j.groups[group], j.features[group+":"+feature])
}

// ofGroup is the health of a group with all its features.
func (j judgements) ofGroup(group string) string { return worse(j.worst[group], "") }

// severity orders healths, those without a word first.
var severity = map[string]int{"": 0, unjudged: 0, healthy: 1, warned: 2, broken: 3}

// worse is the worse of two; what nobody judges is unjudged.
func worse(a, b string) string {
	if severity[b] > severity[a] {
		a = b
	}
	if a == "" {
		return unjudged
	}
	return a
}

// judgements asks which rules there are, and which alerts are open. Where nobody judges, nothing is judged.
func (w *Web) judgements(ctx context.Context) (judgements, error) {
	j := judgements{map[string]string{}, map[string]string{}, map[string]string{}}
	note := func(group string, features []string, health string) {
		j.worst[group] = worse(j.worst[group], health)
		if len(features) == 0 {
			j.groups[group] = worse(j.groups[group], health)
		}
		for _, feature := range features {
			j.features[group+":"+feature] = worse(j.features[group+":"+feature], health)
		}
	}
	rules, err := listOf[ruleHead](ctx, w.api, "/rules", "rules", nil)
	if ignoreMissing(err) != nil {
		return j, err
	}
	for _, rule := range rules {
		if rule.Enabled {
			note(rule.Group, rule.Features, healthy)
		}
	}
	alerts, err := listOf[alertHead](ctx, w.api, "/alerts", "alerts", url.Values{"open": {"true"}})
	if ignoreMissing(err) != nil {
		return j, err
	}
	for _, alert := range alerts {
		health := broken
		if alert.Severity != "error" {
			health = warned
		}
		var features []string
		if alert.Feature != "" {
			features = []string{alert.Feature}
		}
		note(alert.Group, features, health)
	}
	return j, nil
}
