package bench

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// smallObject is the size of the small objects, bytes.
const smallObject = 4 << 10

// objects measures the object store by Swift's API: small objects, a large one,
// and pages of a long listing.
func (b *run) objects(ctx context.Context) []Result {
	o, err := b.store(b.name)
	if err != nil {
		return []Result{{Name: "objects", Error: err.Error()}}
	}
	if err := o.call(ctx, http.MethodPut, "", nil, 0, nil); err != nil {
		return []Result{{Name: "objects", Error: err.Error()}}
	}
	defer o.remove(context.WithoutCancel(ctx))
	out := o.small(ctx)
	out = append(out, o.large(ctx)...)
	return append(out, o.listing(ctx)...)
}

// objectRun is one container.
type objectRun struct {
	*run
	url    string
	client *http.Client
}

func (o *objectRun) call(ctx context.Context, method, name string, body io.Reader, size int64, sink io.Writer, query ...string) error {
	at := o.url
	if name != "" {
		at += "/" + name
	}
	if len(query) > 0 {
		at += "?" + query[0]
	}
	req, err := http.NewRequestWithContext(ctx, method, at, body)
	if err != nil {
		return err
	}
	if req.ContentLength = size; size == 0 {
		req.Body = http.NoBody
	}
	req.Header.Set("X-Auth-Token", o.cloud.Token())
	resp, err := o.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if sink == nil {
		sink = io.Discard
	}
	if _, err := io.Copy(sink, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s answered %d", method, name, resp.StatusCode)
	}
	return nil
}

func (o *objectRun) small(ctx context.Context) []Result {
	data := make([]byte, smallObject)
	_, _ = rand.Read(data)
	n := o.o.Calls
	name := func(i int) string { return fmt.Sprintf("small/%08d", i) }
	put := o.many(ctx, "PUT 4 KiB object", n, o.o.Concurrency, func(ctx context.Context, i int) error {
		return o.call(ctx, http.MethodPut, name(i), bytes.NewReader(data), smallObject, nil)
	})
	get := o.many(ctx, "GET 4 KiB object", n, o.o.Concurrency, func(ctx context.Context, i int) error {
		return o.call(ctx, http.MethodGet, name(i), nil, 0, nil)
	})
	gone := o.many(ctx, "DELETE 4 KiB object", n, o.o.Concurrency, func(ctx context.Context, i int) error {
		return o.call(ctx, http.MethodDelete, name(i), nil, 0, nil)
	})
	return []Result{put, get, gone}
}

// endless is n bytes that compress badly, made once.
type endless struct {
	data []byte
	left int64
}

// Read implements io.Reader.
func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := copy(p, e.data)
	n = int(min(int64(n), e.left))
	e.left -= int64(n)
	return n, nil
}

func (o *objectRun) large(ctx context.Context) []Result {
	size := int64(o.o.LargeMiB) << 20
	data := make([]byte, 1<<20)
	_, _ = rand.Read(data)
	rate := func(name string, call func() error) Result {
		o.o.Say(name)
		start := time.Now()
		if err := call(); err != nil {
			return Result{Name: name, Error: err.Error()}
		}
		return Result{Name: name, Unit: "MB_per_second", Rate: float64(size) / 1e6 / time.Since(start).Seconds(), Count: 1}
	}
	up := rate(fmt.Sprintf("upload of %d MiB, MB/s", o.o.LargeMiB), func() error {
		return o.call(ctx, http.MethodPut, "large", &endless{data, size}, size, nil)
	})
	down := rate(fmt.Sprintf("download of %d MiB, MB/s", o.o.LargeMiB), func() error { return o.call(ctx, http.MethodGet, "large", nil, 0, nil) })
	if err := o.call(ctx, http.MethodDelete, "large", nil, 0, nil); err != nil {
		down.Error = err.Error()
	}
	return []Result{up, down}
}

// listing fills the container with empty objects in directories of a thousand, and
// reads pages at its begin, in its middle and at its end.
func (o *objectRun) listing(ctx context.Context) []Result {
	n := o.o.Objects
	if n == 0 {
		return nil
	}
	out := []Result{o.many(ctx, "PUT empty object", n, o.o.Concurrency, func(ctx context.Context, i int) error {
		return o.call(ctx, http.MethodPut, listedName(i), nil, 0, nil)
	})}
	return append(out, o.pages(ctx, n)...)
}

// listedName is that of an object of a long listing, as `bench fill` names them too.
func listedName(i int) string { return fmt.Sprintf("d%06d/%09d", i/1000, i) }

// pages reads pages of a container of n objects.
func (o *objectRun) pages(ctx context.Context, n int) []Result {
	name := listedName
	page := func(title, query string) Result {
		return o.many(ctx, fmt.Sprintf("%s of %d objects", title, n), 20, 1, func(ctx context.Context, _ int) error {
			return o.call(ctx, http.MethodGet, "", nil, 0, nil, query)
		})
	}
	after := func(i int) string { return "limit=1000&format=json&marker=" + url.QueryEscape(name(i)) }
	return []Result{
		page("first page of 1,000", "limit=1000&format=json"), page("middle page of 1,000", after(n/2)), page("last page of 1,000", after(max(0, n-1001))),
		page("last page of 1,000, in reverse", "limit=1000&format=json&reverse=true&marker="+url.QueryEscape(name(min(n-1, 1001)))),
		page("directories (delimiter)", "format=json&delimiter=/"),
	}
}

// store opens a container by its name.
func (b *run) store(container string) (*objectRun, error) {
	endpoint, err := b.cloud.Endpoint("object-store")
	return &objectRun{run: b, url: endpoint + "/" + container, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 128, DisableCompression: true}}}, err
}

// remove deletes what is left and the container.
func (o *objectRun) remove(ctx context.Context) {
	for {
		var list strings.Builder
		if err := o.call(ctx, http.MethodGet, "", nil, 0, &list); err != nil || list.Len() == 0 {
			break
		}
		names := strings.Fields(list.String())
		r := o.many(ctx, "cleaning up", len(names), o.o.Concurrency, func(ctx context.Context, i int) error {
			return o.call(ctx, http.MethodDelete, names[i], nil, 0, nil)
		})
		if r.Error != "" {
			break
		}
	}
	_ = o.call(ctx, http.MethodDelete, "", nil, 0, nil)
}
