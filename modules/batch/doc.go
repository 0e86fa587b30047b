// Package batch computes features: a pipeline reads events, computes what a window of them says at each tick, or what SQL makes of them, and
// publishes it as observations of its target group at event time = tick.
//
// Pipelines are definitions (PipelineKind): the registry keeps, versions, plans and exports them; here stand what they can say (definition.go),
// what of it is wrong (check.go) and their calls under /pipelines. Compile makes a Plan of one: everything that computing needs, checked and typed. Its parts:
//
//   - ticks (package tick): the moments that rows are computed for;
//   - aggregations (aggregation.go): a function of a column over a window (tick − length, tick];
//   - where (where.go): a condition on an event, as SQL of each dialect and as a predicate in Go, which say the same of every row;
//   - SQL (package gate): one SELECT over the relation events, read by DuckDB's parser and let through only where all of it is known to be harmless
//     and to mean the same on every engine.
//
// Engines compute plans (engine.go). They live in the folders local, postgres and spark; package batchtest holds all of them to the same rows, bit for bit.
//
// A run (runner.go; Request is what it is asked) decides which ticks to compute (request.go, due.go): those of a range, or what is due by what is known of the
// ticks (history.go) and by what has come into the source or gone since (late.go). Then, piece by piece (run.go):
//
//	a snapshot of the source ──► Engine ──► a folder of the process (staging.go) ──► far fewer rows than usual? held back
//	                                                                            └──► store.Publish: rules, the fence, one transaction ──► online
//
// What is published stands in the offline store alone, beside the rows: so a process that dies leaves whole ticks or none, and the run, claimed again, goes on
// with those that it has not published. Ticks stay published as they were defined then; a back-fill computes them as they are defined now, and takes back
// what is wrong. Where events are gone by their group's retention, the ticks that need them are not computed again.
//
// It uses the store (events of a source group), the registry and runs.
package batch
