package store

import (
	"bytes"
	"context"
	"sync"
	"time"

	"featurestore/app/fault"
	"featurestore/modules/registry"
)

// Once is a request that is stored once, however often it comes.
type Once struct {
	Key         [32]byte
	Fingerprint [32]byte

	// Answer appends the answer. It is asked before the commit, when event times may be value.NoTime and Online is "": there it
	// puts MarkTime and MarkOutcome.
	Answer func(b []byte, w *Written) []byte
}

// Marks stand in a remembered answer for what only the commit, or what follows it, knows. No JSON holds these bytes.
const (
	MarkTime      = 0 // the time of the transaction
	MarkOutcome   = 1
	markStored    = 2 // how many observations were stored,
	markDuplicate = 3 // and how many were there already, both in the outcome too;
	markThere     = 4 // "duplicate": true if that one was
	markValue     = 5 // around the place of a value in the request: what an entity is seen to be is kept only where it can be erased
)

// answer is the answer with everything filled in.
func (r *Remembered) answer() []byte {
	b := bytes.ReplaceAll(r.Answer, []byte{MarkTime}, appendTime(nil, r.At))
	outcome, stored, duplicate := cutCounts(r.Outcome)
	b = bytes.ReplaceAll(b, []byte{MarkOutcome}, []byte(outcome))
	b = bytes.ReplaceAll(b, []byte{markStored}, []byte(stored))
	b = bytes.ReplaceAll(b, []byte{markDuplicate}, []byte(duplicate))
	there := ""
	if duplicate != "" && duplicate != "0" {
		there = `,"duplicate":true`
	}
	return bytes.ReplaceAll(b, []byte{markThere}, []byte(there))
}

// appendOnline writes the outcome of the online half, which may be known after the commit only.
func appendOnline(b []byte, online string) []byte {
	if online == "" {
		return append(appendMember(b, "online"), MarkOutcome)
	}
	return appendTextMember(b, "online", online)
}

// WriteOnce is Write of a request with a key: one that was stored before is not stored again, but its answer is given. Nothing is
// remembered of a request that is refused or fails.
func (s *Store) WriteOnce(ctx context.Context, entityType string, observations []Observation, once *Once) (*Written, error) {
	if err := s.flights.begin(once.Key); err != nil {
		return nil, err
	}
	defer s.flights.end(once.Key)
	written, err := s.write(ctx, entityType, observations, once)
	if err == nil {
		written.Answer = withValues(written.Answer, observations)
	}
	return written, err
}

// keyed is the request as it is handed to the offline store with its rows.
func (o *Once) keyed(w *Written, rows []*Rows, keep time.Duration) *KeyedRequest {
	outcome := OnlineNone
	for _, r := range rows {
		if r.Group.Kind == registry.Features {
			outcome = OnlinePending
		}
	}
	request := &KeyedRequest{Key: o.Key, Keep: keep, counted: w.Duplicates < 0, Remembered: Remembered{
		Fingerprint: o.Fingerprint, Status: w.Status, Answer: o.Answer(nil, w), Outcome: quoted(outcome),
	}}
	if request.counted {
		request.Outcome = withCounts(request.Outcome, int64(len(w.EventTimes)-w.Erased-w.Waiting), 0)
	}
	return request
}

func quoted(outcome string) string { return `"` + outcome + `"` }

// repeated answers a request that was stored before; nil if it was not.
func (s *Store) repeated(ctx context.Context, once *Once) (*Written, error) {
	found, err := s.recall(ctx, once.Key)
	if err != nil || found == nil {
		return nil, err
	}
	if err := found.permits(once.Fingerprint); err != nil {
		return nil, err
	}
	return &Written{Answer: found.answer(), Status: found.Status, Replayed: true}, nil
}

// recall answers what is remembered under a key. The reservation of a load that has ended without its commit is given up.
func (s *Store) recall(ctx context.Context, key [32]byte) (*Remembered, error) {
	const doing = "look for an earlier request"
	for range maxAttempts {
		found, err := s.offline.Recall(ctx, key)
		if err != nil || found == nil || !found.Reserved {
			return found, unavailable(doing, err)
		}
		run, err := s.runs.Get(ctx, found.Run)
		if err == nil && !run.State.Finished() {
			return found, nil
		}
		if err != nil && !fault.Is(err, "unknown-run") {
			return nil, unavailable(doing, err)
		}
		if err := s.offline.Release(ctx, key, found.Run); err != nil {
			return nil, unavailable(doing, err)
		}
	}
	return nil, inFlight()
}

// permits says why a request with this fingerprint cannot be answered as the remembered one was.
func (r *Remembered) permits(fingerprint [32]byte) error {
	switch {
	case r.Reserved && len(r.Answer) == 0:
		return inFlight()
	case r.Fingerprint != fingerprint:
		return fault.New(fault.Unprocessable, "idempotency-key-reused",
			"the Idempotency-Key was used for a request with another method, path, query or body: give this one a key of its own; nothing was stored").
			At("header.Idempotency-Key", "", "belongs to another request")
	}
	return nil
}

func inFlight() error {
	problem := fault.New(fault.Conflict, "idempotency-key-in-flight",
		"a request with this Idempotency-Key is under way: send it again in a moment, to be given the answer").
		At("header.Idempotency-Key", "", "is in use")
	problem.RetryAfter = 1
	return problem
}

// flights are the keys of the requests that are under way in this process, each with how many hold it: whoever answers the request and,
// as long as it has the rows, a lane; who answers may give up earlier.
type flights struct {
	mu   sync.Mutex
	held map[[32]byte]int
}

// begin takes a key that nobody holds.
func (f *flights) begin(key [32]byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.held[key] > 0 {
		return inFlight()
	}
	f.held[key] = 1
	return nil
}

func (f *flights) hold(key [32]byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held[key]++
}

func (f *flights) end(key [32]byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.held[key]--; f.held[key] == 0 {
		delete(f.held, key)
	}
}

// keyedOf are the requests of a group that have keys.
func keyedOf(group []*write) []*KeyedRequest {
	var requests []*KeyedRequest
	for _, w := range group {
		if w.request != nil {
			requests = append(requests, w.request)
		}
	}
	return requests
}

// append commits rows with what goes into quarantine and the requests that have keys.
func (s *Store) append(ctx context.Context, rows []*Rows, entries []*Quarantined, requests []*KeyedRequest) error {
	switch {
	case len(entries) > 0:
		return s.offline.AppendTogether(ctx, &Together{Rows: rows, Requests: requests, Entries: entries})
	case len(requests) == 0:
		return s.offline.Append(ctx, rows)
	}
	return s.offline.AppendOnce(ctx, rows, requests)
}

// letKnownGo ends the requests that were stored before and answers the others.
func (s *Store) letKnownGo(group []*write) []*write {
	var others []*write
	for _, w := range group {
		if w.request == nil || w.request.Earlier == nil {
			others = append(others, w)
			continue
		}
		w.err = ErrKnown
		s.letGo(w)
	}
	return others
}

// letGo answers the caller of a write.
func (s *Store) letGo(w *write) {
	if w.request != nil {
		s.flights.end(w.request.Key)
	}
	close(w.done)
}

// settle records of committed requests that they are online, and lets them go. Where it cannot be recorded, a replay says "pending",
// which is not wrong.
func (s *Store) settle(ctx context.Context, group []*write) {
	var keys [][32]byte
	for _, w := range group {
		if w.request != nil && w.online == OnlineWritten && !w.request.counted {
			keys = append(keys, w.request.Key)
		}
	}
	if len(keys) > 0 {
		if err := s.offline.Settle(ctx, keys, quoted(OnlineWritten)); err != nil {
			s.log.Warn("a replayed answer will say that rows are not online yet, though they are", "requests", len(keys), "error", err)
		}
	}
	for _, w := range group {
		if w.request != nil {
			s.letGo(w)
		}
	}
}

// forgetStep is how many requests are removed in one transaction.
const forgetStep = 500

// ForgetRequests removes all requests whose time is over, a step at a time.
func (s *Store) ForgetRequests(ctx context.Context) error {
	for {
		removed, err := s.offline.Forget(ctx, forgetStep)
		if err != nil || removed < forgetStep {
			return err
		}
	}
}
