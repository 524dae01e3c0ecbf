// Package qmp speaks the QEMU Machine Protocol to one QEMU process over a unix
// socket: commands with their answers, events, and descriptors to hand over.
//
// The one idea: a single reader goroutine owns everything that arrives. It
// matches answers to callers by id and queues events, so an event may come at
// any moment, before the greeting and in the middle of the handshake too,
// without being lost or taken for an answer.
//
// QEMU runs a stranger's guest and may be subverted by it. What it sends is
// bounded (a line, the queue of events) and a peer that breaks the protocol is
// hung up on; the caller then dials again and reads the state afresh.
//
// A [Client] may be used by any number of goroutines.
//
// Wire format: docs/interop/qmp-spec in QEMU's source, one JSON object a line.
package qmp
