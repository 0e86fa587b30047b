package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"featurestore/app/fault"
	"featurestore/modules/batch"
)

// unreachable says no more of a connection than its name.
func unreachable(connection string, cause error) error {
	return fault.New(fault.Unprocessable, "source-unreachable", "the connection %s cannot be made", connection).At("source.connection", connection, "cannot be made").Because(cause)
}

// Codes of PostgreSQL's errors.
const (
	outOfRange     = "22003"
	badText        = "22P02"
	queryCancelled = "57014"
)

// explain makes a fault of what PostgreSQL said.
func explain(ctx context.Context, err error, job *batch.Job) error {
	if batch.Over(ctx) {
		return context.Cause(ctx)
	}
	if _, ok := fault.As(err); ok {
		return err
	}
	if errors.Is(err, errNotHere) {
		return fault.New(fault.Unprocessable, "engine-refuses", "the engine postgres computes where the events are, and the offline store is no PostgreSQL: use the engine local")
	}
	var said *pgconn.PgError
	if !errors.As(err, &said) {
		return fmt.Errorf("compute %s in PostgreSQL: %w", job.Plan.Name, err)
	}
	if _, reason, found := strings.Cut(said.Message, complaint); found && said.Code == badText {
		reason = strings.TrimSuffix(reason, `"`)
		if strings.HasPrefix(reason, "the SQL ") {
			return fault.New(fault.Unprocessable, "computation-failed", "%s", reason).At("sql", "", "%s", reason)
		}
		return fault.New(fault.Unprocessable, "bad-event", "%s", reason).At("source", "", "%s", reason)
	}
	switch class := said.Code[:min(2, len(said.Code))]; {
	case said.Code == queryCancelled && job.Timeout > 0 && strings.Contains(said.Message, "timeout"):
		return batch.TookTooLong(job.Timeout)
	case said.Code == outOfRange && job.Plan.SQL == nil:
		return fault.New(fault.Unprocessable, "sum-out-of-range", "%s", batch.ErrValueRange).
			At("aggregate", "", "fewer decimals or a condition keeps the values of sum, avg and stddev in range").Because(said)
	case class == "53" || class == "54":
		return fault.New(fault.Unprocessable, "too-much-memory", "PostgreSQL has no room for the computation: %s", fault.Shorten(said.Message)).
			At("limits", "", "fewer ticks at once, or a shorter window, need less").Because(said)
	case class == "08" || class == "57" || class == "58" || class == "XX":
		return fmt.Errorf("compute %s in PostgreSQL: %w", job.Plan.Name, said)
	case job.Plan.SQL != nil:
		return fault.New(fault.Unprocessable, "computation-failed", "the SQL fails in PostgreSQL: %s", fault.Shorten(said.Message)).At("sql", "", "%s", said.Message).Because(said)
	}
	return fault.New(fault.Unprocessable, "computation-failed", "PostgreSQL says of the source: %s", fault.Shorten(said.Message)).At("source", "", "%s", said.Message).Because(said)
}
