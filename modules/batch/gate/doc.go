// Package gate decides whether a text of SQL is let through to an engine: one SELECT that reads nothing but the relations it is given, calls nothing but
// functions that are known to be harmless and to mean the same on every engine, and has no parameters but :tick, :from and :to.
//
// The text is cut into words by the gate's own scanner, which refuses whatever engines could cut differently, and read by DuckDB's parser, in a
// database in memory that is opened for it and closed; every node of the tree must be one that the gate knows.
package gate
