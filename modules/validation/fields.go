package validation

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/validation/alerts"
	"featurestore/modules/validation/rules"
)

// tagPII marks a feature whose values are masked wherever they would be shown.
const tagPII = "pii"

// intervals are how far apart observations are that a feature's frequency promises. What is observed in real time is fresh if it is as old
// as a load that runs every few minutes makes it.
var intervals = map[string]time.Duration{
	"REAL_TIME": 5 * time.Minute, "HOURLY": time.Hour, "DAILY": 24 * time.Hour, "WEEKLY": 7 * 24 * time.Hour, "MONTHLY": 31 * 24 * time.Hour,
}

// IsPII tells whether a feature is tagged pii: what would show its values masks them.
func IsPII(f *registry.Feature) bool {
	return slices.ContainsFunc(f.Tags, func(tag string) bool { return strings.EqualFold(tag, tagPII) })
}

// Fields are a group's features as rules see them, in their order.
func Fields(group *registry.Group) []rules.Field {
	fields := make([]rules.Field, len(group.Features))
	for i, f := range group.Features {
		fields[i] = rules.Field{Name: f.Name, Type: f.ValueType, PII: IsPII(f), Frequency: intervals[f.Frequency].Microseconds(), Aliases: f.Aliases}
	}
	return fields
}

// ClassOf says what an alert about rules of a kind is about.
func ClassOf(kind string) alerts.Class {
	switch kind {
	case "freshness":
		return alerts.Source
	case "distribution":
		return alerts.Drift
	}
	return alerts.Data
}

func featureNames(group *registry.Group) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, f := range group.Features {
			if !yield(f.Name) {
				return
			}
		}
	}
}

func definitionNames(catalog *registry.Catalog, kind string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, d := range catalog.Definitions(kind) {
			if !yield(d.Name) {
				return
			}
		}
	}
}

// sentenceOf is what a fault says to a person.
func sentenceOf(err error) string {
	if problem, ok := fault.As(err); ok {
		return problem.Detail
	}
	return err.Error()
}

func violation(at, value, format string, args ...any) fault.Violation {
	return fault.Violation{Location: at, Value: fault.Shorten(value), Message: fmt.Sprintf(format, args...)}
}
