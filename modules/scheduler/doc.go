// Package scheduler has work done at its times: pipelines, materialization, validation, profiles, expiry and compaction.
//
//	definitions, pipelines, groups ──► Schedules in effect, each with a timetable (package timetable of batch)
//	a tick is due ──► decide: an occurrence, once per schedule and tick ──► attend: ordered as runs when nothing stands in its way ──► done
//
// Schedules are of three origins: definitions of the kind schedule (ScheduleKind), what pipelines say in their member schedule, and, where a
// pipeline feeds a group, one for its materialization and one for its validation, after the frequency of its features, unless a definition is
// about the same. All of them can be paused, resumed and run by hand.
//
// Any number of processes may schedule. What is decided of a schedule's ticks is decided in one transaction that locks the schedule's row: which
// occurrences there are, and up to which tick that is so. An occurrence then only goes forward: waiting, due, ordered, done, or from waiting to
// skipped; and its runs have a key of schedule and tick, of which there is one. So whoever falls asleep between two steps, for however long,
// finds them done or does them over to no effect. What the runs do is fenced by package runs. Ticks are compared with the clock of the database
// where that is PostgreSQL.
//
// One pass looks at all schedules, and the next begins when it has ended; what panics in one is logged and leaves the others alone. A schedule has
// one occurrence under way at a time, unless it makes up for all it missed: a tick that comes meanwhile waits, and goes when the next one comes.
//
// It owns the tables scheduler_schedules and scheduler_occurrences. It uses the registry and runs, and of what it schedules the kinds of their runs
// and what these are asked; what else it needs to know it asks by the interfaces in work.go.
package scheduler
