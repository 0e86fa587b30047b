package store

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"featurestore/app/httpapi"
	"featurestore/modules/runs"
)

// loadRowsOnce loads a table that came with a key, or gives the answer that it was given before.
func (s *Store) loadRowsOnce(ctx context.Context, in *loadInput, request LoadRequest, wait time.Duration, keyed *httpapi.Keyed) (*loadOutput, error) {
	if err := s.flights.begin(keyed.Key); err != nil {
		return nil, err
	}
	defer s.flights.end(keyed.Key)
	earlier, err := s.recall(ctx, keyed.Key)
	switch {
	case err != nil:
		return nil, err
	case earlier != nil:
		return s.replayLoad(in, keyed, earlier)
	case prefersAsync(in.Prefer):
		return s.loadLaterOnce(in, request, keyed)
	}
	if _, err := groupOf(s.definitions.Catalog(), request.Group); err != nil {
		return nil, err
	}
	body := &loadBody{store: s, in: in}
	defer body.Close()
	source, err := body.open(io.TeeReader(&in.Payload, keyed), &request)
	if err != nil {
		return nil, err
	}
	once := keyLoad(keyed.Key, s.config.IdempotencyRetention, nil, func() ([32]byte, error) {
		_, err := io.Copy(keyed, &in.Payload)
		return keyed.Fingerprint(), err
	})
	request.once = once
	loaded, err := s.Load(ctx, request, source)
	if err != nil {
		return nil, err
	}
	runIDs, online := "", once.request.Outcome
	if loaded.Publication != 0 {
		runIDs, online = fmt.Sprintf(`"publication_run_id":%d,`, loaded.Publication), `"online":`+quoted(OnlinePending)
		if run, err := s.await(ctx, loaded.Publication, wait); err == nil && run.State == runs.Succeeded {
			online = `"online":` + quoted(OnlineWritten)
		}
	}
	if loaded.Validation != 0 {
		runIDs += fmt.Sprintf(`"validation_run_id":%d,`, loaded.Validation)
	}
	if runIDs != "" {
		once.request.Outcome = runIDs + online
		if err := s.offline.Settle(context.WithoutCancel(ctx), [][32]byte{keyed.Key}, once.request.Outcome); err != nil {
			s.log.Warn("a replayed answer will not name the runs that go on with a load", "run", loaded.Run, "error", err)
		}
	}
	return once.request.output(), nil
}

// replayLoad reads the body, to know whether it is the same.
func (s *Store) replayLoad(in *loadInput, keyed *httpapi.Keyed, earlier *Remembered) (*loadOutput, error) {
	if !earlier.Reserved || len(earlier.Answer) > 0 {
		if _, err := io.Copy(keyed, &in.Payload); err != nil {
			return nil, err
		}
	}
	if err := earlier.permits(keyed.Fingerprint()); err != nil {
		return nil, err
	}
	in.Replayed()
	return earlier.output(), nil
}

// loadLaterOnce receives the body, reserves the key together with the answer, and loads afterwards.
func (s *Store) loadLaterOnce(in *loadInput, request LoadRequest, keyed *httpapi.Keyed) (*loadOutput, error) {
	if _, err := groupOf(s.definitions.Catalog(), request.Group); err != nil {
		return nil, err
	}
	body := &loadBody{store: s, in: in, whole: true}
	source, err := body.open(io.TeeReader(&in.Payload, keyed), &request)
	if err != nil {
		body.Close()
		return nil, err
	}
	fingerprint := keyed.Fingerprint()
	once := keyLoad(keyed.Key, s.config.IdempotencyRetention, &fingerprint, nil)
	request.once = once
	if _, err := s.LoadLater(request, source, func() { body.Close() }); err != nil {
		body.Close()
		return nil, err
	}
	// The load is on its way and has the request; these members do not change any more.
	return (&Remembered{Run: once.request.Run, Status: once.request.Status, Answer: once.request.Answer}).output(), nil
}

// output is the answer to a load.
func (r *Remembered) output() *loadOutput {
	out := &loadOutput{Status: r.Status, Body: json.RawMessage(r.answer())}
	if r.Status == http.StatusAccepted {
		out.Location, out.PreferenceApplied = fmt.Sprintf("/runs/%d", r.Run), "respond-async"
	}
	return out
}
