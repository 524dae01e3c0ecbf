package feature

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"

	"altostack/kernel/fault"
	"altostack/objectstore"
	"altostack/objectstore/manifest"
)

// KindSLO is the kind of static large objects. Their own bytes are the manifest as
// it is kept; their ETag and size are those of the whole.
const KindSLO = "slo"

// SystemManifest is where a large object keeps its manifest's own ETag.
const SystemManifest = "slo.manifest"

// openSLO is the opener of KindSLO. The manifest is read only when bytes are.
func (f *Features) openSLO(_ context.Context, by objectstore.Reader, c objectstore.Container, o objectstore.Object) (objectstore.Content, error) {
	if by.Depth >= manifest.MaxDepth {
		return objectstore.Content{}, fault.New(fault.CodeObjectstoreSegmentChanged, "Manifests stand too deep in manifests.")
	}
	by.Depth++
	return objectstore.Content{
		Object: o, Container: c, Size: o.Size, ETag: o.ETag,
		Headers: map[string]string{"X-Static-Large-Object": "True", "X-Manifest-Etag": o.System[SystemManifest]},
		Open: func(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
			segments, err := f.Segments(ctx, c, o)
			if err != nil {
				return nil, err
			}
			if length < 0 {
				length = o.Size - offset
			}
			plan := manifest.Plan(segments, offset, length)
			return openStream(ctx, func() (objectstore.Span, error) {
				if len(plan) == 0 {
					return objectstore.Span{}, io.EOF
				}
				r := plan[0]
				plan = plan[1:]
				return objectstore.Span{Length: r.Length, Open: func(ctx context.Context) (io.ReadCloser, error) {
					return f.openSegment(ctx, by, c.Account, r)
				}}, nil
			})
		},
	}, nil
}

// Segments reads the manifest of a static large object.
func (f *Features) Segments(ctx context.Context, c objectstore.Container, o objectstore.Object) ([]manifest.Segment, error) {
	r, err := f.svc.OpenStored(ctx, c, o, 0, o.Stored)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var segments []manifest.Segment
	if err := json.NewDecoder(io.LimitReader(r, o.Stored)).Decode(&segments); err != nil {
		return nil, fault.Because(err, fault.CodeRestInternal, "Unable to load SLO manifest")
	}
	return segments, nil
}

func (f *Features) openSegment(ctx context.Context, by objectstore.Reader, account string, r manifest.Read) (io.ReadCloser, error) {
	s := r.Segment
	if s.Data != nil {
		return io.NopCloser(bytes.NewReader(s.Data[r.First : r.First+r.Length])), nil
	}
	content, err := f.at(ctx, by, account, s.Name)
	if err != nil {
		return nil, fault.Because(err, fault.CodeObjectstoreSegmentChanged, "A segment of the large object cannot be read.")
	}
	if content.ETag != s.Hash || content.Size != s.Bytes {
		return nil, fault.New(fault.CodeObjectstoreSegmentChanged, "A segment of the large object is not what it was.")
	}
	return content.Open(ctx, r.First, r.Length)
}

// at answers the content of container/object in an account, for a reader who may
// read there.
func (f *Features) at(ctx context.Context, by objectstore.Reader, account, path string) (objectstore.Content, error) {
	container, name, _ := strings.Cut(strings.TrimLeft(path, "/"), "/")
	c, err := f.container(ctx, by, account, container)
	if err != nil {
		return objectstore.Content{}, err
	}
	o, err := f.svc.Object(ctx, c, name, "")
	if err != nil {
		return objectstore.Content{}, err
	}
	return f.svc.Content(ctx, by, c, o)
}

func (f *Features) container(ctx context.Context, by objectstore.Reader, account, name string) (objectstore.Container, error) {
	c, err := f.svc.Container(ctx, account, name)
	if by.May == nil {
		return c, err
	}
	c.Account, c.Name = account, name // who may not read there learns not even that there is nothing
	if denied := by.May(ctx, c); denied != nil {
		return c, denied
	}
	return c, err
}

// Problem is a segment that does not do, with why, as the client is told.
type Problem struct{ Path, Why string }

// Check looks up what a client's manifest names, and answers the manifest to keep.
// Problems are the client's; err is ours.
func (f *Features) Check(ctx context.Context, by objectstore.Reader, account string, entries []manifest.Entry) (segments []manifest.Segment, problems []Problem, err error) {
	seen := map[string]objectstore.Content{}
	failed := map[string]string{}
	for i, e := range entries {
		if e.Data != nil {
			segments = append(segments, manifest.Segment{Data: e.Data})
			continue
		}
		if _, known := seen[e.Path]; !known && failed[e.Path] == "" {
			content, err := f.at(ctx, by, account, e.Path)
			if err != nil {
				why, ours := f.line(err)
				if ours {
					return nil, nil, err
				}
				failed[e.Path] = why
			} else {
				seen[e.Path] = content
			}
		}
		if why := failed[e.Path]; why != "" {
			problems = append(problems, Problem{e.Path, why})
			continue
		}
		s, wrong := segment(e, seen[e.Path], i == len(entries)-1)
		for _, why := range wrong {
			problems = append(problems, Problem{e.Path, why})
		}
		segments = append(segments, s)
	}
	return segments, problems, nil
}

// segment holds an entry against what there is.
func segment(e manifest.Entry, content objectstore.Content, last bool) (manifest.Segment, []string) {
	var wrong []string
	s := manifest.Segment{
		Name: "/" + e.Path, Hash: content.ETag, Bytes: content.Size, ContentType: content.ContentType,
		LastModified: content.UpdatedAt.UTC().Format("2006-01-02T15:04:05.000000"), SubSLO: content.Kind == KindSLO,
	}
	length := content.Size
	if e.Range != nil {
		first, n, ok := e.Range.Of(content.Size)
		switch {
		case !ok:
			wrong = append(wrong, "Unsatisfiable Range")
		case n < content.Size:
			s.Range, length = manifest.Spell(first, n), n
		}
	}
	if length < 1 && !last {
		wrong = append(wrong, "Too small; each segment must be at least 1 byte.")
	}
	if e.Size != nil && *e.Size != content.Size {
		wrong = append(wrong, "Size Mismatch")
	}
	if e.ETag != nil && *e.ETag != content.ETag {
		wrong = append(wrong, "Etag Mismatch")
	}
	return s, wrong
}
