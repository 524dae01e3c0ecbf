// Package volume owns volumes, their snapshots and who is attached to them.
//
// A volume is a row with a generation and a disk in a Backend. The row is the
// truth: a request decides and records what shall be, in one transaction with
// the saga that makes it so (volume/flow), and answers. What a saga could not
// finish it takes back, so that a row in error has no disk behind it.
//
// When two callers race, the transaction of the later one sees what the earlier
// one wrote and gets Cinder's "Invalid volume" for a state that does not fit.
//
// Wire format: OpenStack Block Storage API v3; volume/api is its face.
package volume
