package store

import (
	"context"
	"encoding/json"
	"fmt"

	"featurestore/app/fault"
)

// loadKind is the kind of runs whose ids stand in rows.
const loadKind = "load"

// loadParameters are those of a load's run.
type loadParameters struct {
	Group string `json:"group"`

	// All rows of the run lie at or above Position in the order of ingestion of Store, an identity of the offline store: those that it brings,
	// and those that are replayed from quarantine, which come in later. Both are empty where that is not known.
	Store    string   `json:"store,omitempty"`
	Position Position `json:"position,omitempty"`
}

// placed are the parameters of a load that has not begun. Without a place, what is asked of the load's rows takes long and is as right: so no
// load fails for want of one.
func (s *Store) placed(ctx context.Context, group string) loadParameters {
	ctx, cancel := context.WithTimeout(ctx, commitTime)
	defer cancel()
	parameters := loadParameters{Group: group}
	identity, position, err := s.place(ctx)
	if err != nil {
		s.log.Warn("a load's place could not be noted: what is asked of its rows will read the whole group", "group", group, "error", err)
		return parameters
	}
	parameters.Store, parameters.Position = identity, position
	return parameters
}

// place is a position that nothing which is still to come in lies below. The identity is read first: where the store has gone over to another
// timeline since, the position is void.
func (s *Store) place(ctx context.Context) (identity string, position Position, err error) {
	if identity, err = s.offline.Identity(ctx); err != nil {
		return "", "", err
	}
	snapshot, err := s.offline.Snapshot(ctx)
	if err != nil {
		return "", "", err
	}
	defer snapshot.Close()
	return identity, snapshot.Position(), snapshot.Durable(ctx)
}

// since is the position that the rows of a run lie at or above, in a snapshot that is open already; "" where that is not known.
func (s *Store) since(ctx context.Context, run int64) (Position, error) {
	found, err := s.runs.Get(ctx, run)
	if problem, ok := fault.As(err); ok && problem.Kind == fault.NotFound { // it was too old to be kept
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if found.Kind != loadKind {
		_, since, err := s.offline.PublishedBy(ctx, run)
		return since, err
	}
	if len(found.Parameters) == 0 {
		return "", nil
	}
	var parameters loadParameters
	if err := json.Unmarshal(found.Parameters, &parameters); err != nil {
		return "", fmt.Errorf("read the parameters of run %d: %w", run, err)
	}
	if parameters.Position == "" {
		return "", nil
	}
	identity, err := s.offline.Identity(ctx)
	if err != nil || identity != parameters.Store {
		return "", err
	}
	return parameters.Position, nil
}
