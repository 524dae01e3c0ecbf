package api

import (
	"io"
	"net/http"

	"altostack/objectstore"
)

// Feature is what a middleware is to the original: functions at named points of a
// call; nil where it has nothing to say. An error ends the call. Those with an
// account or a container in their name run inside its transaction, may run twice,
// and only look at the request and change what they are given.
type Feature struct {
	// Name and Info are its section of /info; a nil Info has none.
	Name string
	Info any

	// Serve sees every request first, with its path taken apart and its caller
	// known, and may answer it itself (bulk, form POST, cross-domain) or let it
	// pass by setting Granted (signed URLs).
	Serve func(c *Call, path string) (done bool, err error)

	// Account changes an account by the request's headers; AccountHeaders adds to
	// what is answered of one. Container and ContainerHeaders alike; fresh tells
	// that the container is new.
	Account          func(c *Call, a *objectstore.Account) error
	AccountHeaders   func(c *Call, a objectstore.Account, h http.Header)
	Container        func(c *Call, con *objectstore.Container, fresh bool) error
	ContainerHeaders func(c *Call, con objectstore.Container, h http.Header)
	// DeleteContainer may keep a container from being deleted.
	DeleteContainer func(c *Call, con objectstore.Container) error
	// List may answer a listing of a container itself (versions, static web).
	List func(c *Call, con objectstore.Container) (done bool, err error)
	// Entry changes one line of a container's listing.
	Entry func(c *Call, o objectstore.Object, e *Entry)

	// Put sees an object that is about to be written, authorized and checked, and
	// may change it, its body included; or answer by itself. Copies come by here
	// too, with Source set.
	Put func(c *Call, con objectstore.Container, p *Upload) (done bool, err error)
	// Written adds to the answer of a PUT or a COPY, whose old version, where
	// one was replaced, is gone.
	Written func(c *Call, con objectstore.Container, o objectstore.Object, h http.Header)
	// Read may answer another content than the object's own: a manifest, a link
	// itself. nil: nothing to say. The object may be missing (found false).
	Read func(c *Call, con objectstore.Container, o objectstore.Object, found bool) (*objectstore.Content, error)
	// ObjectHeaders adds to what is answered of an object.
	ObjectHeaders func(c *Call, content objectstore.Content, h http.Header)
	// Post changes an object by a POST's headers, inside the transaction.
	Post func(c *Call, con objectstore.Container, o *objectstore.Object) error
	// Posted sees an object after a POST, and may answer it itself.
	Posted func(c *Call, con objectstore.Container, o objectstore.Object) (done bool, err error)
	// Delete sees a deletion before it is done, and may answer it itself.
	Delete func(c *Call, con objectstore.Container, d *objectstore.Deletion) (done bool, err error)
	// Deleted adds to the answer of a deletion.
	Deleted func(c *Call, con objectstore.Container, d objectstore.Deleted, h http.Header)

	// Failed sees a call's failure before it is answered, and may answer itself
	// (static web's pages). done with a non-nil error answers that instead.
	Failed func(c *Call, err error) (done bool, other error)
}

// Upload is an object about to be written.
type Upload struct {
	objectstore.Put
	Body io.Reader
	// Source is what is copied; nil: a plain PUT, whose bytes are Body. A feature
	// that sets Body to something else clears it.
	Source *objectstore.Content
}
