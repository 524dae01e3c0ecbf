package feature

import (
	"context"
	"net/url"
	"strconv"
	"strings"

	"altostack/kernel/fault"
	"altostack/objectstore"
)

// KindSymlink is the kind of objects that stand for another. They have no bytes.
const KindSymlink = "symlink"

// What a symlink keeps: the target escaped as the client wrote it, the account
// where it is another one, and for a static link what the target must be.
const (
	SystemTarget        = "symlink.target"
	SystemTargetAccount = "symlink.account"
	SystemTargetETag    = "symlink.etag"
	SystemTargetBytes   = "symlink.bytes"
	SystemTargetSLO     = "symlink.slo" // ETag of the whole large object
)

// MaxLinks is how many links are followed one after the other.
const MaxLinks = 2

// Link is where a symlink leads.
type Link struct {
	Account, Container, Object string // decoded
	ETag                       string // empty: whatever is there
}

// Path spells the target as Content-Location does.
func (l Link) Path() string {
	return "/v1/" + url.PathEscape(l.Account) + "/" + strings.ReplaceAll(url.PathEscape(l.Container+"/"+l.Object), "%2F", "/")
}

// LinkOf reads a symlink.
func LinkOf(account string, o objectstore.Object) Link {
	if other, err := url.PathUnescape(o.System[SystemTargetAccount]); err == nil && other != "" {
		account = other
	}
	target, err := url.PathUnescape(o.System[SystemTarget])
	if err != nil {
		target = o.System[SystemTarget]
	}
	container, name, _ := strings.Cut(target, "/")
	return Link{account, container, name, o.System[SystemTargetETag]}
}

// openSymlink is the opener of KindSymlink: it follows links until there is none.
func (f *Features) openSymlink(ctx context.Context, by objectstore.Reader, c objectstore.Container, o objectstore.Object) (objectstore.Content, error) {
	return f.follow(ctx, by, LinkOf(c.Account, o))
}

func (f *Features) follow(ctx context.Context, by objectstore.Reader, link Link) (objectstore.Content, error) {
	for range MaxLinks {
		c, o, err := f.target(ctx, by, link)
		if err != nil {
			return objectstore.Content{}, fault.From(err).WithExtra("location", link.Path())
		}
		if o.Kind != KindSymlink {
			content, err := f.svc.Content(ctx, by, c, o)
			if err != nil {
				return content, err
			}
			if own := ownETag(o); link.ETag != "" && link.ETag != own {
				return content, fault.New(fault.CodeObjectstoreSymlinkTarget, "Object Etag '%s' does not match X-Symlink-Target-Etag header '%s'", own, link.ETag).
					WithExtra("location", link.Path()).WithExtra("told", true)
			}
			content.Location = link.Path()
			return content, nil
		}
		next := LinkOf(c.Account, o)
		if found := or(next.ETag, o.ETag); link.ETag != "" && link.ETag != found {
			return objectstore.Content{}, fault.New(fault.CodeObjectstoreSymlinkTarget, "X-Symlink-Target-Etag headers do not match").WithExtra("location", link.Path()).WithExtra("told", true)
		}
		link = next
	}
	return objectstore.Content{}, errLoop()
}

func errLoop() error {
	return fault.New(fault.CodeObjectstoreSymlinkLoop, "Too many levels of symbolic links, maximum allowed is %d", MaxLinks).WithExtra("told", true)
}

// ownETag is that of an object's own bytes: of a large object, its manifest's. That
// is what static links are bound to.
func ownETag(o objectstore.Object) string {
	if o.Kind == KindSLO {
		return o.System[SystemManifest]
	}
	return o.ETag
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func (f *Features) target(ctx context.Context, by objectstore.Reader, link Link) (objectstore.Container, objectstore.Object, error) {
	c, err := f.container(ctx, by, link.Account, link.Container)
	if err != nil {
		return c, objectstore.Object{}, err
	}
	o, err := f.svc.Object(ctx, c, link.Object, "")
	return c, o, err
}

// Hold checks what a static link is to be bound to, and answers what the link then
// keeps of it besides the target.
func (f *Features) Hold(ctx context.Context, by objectstore.Reader, link Link) (contentType string, system map[string]string, err error) {
	c, o, err := f.target(ctx, by, link)
	if fault.Has(err, fault.CodeObjectstoreObjectNotFound) || fault.Has(err, fault.CodeObjectstoreContainerNotFound) {
		return "", nil, fault.New(fault.CodeObjectstoreSymlinkTarget, "X-Symlink-Target does not exist").WithExtra("location", link.Path()).WithExtra("told", true)
	}
	if err != nil {
		return "", nil, err
	}
	content := f.svc.Stored(c, o)
	if o.Kind == KindSymlink {
		// A static link may stand on a static link; what the other holds counts.
		if inner := LinkOf(c.Account, o); inner.ETag != "" {
			if content, err = f.follow(ctx, by, inner); err != nil {
				return "", nil, err
			}
		}
	} else if content, err = f.svc.Content(ctx, by, c, o); err != nil {
		return "", nil, err
	}
	if own := ownETag(content.Object); own != link.ETag {
		return "", nil, fault.New(fault.CodeObjectstoreSymlinkTarget, "Object Etag '%s' does not match X-Symlink-Target-Etag header '%s'", own, link.ETag).
			WithExtra("location", link.Path()).WithExtra("told", true)
	}
	system = map[string]string{SystemTargetETag: link.ETag, SystemTargetBytes: strconv.FormatInt(content.Size, 10)}
	if content.Kind == KindSLO {
		system[SystemTargetSLO] = content.ETag
	}
	return content.ContentType, system, nil
}
