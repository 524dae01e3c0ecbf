package s3blobs_test

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"altostack/driver/s3blobs"
	"altostack/image"
	"altostack/image/imagetest"
)

// bucket is as much of S3 as blobs use, in memory.
type bucket struct {
	t       *testing.T
	mu      sync.Mutex
	objects map[string][]byte
	uploads map[string]map[int][]byte // key, space, id
	next    int
}

func (b *bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	q := r.URL.Query()
	data, _ := io.ReadAll(r.Body)
	switch signed := r.Header.Get("X-Amz-Content-Sha256"); {
	case strings.HasPrefix(signed, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"):
		data = chunks(data)
	case r.Method == http.MethodPut && signed == "UNSIGNED-PAYLOAD":
		b.t.Errorf("%s %s: the data is not signed", r.Method, r.URL)
	}
	if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=key/") {
		b.t.Errorf("%s %s is not signed", r.Method, r.URL)
	}
	upload := key + " " + q.Get("uploadId")
	switch {
	case key == "" && q.Has("uploads"):
		b.listUploads(w, q.Get("prefix"))
	case key == "":
		b.list(w, q.Get("prefix"))
	case r.Method == http.MethodPost && q.Has("uploads"):
		b.next++
		b.uploads[fmt.Sprint(key, " ", b.next)] = map[int][]byte{}
		fmt.Fprintf(w, "<InitiateMultipartUploadResult><UploadId>%d</UploadId></InitiateMultipartUploadResult>", b.next)
	case r.Method == http.MethodPost:
		parts := b.uploads[upload]
		b.objects[key] = nil
		for _, n := range slices.Sorted(maps.Keys(parts)) {
			b.objects[key] = append(b.objects[key], parts[n]...)
		}
		delete(b.uploads, upload)
		fmt.Fprint(w, "<CompleteMultipartUploadResult><Bucket>images</Bucket><ETag>x</ETag></CompleteMultipartUploadResult>")
	case r.Method == http.MethodPut && q.Has("partNumber"):
		n, _ := strconv.Atoi(q.Get("partNumber"))
		b.uploads[upload][n] = data
		w.Header().Set("ETag", fmt.Sprintf("%q", strconv.Itoa(n)))
	case r.Method == http.MethodPut:
		b.objects[key] = append([]byte{}, data...)
		w.Header().Set("ETag", `"x"`)
	case r.Method == http.MethodDelete && q.Has("uploadId"):
		if b.uploads[upload] == nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		delete(b.uploads, upload)
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodDelete:
		delete(b.objects, key)
		w.WriteHeader(http.StatusNoContent)
	default:
		object, found := b.objects[key]
		if !found {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("ETag", `"x"`)
		http.ServeContent(w, r, "", time.Unix(1, 0), bytes.NewReader(object))
	}
}

// chunks takes the data out of chunks that are signed one by one.
func chunks(body []byte) []byte {
	out := []byte{}
	for {
		line, rest, _ := bytes.Cut(body, []byte("\r\n"))
		size, _, _ := strings.Cut(string(line), ";")
		n, err := strconv.ParseInt(size, 16, 64)
		if err != nil || n == 0 {
			return out
		}
		out, body = append(out, rest[:n]...), rest[n+2:]
	}
}

type entry struct {
	Key      string
	UploadID string `xml:"UploadId,omitempty"`
}

func (b *bucket) list(w io.Writer, prefix string) {
	out := struct {
		XMLName  xml.Name `xml:"ListBucketResult"`
		Contents []entry
	}{}
	for key := range b.objects {
		if strings.HasPrefix(key, prefix) {
			out.Contents = append(out.Contents, entry{Key: key})
		}
	}
	_ = xml.NewEncoder(w).Encode(out)
}

func (b *bucket) listUploads(w io.Writer, prefix string) {
	out := struct {
		XMLName xml.Name `xml:"ListMultipartUploadsResult"`
		Upload  []entry
	}{}
	for name := range b.uploads {
		if key, id, _ := strings.Cut(name, " "); strings.HasPrefix(key, prefix) {
			out.Upload = append(out.Upload, entry{key, id})
		}
	}
	_ = xml.NewEncoder(w).Encode(out)
}

func open(t *testing.T) (*s3blobs.Store, *bucket) {
	t.Helper()
	b := &bucket{t: t, objects: map[string][]byte{"elsewhere": nil}, uploads: map[string]map[int][]byte{}}
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	s, err := s3blobs.Open(t.Context(), s3blobs.Config{Endpoint: strings.TrimPrefix(server.URL, "http://"), Bucket: "images", Prefix: "glance", AccessKey: "key", SecretKey: "secret", Plain: true})
	if err != nil {
		t.Fatal(err)
	}
	return s, b
}

func TestBlobs(t *testing.T) {
	imagetest.RunBlobs(t, func(t *testing.T) image.Blobs { s, _ := open(t); return s })
}

func TestLargeBlobsArriveInParts(t *testing.T) {
	s, b := open(t)
	w, err := s.Create(t.Context(), "large")
	if err != nil {
		t.Fatal(err)
	}
	data := bytes.Repeat([]byte("0123456789abcdef"), 20<<16)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if len(b.uploads) != 1 {
		t.Error(len(b.uploads))
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.objects["glance/large"], data) || len(b.uploads) != 0 {
		t.Error(len(b.objects["glance/large"]), len(b.uploads))
	}
}
