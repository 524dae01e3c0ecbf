package s3_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/cors"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/tags"

	"altostack/driver/fileobjects"
	"altostack/kernel/auth"
	"altostack/kernel/clock"
	"altostack/kernel/db/dbtest"
	"altostack/kernel/fault"
	"altostack/kernel/id"
	"altostack/objectstore"
	"altostack/objectstore/s3"
	"altostack/objectstore/store"
)

const secret = "s3cr3t"

// keys knows access keys of the form role@project.
type keys struct{}

func (keys) S3Key(_ context.Context, access string) (string, *auth.Principal, error) {
	access, restricted := strings.CutPrefix(access, "restricted-")
	role, project, ok := strings.Cut(access, "@")
	if !ok {
		return "", nil, fault.New(fault.CodeAuthUnauthenticated, "no such key")
	}
	p := &auth.Principal{UserID: access, ProjectID: project, ProjectName: project, Roles: []string{role}}
	if restricted {
		p.AccessRules = []auth.AccessRule{{Service: "object-store", Method: "GET", Path: "/v1/AUTH_alice/bkt/**"}}
	}
	return secret, p, nil
}

type world struct {
	*testing.T
	svc *objectstore.Service
	url string
	api *s3.API
	// ahead is by how much the server's clock is ahead.
	ahead time.Duration
	blobs *fileobjects.Store
}

// Now makes a world a clock.
func (w *world) Now() time.Time { return time.Now().Add(w.ahead) }

// After implements clock.Clock.
func (w *world) After(d time.Duration) (<-chan time.Time, func()) { return clock.Real{}.After(d) }

func newWorld(t *testing.T) *world {
	t.Helper()
	d := dbtest.SQLite(t)
	if err := d.Migrate(t.Context(), "objectstore", store.Migrations()); err != nil {
		t.Fatal(err)
	}
	backend, err := fileobjects.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	svc := objectstore.New(objectstore.Config{DB: d, Store: store.New(d), Clock: clock.Real{}, IDs: id.Random{}, Log: log,
		Policies: []objectstore.Policy{{Name: "p", Default: true, Backend: backend}}})
	if err := svc.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, svc: svc, blobs: backend}
	w.api = s3.New(s3.Config{Service: svc, Keys: keys{}, Clock: w, IDs: id.Random{}, Log: log, Domain: "s3.test", Preflight: []string{"https://app.example"}})
	server := httptest.NewServer(w.api.Handler())
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

func (w *world) client(access string, change ...func(*minio.Options)) *minio.Client {
	w.Helper()
	o := &minio.Options{Creds: credentials.NewStaticV4(access, secret, ""), Region: "us-east-1"}
	for _, f := range change {
		f(o)
	}
	c, err := minio.New(strings.TrimPrefix(w.url, "http://"), o)
	if err != nil {
		w.Fatal(err)
	}
	return c
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) code(err error, want string) {
	w.Helper()
	if got := minio.ToErrorResponse(err).Code; got != want {
		w.Errorf("code %q, want %q: %v", got, want, err)
	}
}

func (w *world) putText(c *minio.Client, bucket, key, text string, o ...minio.PutObjectOptions) minio.UploadInfo {
	w.Helper()
	o = append(o, minio.PutObjectOptions{})
	info, err := c.PutObject(w.Context(), bucket, key, strings.NewReader(text), int64(len(text)), o[0])
	w.must(err)
	return info
}

func (w *world) getText(c *minio.Client, bucket, key string, o minio.GetObjectOptions) (string, error) {
	w.Helper()
	r, err := c.GetObject(w.Context(), bucket, key, o)
	w.must(err)
	defer r.Close()
	data, err := io.ReadAll(r)
	return string(data), err
}

const alice = "member@alice"

func TestBuckets(t *testing.T) {
	w := newWorld(t)
	c, ctx := w.client(alice), t.Context()
	w.must(c.MakeBucket(ctx, "one", minio.MakeBucketOptions{}))
	w.code(c.MakeBucket(ctx, "one", minio.MakeBucketOptions{}), "BucketAlreadyOwnedByYou")
	w.code(w.client("reader@alice").MakeBucket(ctx, "two", minio.MakeBucketOptions{}), "AccessDenied")
	w.must(w.client("member@bob").MakeBucket(ctx, "one", minio.MakeBucketOptions{}))
	list, err := c.ListBuckets(ctx)
	if err != nil || len(list) != 1 || list[0].Name != "one" {
		t.Error(list, err)
	}
	_, err = w.client("nobody").ListBuckets(ctx)
	w.code(err, "InvalidAccessKeyId")
	_, err = w.client(alice, func(o *minio.Options) { o.Creds = credentials.NewStaticV4(alice, "wrong", "") }).ListBuckets(ctx)
	w.code(err, "SignatureDoesNotMatch")
	v2, err := w.client(alice, func(o *minio.Options) { o.Creds = credentials.NewStaticV2(alice, secret, "") }).ListBuckets(ctx)
	if err != nil || len(v2) != 1 {
		t.Error("signature version 2:", v2, err)
	}
	if there, err := c.BucketExists(ctx, "none"); there || err != nil {
		t.Error(there, err)
	}
	if loc, err := c.GetBucketLocation(ctx, "one"); loc != "us-east-1" || err != nil {
		t.Error(loc, err)
	}
	w.putText(c, "one", "k", "v")
	w.code(c.RemoveBucket(ctx, "one"), "BucketNotEmpty")
	w.must(c.RemoveObject(ctx, "one", "k", minio.RemoveObjectOptions{}))
	w.must(c.RemoveBucket(ctx, "one"))
	w.code(c.RemoveBucket(ctx, "one"), "NoSuchBucket")
}

func TestObjects(t *testing.T) {
	w := newWorld(t)
	c, ctx := w.client(alice), t.Context()
	w.must(c.MakeBucket(ctx, "bkt", minio.MakeBucketOptions{}))
	for _, key := range []string{"plain", "with space/ü+%&=?#.txt", "a//b", "dots/../x", "~"} {
		info := w.putText(c, "bkt", key, "hello "+key, minio.PutObjectOptions{ContentType: "text/x", UserMetadata: map[string]string{"Colour": "red"}, CacheControl: "no-cache", ContentEncoding: "gzip", UserTags: map[string]string{"k": "v w"}})
		sum := md5.Sum([]byte("hello " + key))
		if info.ETag != hex.EncodeToString(sum[:]) {
			t.Error(key, info.ETag)
		}
		if got, err := w.getText(c, "bkt", key, minio.GetObjectOptions{}); got != "hello "+key || err != nil {
			t.Errorf("%s: %q %v", key, got, err)
		}
		st, err := c.StatObject(ctx, "bkt", key, minio.StatObjectOptions{})
		if err != nil || st.ContentType != "text/x" || st.UserMetadata["Colour"] != "red" || st.Metadata.Get("Cache-Control") != "no-cache" || st.Metadata.Get("Content-Encoding") != "gzip" || st.UserTagCount != 1 {
			t.Errorf("%s: %+v %v", key, st, err)
		}
	}
	var o minio.GetObjectOptions
	w.must(o.SetRange(2, 4))
	if got, err := w.getText(c, "bkt", "plain", o); got != "llo" || err != nil {
		t.Errorf("a range: %q %v", got, err)
	}
	o = minio.GetObjectOptions{}
	w.must(o.SetRange(0, -3))
	if got, err := w.getText(c, "bkt", "plain", o); got != "ain" || err != nil {
		t.Errorf("the end: %q %v", got, err)
	}
	o = minio.GetObjectOptions{}
	w.must(o.SetRange(100, 200))
	_, err := w.getText(c, "bkt", "plain", o)
	w.code(err, "InvalidRange")
	o = minio.GetObjectOptions{}
	w.must(o.SetMatchETag("other"))
	_, err = w.getText(c, "bkt", "plain", o)
	w.code(err, "PreconditionFailed")
	_, err = w.getText(c, "bkt", "none", minio.GetObjectOptions{})
	w.code(err, "NoSuchKey")
	_, err = w.getText(w.client("member@bob"), "bkt", "plain", minio.GetObjectOptions{})
	w.code(err, "NoSuchBucket")
	put := minio.PutObjectOptions{}
	put.SetMatchETagExcept("*")
	_, err = c.PutObject(ctx, "bkt", "plain", strings.NewReader("x"), 1, put)
	w.code(err, "PreconditionFailed")
	put = minio.PutObjectOptions{}
	put.SetMatchETag("other")
	_, err = c.PutObject(ctx, "bkt", "plain", strings.NewReader("x"), 1, put)
	w.code(err, "PreconditionFailed")
}

func TestCopies(t *testing.T) {
	w := newWorld(t)
	c, ctx := w.client(alice), t.Context()
	w.must(c.MakeBucket(ctx, "bkt", minio.MakeBucketOptions{}))
	w.putText(c, "bkt", "src ü", "data", minio.PutObjectOptions{UserMetadata: map[string]string{"A": "1"}, UserTags: map[string]string{"t": "u"}})
	_, err := c.CopyObject(ctx, minio.CopyDestOptions{Bucket: "bkt", Object: "dst"}, minio.CopySrcOptions{Bucket: "bkt", Object: "src ü"})
	w.must(err)
	st, err := c.StatObject(ctx, "bkt", "dst", minio.StatObjectOptions{})
	if err != nil || st.UserMetadata["A"] != "1" || st.UserTagCount != 1 {
		t.Error(st, err)
	}
	_, err = c.CopyObject(ctx, minio.CopyDestOptions{Bucket: "bkt", Object: "dst", ReplaceMetadata: true, UserMetadata: map[string]string{"B": "2"}}, minio.CopySrcOptions{Bucket: "bkt", Object: "dst"})
	w.must(err)
	st, err = c.StatObject(ctx, "bkt", "dst", minio.StatObjectOptions{})
	if err != nil || st.UserMetadata["A"] != "" || st.UserMetadata["B"] != "2" {
		t.Error(st, err)
	}
	w.must(c.RemoveObject(ctx, "bkt", "src ü", minio.RemoveObjectOptions{}))
	_, err = c.CopyObject(ctx, minio.CopyDestOptions{Bucket: "bkt", Object: "dst", ReplaceMetadata: true}, minio.CopySrcOptions{Bucket: "bkt", Object: "dst"})
	w.must(err)
	w.must(w.svc.Sweep(ctx))
	if got, err := w.getText(c, "bkt", "dst", minio.GetObjectOptions{}); got != "data" || err != nil {
		t.Errorf("copied onto itself: %q %v", got, err)
	}
	_, err = c.CopyObject(ctx, minio.CopyDestOptions{Bucket: "bkt", Object: "dst"}, minio.CopySrcOptions{Bucket: "bkt", Object: "dst"})
	w.code(err, "InvalidRequest")
	_, err = c.CopyObject(ctx, minio.CopyDestOptions{Bucket: "bkt", Object: "d"}, minio.CopySrcOptions{Bucket: "bkt", Object: "dst", MatchETag: "x"})
	w.code(err, "PreconditionFailed")
	_, err = c.CopyObject(ctx, minio.CopyDestOptions{Bucket: "bkt", Object: "d"}, minio.CopySrcOptions{Bucket: "bkt", Object: "none"})
	w.code(err, "NoSuchKey")
}

func TestListings(t *testing.T) {
	w := newWorld(t)
	c, ctx := w.client(alice), t.Context()
	w.must(c.MakeBucket(ctx, "bkt", minio.MakeBucketOptions{}))
	var want []string
	for i := range 7 {
		for _, dir := range []string{"a/", "b &/", ""} {
			key := fmt.Sprintf("%sk%d", dir, i)
			w.putText(c, "bkt", key, "x")
			want = append(want, key)
		}
	}
	slices.Sort(want)
	for _, v1 := range []bool{true, false} {
		var got []string
		for o := range c.ListObjects(ctx, "bkt", minio.ListObjectsOptions{Recursive: true, MaxKeys: 4, UseV1: v1}) {
			w.must(o.Err)
			got = append(got, o.Key)
		}
		if !slices.Equal(got, want) {
			t.Errorf("v1 %v: %q", v1, got)
		}
		got = nil
		for o := range c.ListObjects(ctx, "bkt", minio.ListObjectsOptions{MaxKeys: 2, UseV1: v1}) {
			w.must(o.Err)
			got = append(got, o.Key)
		}
		if strings.Join(got, ",") != "a/,b &/,k0,k1,k2,k3,k4,k5,k6" {
			t.Errorf("v1 %v with delimiter: %q", v1, got)
		}
		got = nil
		for o := range c.ListObjects(ctx, "bkt", minio.ListObjectsOptions{Prefix: "b &/", StartAfter: "b &/k4", UseV1: v1}) {
			w.must(o.Err)
			got = append(got, o.Key)
		}
		if strings.Join(got, ",") != "b &/k5,b &/k6" {
			t.Errorf("v1 %v behind a key: %q", v1, got)
		}
	}
	objects := make(chan minio.ObjectInfo, len(want))
	for _, key := range want {
		objects <- minio.ObjectInfo{Key: key}
	}
	close(objects)
	for e := range c.RemoveObjects(ctx, "bkt", objects, minio.RemoveObjectsOptions{}) {
		t.Error(e)
	}
	for o := range c.ListObjects(ctx, "bkt", minio.ListObjectsOptions{Recursive: true}) {
		t.Error("left:", o.Key)
	}
}

func TestVersions(t *testing.T) {
	w := newWorld(t)
	c, ctx := w.client(alice), t.Context()
	w.must(c.MakeBucket(ctx, "bkt", minio.MakeBucketOptions{}))
	w.putText(c, "bkt", "k", "null")
	w.must(c.EnableVersioning(ctx, "bkt"))
	one, two := w.putText(c, "bkt", "k", "one"), w.putText(c, "bkt", "k", "two")
	if one.VersionID == "" || one.VersionID == two.VersionID {
		t.Fatal(one, two)
	}
	w.must(c.RemoveObject(ctx, "bkt", "k", minio.RemoveObjectOptions{}))
	_, err := w.getText(c, "bkt", "k", minio.GetObjectOptions{})
	w.code(err, "NoSuchKey")
	var marker string
	list := func() (got []string) {
		for o := range c.ListObjects(ctx, "bkt", minio.ListObjectsOptions{WithVersions: true, Recursive: true, MaxKeys: 2}) {
			w.must(o.Err)
			got = append(got, fmt.Sprintf("%s %v %v", o.Key, o.IsDeleteMarker, o.IsLatest))
			if o.IsDeleteMarker {
				marker = o.VersionID
			}
		}
		return got
	}
	if got := list(); !slices.Equal(got, []string{"k true true", "k false false", "k false false", "k false false"}) {
		t.Errorf("%q", got)
	}
	for v, text := range map[string]string{one.VersionID: "one", two.VersionID: "two", "null": "null"} {
		if got, err := w.getText(c, "bkt", "k", minio.GetObjectOptions{VersionID: v}); got != text || err != nil {
			t.Errorf("version %s: %q %v", v, got, err)
		}
	}
	_, err = w.getText(c, "bkt", "k", minio.GetObjectOptions{VersionID: "1111111111.11111"})
	w.code(err, "NoSuchVersion")
	w.must(c.RemoveObject(ctx, "bkt", "k", minio.RemoveObjectOptions{VersionID: marker}))
	if got, err := w.getText(c, "bkt", "k", minio.GetObjectOptions{}); got != "two" || err != nil {
		t.Errorf("without the marker: %q %v", got, err)
	}
	w.must(c.RemoveObject(ctx, "bkt", "k", minio.RemoveObjectOptions{VersionID: two.VersionID}))
	if got, err := w.getText(c, "bkt", "k", minio.GetObjectOptions{}); got != "one" || err != nil {
		t.Errorf("the one before: %q %v", got, err)
	}
	w.must(c.SuspendVersioning(ctx, "bkt"))
	if v, err := c.GetBucketVersioning(ctx, "bkt"); err != nil || v.Status != "Suspended" {
		t.Error(v, err)
	}
	w.putText(c, "bkt", "k", "again")
	if got := list(); !slices.Equal(got, []string{"k false true", "k false false"}) {
		t.Errorf("%q", got)
	}
	w.code(c.RemoveBucket(ctx, "bkt"), "BucketNotEmpty")
}

func TestTagsAndCORS(t *testing.T) {
	w := newWorld(t)
	c, ctx := w.client(alice), t.Context()
	w.must(c.MakeBucket(ctx, "bkt", minio.MakeBucketOptions{}))
	w.putText(c, "bkt", "k", "x")
	some, err := tags.NewTags(map[string]string{"a": "1", "b": "x y"}, true)
	w.must(err)
	w.must(c.PutObjectTagging(ctx, "bkt", "k", some, minio.PutObjectTaggingOptions{}))
	if got, err := c.GetObjectTagging(ctx, "bkt", "k", minio.GetObjectTaggingOptions{}); err != nil || got.ToMap()["b"] != "x y" {
		t.Error(got, err)
	}
	w.must(c.RemoveObjectTagging(ctx, "bkt", "k", minio.RemoveObjectTaggingOptions{}))
	if got, err := c.GetObjectTagging(ctx, "bkt", "k", minio.GetObjectTaggingOptions{}); err != nil || len(got.ToMap()) != 0 {
		t.Error(got, err)
	}
	_, err = c.GetBucketTagging(ctx, "bkt")
	w.code(err, "NoSuchTagSet")
	w.must(c.SetBucketTagging(ctx, "bkt", some))
	if got, err := c.GetBucketTagging(ctx, "bkt"); err != nil || got.ToMap()["a"] != "1" {
		t.Error(got, err)
	}
	w.must(c.RemoveBucketTagging(ctx, "bkt"))
	w.must(c.SetBucketCors(ctx, "bkt", &cors.Config{CORSRules: []cors.Rule{{AllowedOrigin: []string{"https://*.example"}, AllowedMethod: []string{"GET"}, AllowedHeader: []string{"x-*"}, ExposeHeader: []string{"ETag"}, MaxAgeSeconds: 7}}}))
	if got, err := c.GetBucketCors(ctx, "bkt"); err != nil || len(got.CORSRules) != 1 || got.CORSRules[0].MaxAgeSeconds != 7 {
		t.Error(got, err)
	}
	link, err := c.PresignedGetObject(ctx, "bkt", "k", time.Minute, nil)
	w.must(err)
	for _, tt := range []struct {
		method, origin, headers string
		status                  int
		allowed                 string
	}{
		{"GET", "https://a.example", "", 200, "https://a.example"},
		{"GET", "https://evil", "", 200, ""},
		{"OPTIONS", "https://a.example", "x-one", 200, "https://a.example"},
		{"OPTIONS", "https://a.example", "y", 403, ""},
		{"OPTIONS", "https://evil", "", 403, ""},
		{"OPTIONS", "https://app.example", "authorization", 200, "https://app.example"},
	} {
		r, err := http.NewRequestWithContext(ctx, tt.method, link.String(), nil)
		w.must(err)
		r.Header.Set("Origin", tt.origin)
		r.Header.Set("Access-Control-Request-Method", "GET")
		r.Header.Set("Access-Control-Request-Headers", tt.headers)
		resp, err := http.DefaultClient.Do(r)
		w.must(err)
		_ = resp.Body.Close()
		if got := resp.Header.Get("Access-Control-Allow-Origin"); resp.StatusCode != tt.status || got != tt.allowed {
			t.Errorf("%+v: %d %q", tt, resp.StatusCode, got)
		}
	}
	w.must(c.SetBucketCors(ctx, "bkt", nil))
	if got, err := c.GetBucketCors(ctx, "bkt"); got != nil || err != nil {
		t.Error(got, err)
	}
}

func TestPresigned(t *testing.T) {
	w := newWorld(t)
	c, ctx := w.client(alice), t.Context()
	w.must(c.MakeBucket(ctx, "bkt", minio.MakeBucketOptions{}))
	put, err := c.PresignedPutObject(ctx, "bkt", "a b", time.Minute)
	w.must(err)
	do := func(method, link, body string) (int, string, http.Header) {
		r, err := http.NewRequestWithContext(ctx, method, link, strings.NewReader(body))
		w.must(err)
		resp, err := http.DefaultClient.Do(r)
		w.must(err)
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		w.must(err)
		return resp.StatusCode, string(data), resp.Header
	}
	if status, body, _ := do("PUT", put.String(), "text"); status != 200 {
		t.Fatal(status, body)
	}
	for name, c := range map[string]*minio.Client{"v4": c, "v2": w.client(alice, func(o *minio.Options) { o.Creds = credentials.NewStaticV2(alice, secret, "") })} {
		get, err := c.PresignedGetObject(ctx, "bkt", "a b", time.Minute, url.Values{"response-content-type": {"x/y"}})
		w.must(err)
		if status, body, h := do("GET", get.String(), ""); status != 200 || body != "text" || h.Get("Content-Type") != "x/y" {
			t.Errorf("%s: %d %s", name, status, body)
		}
		if status, body, _ := do("GET", strings.Replace(get.String(), "a%20b", "a%20c", 1), ""); status != 403 || !strings.Contains(body, "SignatureDoesNotMatch") {
			t.Errorf("%s: another key: %d %s", name, status, body)
		}
		if status, _, _ := do("PUT", get.String(), "x"); status != 403 {
			t.Errorf("%s: another method: %d", name, status)
		}
	}
	if status, body, _ := do("GET", w.url+"/bkt/a%20b", ""); status != 403 || !strings.Contains(body, "<Code>AccessDenied</Code>") {
		t.Error("unsigned:", status, body)
	}
}

func TestMultipart(t *testing.T) {
	w := newWorld(t)
	c, ctx := w.client(alice), t.Context()
	core := minio.Core{Client: c}
	w.must(c.MakeBucket(ctx, "bkt", minio.MakeBucketOptions{}))
	data := bytes.Repeat([]byte("0123456789abcdef"), 11<<16)
	info, err := c.PutObject(ctx, "bkt", "big", bytes.NewReader(data), int64(len(data)), minio.PutObjectOptions{PartSize: 5 << 20, UserMetadata: map[string]string{"M": "1"}})
	if err != nil || !strings.HasSuffix(info.ETag, "-3") {
		t.Fatal(info, err)
	}
	got, err := w.getText(c, "bkt", "big", minio.GetObjectOptions{})
	if err != nil || got != string(data) {
		t.Error(len(got), err)
	}
	var part minio.GetObjectOptions
	part.PartNumber = 3
	if got, err := w.getText(c, "bkt", "big", part); err != nil || got != string(data[10<<20:]) {
		t.Error("part 3:", len(got), err)
	}
	id, err := core.NewMultipartUpload(ctx, "bkt", "dir/k", minio.PutObjectOptions{})
	w.must(err)
	small, err := core.PutObjectPart(ctx, "bkt", "dir/k", id, 1, strings.NewReader("small"), 5, minio.PutObjectPartOptions{})
	w.must(err)
	second, err := core.CopyObjectPart(ctx, "bkt", "big", "bkt", "dir/k", id, 2, 10, 20, nil)
	w.must(err)
	parts, err := core.ListObjectParts(ctx, "bkt", "dir/k", id, 0, 1)
	if err != nil || len(parts.ObjectParts) != 1 || !parts.IsTruncated || parts.NextPartNumberMarker != 1 {
		t.Error(parts, err)
	}
	ups, err := core.ListMultipartUploads(ctx, "bkt", "", "", "", "/", 10)
	if err != nil || len(ups.CommonPrefixes) != 1 || len(ups.Uploads) != 0 {
		t.Error(ups, err)
	}
	ups, err = core.ListMultipartUploads(ctx, "bkt", "dir/", "", "", "", 10)
	if err != nil || len(ups.Uploads) != 1 || ups.Uploads[0].UploadID != id {
		t.Error(ups, err)
	}
	done := []minio.CompletePart{{PartNumber: 1, ETag: small.ETag}, {PartNumber: 2, ETag: second.ETag}}
	_, err = core.CompleteMultipartUpload(ctx, "bkt", "dir/k", id, done, minio.PutObjectOptions{})
	w.code(err, "EntityTooSmall")
	_, err = core.CompleteMultipartUpload(ctx, "bkt", "dir/k", id, []minio.CompletePart{done[1], done[0]}, minio.PutObjectOptions{})
	w.code(err, "InvalidPartOrder")
	_, err = core.CompleteMultipartUpload(ctx, "bkt", "dir/k", id, []minio.CompletePart{{PartNumber: 1, ETag: "0"}}, minio.PutObjectOptions{})
	w.code(err, "InvalidPart")
	_, err = core.CompleteMultipartUpload(ctx, "bkt", "other", id, done[:1], minio.PutObjectOptions{})
	w.code(err, "NoSuchUpload")
	_, err = core.CompleteMultipartUpload(ctx, "bkt", "dir/k", id, done[1:], minio.PutObjectOptions{})
	w.must(err)
	if got, err := w.getText(c, "bkt", "dir/k", minio.GetObjectOptions{}); err != nil || got != string(data[10:30]) {
		t.Errorf("%q %v", got, err)
	}
	id, err = core.NewMultipartUpload(ctx, "bkt", "gone", minio.PutObjectOptions{})
	w.must(err)
	w.must(core.AbortMultipartUpload(ctx, "bkt", "gone", id))
	_, err = core.PutObjectPart(ctx, "bkt", "gone", id, 1, strings.NewReader("x"), 1, minio.PutObjectPartOptions{})
	w.code(err, "NoSuchUpload")
}

func TestTrailingChecksums(t *testing.T) {
	w := newWorld(t)
	c, ctx := w.client(alice, func(o *minio.Options) { o.TrailingHeaders = true }), t.Context()
	w.must(c.MakeBucket(ctx, "bkt", minio.MakeBucketOptions{}))
	for _, kind := range []minio.ChecksumType{minio.ChecksumCRC32, minio.ChecksumCRC32C, minio.ChecksumSHA1, minio.ChecksumSHA256, minio.ChecksumCRC64NVME} {
		info := w.putText(c, "bkt", kind.String(), "some text", minio.PutObjectOptions{Checksum: kind})
		st, err := c.StatObject(ctx, "bkt", kind.String(), minio.StatObjectOptions{Checksum: true})
		w.must(err)
		all := map[string]string{"CRC32": st.ChecksumCRC32, "CRC32C": st.ChecksumCRC32C, "SHA1": st.ChecksumSHA1, "SHA256": st.ChecksumSHA256, "CRC64NVME": st.ChecksumCRC64NVME}
		if all[kind.String()] == "" {
			t.Errorf("%s is not kept: %+v %+v", kind, st, info)
		}
	}
	if got, err := w.getText(c, "bkt", "CRC32C", minio.GetObjectOptions{}); got != "some text" || err != nil {
		t.Error(got, err)
	}
}

func TestACL(t *testing.T) {
	w := newWorld(t)
	c, ctx := w.client(alice), t.Context()
	w.must(c.MakeBucket(ctx, "bkt", minio.MakeBucketOptions{}))
	w.putText(c, "bkt", "k", "x")
	info, err := c.GetObjectACL(ctx, "bkt", "k")
	if err != nil || len(info.Grant) != 1 || info.Grant[0].Permission != "FULL_CONTROL" {
		t.Error(info, err)
	}
	_, err = c.PutObject(ctx, "bkt", "k", strings.NewReader("x"), 1, minio.PutObjectOptions{UserMetadata: map[string]string{"x-amz-acl": "public-read"}})
	w.code(err, "NotImplemented")
	if _, err := c.PutObject(ctx, "bkt", "k", strings.NewReader("x"), 1, minio.PutObjectOptions{UserMetadata: map[string]string{"x-amz-acl": "private"}}); err != nil {
		t.Error(err)
	}
	_, err = w.svc.UpdateContainer(ctx, "AUTH_alice", "bkt", func(con *objectstore.Container) error {
		con.System = objectstore.Merge(con.System, map[string]string{objectstore.SystemRead: ".r:*,.rlistings"})
		return nil
	})
	w.must(err)
	info, err = c.GetObjectACL(ctx, "bkt", "k")
	if err != nil || len(info.Grant) != 2 || info.Grant[1].Grantee.URI == "" || info.Grant[1].Permission != "READ" {
		t.Error(info, err)
	}
}

func TestHostStyle(t *testing.T) {
	w := newWorld(t)
	w.must(w.client(alice).MakeBucket(t.Context(), "bkt", minio.MakeBucketOptions{}))
	address := strings.TrimPrefix(w.url, "http://")
	c, err := minio.New("s3.test", &minio.Options{Creds: credentials.NewStaticV4(alice, secret, ""), Region: "us-east-1", BucketLookup: minio.BucketLookupDNS,
		Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			r.Host, r.URL.Host = r.URL.Host, address
			return http.DefaultTransport.RoundTrip(r)
		})})
	w.must(err)
	w.putText(c, "bkt", "k", "x")
	if got, err := w.getText(w.client(alice), "bkt", "k", minio.GetObjectOptions{}); got != "x" || err != nil {
		t.Error(got, err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestClaims(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		method, target string
		header         []string
		want           bool
	}{
		{"GET", "/b/k", []string{"Authorization", "AWS4-HMAC-SHA256 Credential=x"}, true},
		{"GET", "/b/k", []string{"Authorization", "AWS a:b"}, true},
		{"GET", "/b/k?X-Amz-Signature=1", nil, true},
		{"GET", "/b/k?AWSAccessKeyId=1", nil, true},
		{"GET", "/b/k", nil, false},
		{"GET", "/", []string{"Authorization", "Basic x"}, false},
		{"OPTIONS", "/b", []string{"Origin", "o", "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "Authorization"}, true},
		{"OPTIONS", "/b", []string{"Origin", "o", "Access-Control-Request-Method", "GET"}, false},
	} {
		r := httptest.NewRequest(tt.method, tt.target, nil)
		for i := 0; i < len(tt.header); i += 2 {
			r.Header.Set(tt.header[i], tt.header[i+1])
		}
		if got := w.api.Claims(r) || w.api.ClaimsPreflight(r); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}

func TestOthersAreToldApart(t *testing.T) {
	w := newWorld(t)
	c, ctx := w.client(alice), t.Context()
	w.must(c.MakeBucket(ctx, "bkt", minio.MakeBucketOptions{}))
	_, err := c.GetBucketPolicy(ctx, "bkt")
	var r minio.ErrorResponse
	if err != nil && !(errors.As(err, &r) && r.Code == "NoSuchBucketPolicy") {
		t.Error(err)
	}
	_, err = c.GetBucketLifecycle(ctx, "bkt")
	w.code(err, "NoSuchLifecycleConfiguration")
	w.code(c.SetBucketPolicy(ctx, "bkt", "{}"), "NotImplemented")
	_, err = c.GetBucketEncryption(ctx, "bkt")
	w.code(err, "ServerSideEncryptionConfigurationNotFoundError")
}

func TestTimes(t *testing.T) {
	w := newWorld(t)
	c, ctx := w.client(alice), t.Context()
	w.must(c.MakeBucket(ctx, "bkt", minio.MakeBucketOptions{}))
	w.putText(c, "bkt", "k", "x")
	link, err := c.PresignedGetObject(ctx, "bkt", "k", time.Minute, nil)
	w.must(err)
	for _, tt := range []struct {
		ahead      time.Duration
		link, code string
	}{
		{0, "", ""},
		{10 * time.Minute, "Request has expired", ""},
		{time.Hour, "Request has expired", "RequestTimeTooSkewed"},
		{-time.Hour, "Request is not yet valid", "RequestTimeTooSkewed"},
	} {
		w.ahead = tt.ahead
		resp, err := http.Get(link.String())
		w.must(err)
		body, err := io.ReadAll(resp.Body)
		w.must(errors.Join(err, resp.Body.Close()))
		if (resp.StatusCode == 200) != (tt.link == "") || !strings.Contains(string(body), tt.link) {
			t.Errorf("%s ahead: the link: %d %s", tt.ahead, resp.StatusCode, body)
		}
		_, err = c.ListBuckets(ctx)
		w.code(err, tt.code)
	}
}

// TestRestrictedKey holds a request to the rules of the credential that its key
// was made under, in Swift's terms.
func TestRestrictedKey(t *testing.T) {
	w := newWorld(t)
	c, ctx := w.client(alice), t.Context()
	w.must(c.MakeBucket(ctx, "bkt", minio.MakeBucketOptions{}))
	w.putText(c, "bkt", "a/k", "x")
	r := w.client("restricted-" + alice)
	if got, err := w.getText(r, "bkt", "a/k", minio.GetObjectOptions{}); got != "x" || err != nil {
		t.Error(got, err)
	}
	_, err := r.ListBuckets(ctx)
	w.code(err, "AccessDenied")
	w.code(r.RemoveObject(ctx, "bkt", "a/k", minio.RemoveObjectOptions{}), "AccessDenied")
}

// TestWhatIsRefusedLeavesNothing sends bytes that are not what was signed.
func TestWhatIsRefusedLeavesNothing(t *testing.T) {
	w := newWorld(t)
	c, ctx := w.client(alice), t.Context()
	w.must(c.MakeBucket(ctx, "bkt", minio.MakeBucketOptions{}))
	swap := w.client(alice, func(o *minio.Options) {
		o.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPut {
				data, err := io.ReadAll(r.Body)
				if err != nil {
					return nil, err
				}
				r.Body = io.NopCloser(bytes.NewReader(bytes.Replace(data, []byte("honest"), []byte("forged"), 1)))
			}
			return http.DefaultTransport.RoundTrip(r)
		})
	})
	_, err := swap.PutObject(ctx, "bkt", "k", strings.NewReader("honest text"), 11, minio.PutObjectOptions{})
	w.code(err, "SignatureDoesNotMatch")
	_, err = swap.PutObject(ctx, "bkt", "k", strings.NewReader("honest text"), 11, minio.PutObjectOptions{DisableContentSha256: true, SendContentMd5: true})
	w.code(err, "BadDigest")
	w.must(w.svc.Sweep(ctx))
	n := 0
	w.must(w.blobs.List(ctx, "", func(string) error { n++; return nil }))
	if n != 0 {
		t.Errorf("%d blobs are left", n)
	}
	_, err = w.getText(c, "bkt", "k", minio.GetObjectOptions{})
	w.code(err, "NoSuchKey")
}
