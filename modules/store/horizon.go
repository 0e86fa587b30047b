package store

import (
	"fmt"
	"time"

	"featurestore/app/fault"
	"featurestore/modules/registry/value"
)

// History says what is kept of the past.
type History struct {
	// Horizon is how far back history can be asked for as it was known then. Within it nothing is given up that such an answer needs.
	Horizon time.Duration
	// CompactEvery is how often each group is compacted without being asked; 0: never.
	CompactEvery time.Duration
}

// DefaultHistory holds what config/default.yaml explains.
func DefaultHistory() History {
	return History{Horizon: 7 * 24 * time.Hour, CompactEvery: 24 * time.Hour}
}

// Validate names everything that is wrong.
func (h History) Validate() []error {
	var errs []error
	if h.Horizon < 0 {
		errs = append(errs, fmt.Errorf("history.horizon is %s: it cannot be negative", h.Horizon))
	}
	if h.CompactEvery != 0 && h.CompactEvery < time.Second {
		errs = append(errs, fmt.Errorf("history.compact_every is %s: use at least 1s, or 0s for never", h.CompactEvery))
	}
	return errs
}

// From is the oldest moment as of which history can be asked for, in µs; now is the offline store's clock.
func (h History) From(now int64) int64 { return now - h.Horizon.Microseconds() }

// Reaches answers a fault of kind Gone where a moment, in µs, lies before the horizon. what is asked for as of it, and parameter names it:
// "this known_at", "query.known_at". now is the offline store's clock.
func (h History) Reaches(at, now int64, what, parameter string) error {
	from := h.From(now)
	if at >= from {
		return nil
	}
	since := value.AppendTime(nil, from)
	return fault.New(fault.Gone, "beyond-horizon", "%s lies further back than history.horizon: what was known before %s can no longer be told",
		what, since).
		At(parameter, string(value.AppendTime(nil, at)), "is before %s", since)
}
