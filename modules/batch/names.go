package batch

import (
	"iter"

	"featurestore/app/fault"
	"featurestore/modules/registry"
)

func featureNames(group *registry.Group) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, f := range group.Features {
			if !yield(f.Name) {
				return
			}
		}
	}
}

func pipelineNames(catalog *registry.Catalog) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, d := range catalog.Definitions(kindPipeline) {
			if !yield(d.Name) {
				return
			}
		}
	}
}

func columnNames(columns []Column) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range columns {
			if !yield(columns[i].Name) {
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
