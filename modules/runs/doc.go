// Package runs keeps account of work that takes longer than a request, or whose outcome must be found later: a load, a
// materialization. A run is one row; it is queued, running, and then succeeded, failed or cancelled, and never changes after
// that. Its id is never used again: rows of the offline store carry it.
//
// Work is asked for with Submit and done by any process that has said Handle for its kind. A process renews the lease of the
// runs it works on; when it dies, the next process to look queues a submitted run again and fails one that was begun inside a
// request. So submitted work is done at least once and must stand being repeated. Leases are compared by the clocks of the
// processes, which may differ by two thirds of the lease at most.
//
// The module owns the table runs. It uses the database only.
package runs
