// Package batchtest holds every engine of package batch to the same rows, bit for bit. It has
//
//   - readable scripts (testdata/*.test, language in script.go): definitions, events, ticks and the rows that must come out, told in every place where
//     events can be: a group of events, the history of a group, a table and a query of a PostgreSQL, files of each format;
//   - a brute-force oracle (oracle.go), and random definitions over random events against it (random.go);
//   - SQL: for each function that the gate lets through a case that says what it answers (testdata/sql_*.test);
//   - what ends badly: values that cannot be added up, SQL that fails, time that runs out, and cancelling, which leaves nothing behind.
//
// A new engine is one call: Run.
package batchtest
