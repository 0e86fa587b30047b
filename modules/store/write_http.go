package store

import (
	"context"
	"time"

	"featurestore/app/fault"
	"featurestore/app/httpapi"
	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/jsonscan"
	"featurestore/modules/store/table"
)

// eventTimeMember is reserved in the body of a write: it is never a feature.
const eventTimeMember = "event_time"

type storeOneInput struct {
	httpapi.Payload
	httpapi.Idempotent
	EntityPath
	EventTime string `query:"event_time" doc:"When it was true; default now. It may stand in the body instead" example:"2026-01-31T12:00:00Z"`
	TimeZone  string `query:"time_zone" doc:"The zone of times without an offset; without it they are refused" example:"Europe/Berlin"`
}

// storedAnswer documents the answer of POST /store/{entity_type}/{entity_id}.
type storedAnswer struct {
	EntityType string            `json:"entity_type"`
	EntityID   any               `json:"entity_id"`
	EventTime  string            `json:"event_time"`
	Stored     map[string]string `json:"stored" doc:"For each name as it was sent the name of the feature"`
	Registered []string          `json:"registered" doc:"Names that nobody had registered and that are drafts now"`
	Online     string            `json:"online" enum:"written,pending,none" doc:"pending: accepted, and brought online later; none: event groups have no online copy"`
	Duplicate  bool              `json:"duplicate,omitempty" doc:"Nothing was stored: it is in an event group, and its id is there already"`
	Erased     bool              `json:"erased,omitempty" doc:"Nothing was stored: the entity was erased, and this is dated before that"`

	Quarantined []heldAnswer `json:"quarantined,omitempty" doc:"What is not stored since it breaks rules, by groups, and waits in quarantine"`
}

// storeOne stores one observation.
func (s *Store) storeOne(r *httpapi.Request, b []byte) ([]byte, error) {
	zone, err := zoneOf(r.Query("time_zone"))
	if err != nil {
		return nil, err
	}
	at, err := timeOf("event_time", r.Query("event_time"), zone, value.NoTime)
	if err != nil {
		return nil, err
	}
	payload := r.Payload()
	keyed, err := payload.Keyed()
	if err != nil {
		return nil, err
	}
	text, err := payload.JSON(s.config.MaxBodyBytes)
	if err != nil {
		return nil, err
	}
	o := Observation{Entity: Entity{Path: r.Segment("entity_id")}, EventTime: at, Zone: zone}
	if err := readObservation(text, &o); err != nil {
		return nil, err
	}
	observations := []Observation{o}
	var written *Written
	if keyed == nil {
		written, err = s.Write(r.Context(), r.Path("entity_type"), observations)
	} else {
		keyed.Write([]byte(text)) //nolint:errcheck // a fingerprint takes everything
		written, err = s.writeKeyed(r.Context(), payload, keyed, r.Path("entity_type"), observations,
			func(b []byte, w *Written) []byte { return appendStoredOne(b, observations, w) })
	}
	if err != nil {
		return nil, err
	}
	entityType, key, err := findEntity(r, s.definitions.Catalog())
	if err != nil {
		return nil, err
	}
	r.SetStatus(written.Status)
	b = appendEntity(b, entityType, key) // no key remembers this part: nothing of an entity is kept where it cannot be erased
	if keyed != nil {
		return append(b, written.Answer...), nil
	}
	return appendStoredOne(b, observations, written), nil
}

// appendStoredOne writes the answer about an only observation behind the entity.
func appendStoredOne(b []byte, observations []Observation, w *Written) []byte {
	b = w.appendEventTime(appendMember(b, "event_time"), 0)
	b = appendStored(appendMember(b, "stored"), observations[0].Fields, w.Stored)
	b = value.AppendJSONStrings(appendMember(b, "registered"), w.Registered)
	b = w.appendThere(appendOnline(b, w.Online))
	return append(w.appendHeld(b, "quarantined", len(w.held), observations), '}')
}

// writeKeyed is WriteOnce of a call with a key. What is replayed says so in a header.
func (s *Store) writeKeyed(ctx context.Context, payload *httpapi.Payload, keyed *httpapi.Keyed, entityType string, observations []Observation,
	answer func([]byte, *Written) []byte) (*Written, error) {
	written, err := s.WriteOnce(ctx, entityType, observations, &Once{Key: keyed.Key, Fingerprint: keyed.Fingerprint(), Answer: answer})
	if err == nil && written.Replayed {
		payload.Replayed()
	}
	return written, err
}

// readObservation reads a body {feature: value, …} with an optional event_time.
func readObservation(text string, o *Observation) error {
	scanner := jsonscan.New(text)
	given := o.EventTime
	err := scanner.Object(func(name string) error {
		raw, err := scanner.Value()
		if err != nil {
			return err
		}
		if name != eventTimeMember {
			o.Fields = append(o.Fields, Field{Name: name, Cell: table.JSONCell(raw)})
			return nil
		}
		o.EventTime, err = bodyTime("body.event_time", table.JSONCell(raw), o.Zone)
		return err
	})
	if err == nil {
		err = scanner.End()
	}
	if err != nil {
		return jsonscan.Fault(err)
	}
	if given != value.NoTime && o.EventTime != given {
		return fault.New(fault.Invalid, "event-time-twice", "the query and the body give different event times: give it once").
			At("body.event_time", string(value.AppendTime(nil, o.EventTime)), "is another time than in the query")
	}
	return nil
}

// bodyTime reads a member or a cell that is an event time.
func bodyTime(place string, cell table.Cell, zone *time.Location) (int64, error) {
	t, err := cell.Value(value.Timestamp, zone)
	switch {
	case err != nil:
		return 0, fault.New(fault.Invalid, "invalid-time", "the event time cannot be read: %s", err).At(place, cell.Display(), "%s", err)
	case t.IsNull() || t.IsAbsent():
		return 0, fault.New(fault.Invalid, "invalid-time", "the event time is null: leave it out to store the observation as of now").
			At(place, cell.Display(), "is null")
	}
	return t.Time(), nil
}

// appendStored writes which feature the name of each field led to, in their order.
func appendStored(b []byte, fields []Field, stored map[string]string) []byte {
	b = append(b, '{')
	for i := range fields {
		if feature, ok := stored[fields[i].Name]; ok {
			b = append(value.AppendJSONString(appendKey(b, 0, fields[i].Name), feature), ',')
		}
	}
	return closed(b, '}')
}
