package store

import (
	"context"

	"featurestore/app/httpapi"
	"featurestore/modules/registry/value"
)

type feastWriteInput struct{ httpapi.Payload }

// feastWriteBody documents the body of POST /write-to-online-store.
type feastWriteBody struct {
	FeatureViewName string           `json:"feature_view_name" doc:"The group" example:"customer_purchases"`
	Frame           map[string][]any `json:"df" doc:"A column per join key and feature, and event_timestamp; times without an offset are UTC"`
}

// feastPushBody documents the body of POST /push.
type feastPushBody struct {
	PushSourceName string           `json:"push_source_name" doc:"The group" example:"customer_purchases"`
	Frame          map[string][]any `json:"df" doc:"A column per join key and feature, and event_timestamp; times without an offset are UTC"`
	To             string           `json:"to,omitempty" doc:"Whatever it says, the rows are stored durably and online"`
}

// feastWrittenAnswer documents the answer of both.
type feastWrittenAnswer struct {
	Group       string `json:"group"`
	Received    int    `json:"received" doc:"stored + duplicate + rejected + quarantined + erased"`
	Stored      int    `json:"stored"`
	Duplicate   int    `json:"duplicate" doc:"Rows that were there already"`
	Rejected    int    `json:"rejected"`
	Quarantined int    `json:"quarantined"`
	Erased      int    `json:"erased"`
	Online      string `json:"online" enum:"written,pending,none" doc:"pending: accepted, and brought online later; none: event groups have no online copy"`
}

func (s *Store) writeToOnlineStore(ctx context.Context, in *feastWriteInput) (*httpapi.Bytes, error) {
	return s.writeFrame(ctx, &in.Payload, "feature_view_name")
}

func (s *Store) push(ctx context.Context, in *feastWriteInput) (*httpapi.Bytes, error) {
	return s.writeFrame(ctx, &in.Payload, "push_source_name")
}

// frameBytes is how large the body of a write in Feast's protocol may be, which is one frame of any number of rows.
const frameBytes = 64 << 20

// writeFrame stores the frame of a body, whatever its content type says, into the group that the member names.
func (s *Store) writeFrame(ctx context.Context, body *httpapi.Payload, nameMember string) (*httpapi.Bytes, error) {
	raw, err := body.Bytes(max(frameBytes, s.config.MaxBodyBytes))
	if err != nil {
		return nil, err
	}
	name, df, err := feastFrame(string(raw), nameMember)
	if err != nil {
		return nil, err
	}
	catalog := s.definitions.Catalog()
	group, ok := catalog.Group(name)
	if !ok {
		return nil, located(catalog.UnknownGroup(name), "body."+nameMember, name)
	}
	written, online, err := s.WriteFrame(ctx, group, df)
	if err != nil {
		return nil, err
	}
	b := value.AppendJSONString(first(nil, "group"), written.Group)
	b = appendTextMember(appendCounts(b, written), "online", online)
	return answered(append(b, '}')), nil
}
