package batch

import (
	"context"
	"time"

	"featurestore/app/fault"
)

// TookTooLong says that a job's limit of time was reached.
func TookTooLong(limit time.Duration) error {
	return fault.New(fault.Unprocessable, "took-too-long", "the computation took longer than its limit of %s: raise limits.timeout, or compute fewer ticks at once", limit).
		At("limits.timeout", limit.String(), "was reached")
}

// Over tells whether a context has ended, or its time has come: what has the same deadline, as a statement of a database, may end a moment before it.
func Over(ctx context.Context) bool {
	if deadline, given := ctx.Deadline(); given && !time.Now().Before(deadline) {
		<-ctx.Done()
	}
	return ctx.Err() != nil
}
