// Package validation tells whether data is good.
//
// What it holds so far: profiles of columns (package profile), the arithmetic of drift (package drift), and POST /drift, which computes it on
// values that the call brings, storing nothing; rules (package rules), suites of Great Expectations (package gx), and POST /validate, which
// evaluates either on data that the call brings, storing nothing.
//
// It uses the registry's types of values. What it learns of stored values it is given by the store, which is to its right.
package validation
