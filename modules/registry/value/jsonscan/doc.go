// Package jsonscan reads JSON strictly and without reflection: what a body of the API or a row of a table may look like.
//
// Beyond the grammar (RFC 8259) it refuses what different programs read differently: an object that has a member twice,
// invalid UTF-8, lone surrogates, NUL in strings, nesting deeper than MaxDepth, anything after the value. Numbers keep their
// spelling: whether one fits a type is for package value to say. What it hands out shares the memory of the text.
package jsonscan

// MaxDepth is how many arrays and objects may be open at once.
const MaxDepth = 64
