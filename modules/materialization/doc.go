// Package materialization keeps the copies in step: it brings what the offline store has ingested into the online store.
//
// It goes by the order of ingestion, never by event time, so that late observations and corrections are not missed. Where it
// stands is written in the online store itself, beside the data, as a watermark: an online store that lost its last seconds, or
// everything, says so by an older watermark or none, and the ordinary run brings it back. Repeating is harmless, since newer
// values win. A run moves the watermark by a swap that compares the group's whole state, and the server's own run,
// with those at its start; so two runs at once, or a restart in the middle of one, cannot skip anything.
//
// It uses the store (its engines and its packing of rows), the registry (which groups there are) and runs.
package materialization
