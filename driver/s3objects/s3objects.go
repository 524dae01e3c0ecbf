// Package s3objects keeps the blobs of the object store in a bucket of any store
// that speaks S3 (a RADOS gateway, MinIO, another cloud).
//
// A blob is one object, frames of 64 KiB with a checksum each (frame.go), so that a
// range is read and checked with one request. S3 shows an object only when all of
// it is there and says so only when it is safe: nothing more is needed for Commit.
// What a process leaves of a large upload when it dies is an incomplete multipart
// upload; List tells of those too, and Remove ends them.
//
// It serves objectstore.Backend; all methods may be called at once.
package s3objects

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"altostack/objectstore"
)

// Config is where the bucket is.
type Config struct {
	Endpoint  string // host:port
	Secure    bool   // TLS
	Region    string
	Bucket    string // made, if need be
	Prefix    string // of every key; empty, or ending in a slash
	AccessKey string
	SecretKey string
	Transport http.RoundTripper // nil: the usual one
}

// Store is a bucket of blobs.
type Store struct {
	core           minio.Core
	bucket, prefix string
}

// Open reaches the bucket, or makes it.
func Open(ctx context.Context, c Config) (*Store, error) {
	client, err := minio.New(c.Endpoint, &minio.Options{Creds: credentials.NewStaticV4(c.AccessKey, c.SecretKey, ""), Secure: c.Secure, Region: c.Region, Transport: c.Transport})
	if err != nil {
		return nil, fmt.Errorf("object store: %w", err)
	}
	found, err := client.BucketExists(ctx, c.Bucket)
	if err == nil && !found {
		err = client.MakeBucket(ctx, c.Bucket, minio.MakeBucketOptions{Region: c.Region})
	}
	if err != nil {
		return nil, fmt.Errorf("object store: bucket %s: %w", c.Bucket, err)
	}
	return &Store{core: minio.Core{Client: client}, bucket: c.Bucket, prefix: c.Prefix}, nil
}

func (s *Store) key(id string) string { return s.prefix + "blobs/" + id }

const (
	// small is up to which size a blob is kept in memory and sent at once.
	small = 1 << 20
	// partSize of larger ones; S3 takes 10,000 parts.
	partSize = 16 << 20
)

// Create begins a blob.
func (s *Store) Create(ctx context.Context, id string) (objectstore.BlobWriter, error) {
	if err := plain(id); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	w := &writer{store: s, id: id, ctx: ctx, cancel: cancel}
	w.frames = &framer{id: id, out: w.send}
	return w, nil
}

// writer gathers frames until they are too many, and from then on sends them on.
type writer struct {
	store  *Store
	id     string
	ctx    context.Context
	cancel context.CancelFunc
	frames *framer
	head   bytes.Buffer
	pipe   *io.PipeWriter // once it is large
	sent   chan error
	ended  bool
}

// Write implements io.Writer.
func (w *writer) Write(p []byte) (int, error) { return w.frames.Write(p) }

func (w *writer) send(frame []byte) error {
	if w.pipe == nil && w.head.Len()+len(frame) <= small {
		w.head.Write(frame)
		return nil
	}
	if w.pipe == nil {
		w.begin()
	}
	_, err := w.pipe.Write(frame)
	return err
}

// begin starts an upload of unknown length.
func (w *writer) begin() {
	r, pipe := io.Pipe()
	w.pipe, w.sent = pipe, make(chan error, 1)
	body := io.MultiReader(bytes.NewReader(w.head.Bytes()), r)
	go func() {
		_, err := w.store.core.Client.PutObject(w.ctx, w.store.bucket, w.store.key(w.id), body, -1, minio.PutObjectOptions{PartSize: partSize, ContentType: "application/octet-stream"})
		_ = r.CloseWithError(errors.Join(err, errSent))
		w.sent <- err
	}()
}

var errSent = errors.New("the upload to the object store has ended")

// Commit sends what is left; the store answers when it is safe.
func (w *writer) Commit() error {
	if w.ended {
		return errors.New("the blob was ended before")
	}
	w.ended = true
	defer w.cancel()
	err := w.frames.last()
	if w.pipe == nil {
		if err == nil {
			_, err = w.store.core.Client.PutObject(w.ctx, w.store.bucket, w.store.key(w.id), bytes.NewReader(w.head.Bytes()), int64(w.head.Len()), minio.PutObjectOptions{ContentType: "application/octet-stream"})
		}
		return told("write blob", err)
	}
	if err != nil {
		w.cancel()
		_ = w.pipe.CloseWithError(err)
		<-w.sent
		return told("write blob", err)
	}
	_ = w.pipe.Close()
	return told("write blob", <-w.sent)
}

// Abort throws the blob away; after Commit it does nothing.
func (w *writer) Abort() error {
	if w.ended {
		return nil
	}
	w.ended = true
	if w.pipe == nil {
		w.cancel()
		return nil
	}
	_ = w.pipe.CloseWithError(errors.New("given up"))
	<-w.sent
	w.cancel()
	return w.store.Remove(context.Background(), w.id)
}

// Remove removes a blob, whole or begun; none is success.
func (s *Store) Remove(ctx context.Context, id string) error {
	if err := plain(id); err != nil {
		return err
	}
	err := s.core.Client.RemoveObject(ctx, s.bucket, s.key(id), minio.RemoveObjectOptions{})
	if gone(err) {
		err = nil
	}
	return told("remove blob", errors.Join(err, s.core.Client.RemoveIncompleteUpload(ctx, s.bucket, s.key(id))))
}

// List names every blob that starts with prefix, and every begun upload of one.
func (s *Store) List(ctx context.Context, prefix string, f func(id string) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	at := s.prefix + "blobs/"
	seen := ""
	for o := range s.core.Client.ListObjects(ctx, s.bucket, minio.ListObjectsOptions{Prefix: at + prefix, Recursive: true}) {
		if o.Err != nil {
			return told("list blobs", o.Err)
		}
		seen = strings.TrimPrefix(o.Key, at)
		if err := f(seen); err != nil {
			return err
		}
	}
	for u := range s.core.Client.ListIncompleteUploads(ctx, s.bucket, at+prefix, true) {
		if u.Err != nil {
			return told("list uploads", u.Err)
		}
		if err := f(strings.TrimPrefix(u.Key, at)); err != nil {
			return err
		}
	}
	return nil
}

// Verify reads a whole blob and compares it with its checksums.
func (s *Store) Verify(ctx context.Context, id string) error {
	r, err := s.Open(ctx, id, 0, -1)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, r)
	return errors.Join(err, r.Close())
}

// Quarantine moves a blob aside; none is success.
func (s *Store) Quarantine(ctx context.Context, id string) error {
	if err := plain(id); err != nil {
		return err
	}
	_, err := s.core.Client.CopyObject(ctx, minio.CopyDestOptions{Bucket: s.bucket, Object: s.prefix + "quarantine/" + id}, minio.CopySrcOptions{Bucket: s.bucket, Object: s.key(id)})
	if gone(err) {
		return nil
	}
	if err != nil {
		return told("quarantine blob", err)
	}
	return s.Remove(ctx, id)
}

// gone reports whether the store says that an object is not there.
func gone(err error) bool {
	code := minio.ToErrorResponse(err).Code
	return err != nil && (code == minio.NoSuchKey || code == "NotFound")
}

func told(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// plain keeps keys what they are meant to be.
func plain(id string) error {
	bad := func(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'z') && r != '-' }
	if id == "" || len(id) > 64 || id[0] == '-' || strings.IndexFunc(id, bad) >= 0 {
		return fmt.Errorf("%q is no blob", id)
	}
	return nil
}
