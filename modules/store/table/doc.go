// Package table reads and writes tables for every route that takes or gives one: CSV, NDJSON, JSON by columns and JSON rows,
// gzip or zstd around what comes in.
//
// A Reader gives a table in batches of cells as they came in; Cell.Value makes a value of a type of one. A row that cannot be read is
// listed with its number and the reason, and the rows behind it go on; only where nothing says where the next row begins does
// the table end with an error. Memory is flat in the size of the table, except for JSON by columns, which has a limit.
package table
