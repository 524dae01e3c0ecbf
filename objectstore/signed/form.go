package signed

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/textproto"
	"strconv"
	"strings"
	"time"
)

// valueMax is how much of a field's value is kept, in bytes.
const valueMax = 4096

// FormError is a form that cannot be understood; its text is for the client.
type FormError string

func (e FormError) Error() string { return string(e) }

// UnauthorizedError is a form that is understood and refused.
type UnauthorizedError string

func (e UnauthorizedError) Error() string { return string(e) }

// Unwrap makes it an ErrInvalid.
func (e UnauthorizedError) Unwrap() error { return ErrInvalid }

// ErrTooLarge is what reading a file gives that is larger than the form allows.
var ErrTooLarge = FormError("max_file_size exceeded")

// Form reads an upload form as it arrives: fields that stand before a file hold
// for it. Files are streams; nothing of them is kept.
type Form struct {
	paths  []string // that may have been signed
	keys   Keys
	now    time.Time
	parts  *multipart.Reader
	fields map[string]string
	files  int
}

// File is one file of a form. Its Header holds what the upload is to have:
// Content-Type, Content-Encoding, X-Delete-At, X-Delete-After.
type File struct {
	Name   string
	Header textproto.MIMEHeader
	Scope  Scope
	Body   io.Reader
}

// FormBoundary answers the boundary of a form's Content-Type; ok is false for what
// is not an upload form.
func FormBoundary(contentType string) (boundary string, ok bool) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/form-data" || params["boundary"] == "" {
		return "", false
	}
	return params["boundary"], true
}

// NewForm reads a form that was posted to one of the paths given, which are what
// its author may have signed.
func NewForm(body io.Reader, boundary string, paths []string, keys Keys, now time.Time) *Form {
	return &Form{paths: paths, keys: keys, now: now, parts: multipart.NewReader(body, boundary), fields: map[string]string{}}
}

// Redirect answers where the browser goes afterwards; empty: nowhere.
func (f *Form) Redirect() string { return f.fields["redirect"] }

// Next answers the next file, whose Body must be read before Next is called again.
// io.EOF ends the form; FormError and UnauthorizedError refuse it.
func (f *Form) Next() (File, error) {
	for {
		p, err := f.parts.NextRawPart()
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return File{}, io.EOF
		}
		if err != nil {
			return File{}, FormError("invalid starting boundary")
		}
		_, attrs, err := mime.ParseMediaType(p.Header.Get("Content-Disposition"))
		if err == nil && attrs["filename"] != "" {
			return f.file(p, attrs["filename"])
		}
		value, err := io.ReadAll(io.LimitReader(p, valueMax))
		if err != nil {
			return File{}, FormError("invalid starting boundary")
		}
		if _, err := io.Copy(io.Discard, p); err != nil {
			return File{}, FormError("invalid starting boundary")
		}
		if name := strings.ToLower(attrs["name"]); name != "" {
			f.fields[name] = strings.TrimRight(string(value), "\r\n-")
		}
	}
}

func (f *Form) file(p *multipart.Part, name string) (File, error) {
	f.files++
	count, err := f.number("max_file_count", "max_file_count not an integer")
	if err != nil {
		return File{}, err
	}
	if int64(f.files) > count {
		return File{}, FormError("max file count exceeded")
	}
	size, err := f.number("max_file_size", "max_file_size not an integer")
	if err != nil {
		return File{}, err
	}
	out := File{Name: name, Header: textproto.MIMEHeader{}, Body: &capped{p, size}}
	for _, h := range []string{"Content-Type", "Content-Encoding"} {
		if v, ok := f.fields[strings.ToLower(h)]; ok {
			out.Header.Set(h, v)
		} else if v := p.Header.Get(h); v != "" {
			out.Header.Set(h, v)
		}
	}
	for field, problem := range map[string]string{
		"x_delete_at": "x_delete_at not an integer: Unix timestamp required.", "x_delete_after": "x_delete_after not an integer: Number of seconds required.",
	} {
		if v, ok := f.fields[field]; ok {
			if _, err := strconv.ParseInt(v, 10, 64); err != nil {
				return File{}, FormError(problem)
			}
			out.Header.Set(strings.ReplaceAll(field, "_", "-"), v)
		}
	}
	out.Scope, err = f.check()
	return out, err
}

func (f *Form) number(field, problem string) (int64, error) {
	v := f.fields[field]
	if v == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		return 0, FormError(problem)
	}
	return n, nil
}

// check holds the fields so far against the signature.
func (f *Form) check() (Scope, error) {
	expires, err := f.number("expires", "expired not an integer")
	if err != nil {
		return "", err
	}
	if expires < f.now.Unix() {
		return "", UnauthorizedError("form expired")
	}
	sig, err := parse(f.fields["signature"])
	if err != nil {
		return "", UnauthorizedError("invalid signature")
	}
	or := func(name string) string {
		if f.fields[name] == "" {
			return "0"
		}
		return f.fields[name]
	}
	var texts []string
	for _, path := range f.paths {
		texts = append(texts, strings.Join([]string{path, f.fields["redirect"], or("max_file_size"), or("max_file_count"), or("expires")}, "\n"))
	}
	scope, err := sig.match(f.keys, texts)
	if err != nil {
		return "", UnauthorizedError("invalid signature")
	}
	return scope, nil
}

// capped ends in ErrTooLarge instead of giving more than left bytes.
type capped struct {
	r    io.Reader
	left int64
}

func (c *capped) Read(p []byte) (int, error) {
	if int64(len(p)) > c.left+1 {
		p = p[:c.left+1]
	}
	n, err := c.r.Read(p)
	if int64(n) > c.left {
		return 0, ErrTooLarge
	}
	c.left -= int64(n)
	return n, err
}
