// Package audit owns the trail of who did what: one CADF event for each request
// that may have changed something, and for each authentication.
//
// The one idea is a chain. Each record's hash covers the record before it, and is
// sealed with a key that is not in the database; so is the head of the chain, in
// the database and in a file beside it. Whoever edits, removes or adds a record
// without the key is found, and so is the record; cutting the end off is found by
// the head. A process has one chain, which its next life goes on with: several
// processes on one database write side by side and never wait for each other.
//
// Events wait in a queue that one writer empties in batches, so that a request
// pays for a send on a channel and not for a disk. A queue that is full makes
// requests wait: nothing is dropped. A process that ends in order writes all of
// it. One that is killed loses what came in the last moments, [Linger] and the
// time of one write; its next life says so in the trail, and Verify repeats it.
//
// Secrets cannot get in: no body, no query and no header of a request is looked
// at, but for the client's name of itself.
//
// Wire format: DMTF DSP0262 (CADF) as pycadf writes it.
package audit
