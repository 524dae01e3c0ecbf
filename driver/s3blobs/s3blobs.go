// Package s3blobs keeps the bytes of images as objects of one bucket behind an
// S3-compatible interface: Amazon's, a RADOS gateway's, or our own object store's.
//
// A blob arrives as a multipart upload, which nobody sees before it is completed,
// and which is listed as incoming until then. Parts grow with the blob, so that
// neither memory nor the number of parts bounds its size. It serves image.Blobs;
// several goroutines may work on different blobs at once.
package s3blobs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"altostack/image"
)

// Config says where the bucket is.
type Config struct {
	Endpoint             string // host:port
	Bucket, Prefix       string
	AccessKey, SecretKey string
	Region               string
	Plain                bool // http, not https
}

// Store is a bucket of blobs.
type Store struct {
	core           *minio.Core
	bucket, prefix string
}

const (
	firstPart = 8 << 20  // bytes; S3 wants at least 5 MiB of every part but the last
	maxPart   = 64 << 20 // bytes kept in memory at most
	growAfter = 64       // parts, after which parts double
)

// Open makes the client; whether the bucket answers is seen when it is used.
func Open(_ context.Context, c Config) (*Store, error) {
	if c.Prefix != "" {
		c.Prefix += "/"
	}
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	core, err := minio.NewCore(c.Endpoint, &minio.Options{Creds: credentials.NewStaticV4(c.AccessKey, c.SecretKey, ""), Secure: !c.Plain, Region: c.Region, BucketLookup: minio.BucketLookupPath})
	if err != nil {
		return nil, fmt.Errorf("S3 store: %w", err)
	}
	return &Store{core: core, bucket: c.Bucket, prefix: c.Prefix}, nil
}

// plain keeps names from leaving the prefix.
func (s *Store) key(id string) (string, error) {
	if id == "" || id == "." || id == ".." || path.Base(id) != id {
		return "", fmt.Errorf("%q is no blob", id)
	}
	return s.prefix + id, nil
}

// Create starts a blob.
func (s *Store) Create(ctx context.Context, id string) (image.BlobWriter, error) {
	key, err := s.key(id)
	if err != nil {
		return nil, err
	}
	begun, err := s.uploads(ctx, key)
	if err != nil {
		return nil, err
	}
	if _, err := s.core.StatObject(ctx, s.bucket, key, minio.StatObjectOptions{}); err == nil || len(begun[key]) > 0 {
		return nil, fmt.Errorf("blob %s exists", id)
	} else if minio.ToErrorResponse(err).StatusCode != 404 {
		return nil, fmt.Errorf("look for blob: %w", err)
	}
	upload, err := s.core.NewMultipartUpload(ctx, s.bucket, key, minio.PutObjectOptions{ContentType: "application/octet-stream"})
	if err != nil {
		return nil, fmt.Errorf("begin blob: %w", err)
	}
	return &writer{ctx: context.WithoutCancel(ctx), s: s, key: key, upload: upload, size: firstPart}, nil
}

type writer struct {
	ctx         context.Context
	s           *Store
	key, upload string
	buf         []byte
	size        int // of the part that is being collected
	parts       []minio.CompletePart
	ended       bool
}

// Write implements io.Writer.
func (w *writer) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		take := min(len(p), w.size-len(w.buf))
		w.buf = append(w.buf, p[:take]...)
		if p = p[take:]; len(w.buf) == w.size {
			if err := w.flush(); err != nil {
				return n - len(p), err
			}
		}
	}
	return n, nil
}

// flush sends the part that has been collected.
func (w *writer) flush() error {
	sum := sha256.Sum256(w.buf)
	part, err := w.s.core.PutObjectPart(w.ctx, w.s.bucket, w.key, w.upload, len(w.parts)+1, bytes.NewReader(w.buf), int64(len(w.buf)),
		minio.PutObjectPartOptions{Sha256Hex: hex.EncodeToString(sum[:])})
	if err != nil {
		return fmt.Errorf("send part of blob: %w", err)
	}
	w.parts = append(w.parts, minio.CompletePart{PartNumber: part.PartNumber, ETag: part.ETag})
	if w.buf = w.buf[:0]; len(w.parts)%growAfter == 0 {
		w.size = min(2*w.size, maxPart)
	}
	return nil
}

// Commit makes the blob visible.
func (w *writer) Commit() error {
	if len(w.parts) == 0 { // one object, without parts
		sum := sha256.Sum256(w.buf)
		_, err := w.s.core.PutObject(w.ctx, w.s.bucket, w.key, bytes.NewReader(w.buf), int64(len(w.buf)), "", hex.EncodeToString(sum[:]), minio.PutObjectOptions{ContentType: "application/octet-stream"})
		return errors.Join(err, w.Abort())
	}
	if len(w.buf) > 0 {
		if err := w.flush(); err != nil {
			return errors.Join(err, w.Abort())
		}
	}
	if _, err := w.s.core.CompleteMultipartUpload(w.ctx, w.s.bucket, w.key, w.upload, w.parts, minio.PutObjectOptions{}); err != nil {
		return errors.Join(fmt.Errorf("complete blob: %w", err), w.Abort())
	}
	w.ended = true
	return nil
}

// Abort throws the blob away; after Commit it does nothing.
func (w *writer) Abort() error {
	if w.ended {
		return nil
	}
	w.ended, w.buf = true, nil
	return missing(w.s.core.AbortMultipartUpload(w.ctx, w.s.bucket, w.key, w.upload))
}

// missing makes success of what is not there.
func missing(err error) error {
	if err != nil && minio.ToErrorResponse(err).StatusCode == 404 {
		return nil
	}
	return err
}

// Open answers a blob for reading; it reads what it is asked for only.
func (s *Store) Open(ctx context.Context, id string) (image.BlobReader, error) {
	key, err := s.key(id)
	if err != nil {
		return nil, err
	}
	o, err := s.core.Client.GetObject(ctx, s.bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return nil, fmt.Errorf("open blob: %w", err)
	}
	if _, err := o.Stat(); err != nil {
		return nil, errors.Join(fmt.Errorf("open blob: %w", err), o.Close())
	}
	return o, nil
}

// Remove removes a blob, whole or incoming; none is success.
func (s *Store) Remove(ctx context.Context, id string) error {
	key, err := s.key(id)
	if err != nil {
		return err
	}
	errs := []error{missing(s.core.RemoveObject(ctx, s.bucket, key, minio.RemoveObjectOptions{}))}
	begun, err := s.uploads(ctx, key)
	errs = append(errs, err)
	for _, upload := range begun[key] {
		errs = append(errs, missing(s.core.AbortMultipartUpload(ctx, s.bucket, key, upload)))
	}
	return errors.Join(errs...)
}

// uploads answers the ids of uploads that were begun, by key.
func (s *Store) uploads(ctx context.Context, prefix string) (map[string][]string, error) {
	out := map[string][]string{}
	for key, id := "", ""; ; {
		page, err := s.core.ListMultipartUploads(ctx, s.bucket, prefix, key, id, "", 1000)
		if err != nil {
			return nil, fmt.Errorf("list incoming blobs: %w", err)
		}
		for _, u := range page.Uploads {
			out[u.Key] = append(out[u.Key], u.UploadID)
		}
		if key, id = page.NextKeyMarker, page.NextUploadIDMarker; !page.IsTruncated {
			return out, nil
		}
	}
}

// List names every blob, whole or incoming.
func (s *Store) List(ctx context.Context) ([]string, error) {
	begun, err := s.uploads(ctx, s.prefix)
	if err != nil {
		return nil, err
	}
	var out []string
	for key := range begun {
		out = append(out, strings.TrimPrefix(key, s.prefix))
	}
	for o := range s.core.Client.ListObjects(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.prefix, Recursive: true}) {
		if o.Err != nil {
			return nil, fmt.Errorf("list blobs: %w", o.Err)
		}
		out = append(out, strings.TrimPrefix(o.Key, s.prefix))
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}
