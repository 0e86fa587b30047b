// Package local is the engine that computes in this process.
//
// Aggregations (program.go says what of a plan's can share what) are computed in one pass over the events, however many ticks there are: events come
// entity by entity, each oldest first (block.go); of each entity and input the considered rows are made a series (series.go) with sums of its
// beginnings, each window becomes two places in it that follow the ticks (window.go), and a value of a tick is a difference of sums, an end of a
// queue, or a count that goes along (result.go). The arithmetic is exact (exact.go). Rows are staged as a stream of Arrow (staged.go), which costs
// no more than copying them.
//
// Events of a group come in that order from the offline store. All others come from files of Parquet, which DuckDB (duckdb.go) reads; they are put in order in
// memory (assembled.go) or, where they are many, by DuckDB, on disk (sorted.go). Files are read directly (parquet.go) where their types are those of the plan.
// Others, those of CSV and NDJSON, tables of PostgreSQL and, for SQL, groups are brought into one by our own readers before (spool*.go), so that types, zones and
// names mean what they mean everywhere.
//
// One tick of such a file needs no order: one statement adds up (grouped.go), and values are made of that as in the pass (grouped_rows.go), which takes a third of its
// time. What is beyond DuckDB's numbers falls back to the pass.
//
// SQL of definitions (sql.go) runs over the view events in a database that can reach nothing but its files and the job's folder, with its configuration locked. DuckDB is in
// memory, opened for a job and closed after it, within the job's memory and threads; it spills into the job's folder. It is used by its C interface, since
// database/sql holds whole results in memory.
package local
