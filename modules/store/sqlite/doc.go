// Package sqlite is the offline and the online store in one file each, for one process that holds the data folder's lock.
//
// # The offline file
//
// Each feature group is one plain STRICT table, named after the group:
//
//	<join keys>     INTEGER or TEXT
//	event_time      INTEGER, µs since 1970 in UTC
//	ingest_time     INTEGER, µs, the store's clock at the insert
//	ingest_id       INTEGER PRIMARY KEY, ascending in the order of ingestion, never used twice; breaks ties of event_time
//	run_id          INTEGER, the load or publication that brought it; null for single writes
//	schema_version  INTEGER, the group's version that it was written under
//	presence        TEXT, the ordinals of the features observed, as '.1.5.7.'; null: all of that version
//	<features>      one column each and per generation of values: numbers, booleans and times (µs) as INTEGER or REAL, text and
//	                JSON as TEXT, arrays as TEXT that holds JSON
//
// A feature whose name is taken by one of these columns or by a join key stands in <name>__, a group whose name SQLite keeps for
// itself (sqlite_…) in group__<name>. The one index is (join keys, event_time), ascending: read backwards it gives an entity's newest
// observation first and, since it ends in ingest_id, breaks ties without a sort; a load in the same order appends to it. A group with a row
// id has a second one, by_id__<group id>, a unique one over that column.
//
// Fifteen tables are the store's own. __store is one row: identity, the next ingest id, the clock, how often layouts have changed, and the version
// of __erasures, the ledger of erased entities.
// __layouts says which columns each group's table has, and for which version of the group. __loads are the loads that are open,
// as ranges of ingest ids: who reads leaves those rows out, the position stays below them, and what a crash left of them is
// removed after the next start. A load's range is reserved before its first row is inserted and given up with its last.
// __removals counts each group's removals, __removed notes what they took: the ingest ids of an entity's rows, which are gone with
// the same commit, or a run, whose rows readers leave out from then on and which are removed in steps once the note is given up.
// __idempotency holds the requests that had a key, each remembered in the transaction of its rows.
// __retained says from which event time on a group is whole, once it was compacted under a retention.
// __quarantine holds the rows of all groups that rules keep out, numbered from the ingest ids, so that an open load hides its entries too;
// __quarantine_past counts those of which nothing is left, __quarantine_reverted names loads whose entries readers leave out, until they are removed.
//
// __published has the latest publication of each tick, __publications each with the ids that its rows are among, and __removal_times between which
// event times lay what each removal took. __retractions has the retractions that those who trace rows were not told of yet. A publication goes through its sorted rows side by side with the sorted ones of earlier publications
// (publish_compare.go); who takes rows away waits meanwhile.
//
// The file does not shrink when rows are removed: their pages are zeroed and used again for what comes in later. VACUUM gives them back.
//
// One goroutine writes (writer.go). Readers have connections of their own, a snapshot is a read transaction on one of them.
//
// # The online file
//
// The table entities holds one packed row per group and entity, states one row per group, erasures a copy of the ledger, about one row about the file. Newer wins
// by reading and writing inside the writer's transaction, in Go (package packed). It is not synced at each commit:
// what a power cut takes away is an end of the file's history, rows and watermarks alike, and the run of the server gets another
// name then, so that materialization looks again.
package sqlite
