// Package starts holds tests only, of the engine spark as everybody has it: a Spark is started for each job, runs to its end, fails, runs out of memory, is killed or
// cancelled, on this machine and on a cluster of its own. They are apart from the conformance suite, which has one Spark for all jobs, so that both run at once.
package starts
