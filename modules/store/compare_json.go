package store

import (
	"encoding/json"
	"strconv"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

// DifferenceAnswer is a Difference as the API shows it.
type DifferenceAnswer struct {
	EntityID json.RawMessage `json:"entity_id"`
	Feature  string          `json:"feature,omitempty" doc:"group:feature, the first that differs; absent: the row as a whole"`
	Outcome  string          `json:"outcome" enum:"different,missing,extra"`
	Problem  string          `json:"problem"`
	Offline  *sideAnswer     `json:"offline" doc:"null: never observed"`
	Online   *sideAnswer     `json:"online" doc:"null: not there, or not to be read"`
}

type sideAnswer struct {
	Value     json.RawMessage `json:"value"`
	EventTime string          `json:"event_time"`
	IngestID  int64           `json:"ingest_id"`
}

// Show makes the answer for an entity.
func (d Difference) Show(group *registry.Group, key Key) DifferenceAnswer {
	answer := DifferenceAnswer{Outcome: d.Agreement.String(), Problem: d.Problem, Offline: sideOf(d.Offline), Online: sideOf(d.Online)}
	if key.Values != nil {
		answer.EntityID = appendEntityID(nil, group.EntityType, key)
	} else {
		answer.EntityID = value.AppendJSONString(nil, strconv.QuoteToASCII(key.Encoded)) // no key of the entity type
	}
	if d.Feature != nil {
		answer.Feature = d.Feature.Reference()
	}
	return answer
}

func sideOf(o *Observed) *sideAnswer {
	if o == nil {
		return nil
	}
	return &sideAnswer{
		Value:     value.AppendJSON(nil, o.Value),
		EventTime: string(value.AppendTime(nil, o.Stamp.EventTime)), IngestID: o.Stamp.IngestID,
	}
}
