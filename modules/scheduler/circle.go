package scheduler

import (
	"slices"
	"sync"
	"weak"

	"featurestore/modules/registry"
)

// waiting is which pipelines wait for which under the catalog that was asked for last: where many schedules are defined at once, each is checked in
// the same catalog. It is safe for concurrent use.
type waiting struct {
	mu      sync.Mutex
	catalog weak.Pointer[registry.Catalog]
	after   map[string][]string
}

// in reads the pipelines that each waits for, by what it says itself and by what schedules of it say. What it answers never changes.
func (w *waiting) in(catalog *registry.Catalog) map[string][]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.after != nil && w.catalog.Value() == catalog {
		return w.after
	}
	after := map[string][]string{}
	for _, d := range catalog.Definitions(pipelineKind) {
		after[d.Name] = append(after[d.Name], documentOf[pipelineDocument](d.Document).After...)
	}
	for _, d := range catalog.Definitions(kindSchedule) {
		if of := documentOf[scheduleDocument](d.Document); of.What == Pipeline {
			after[of.Subject] = append(after[of.Subject], of.After...)
		}
	}
	w.catalog, w.after = weak.Make(catalog), after
	return after
}

// circleOf are the pipelines that wait for each other, from one on back to itself; nil: it waits for none that waits for it.
func circleOf(after map[string][]string, pipeline string) []string {
	seen := map[string]bool{}
	var leads func(from string) []string // the way from one to the pipeline, the last first; nil: there is none
	leads = func(from string) []string {
		for _, next := range after[from] {
			if next == pipeline {
				return []string{next, from}
			}
			if seen[next] {
				continue
			}
			seen[next] = true
			if way := leads(next); way != nil {
				return append(way, from)
			}
		}
		return nil
	}
	circle := leads(pipeline)
	slices.Reverse(circle)
	return circle
}
