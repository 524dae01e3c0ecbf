package feature

import (
	"context"
	"crypto/md5" //nolint:gosec // ETags are MD5 by contract
	"encoding/hex"
	"io"
	"net/url"
	"strings"

	"altostack/kernel/fault"
	"altostack/objectstore"
	"altostack/objectstore/manifest"
)

// KindDLO is the kind of dynamic large objects: all objects under a prefix, in
// order of their names.
const KindDLO = "dlo"

// SystemPrefix is where a dynamic large object keeps its X-Object-Manifest, as the
// client wrote it.
const SystemPrefix = "dlo.prefix"

// dloPage is how many segments are read from the database at once.
const dloPage = 1000

// ParseDLO reads X-Object-Manifest: container/prefix, escaped.
func ParseDLO(value string) (container, prefix string, err error) {
	v, unescaped := url.PathUnescape(value)
	container, prefix, ok := strings.Cut(strings.TrimLeft(v, "/"), "/")
	if unescaped != nil || !ok || container == "" || prefix == "" || strings.ContainsAny(v, "?&") {
		return "", "", fault.New(fault.CodeObjectstoreBadManifest, "X-Object-Manifest must be in the format container/prefix")
	}
	return container, prefix, nil
}

// openDLO is the opener of KindDLO. Its sums are added up for each reader, since
// any PUT below the prefix changes them.
func (f *Features) openDLO(ctx context.Context, by objectstore.Reader, c objectstore.Container, o objectstore.Object) (objectstore.Content, error) {
	if by.Depth >= manifest.MaxDepth {
		return objectstore.Content{}, fault.New(fault.CodeObjectstoreSegmentChanged, "Manifests stand too deep in manifests.")
	}
	by.Depth++
	name, prefix, err := ParseDLO(o.System[SystemPrefix])
	if err != nil {
		return objectstore.Content{}, err
	}
	in, err := f.container(ctx, by, c.Account, name)
	if err != nil {
		return objectstore.Content{}, err
	}
	content := objectstore.Content{Object: o, Container: c, Headers: map[string]string{"X-Object-Manifest": o.System[SystemPrefix]}}
	sum := md5.New()
	list := f.under(in, prefix)
	for {
		s, err := list(ctx)
		if err == io.EOF { //nolint:errorlint // its own end
			break
		}
		if err != nil {
			return objectstore.Content{}, err
		}
		content.Size += s.Size
		sum.Write([]byte(s.ETag))
	}
	content.ETag = hex.EncodeToString(sum.Sum(nil))
	content.Open = func(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
		return f.readDLO(ctx, by, in, prefix, offset, length)
	}
	return content, nil
}

// under iterates the objects below a prefix; io.EOF ends it.
func (f *Features) under(c objectstore.Container, prefix string) func(ctx context.Context) (objectstore.Object, error) {
	var page []objectstore.Entry[objectstore.Object]
	l, last := objectstore.Listing{Prefix: prefix, Limit: dloPage}, false
	return func(ctx context.Context) (objectstore.Object, error) {
		for len(page) == 0 {
			if last {
				return objectstore.Object{}, io.EOF
			}
			var err error
			if page, err = f.svc.Objects(ctx, c, l); err != nil {
				return objectstore.Object{}, err
			}
			if last = len(page) < dloPage; len(page) > 0 {
				l.Marker = page[len(page)-1].Item.Name
			}
		}
		o := page[0].Item
		page = page[1:]
		return o, nil
	}
}

func (f *Features) readDLO(ctx context.Context, by objectstore.Reader, c objectstore.Container, prefix string, offset, length int64) (io.ReadCloser, error) {
	list := f.under(c, prefix)
	return openStream(ctx, func() (objectstore.Span, error) {
		for length != 0 {
			o, err := list(ctx)
			if err != nil {
				return objectstore.Span{}, err
			}
			if offset >= o.Size {
				offset -= o.Size
				continue
			}
			first, n := offset, o.Size-offset
			if length > 0 {
				n = min(n, length)
				length -= n
			}
			offset = 0
			return objectstore.Span{Length: n, Open: func(ctx context.Context) (io.ReadCloser, error) {
				content, err := f.svc.Content(ctx, by, c, o)
				if err != nil {
					return nil, err
				}
				return content.Open(ctx, first, n)
			}}, nil
		}
		return objectstore.Span{}, io.EOF
	})
}
