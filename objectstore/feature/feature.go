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
	"altostack/objectstore/api"
)

// Features are all of them.
type Features struct {
	svc    *objectstore.Service
	mounts []string
}

// New makes the features of a store and registers the kinds of objects that they
// add. mounts are what stands before /v1 in the paths that clients sign.
func New(svc *objectstore.Service, mounts ...string) *Features {
	f := &Features{svc: svc, mounts: mounts}
	svc.Register(KindSLO, f.openSLO)
	svc.Register(KindDLO, f.openDLO)
	svc.Register(KindSymlink, f.openSymlink)
	return f
}

// All are the features in the order in which they act: who lets in first, then what
// answers by itself, then what changes an object on its way.
func (f *Features) All() []api.Feature {
	return []api.Feature{
		f.Crossdomain(), f.TempURL(), f.FormPost(), f.BulkDelete(), f.BulkUpload(), f.ContainerQuotas(), f.AccountQuotas(),
		f.SLO(), f.DLO(), f.Symlink(), f.ObjectVersioning(), f.VersionedWrites(), f.StaticWeb(),
	}
}

// line spells a failure as a status line, and tells whether it is ours.
func (f *Features) line(err error) (status string, ours bool) {
	code := api.Status(fault.From(err))
	return statusLine(code), code >= 500
}

// statusLine spells a status as the original does.
func statusLine(code int) string {
	text := http.StatusText(code)
	switch code {
	case http.StatusRequestEntityTooLarge:
		text = "Request Entity Too Large"
	case 498:
		text = "Rate Limited"
	case 499:
		text = "Client Disconnect"
	case http.StatusInternalServerError:
		text = "Internal Error"
	}
	return fmt.Sprintf("%d %s", code, text)
}
