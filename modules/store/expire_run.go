package store

import (
	"context"

	"featurestore/modules/runs"
)

// ExpiryKind is the kind of the runs that do at once what is done each minute anyway: to end what has waited in quarantine long enough, and to
// forget requests that are remembered longer than they need be.
const ExpiryKind = "expiry"

func (s *Store) workExpiry(ctx context.Context, _ *runs.Active) (any, error) {
	if err := s.ExpireQuarantine(ctx); err != nil {
		return nil, err
	}
	return nil, s.ForgetRequests(ctx)
}
