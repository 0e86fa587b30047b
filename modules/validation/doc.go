// Package validation tells whether data is good.
//
// What it holds so far: profiles of columns (package profile), the arithmetic of drift (package drift), and POST /drift, which computes it on
// values that the call brings, storing nothing; rules (package rules), suites of Great Expectations (package gx), and POST /validate, which
// evaluates either on data that the call brings, storing nothing.
//
// Rules and baselines are definitions (RuleKind, BaselineKind): the registry keeps, versions, plans and exports them, here stand what they can
// say and their calls under /rules and /baselines. A rule may call a feature by a name that it had: what is evaluated, and what is said of it,
// has the present one. What rules read is not deleted or changed in a way that would make them wrong; one that is switched off keeps only
// the former. Guards have the rules of a group compiled for whoever writes or judges its rows.
//
// It uses the registry's types of values. What it learns of stored values it is given by the store, which is to its right.
package validation
