// Package redis is the online store on Redis, 7.0 or later.
//
// Under one key prefix it keeps:
//
//	<prefix>:installation     the identity of the installation
//	<prefix>:environment      the name of its environment, if it has one
//	<prefix>:erasures         a hash: the copy of the ledger of erased entities
//	<prefix>:<group>:<key>    a packed row (package packed), which expires some time after its TTL
//	<prefix>:m:<group>        the group's marker; absent while its rows cannot answer
//	<prefix>:s:<group>        a hash: the watermark (store, position, ttl, removal), fence, raised and server of the
//	                          group's State
//
// where <group> is the group's id. All keys are made in keys.go. Rows are merged by scripts inside Redis (packed.lua, merge.lua, drop.lua), so that
// comparing and setting are one step; it does byte for byte what packed.Merge does. A group's marker is read in the same
// command as its rows, so that an emptied server is never taken for one that has no such rows; and it counts only if the state was
// written in this run of the server, so that one that was restarted, and may have lost its last rows, is not believed either (proof.go).
//
// What is removed leaves the append-only file and the dump when the server writes them anew: by itself, as it is set to, or by BGREWRITEAOF and
// BGSAVE. That is not asked for here: it writes all values, and many services do not let one ask.
//
// Expiry only reclaims space, so it only ever grows: of the one that a key has and the one that a write asks for the later stays, and
// none is later than any. A key without expiry, written before its group had a TTL, stays until the sweep that a changed
// TTL brings about.
package redis
