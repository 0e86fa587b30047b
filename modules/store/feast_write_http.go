package store

import (
	"context"
	"errors"
	"net/http"

	"featurestore/app/httpapi"
	"featurestore/modules/registry/value"
)

type feastWriteInput struct {
	httpapi.Payload
	httpapi.Idempotent
}

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
	keyed, err := body.Keyed()
	if err != nil {
		return nil, err
	}
	raw, err := body.Bytes(max(frameBytes, s.config.MaxBodyBytes))
	if err != nil {
		return nil, err
	}
	if keyed == nil {
		answer, err := s.storeFrame(ctx, raw, nameMember)
		if err != nil {
			return nil, err
		}
		return answered(answer), nil
	}
	keyed.Write(raw) //nolint:errcheck // a fingerprint takes everything
	answer, replayed, err := s.once(ctx, keyed, func() ([]byte, error) { return s.storeFrame(ctx, raw, nameMember) })
	if err != nil {
		return nil, err
	}
	if replayed {
		body.Replayed()
	}
	return answered(answer), nil
}

// once answers a request with a key that does no harm when it is done again: its answer is remembered after it was done. So one that broke
// off in between is done again, and of two at the same time in two processes both are done; the answer is the same for both.
func (s *Store) once(ctx context.Context, keyed *httpapi.Keyed, do func() ([]byte, error)) (answer []byte, replayed bool, err error) {
	if err := s.flights.begin(keyed.Key); err != nil {
		return nil, false, err
	}
	defer s.flights.end(keyed.Key)
	request := &KeyedRequest{Key: keyed.Key, Keep: s.config.IdempotencyRetention, Remembered: Remembered{Fingerprint: keyed.Fingerprint(), Status: http.StatusOK}}
	for range maxAttempts {
		earlier, err := s.recall(ctx, keyed.Key)
		if err != nil {
			return nil, false, err
		}
		if earlier != nil {
			if err := earlier.permits(request.Fingerprint); err != nil {
				return nil, false, err
			}
			return earlier.answer(), true, nil
		}
		if request.Answer, err = do(); err != nil {
			return nil, false, err
		}
		err = s.offline.AppendOnce(ctx, nil, []*KeyedRequest{request})
		if !errors.Is(err, ErrKnown) {
			return request.Answer, false, unavailable("remember a request", err)
		}
	}
	return nil, false, inFlight()
}

// storeFrame stores the frame and makes the answer.
func (s *Store) storeFrame(ctx context.Context, raw []byte, nameMember string) ([]byte, error) {
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
	return append(b, '}'), nil
}
