// Package feature is what Swift's middlewares add to plain objects: large objects,
// symlinks, archives of older versions, signed URLs and forms, bulk requests, static
// web sites, quotas.
//
// The one idea: what an object is besides its own bytes is its kind, and a kind is
// an opener. Swift and S3 read through the same openers, and an opener reads other
// objects through the service again, with the reader's own rights, so that a
// manifest or a link is never a way into what its reader may not read. What meets
// the wire is a Feature of objectstore/api.
//
// Nothing is kept here; callers race as they do in objectstore. A segment or target
// that was replaced is found by its ETag when it is opened.
//
// Wire format: the middlewares slo, dlo, symlink, versioned_writes, tempurl,
// formpost, bulk, staticweb, account_quotas, container_quotas and crossdomain of
// Swift.
package feature

import (
	"fmt"
	"net/http"

	"altostack/kernel/fault"
	"altostack/objectstore"
)

// Features are all of them.
type Features struct {
	svc    *objectstore.Service
	status func(f *fault.Fault) int
}

// New makes the features of a store and registers the kinds of objects that they
// add. status is the dialect's: bulk requests tell statuses inside their reports.
func New(svc *objectstore.Service, status func(f *fault.Fault) int) *Features {
	f := &Features{svc: svc, status: status}
	svc.Register(KindSLO, f.openSLO)
	svc.Register(KindDLO, f.openDLO)
	svc.Register(KindSymlink, f.openSymlink)
	return f
}

// line spells a failure as a status line, and tells whether it is ours.
func (f *Features) line(err error) (status string, ours bool) {
	code := f.status(fault.From(err))
	return statusLine(code), code >= 500
}

func statusLine(code int) string {
	text := http.StatusText(code)
	switch code { // as the original words them
	case http.StatusRequestEntityTooLarge:
		text = "Request Entity Too Large"
	}
	return fmt.Sprintf("%d %s", code, text)
}
