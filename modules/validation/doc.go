// Package validation tells whether data is good.
//
// Its parts are profiles of columns (package profile), the arithmetic of drift (package drift), rules (package rules), suites of Great
// Expectations (package gx) and alerts (package alerts). Rules and suites can be evaluated, and drift be computed, on data that a call brings, storing
// nothing; what is stored is judged in these ways:
//
//	rows on their way in ──► the store asks Guard ──► Written: added up in memory, a report now and then
//	                                              └─► Loaded: a report of the load, and a run of kind validate
//	rows that a pipeline is about to publish ──► Guard, and Audit for all of them together ──► Published: a report, and a run
//	a load, the ticker, POST /validate ──► a run of kind validate: one go over the rows of each window ──► one report
//
// A report holds a result for each rule and feature, and is stored in one transaction with what alerts learn of it, once for each run or load.
// Results on the rows that a rule is usually evaluated on (its window) raise and resolve alerts, and are what its history is measured by; those on
// others that a call asked for are kept only. What cannot be evaluated is a result of status error. Examples name entities; those of erased
// ones are taken out, and none is shown that was erased while a report was made (keep.go).
//
// What a row rule has found in rows that are stored stays found until a look at its window says otherwise (unsettled.go).
//
// Rules and baselines are definitions (RuleKind, BaselineKind): the registry keeps, versions, plans and exports them, here stand what they can
// say and their calls under /rules and /baselines. A rule may call a feature by a name that it had: what is evaluated, and what is said of it,
// has the present one. What rules read is not deleted or changed in a way that would make them wrong; one that is switched off keeps only
// the former. Guards have the rules of a group compiled for whoever writes or judges its rows.
//
// It owns the tables validation_reports, validation_results and validation_newest, and those of profiles and baselines. It uses the registry and runs;
// what it learns of stored values it asks of Values, which the store is, to its right.
package validation
