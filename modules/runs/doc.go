// Package runs keeps account of work that takes longer than a request, or whose outcome must be found later: a load, a
// materialization, a pipeline's ticks. A run is one row; it is queued, running, and then succeeded, failed, cancelled, skipped or held, and
// never changes after that. Its id is never used again: rows of the offline store carry it.
//
// Work is asked for with Order, or Submit for short, and done by any process that has said Handle for its kind. A process renews the lease of
// the runs it works on; when it dies, the next process to look queues an ordered run again and fails one that was begun inside a
// request. So ordered work is done at least once and must stand being repeated; what it publishes asks the fence StillHeld in the transaction
// that publishes, so that it has one effect whoever was paused for however long. Leases, deadlines and the times of retries go by the clock of
// the database where several processes share it; when a run was created, started and finished is said by the clocks of the processes, and
// decides nothing but what is shown and how long it is kept.
//
// An attempt that fails is followed by another of the same run, as often as its order allows: the run's id, which stands in rows, and its
// unique key are those of the work, not of an attempt. A run that has ended is done once more as a new run that names it (Retry); held ones
// are released that way, with force.
//
// What is not to be done at the same time is told apart by unique indexes over the runs under way: one run per concurrency key, and one per
// place for heavy runs.
//
// The module owns the tables runs and runs_logs. It uses the database only.
package runs
