// Package materialization keeps the copies in step: it brings what the offline store has ingested into the online store.
//
// It goes by the order of ingestion, never by event time, so that late observations and corrections are not missed. Where it
// stands is written in the online store itself, beside the data, as a watermark: an online store that lost its last seconds, or
// everything, says so by an older watermark or none, and the ordinary run brings it back. Repeating is harmless, since newer
// values win. A run moves the watermark by a swap that compares the group's whole state, and the server's own run,
// with those at its start; so two runs at once, or a restart in the middle of one, cannot skip anything.
//
// A watermark that does not count (of another offline store or timeline, ahead of the offline store, under another TTL, or none) means
// that the rows cannot be trusted either: the copy is rebuilt (rebuild.go). A rebuild is a run. It drops the marker and the watermark and
// raises the fence, sweeps, copies everything, and sets both again. In the place of the watermark stands the run that does it: another run
// waits for that one while it is alive, and begins anew once it is not. So a rebuild that was broken off is simply made again.
//
// What is taken back from history is no ingestion: the watermark names the last removal that was applied, and a run applies later ones
// before it goes on. Where their notes are gone, since the online store lost what had been applied, the watermark does not count.
//
// It uses the store (its engines and its packing of rows), the registry (which groups there are) and runs.
package materialization
