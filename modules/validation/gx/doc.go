// Package gx takes expectation suites of Great Expectations, versions 0.x and 1.x, and makes rules (package rules) of them; and answers
// what the rules find on inline columns in Great Expectations' own form.
//
// What is imported means what it means on a pandas data frame: mostly, strict bounds, row_condition, ignore_row_if, NaN as missing, and
// the types that pandas gives to columns (whole numbers with a null among them are floats, texts and mixed values are objects). What
// cannot be imported is listed with the reason; nothing is dropped.
//
// Known deviations, each on purpose:
//   - true and 1 are different values in a set; in Python they are equal.
//   - Patterns are RE2's: those with look-around or back-references are not imported.
//   - A number that is compared with a text, and whatever else raises an exception in Python, is answered as an exception with a
//     sentence of our own; success is false in both.
//   - dateutil's grammar is larger than ours by forms that nobody writes (fuzzy names of zones, "5 past noon"), and ours never takes a
//     weekday or month in another language.
//   - JSON Schemas are checked by the keywords that rules.Kinds names; $ref leads nowhere outside of the schema.
//   - Without a schema in the request, texts that look like times are texts: a column is read as times only where the expectation
//     compares it with one.
//   - LIKE patterns, which Great Expectations knows for SQL only, are imported as regular expressions.
package gx
