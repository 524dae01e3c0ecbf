// Package s3 is the S3 protocol on the object store: buckets are containers of the
// caller's account, keys are objects, and versions are versions, so what Swift
// wrote S3 reads and the other way round.
//
// It stands on the same listener as everything else. A request is S3's because it
// is signed as S3 signs ([API.Claims]), whatever its path: no other service's
// clients sign so. The bucket is the path's first segment or, with a domain
// configured, the first part of the host.
//
// A request is authenticated before anything is looked at, by a key of the
// identity service; the body is checked against what was signed while it is
// staged, and an object's row is only written when all of it held. Who may do what
// is decided by objectstore's rules, as for Swift.
//
// Nothing is kept between requests; callers race as the domain lets them.
//
// Wire format: Amazon S3 REST API, version 2006-03-01, signatures version 4 and 2.
// What Swift's s3api middleware answers decided where the document leaves room.
package s3

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"altostack/kernel/auth"
	"altostack/kernel/clock"
	"altostack/kernel/id"
	"altostack/kernel/rest"
	"altostack/objectstore"
)

// Keys finds what access keys stand for: the identity service. An unknown key is
// fault auth.unauthenticated.
type Keys interface {
	S3Key(ctx context.Context, accessKey string) (secret string, p *auth.Principal, err error)
}

// Config is what an API needs.
type Config struct {
	Service *objectstore.Service
	Keys    Keys
	Clock   clock.Clock
	IDs     id.Source
	Log     *slog.Logger
	Metrics *rest.Metrics // nil: none
	Audit   rest.Auditor  // nil: nobody is told of changes
	// Domain is below which a host's first part is a bucket; empty: none is.
	Domain string
	// Preflight are the origins to which CORS preflights without a signature are
	// answered, * for all: such a request tells no account whose buckets could say.
	Preflight []string
}

// API is S3's face.
type API struct {
	svc       *objectstore.Service
	keys      Keys
	clock     clock.Clock
	domain    string
	preflight []string
	front     *rest.Front
}

// New makes the API.
func New(c Config) *API {
	a := &API{svc: c.Service, keys: c.Keys, clock: c.Clock, domain: strings.ToLower(c.Domain), preflight: c.Preflight}
	a.front = &rest.Front{Service: "s3", Clock: c.Clock, IDs: c.IDs, Log: c.Log, Metrics: c.Metrics, Audit: c.Audit, Route: a.route, Refuse: a.refuse,
		NewID: func() string { return "tx" + c.IDs.Hex()[:21] }}
	return a
}

// Claims reports whether a request is S3's, whatever its path: it is signed as S3
// signs, or comes to a host that names a bucket.
func (a *API) Claims(r *http.Request) bool {
	if how(r) != unsigned {
		return true
	}
	bucket, _ := a.hostBucket(r)
	return bucket != ""
}

// ClaimsPreflight reports whether a request that no other service has is the
// preflight of a browser that would sign.
func (a *API) ClaimsPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != "" &&
		strings.Contains(strings.ToLower(r.Header.Get("Access-Control-Request-Headers")), "authorization") && len(a.preflight) > 0
}

// Handler serves the API.
func (a *API) Handler() http.Handler { return a.front.Handle(a.serve) }

func (a *API) route(r *http.Request) string {
	switch bucket, key, _ := a.target(r); {
	case bucket == "":
		return "/"
	case key == "":
		return "/{bucket}"
	}
	return "/{bucket}/{key}"
}

// hostBucket reads a bucket out of the host.
func (a *API) hostBucket(r *http.Request) (bucket string, ours bool) {
	if a.domain == "" {
		return "", false
	}
	host := strings.ToLower(r.Host)
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if host == a.domain {
		return "", true
	}
	bucket, ours = strings.CutSuffix(host, "."+a.domain)
	if !ours {
		bucket = ""
	}
	return bucket, ours
}

// target reads bucket and key.
func (a *API) target(r *http.Request) (bucket, key string, err error) {
	path, err := url.PathUnescape(strings.TrimPrefix(r.URL.EscapedPath(), "/"))
	if err != nil || !utf8.ValidString(path) {
		return "", "", refusal("InvalidURI")
	}
	if bucket, _ = a.hostBucket(r); bucket != "" {
		return bucket, path, nil
	}
	bucket, key, _ = strings.Cut(path, "/")
	return bucket, key, nil
}

// call is one request on its way.
type call struct {
	*API
	w           http.ResponseWriter
	r           *http.Request
	q           url.Values
	bucket, key string
	sig         signature
	caller      *auth.Principal
	account     string
}

type handler func(*call) error

// subresources tell operations apart beside the method. The order matters where a
// request could name two.
var bucketOps = map[string]map[string]handler{
	"GET": {"acl": (*call).getACL, "cors": (*call).getCORS, "location": (*call).location, "tagging": (*call).getTags, "uploads": (*call).listUploads,
		"versioning": (*call).getVersioning, "versions": (*call).listVersions, "": (*call).listObjects,
		"lifecycle": absent("NoSuchLifecycleConfiguration"), "policy": absent("NoSuchBucketPolicy"), "policyStatus": absent("NoSuchBucketPolicy"),
		"website": absent("NoSuchWebsiteConfiguration"), "encryption": absent("ServerSideEncryptionConfigurationNotFoundError"),
		"replication": absent("ReplicationConfigurationNotFoundError"), "object-lock": absent("ObjectLockConfigurationNotFoundError"),
		"publicAccessBlock": absent("NoSuchPublicAccessBlockConfiguration"), "ownershipControls": absent("OwnershipControlsNotFoundError"),
		"logging": constant("BucketLoggingStatus", ""), "requestPayment": constant("RequestPaymentConfiguration", "<Payer>BucketOwner</Payer>"),
		"notification": constant("NotificationConfiguration", ""), "accelerate": constant("AccelerateConfiguration", "")},
	"HEAD":   {"": (*call).headBucket},
	"PUT":    {"": (*call).createBucket, "acl": (*call).putACL, "cors": (*call).putCORS, "tagging": (*call).putTags, "versioning": (*call).putVersioning},
	"POST":   {"delete": (*call).deleteMany},
	"DELETE": {"": (*call).deleteBucket, "cors": (*call).deleteCORS, "tagging": (*call).deleteTags, "lifecycle": (*call).nothing, "policy": (*call).nothing, "website": (*call).nothing},
}

var objectOps = map[string]map[string]handler{
	"GET":    {"": (*call).getObject, "acl": (*call).getACL, "tagging": (*call).getTags, "uploadId": (*call).listParts, "attributes": (*call).attributes},
	"HEAD":   {"": (*call).getObject},
	"PUT":    {"": (*call).putObject, "acl": (*call).putACL, "tagging": (*call).putTags, "uploadId": (*call).putPart},
	"POST":   {"uploads": (*call).createUpload, "uploadId": (*call).completeUpload},
	"DELETE": {"": (*call).deleteObject, "tagging": (*call).deleteTags, "uploadId": (*call).abortUpload},
}

// otherSubresources are operations that there are, but not here.
var otherSubresources = []string{"analytics", "intelligent-tiering", "inventory", "legal-hold", "metrics", "restore", "retention", "select", "torrent"}

func (a *API) serve(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Set("X-Amz-Request-Id", h.Get("X-Openstack-Request-Id"))
	h.Set("X-Amz-Id-2", h.Get("X-Openstack-Request-Id"))
	c := &call{API: a, w: w, r: r}
	var err error
	if c.bucket, c.key, err = a.target(r); err != nil {
		return err
	}
	if c.q, err = url.ParseQuery(r.URL.RawQuery); err != nil {
		return refusal("InvalidURI")
	}
	if r.Method == http.MethodOptions {
		return c.options()
	}
	if err := c.authenticate(); err != nil {
		return err
	}
	if !c.caller.Permits(r.Method, c.swiftPath(), "object-store") && !c.caller.Permits(r.Method, "/v1"+c.swiftPath(), "object-store") {
		return refusal("AccessDenied")
	}
	auth.AttemptOf(r.Context()).By = c.caller
	c.r = r.WithContext(auth.With(r.Context(), c.caller))
	for _, name := range []string{"X-Amz-Expected-Bucket-Owner", "X-Amz-Source-Expected-Bucket-Owner"} {
		if who := r.Header.Get(name); who != "" && who != c.caller.ProjectID {
			return refusal("AccessDenied")
		}
	}
	h2, err := c.handler()
	if err != nil {
		return err
	}
	if err := c.crossOrigin(); err != nil {
		return err
	}
	return h2(c)
}

// swiftPath is what a restricted credential's rules are compared with: the same
// thing as Swift addresses it.
func (c *call) swiftPath() string {
	path := "/" + c.account
	for _, part := range []string{c.bucket, c.key} {
		if part != "" {
			path += "/" + part
		}
	}
	return path
}

func (c *call) handler() (handler, error) {
	if c.bucket == "" {
		if c.r.Method == http.MethodGet || c.r.Method == http.MethodHead {
			return (*call).listBuckets, nil
		}
		return nil, refusal("MethodNotAllowed")
	}
	for _, name := range otherSubresources {
		if c.q.Has(name) {
			return nil, refusal("NotImplemented")
		}
	}
	table := bucketOps
	if c.key != "" {
		table = objectOps
	}
	byName := table[c.r.Method]
	for name, h := range byName {
		if name != "" && c.q.Has(name) {
			return h, nil
		}
	}
	for _, others := range table {
		for name := range others {
			if name != "" && c.q.Has(name) {
				return nil, refusal("NotImplemented")
			}
		}
	}
	h := byName[""]
	if h == nil {
		return nil, refusal("MethodNotAllowed")
	}
	return h, nil
}
