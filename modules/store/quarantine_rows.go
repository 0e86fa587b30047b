package store

import (
	"slices"
	"strings"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/jsonscan"
	"featurestore/modules/store/table"
)

// documentRow reads an object of features and values as a row of the group, as a write would; names are those of features, their earlier
// ones too, with the group before them or without. What is wrong with it is a fault.
func documentRow(group *registry.Group, key Key, eventTime int64, document string) (*Rows, error) {
	problem := fault.New(fault.Unprocessable, "invalid-observation", "nothing was stored: the observation is not valid")
	var fields []observed
	scanner := jsonscan.New(document)
	err := scanner.Object(func(name string) error {
		raw, err := scanner.Value()
		if err != nil {
			return err
		}
		cell := table.JSONCell(raw)
		feature := featureCalled(group, strings.TrimPrefix(name, group.Name+":"))
		switch {
		case feature == nil:
			problem.At(name, "", "is no feature of %s", group.Name)
			return nil
		case feature.Status == registry.Archived:
			problem.At(name, "", "is archived: restore it before storing values")
			return nil
		}
		v, err := cell.Value(feature.ValueType, nil)
		switch {
		case err != nil:
			problem.At(name, cell.Display(), "%s", err)
		case !v.IsAbsent():
			fields = append(fields, observed{feature, v})
		}
		return nil
	})
	if err == nil {
		err = scanner.End()
	}
	if err != nil {
		return nil, jsonscan.Fault(err)
	}
	slices.SortStableFunc(fields, func(a, b observed) int { return int(a.feature.Ordinal) - int(b.feature.Ordinal) })
	rows := &Rows{Group: group, Keys: []Key{key}, EventTimes: []int64{eventTime}}
	for i, f := range fields {
		if i > 0 && f.feature == fields[i-1].feature {
			problem.At(f.feature.Name, "", "is given twice, by two of its names")
		}
		rows.Features, rows.Values = append(rows.Features, f.feature), append(rows.Values, f.value)
	}
	if len(problem.Violations) == 0 {
		if len(fields) == 0 {
			problem.At("features", "", "has no feature: give at least one")
		} else if err := rows.checkID(0); err != nil {
			problem.At(group.IDColumn, "", "%s", err)
		}
	}
	if len(problem.Violations) > 0 {
		return nil, problem
	}
	return rows, nil
}

// featureCalled is the feature of a group that has a name, or else had it; nil if none has.
func featureCalled(group *registry.Group, name string) *registry.Feature {
	var called *registry.Feature
	for _, f := range group.Features {
		if f.Name == name {
			return f
		}
		if called == nil && f.Called(name) {
			called = f
		}
	}
	return called
}

// maskedDocument is the document as lists show it: without the values of features that are tagged pii.
func (e *Quarantined) maskedDocument() []byte {
	if !slices.ContainsFunc(e.Group.Features, isPII) || len(e.Document) == 0 {
		return e.Document
	}
	b := []byte{'{'}
	scanner := jsonscan.New(string(e.Document))
	err := scanner.Object(func(name string) error {
		raw, err := scanner.Value()
		if err != nil {
			return err
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = appendKey(b, 0, name)
		if f := featureCalled(e.Group, name); f == nil || isPII(f) { // whether one that is gone was tagged, nobody knows
			b = value.AppendJSONString(b, maskedValue)
		} else {
			b = append(b, raw...)
		}
		return nil
	})
	if err != nil {
		return nil
	}
	return append(b, '}')
}

func isPII(f *registry.Feature) bool { return slices.Contains(f.Tags, "pii") }
