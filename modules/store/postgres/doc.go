// Package postgres is the offline store on PostgreSQL, 13 or later.
//
// It owns one schema. Each feature group is one plain typed table in it, named after the group:
//
//	<join keys>     bigint, or text COLLATE "C"
//	event_time      timestamptz
//	ingest_time     timestamptz, the server's clock at the insert; of a load, at its beginning, which is the same for all of its rows
//	ingest_id       bigint, ascending in the order of ingestion; breaks ties of event_time
//	ingest_xid      bigint, the transaction that brought the row
//	run_id          bigint, the load or publication that brought it; null for single writes
//	schema_version  integer, the group's version that it was written under
//	presence        smallint[], the ordinals of the features observed; null: all of that version
//	<features>      one column each and per generation of values
//
// A feature whose name is taken by one of these columns, by a join key or by PostgreSQL itself (xmin) stands in <name>__.
// There are two indexes: (join keys, event_time DESC, ingest_id DESC), which gives an entity's newest observation
// first and breaks ties without a sort, and (ingest_xid) for what came in since. A group with a row id has a third, by_id__<group id>, a
// unique one over that column.
//
// Fifteen tables are the store's own: __store says which store this is, __layouts which columns each group's table has and for
// which version of the group, __idempotency holds the requests that had a key, each remembered in the transaction of its rows,
// __removals counts each group's removals, __removed notes which rows each entity lost by them, __retained says from which event time on a
// group is whole, once it was compacted under a retention, __reverted says which runs were taken back, a load
// of one of which does not commit, __erasures is the ledger of erased entities and __ledger its version, __quarantine holds the rows of all
// groups that rules keep out, and __quarantine_past counts those of which nothing is left. __published has the latest publication of each tick, __publications each with
// the transactions that brought its rows, and __removal_times between which event times lay what each removal took, and
// __retractions the retractions that those who trace rows were not told of yet. Names of groups cannot collide
// with these.
//
// What removes rows locks the group's row in __removals, so that of removals, publications and the steps of a compaction one comes after the other. A
// publication that has to be compared goes through a temporary table, and is decided by one statement (publish_compare.go). The
// space of removed rows is used again after an autovacuum.
//
// Writers and the adding of columns meet on the lock of the group's table: an insert holds it in ROW EXCLUSIVE mode and
// looks at __layouts afterwards, so it either comes before a new column or sees that its layout is outdated. It looks at __ledger then too: who
// enters an entity there and waits for those that hold the lock has waited for all that did not see it.
//
// A transaction that has ended before its log was on disk does not count for PostgreSQL after a crash: another one gets its number. So a watermark, and
// a token of what was known, is handed out only once the log of all below it is there (durable.go).
//
// Scrub vacuums what was deleted from. Then no tuple of it is left; pages keep the bytes until others take their place or the table is rewritten
// (VACUUM FULL), and the server's log and backups keep them as long as the server's settings say.
package postgres
