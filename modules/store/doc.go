// Package store is where the values are: it takes observations in, answers them online and as they were, and joins training sets.
//
// It owns two seams. Offline (offline.go) is the full history, one table per group; Online (online.go) is the newest values by key,
// one packed row per group and entity (package packed). Engines live in the folders sqlite, postgres and redis; package storetest
// is the suite that holds all of them to the same answers.
//
// The way of a value in: Write (observation.go checks and converts, write.go groups what waits into one commit) or Load (load.go, a
// table of any size) → Offline, durably → Online by compare-and-set → the caller is answered. The way out: Read (read.go) asks
// Online in one round trip, and Offline where the online copy says of itself that it is not complete; At, History, Export and
// TrainingSet ask a Snapshot of Offline. One function, judge (status.go), decides of every value what it is at a time.
//
// On its way a row is converted and checked, looked for in the ledger of erased entities, and judged by its group's row rules (rules.go says what
// is asked of whoever has them, judging.go does it): one that breaks a rule with action quarantine goes into quarantine in the transaction of the
// rows and the key that came with it, and a rule with action reject_batch refuses all of a call or load. What is repeated since definitions or
// the ledger have changed is judged again, and told of once.
//
// The way out of quarantine (quarantine_replay.go): today's rules look at what waits again; what keeps them is stored in one transaction with the
// mark that it was replayed, so once. What is amended, discarded or expires stays counted; erasing and reverting take what waits.
//
// The way to the past (known_at.go): a training set's token says what its snapshot showed and by which revision of the definitions. A later
// snapshot is limited to that (Snapshot.AsKnown) and read by the definitions of then. Its age counts from the oldest write that was under
// way, so that whatever it does not show came in within the horizon (horizon.go).
//
// The way back (revert.go, retract.go): Offline.Remove, durably → TakeBack (take_back.go): the group's fence is raised, what was removed
// goes from the online rows and what history says now comes in its place. The online copy's state says which removal it has applied, so
// whoever looks next goes on where a crash left off; until then this process reads the group offline (owed.go).
//
// An erasure (erase.go, erasing.go) is a removal that lasts: the entity is entered into a ledger, a run deletes its rows and sets the online copies
// right, and whatever comes in is checked against the ledger (erased.go) under a version that the offline store compares in the transaction
// of the rows. The ledger has a copy in the online store; ledger_join.go gives each of the two what only the other has.
// It needs no other role: a copy that would have to be rebuilt, and that nobody rebuilds, is emptied (erasing_copy.go).
//
// The way out of history (compaction.go, compact.go): rows that no question within the horizon needs, and those past a group's retention, are
// removed by runs, in steps: Offline.Compact. Which rows those are is decided in one place, the Sieve. What stands for a row that goes has
// been brought online before (compact_online.go): else, taken back, it would leave the removed row there for ever.
//
// What pipelines ask: Events (events.go) is one snapshot of a source group, and tells what has come in and was taken back since another one. Publish
// (publish.go) is a load of what was computed for some ticks (event times) as their one answer: what earlier publications under the name had brought and this one
// lacks is taken back, as a removal, what they had brought and this one says too is not stored again, and the ticks are noted as published, all in
// one transaction, of which a passed-in fence has the last word. Rules judge the rows on their way, and set rules all of them, before that. Reverting a
// run ends what it published. What a publication takes back is, beside reverts, retractions and erasures, the only change that shows in what was known.
//
// What validation asks (scan.go): the rows of a window, those of a load from the position where its run began (load_place.go), in which corrections are put together as rule 1 has it, and what exists, in bulk.
//
// Invariants: what is acknowledged is committed offline; an online value is never older than one that was answered "written";
// while a group's marker is absent, nothing is concluded from its online rows; within a group commit no request fails its
// neighbours; a request with a key (once.go) is stored once, whoever is sent it and whatever ends in the middle;
// of the rows of an event group with an id column, those of one id are stored once, by whichever way they come.
//
// It uses the registry (definitions) and runs (a load is a run).
package store
