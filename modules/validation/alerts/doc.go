// Package alerts tells whoever owns a feature that something is wrong with it, once and in time.
//
// What comes in are outcomes of evaluations (Observe); of how those are made it knows nothing. Per rule, group and feature there is at
// most one open alert:
//
//	N bad outcomes in a row ──► firing ◄──► acknowledged, silenced ──► resolved, after M good ones in a row
//
// A skipped outcome counts neither way. Receivers are told when an alert is new, when its severity rises above what they were told last, every
// RepeatInterval while it fires, and when it is resolved; never of one that is acknowledged or silenced, nor of a drift alert while one of
// class source is open in the same group: that one is muted until a bad outcome comes in while the source works. What was told as firing
// is told as resolved, silenced or not. A notification says how things are when it is made out, GroupWait after the first thing to tell of
// its group and run; with it goes what else there is to tell of the two. So an alert that fires and is resolved within that time is told
// once, as resolved; and one whose severity rises and falls back within it is told at its end as a repeat, if one is due by then. A repeat
// that comes alone does not wait.
//
// What is to be told is a mark in the alert's own row (tell_at), written with the change that makes it worth telling. Making out
// notifications takes the marks away, notes in the alerts what receivers now know, and queues a delivery for each receiver, in one
// transaction. A delivery is claimed with a lease, sent, and then noted as delivered. So each event is made out exactly once by however many
// processes, whatever is killed when; and it is delivered at least once: a process that ends between sending and noting leaves the
// delivery to the next, which sends it again under the same id. All changes of one group's alerts wait for each other at its row of
// validation_alert_groups; every decision is made from what is read after that. Times and leases go by the database's clock.
//
// Receivers are definitions (ReceiverKind) that name files or environment variables; what those hold is read with each try, and never shown or
// logged. Where a receiver may be is judged when a connection to it is made (targets).
//
// It owns the tables validation_alert… and validation_silences, and the routes /alerts, /silences and /receivers. It uses the database, and
// of the registry the definitions.
package alerts
