package s3objects_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"altostack/driver/fileobjects"
	"altostack/driver/s3objects"
	"altostack/kernel/auth"
	"altostack/kernel/clock"
	"altostack/kernel/db/dbtest"
	"altostack/kernel/fault"
	"altostack/kernel/id"
	"altostack/objectstore"
	"altostack/objectstore/objectstoretest"
	"altostack/objectstore/s3"
	"altostack/objectstore/store"
)

const secret = "s3cr3t"

type keys struct{}

func (keys) S3Key(_ context.Context, access string) (string, *auth.Principal, error) {
	return secret, &auth.Principal{UserID: access, ProjectID: access, ProjectName: access, Roles: []string{"admin"}}, nil
}

// serve is a store that speaks S3: our own.
func serve(t *testing.T) (host string) {
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
	srv := httptest.NewServer(s3.New(s3.Config{Service: svc, Keys: keys{}, Clock: clock.Real{}, IDs: id.Random{}, Log: log}).Handler())
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}

func open(t *testing.T, host string) *s3objects.Store {
	t.Helper()
	s, err := s3objects.Open(t.Context(), s3objects.Config{Endpoint: host, Region: "us-east-1", Bucket: "altostack", Prefix: "cloud1/", AccessKey: "a", SecretKey: secret})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestBackend(t *testing.T) {
	objectstoretest.RunBackend(t, func(t *testing.T) objectstore.Backend { return open(t, serve(t)) })
}

// Frames that are damaged, exchanged or cut off do not pass.
func TestDamage(t *testing.T) {
	host := serve(t)
	s := open(t, host)
	client, err := minio.New(host, &minio.Options{Creds: credentials.NewStaticV4("a", secret, ""), Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	w, err := s.Create(t.Context(), "00aa-001")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(objectstoretest.Bytes(200_000)); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	r, err := client.GetObject(t.Context(), "altostack", "cloud1/blobs/00aa-001", minio.GetObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	whole, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	const frame = 64<<10 + 4
	flipped := bytes.Clone(whole)
	flipped[100_000] ^= 1
	for name, bad := range map[string][]byte{
		"a bit":            flipped,
		"the last frame":   whole[:3*frame],
		"exchanged frames": slices.Concat(whole[frame:2*frame], whole[:frame], whole[2*frame:]),
		"three bytes left": whole[:3],
	} {
		if _, err := client.PutObject(t.Context(), "altostack", "cloud1/blobs/00aa-001", bytes.NewReader(bad), int64(len(bad)), minio.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := s.Verify(t.Context(), "00aa-001"); !fault.Has(err, fault.CodeObjectstoreCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What a dead process left of a large upload is found and removed.
func TestIncomplete(t *testing.T) {
	host := serve(t)
	s := open(t, host)
	core, err := minio.NewCore(host, &minio.Options{Creds: credentials.NewStaticV4("a", secret, ""), Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := core.NewMultipartUpload(t.Context(), "altostack", "cloud1/blobs/00aa-001", minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	count := func() (n int) {
		if err := s.List(t.Context(), "00aa-", func(string) error { n++; return nil }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if count() != 1 {
		t.Error("an upload that was left is not listed")
	}
	if err := s.Remove(t.Context(), "00aa-001"); err != nil {
		t.Fatal(err)
	}
	if count() != 0 {
		t.Error("it is still there")
	}
}
