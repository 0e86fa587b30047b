// Package postgres is the batch engine that computes in the PostgreSQL where the events are: the offline store's own, or that of a named connection.
//
// A job is one read-only transaction with a limit of time. Declared aggregations are one statement for all ticks (aggregate.go): each event is
// joined with the ticks whose windows it is in, found by bisection, and what belongs to an entity and tick is added up in whole numbers only. Sums, averages and
// deviations are made of those here (finish.go), so that their last bits are those of every other engine. SQL that somebody wrote is run as the gate let it through, over
// a common table expression called events (query.go); where the session is a superuser's, as a role that can read tables and nothing else.
//
// Rows are staged as they come (stage.go), as a stream of Arrow record batches.
package postgres
