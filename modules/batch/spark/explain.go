package spark

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"featurestore/app/fault"
	"featurestore/modules/batch"
)

// Statuses that the program ends with.
const (
	failed        = 10 // by itself: it says why
	noMemory      = 3  // Java, told to end where it has no memory left
	noMemorySpark = 52
	killed        = 137
	terminated    = 143
)

// explain makes a fault of how Spark ended: its status first, then what it said, then the first cause of that.
func explain(ctx context.Context, err error, job *batch.Job) error {
	if batch.Over(ctx) {
		return context.Cause(ctx)
	}
	var end *ended
	if _, ok := fault.As(err); ok || !errors.As(err, &end) {
		return err
	}
	switch code := end.code(); {
	case code == killed || code == terminated:
		return fault.New(fault.Unprocessable, "spark-killed", "Spark was killed by signal %d, as a machine does that has no memory left: lower limits.memory, or run it again", code-128).
			At("limits.memory", "", "is more than the machine has, maybe").Because(end)
	case code == noMemory || code == noMemorySpark || end.status.Cause == "java.lang.OutOfMemoryError" || code != failed && slices.ContainsFunc(end.tail, func(line string) bool { return strings.Contains(line, "java.lang.OutOfMemoryError") }):
		return fault.New(fault.Unprocessable, "too-much-memory", "Spark has no memory left of its %d MiB: raise limits.memory, or compute fewer ticks at once", end.memory>>20).
			At("limits.memory", "", "was reached").Because(end)
	case code != failed || end.status.State == "":
		return fmt.Errorf("compute %s on Spark: %w", job.Plan.Name, end)
	}
	return said(end, job)
}

// said makes a fault of what the program says went wrong.
func said(end *ended, job *batch.Job) error {
	s := &end.status
	message := firstLine(s.Message)
	if strings.HasPrefix(s.Cause, "org.postgresql.") || strings.HasPrefix(s.Cause, "java.net.") {
		message = firstLine(s.CauseMessage)
	}
	if _, reason, found := strings.Cut(message, complaint); found {
		reason, _, _ = strings.Cut(strings.TrimSuffix(reason, `"`), " SQLSTATE: ")
		if strings.HasPrefix(reason, "the SQL ") {
			return fault.New(fault.Unprocessable, "computation-failed", "%s", reason).At("sql", "", "%s", reason)
		}
		return fault.New(fault.Unprocessable, "bad-event", "%s", reason).At("source", "", "%s", reason)
	}
	switch {
	case strings.HasPrefix(s.Cause, "java.net.") || strings.HasPrefix(s.Cause, "org.postgresql.") && (strings.HasPrefix(s.SQLState, "08") || strings.HasPrefix(s.SQLState, "28") || strings.HasPrefix(s.SQLState, "57P")):
		return fault.New(fault.Unprocessable, "source-unreachable", "Spark cannot read PostgreSQL: %s", fault.Shorten(sentence(message))).At("source", "", "cannot be reached").Because(end)
	case strings.HasPrefix(s.Cause, "org.postgresql.") && s.SQLState == queryCancelled && job.Timeout > 0:
		return batch.TookTooLong(job.Timeout)
	case strings.HasPrefix(s.Cause, "org.postgresql."):
		return fault.New(fault.Unprocessable, "computation-failed", "PostgreSQL says of the source: %s", fault.Shorten(sentence(message))).At("source", "", "%s", message).Because(end)
	case job.Plan.SQL != nil && (s.Condition != "" || s.SQLState != ""):
		return fault.New(fault.Unprocessable, "computation-failed", "the SQL fails in Spark: %s", fault.Shorten(sentence(message))).At("sql", "", "%s", message).Because(end)
	}
	return fmt.Errorf("compute %s on Spark: %s: %w", job.Plan.Name, message, end)
}

// queryCancelled is PostgreSQL's code of a statement that was ended, as by its limit of time.
const queryCancelled = "57014"

// firstLine is the first line of a text that has letters.
func firstLine(text string) string {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			return line
		}
	}
	return ""
}

// sentence is the first sentence of what Spark says, which goes on with advice, without the condition that it begins with.
func sentence(text string) string {
	if strings.HasPrefix(text, "[") {
		if _, after, found := strings.Cut(text, "] "); found {
			text = after
		}
	}
	text, _, _ = strings.Cut(text, ". ")
	text, _, _ = strings.Cut(text, " SQLSTATE: ")
	return strings.TrimSuffix(strings.TrimSpace(text), ".")
}
