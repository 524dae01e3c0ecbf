package objectstore

import (
	"context"
	"io"
)

// Backend keeps blobs. An id is 1 to 64 characters of [0-9a-z-], is used once, and
// ids of one block share what stands before the dash: they are made, and often
// read and removed, together. Each method may be called from many goroutines, for
// different blobs at once. objectstoretest.RunBackend is the contract.
type Backend interface {
	// Create begins a blob.
	Create(ctx context.Context, id string) (BlobWriter, error)
	// Open reads length bytes from offset; length -1 reads to the end. What is
	// read is checked before it is handed on: damage gives objectstore.corrupt
	// instead of wrong bytes. A blob that is not there, or not whole, gives
	// ErrNoBlob.
	Open(ctx context.Context, id string, offset, length int64) (io.ReadCloser, error)
	// Remove removes a blob, whole or begun. None is success.
	Remove(ctx context.Context, id string) error
	// List calls f with the id of every blob that starts with prefix, begun ones
	// included where they can be seen, in any order. An error of f ends it.
	List(ctx context.Context, prefix string, f func(id string) error) error
	// Verify reads a whole blob and compares it with its checksums:
	// objectstore.corrupt where they differ, ErrNoBlob where it is not there.
	Verify(ctx context.Context, id string) error
	// Quarantine puts a damaged blob aside, where an operator can look at it and
	// List does not see it. None is success.
	Quarantine(ctx context.Context, id string) error
}

// BlobWriter takes the bytes of a blob; exactly one of Commit and Abort ends it,
// and Abort after Commit does nothing.
type BlobWriter interface {
	io.Writer
	// Commit returns once the blob is whole and survives a power cut.
	Commit() error
	// Abort throws the blob away.
	Abort() error
}
