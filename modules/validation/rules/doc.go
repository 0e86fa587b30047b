// Package rules says what a rule is and evaluates rules on rows of values. It knows no storage: data come in batches, and what lies
// outside of them (entities, earlier runs, baselines, the clock) by the functions of Options.
//
// A Definition is read strictly (Read), compiled once with others against features (Compile) into a Set, and evaluated by a Run: Add for
// each batch, Finish for the outcomes. A Set does not change and serves any number of runs at once; a Run belongs to one goroutine.
//
//	set, wrong := rules.Compile(definitions, fields)
//	run := set.Begin(rules.Options{Now: now})
//	run.Add(&rules.Batch{Values: rows.Values, Rows: n, Width: len(rows.Features), Columns: columns}, func(bad *rules.Bad) { … })
//	outcomes := run.Finish()
//
// Values are taken as they stand in a batch, row by row; nothing is copied. An absent value was not observed: a rule about it does not
// look at the row. A null is left out of what a rule considers (null_policy ignore, the default) or bad (fail). where chooses rows
// before anything is counted.
//
// Row kinds are decided for each row by itself: they are what keeps rows out of a store. The other kinds judge the whole, some with a
// count of bad rows (tolerance applies), some by one number between min and max. A kind that judges features apart has one outcome for
// each of them. Kinds lists all of them with what they mean and take; it is the reference, and the API answers it.
//
// Empty data never pass: where there is nothing to judge, the outcome is skipped and says why. What cannot be judged (a text that is to be
// compared with a number, in inline data of mixed types) ends the rule with status error and the first row that shows it.
package rules
