// Package profile tells what the values of a column are like: how many, how many nulls and different ones, least, greatest, mean, spread,
// quantiles, the most frequent ones, and forms of text.
//
// A Profile is fed by Add in one pass, in memory that does not grow with the data (some 100 KB at most), and is merged with those of other
// windows: counts, extremes, mean and variance as if all values had been seen at once (but for rounding), sketches within the errors stated at each
// question. Encode gives a form of some KB to store; Decode checks it.
//
// What is measured of a value is its number: of FLOAT and INTEGER the value, of BOOLEAN 0 or 1, of TIMESTAMP µs since 1970, of STRING and JSON the
// length in characters, of arrays the number of elements.
//
// Propose makes rules of a profile.
package profile
