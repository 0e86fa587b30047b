package batch

import (
	"encoding/json"
	"slices"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// rowsAnswer writes rows as objects: join keys, event_time, and the features that are observed, in the order of the definition.
func rowsAnswer(plan *Plan, rows *store.Rows) []json.RawMessage {
	answer := make([]json.RawMessage, 0, len(rows.Keys))
	for i, key := range rows.Keys {
		b := []byte{'{'}
		member := func(name string, v value.Value) {
			if len(b) > 1 {
				b = append(b, ',')
			}
			b = append(append(append(b, '"'), name...), '"', ':')
			b = value.AppendJSON(b, v)
		}
		for n, k := range plan.Keys {
			member(k.Name, key.Values[n])
		}
		member(eventTimeName, value.OfTime(rows.EventTimes[i]))
		row := rows.Row(i)
		for _, f := range plan.Outputs {
			v := row[slices.IndexFunc(rows.Features, func(other *registry.Feature) bool { return other == f })]
			if !v.IsAbsent() {
				member(f.Name, v)
			}
		}
		answer = append(answer, append(b, '}'))
	}
	return answer
}
