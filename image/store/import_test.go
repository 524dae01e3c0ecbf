package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"

	"altostack/driver/fileblobs"
	"altostack/driver/qemuimg"
	"altostack/driver/remoteglance"
	"altostack/image"
	"altostack/image/fetch"
	"altostack/image/store"
	"altostack/kernel/clock"
	"altostack/kernel/db"
	"altostack/kernel/db/dbtest"
	"altostack/kernel/fault"
	"altostack/kernel/id"
	"altostack/kernel/page"
	"altostack/saga"
)

// broken is a store that takes nothing.
type broken struct{ image.Blobs }

func (broken) Create(context.Context, string) (image.BlobWriter, error) {
	return nil, errors.New("the store is on fire at 10.0.0.7")
}

// site is an image service that imports: stores file, second, broken and far.
type site struct {
	*image.Service
	t       *testing.T
	db      *db.DB
	sagas   *saga.Engine
	heaps   map[string]*fileblobs.Store
	staging *fileblobs.Store
	web     string
	fault   func(saga.Point) error
}

func heap(t *testing.T) *fileblobs.Store {
	t.Helper()
	s, err := fileblobs.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newSite(t *testing.T, d *db.DB, change func(*image.Config)) *site {
	t.Helper()
	s := &site{t: t, db: d, staging: heap(t), heaps: map[string]*fileblobs.Store{"file": heap(t), "second": heap(t), "far": heap(t), "cache": heap(t)}}
	if err := d.Migrate(t.Context(), "saga", saga.Migrations()); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/raw":
			_, _ = w.Write(payload)
		case "/cut":
			w.Header().Set("Content-Length", "9999999")
			_, _ = w.Write(payload)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	s.web = server.URL
	s.open(change)
	return s
}

var payload = bytes.Repeat([]byte("altostack"), 100_000)

// open is a new process.
func (s *site) open(change func(*image.Config)) {
	s.t.Helper()
	u, err := url.Parse(s.web)
	if err != nil {
		s.t.Fatal(err)
	}
	port, _ := strconv.Atoi(u.Port())
	log := slog.New(slog.DiscardHandler)
	c := image.Config{DB: s.db, Store: store.New(), Clock: clock.Real{}, IDs: id.Random{}, Log: log, Staging: s.staging, Cache: s.heaps["cache"],
		Stores: []image.Place{{ID: "file", Type: "file", Default: true, Blobs: s.heaps["file"]}, {ID: "second", Type: "file", Blobs: s.heaps["second"]},
			{ID: "broken", Type: "s3", Blobs: broken{heap(s.t)}}, {ID: "far", Type: "s3", Remote: true, Blobs: remote{s.heaps["far"]}}},
		Import: image.ImportConfig{Web: fetch.New(fetch.Config{Ports: []int{port}, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})}}
	if change != nil {
		change(&c)
	}
	s.Service = image.New(c)
	s.sagas = saga.New(saga.Config{DB: s.db, Clock: clock.Real{}, IDs: id.Random{}, Log: log, Alone: true, Fault: func(p saga.Point) error {
		if s.fault == nil {
			return nil
		}
		return s.fault(p)
	}})
	s.Run(s.sagas)
	if err := s.sagas.Start(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(s.sagas.Close)
}

// remote hides that a store's blobs are files of this machine.
type remote struct{ image.Blobs }

func (s *site) create(disk string) image.Image {
	s.t.Helper()
	img, err := s.Create(s.t.Context(), alice, image.Spec{DiskFormat: disk, ContainerFormat: "bare"})
	if err != nil {
		s.t.Fatal(err)
	}
	return img
}

// imported waits for the end of an import.
func (s *site) imported(id string, req image.Import) (image.Image, image.Task) {
	s.t.Helper()
	task, err := s.Import(s.t.Context(), alice, id, req)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.ended(id, task)
}

func (s *site) ended(id string, task image.Task) (image.Image, image.Task) {
	s.t.Helper()
	rows, err := saga.Of(s.t.Context(), s.db, id)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, r := range rows {
		if err := s.sagas.Wait(s.t.Context(), r.ID); err != nil {
			s.t.Fatal(err)
		}
	}
	if task, err = s.Task(s.t.Context(), alice, task.ID); err != nil {
		s.t.Fatal(err)
	}
	img, err := s.Get(s.t.Context(), alice, id)
	if err != nil && !fault.Has(err, fault.CodeImageNotFound) {
		s.t.Fatal(err)
	}
	return img, task
}

// nothing reports bytes that nobody names, after a Recover.
func (s *site) nothing(except string) {
	s.t.Helper()
	if err := s.Recover(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	for name, h := range s.heaps {
		left, err := h.List(s.t.Context())
		if err != nil || len(left) > 0 && !strings.Contains(except, name) {
			s.t.Errorf("%s keeps %v %v", name, left, err)
		}
	}
	if left, err := s.staging.List(s.t.Context()); err != nil || len(left) > 0 {
		s.t.Errorf("the staging area keeps %v %v", left, err)
	}
}

func (s *site) content(id string) []byte {
	s.t.Helper()
	r, _, err := s.Open(s.t.Context(), alice, id)
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		s.t.Fatal(err)
	}
	return data
}

func each(t *testing.T, f func(t *testing.T, s *site)) {
	dbtest.Each(t, "image", store.Migrations(), func(t *testing.T, d *db.DB) {
		f(t, newSite(t, d, nil))
	})
}

func TestImportOfStagedData(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		img := s.create("raw")
		if err := s.Stage(t.Context(), alice, img.ID, bytes.NewReader(payload)); err != nil {
			t.Fatal(err)
		}
		if img, _ = s.Get(t.Context(), alice, img.ID); img.Status != image.Uploading || img.Size != int64(len(payload)) {
			t.Errorf("staged: %+v", img)
		}
		img, task := s.imported(img.ID, image.Import{Method: "glance-direct", Stores: []string{"file", "second"}, MustSucceed: true})
		if img.Status != image.Active || fmt.Sprint(img.StoresOf()) != "[file second]" || task.Status != image.TaskSuccess || img.HashValue == "" || img.VirtualSize != img.Size {
			t.Errorf("%+v %+v", img, task)
		}
		if !bytes.Equal(s.content(img.ID), payload) {
			t.Error("other bytes came back")
		}
		s.nothing("file second")
		if err := s.DeleteFrom(t.Context(), alice, "file", img.ID); err != nil {
			t.Fatal(err)
		}
		s.nothing("second")
		if err := s.DeleteFrom(t.Context(), alice, "second", img.ID); !fault.Has(err, fault.CodeImageForbidden) {
			t.Error("the last one: ", err)
		}
		if !bytes.Equal(s.content(img.ID), payload) {
			t.Error("other bytes came back from the second store")
		}
		if err := s.Delete(t.Context(), alice, img.ID); err != nil {
			t.Fatal(err)
		}
		s.nothing("")
	})
}

func TestImportFromTheWeb(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		img, task := s.imported(s.create("raw").ID, image.Import{Method: "web-download", URI: s.web + "/raw", MustSucceed: true})
		if img.Status != image.Active || task.Status != image.TaskSuccess || !bytes.Equal(s.content(img.ID), payload) {
			t.Errorf("%+v %+v", img, task)
		}
		for path, tt := range map[string]struct{ disk, says string }{
			"/gone": {"raw", "answered 404"}, "/cut": {"raw", "cut off after 900000"}, "/raw": {"qcow2", "does not match disk_format"},
		} {
			img, task := s.imported(s.create(tt.disk).ID, image.Import{Method: "web-download", URI: s.web + path, MustSucceed: true})
			if img.Status != image.Queued || task.Status != image.TaskFailure || !strings.Contains(task.Message, tt.says) || img.Properties["os_glance_failed_import"] != "file" || img.Properties["os_glance_importing_to_stores"] != "" {
				t.Errorf("%s: %s %v, task %s: %s", path, img.Status, img.Properties, task.Status, task.Message)
			}
			// It can be had another way after all.
			if err := s.Upload(t.Context(), alice, img.ID, bytes.NewReader(payload)); tt.disk == "raw" && err != nil {
				t.Error(err)
			}
		}
		for _, uri := range []string{"http://169.254.169.254/latest", "file:///etc/passwd", ""} {
			if _, err := s.Import(t.Context(), alice, s.create("raw").ID, image.Import{Method: "web-download", URI: uri}); !fault.Has(err, fault.CodeImageFetchRefused) {
				t.Error(uri, err)
			}
		}
		s.nothing("file")
	})
}

func TestStoresThatFail(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		all := image.Import{Method: "web-download", URI: s.web + "/raw", Stores: []string{"broken", "file", "second"}}
		img, task := s.imported(s.create("raw").ID, all)
		if img.Status != image.Active || fmt.Sprint(img.StoresOf()) != "[file second]" || img.Properties["os_glance_failed_import"] != "broken" || task.Status != image.TaskSuccess {
			t.Errorf("%+v %+v", img, task)
		}
		all.MustSucceed = true
		img, task = s.imported(s.create("raw").ID, all)
		if img.Status != image.Queued || len(img.StoresOf()) != 0 || task.Status != image.TaskFailure || strings.Contains(task.Message, "10.0.0.7") {
			t.Errorf("%+v %+v", img, task)
		}
		all.Stores, all.MustSucceed = []string{"broken"}, false
		if img, task = s.imported(s.create("raw").ID, all); img.Status != image.Queued || !strings.Contains(task.Message, "None of the uploads finished!") {
			t.Errorf("%+v %+v", img, task)
		}
		if rows, err := saga.Of(t.Context(), s.db, img.ID); err != nil || rows[0].Fault == nil || rows[0].Fault.Code != fault.CodeImageImportFailed {
			t.Errorf("%+v %v", rows, err)
		}
		all.Stores = []string{"nowhere"}
		if _, err := s.Import(t.Context(), alice, img.ID, all); !fault.Has(err, fault.CodeImageNoStore) {
			t.Error(err)
		}
		s.nothing("file second")
	})
}

func TestCopies(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		img := s.create("raw")
		if err := s.Upload(t.Context(), alice, img.ID, bytes.NewReader(payload)); err != nil {
			t.Fatal(err)
		}
		img, task := s.imported(img.ID, image.Import{Method: "copy-image", All: true})
		if fmt.Sprint(img.StoresOf()) != "[far file second]" || img.Status != image.Active || task.Status != image.TaskSuccess || img.Properties["os_glance_failed_import"] != "broken" {
			t.Errorf("%+v %+v", img, task)
		}
		if _, err := s.Import(t.Context(), alice, img.ID, image.Import{Method: "copy-image", Stores: []string{"far"}}); !fault.Has(err, fault.CodeImageInvalid) {
			t.Error(err)
		}
		// A copy that fails takes nothing of what was there.
		img, task = s.imported(img.ID, image.Import{Method: "copy-image", Stores: []string{"broken"}, MustSucceed: true})
		if fmt.Sprint(img.StoresOf()) != "[far file second]" || img.Status != image.Active || task.Status != image.TaskFailure {
			t.Errorf("%+v %+v", img, task)
		}
		s.nothing("far file second")
	})
}

func TestWhatCannotBeImported(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		queued, bare := s.create("raw").ID, s.create("").ID
		active := s.create("raw").ID
		if err := s.Upload(t.Context(), alice, active, bytes.NewReader(payload)); err != nil {
			t.Fatal(err)
		}
		for name, tt := range map[string]struct {
			id   string
			req  image.Import
			code fault.Code
		}{
			"no such method":      {queued, image.Import{Method: "telepathy"}, fault.CodeImageInvalid},
			"nothing is staged":   {queued, image.Import{Method: "glance-direct"}, fault.CodeImageConflict},
			"it is active":        {active, image.Import{Method: "web-download", URI: s.web}, fault.CodeImageConflict},
			"a copy of nothing":   {queued, image.Import{Method: "copy-image"}, fault.CodeImageConflict},
			"no format":           {bare, image.Import{Method: "web-download", URI: s.web}, fault.CodeImageConflict},
			"other clouds":        {queued, image.Import{Method: "glance-download"}, fault.CodeImageInvalid},
			"an image of nobody":  {id.Random{}.UUID(), image.Import{Method: "web-download", URI: s.web}, fault.CodeImageNotFound},
			"somebody else's one": {queued, image.Import{Method: "web-download", URI: "http://127.0.0.1:1/"}, fault.CodeImageFetchRefused},
		} {
			if _, err := s.Import(t.Context(), alice, tt.id, tt.req); !fault.Has(err, tt.code) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := s.Stage(t.Context(), alice, active, bytes.NewReader(payload)); !fault.Has(err, fault.CodeImageConflict) {
			t.Error(err)
		}
	})
}

// Killed at every point of an import, the next process ends it, well or not, and
// leaves neither a stuck image nor bytes.
func TestImportSurvivesKills(t *testing.T) {
	d := dbtest.SQLite(t)
	if err := d.Migrate(t.Context(), "image", store.Migrations()); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, d, nil)
	for _, uri := range []string{"/raw", "/cut"} {
		var points []saga.Point
		s.fault = func(p saga.Point) error { points = append(points, p); return nil }
		s.imported(s.create("raw").ID, image.Import{Method: "web-download", URI: s.web + uri, MustSucceed: true, Stores: []string{"file", "second"}})
		for at := range points {
			n := 0
			s.fault = func(saga.Point) error {
				if n++; n == at+1 {
					return saga.ErrKilled
				}
				return nil
			}
			img := s.create("raw")
			task, err := s.Import(t.Context(), alice, img.ID, image.Import{Method: "web-download", URI: s.web + uri, MustSucceed: true, Stores: []string{"file", "second"}})
			if err != nil {
				t.Fatal(err)
			}
			s.ended(img.ID, task)
			s.sagas.Close()
			s.fault = nil
			s.open(nil)
			now, task := s.ended(img.ID, task)
			well := uri == "/raw" && now.Status == image.Active && task.Status == image.TaskSuccess || uri == "/cut" && now.Status == image.Queued && task.Status == image.TaskFailure
			if !well {
				t.Errorf("%s killed at %v: image %s, task %s %s", uri, points[at], now.Status, task.Status, task.Message)
			}
			if err := s.Delete(t.Context(), alice, img.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	images, _, err := s.List(t.Context(), alice, image.Query{Page: page.Request{}, MemberStatus: "all"})
	if err != nil {
		t.Fatal(err)
	}
	for _, img := range images {
		if err := s.Delete(t.Context(), alice, img.ID); err != nil {
			t.Fatal(err)
		}
	}
	s.nothing("")
}

func TestDeletedWhileItIsImported(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		img := s.create("raw")
		s.fault = func(p saga.Point) error {
			if p.Step == "store" && p.Phase == saga.BeforeDo {
				return s.Delete(t.Context(), alice, img.ID)
			}
			return nil
		}
		gone, task := s.imported(img.ID, image.Import{Method: "web-download", URI: s.web + "/raw", MustSucceed: true})
		if gone.ID != "" || task.Status != image.TaskFailure {
			t.Errorf("%+v %+v", gone, task)
		}
		s.nothing("")
	})
}

func TestConversion(t *testing.T) {
	d := dbtest.SQLite(t)
	if err := d.Migrate(t.Context(), "image", store.Migrations()); err != nil {
		t.Fatal(err)
	}
	q, err := qemuimg.Open(qemuimg.Config{})
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t, d, func(c *image.Config) { c.Import.Convert, c.Import.To = q, "qcow2" })
	img := s.create("raw")
	if err := s.Stage(t.Context(), alice, img.ID, bytes.NewReader(make([]byte, 4<<20))); err != nil {
		t.Fatal(err)
	}
	img, task := s.imported(img.ID, image.Import{Method: "glance-direct", MustSucceed: true})
	if img.Status != image.Active || img.DiskFormat != "qcow2" || img.VirtualSize != 4<<20 || img.Size >= 4<<20 || !bytes.HasPrefix(s.content(img.ID), []byte("QFI\xfb")) {
		t.Errorf("%+v %+v", img, task)
	}
	s.nothing("file")
}

func TestImportFromAnotherCloud(t *testing.T) {
	secret := "a user's token"
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Auth-Token") != secret {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		switch {
		case strings.HasSuffix(r.URL.Path, "/file"):
			_, _ = w.Write(payload)
		case strings.Contains(r.URL.Path, "0000"):
			w.WriteHeader(http.StatusNotFound)
		default:
			_, _ = io.WriteString(w, `{"status":"active","disk_format":"raw","container_format":"bare","hw_disk_bus":"scsi","os_distro":"debian","speed":"88mph","size":900000,"tags":[]}`)
		}
	}))
	defer other.Close()
	clouds := remoteglance.New(func(_ context.Context, region, kind string) (string, error) {
		if region != "Nord" || kind != "public" {
			return "", nil
		}
		return other.URL, nil
	})
	d := dbtest.SQLite(t)
	if err := d.Migrate(t.Context(), "image", store.Migrations()); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, d, func(c *image.Config) { c.Import.Clouds = clouds })
	far := id.Random{}.UUID()
	req := func(region, image_, token string) image.Import {
		return image.Import{Method: "glance-download", Remote: image.RemoteRef{Region: region, ImageID: image_}, Token: token, MustSucceed: true}
	}
	img, task := s.imported(s.create("iso").ID, req("Nord", far, secret))
	if img.Status != image.Active || img.DiskFormat != "raw" || img.Properties["hw_disk_bus"] != "scsi" || img.Properties["speed"] != "" || !bytes.Equal(s.content(img.ID), payload) {
		t.Errorf("%+v %+v", img, task)
	}
	for name, r := range map[string]image.Import{"another region": req("Sued", far, secret), "no such image": req("Nord", "00000000-0000-4000-8000-000000000000", secret), "no right to": req("Nord", far, "x")} {
		img, task := s.imported(s.create("iso").ID, r)
		if img.Status != image.Queued || img.DiskFormat != "iso" || task.Status != image.TaskFailure || strings.Contains(task.Message, other.URL) {
			t.Errorf("%s: %+v %+v", name, img, task)
		}
	}
	if _, err := s.Import(t.Context(), alice, s.create("raw").ID, req("Nord", "foo", secret)); !fault.Has(err, fault.CodeImageInvalid) || !strings.Contains(err.Error(), "image id does not look like a UUID") {
		t.Error(err)
	}
	rows, err := db.List(t.Context(), d, db.Value[string], "SELECT state FROM sagas")
	if err != nil || strings.Contains(strings.Join(rows, ""), secret) {
		t.Error("a token was written down", err)
	}
}

func TestLocationsAndCache(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		img := s.create("raw")
		task, err := s.AddLocation(t.Context(), alice, img.ID, s.web+"/raw", image.Digests{})
		if err != nil {
			t.Fatal(err)
		}
		if img, task = s.ended(img.ID, task); img.Status != image.Active || img.Size != int64(len(payload)) || img.HashValue == "" || !bytes.Equal(s.content(img.ID), payload) {
			t.Errorf("%+v %+v", img, task)
		}
		wrong := s.create("raw")
		if task, err = s.AddLocation(t.Context(), alice, wrong.ID, s.web+"/raw", image.Digests{Value: strings.Repeat("ab", 64)}); err != nil {
			t.Fatal(err)
		}
		if wrong, task = s.ended(wrong.ID, task); wrong.Status != image.Queued || task.Status != image.TaskFailure {
			t.Errorf("%+v %+v", wrong, task)
		}
		if _, err = s.AddLocation(t.Context(), alice, wrong.ID, "http://10.0.0.1/", image.Digests{}); !fault.Has(err, fault.CodeImageFetchRefused) {
			t.Error(err)
		}

		// A volume wants a file of this machine.
		path, format, err := s.Path(t.Context(), img.ID)
		if data, rerr := os.ReadFile(path); err != nil || format != "raw" || rerr != nil || !bytes.Equal(data, payload) {
			t.Error(path, format, err, rerr)
		}
		if err := s.ClearCache(t.Context(), true, true); err != nil {
			t.Fatal(err)
		}

		// What lies far away comes from the cache once it is there.
		away := s.create("raw")
		if err := s.UploadTo(t.Context(), alice, away.ID, "far", bytes.NewReader(payload)); err != nil {
			t.Fatal(err)
		}
		s.content(away.ID) // asks for it
		if err := s.FillCache(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.content(away.ID)
		state, err := s.CacheState(t.Context())
		if err != nil || len(state) != 1 || !state[0].Ready || state[0].Hits != 1 || state[0].Size != int64(len(payload)) {
			t.Errorf("%+v %v", state, err)
		}
		s.nothing("far cache")
		if err := s.ClearCache(t.Context(), true, true); err != nil {
			t.Fatal(err)
		}
		if err := s.Uncache(t.Context(), "nowhere"); !fault.Has(err, fault.CodeImageNotFound) {
			t.Error(err)
		}
		s.nothing("far")
	})
}

func TestTasksBelongToProjects(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		task, err := s.ImportNew(t.Context(), alice, image.Spec{Name: "new", DiskFormat: "raw", ContainerFormat: "bare"}, s.web+"/raw", map[string]string{"import_from": "x"})
		if err != nil {
			t.Fatal(err)
		}
		img, task := s.ended(task.ImageID, task)
		if img.Status != image.Active || task.Status != image.TaskSuccess || string(task.Result) != fmt.Sprintf(`{"image_id":"%s"}`, img.ID) {
			t.Errorf("%+v %+v", img, task)
		}
		if _, err := s.Task(t.Context(), bob, task.ID); !fault.Has(err, fault.CodeImageTaskNotFound) {
			t.Error(err)
		}
		mine, _, err := s.Tasks(t.Context(), alice, image.TaskQuery{Page: page.Request{}})
		if err != nil || len(mine) != 1 {
			t.Error(mine, err)
		}
		theirs, _, err := s.Tasks(t.Context(), bob, image.TaskQuery{Page: page.Request{}})
		if err != nil || len(theirs) != 0 {
			t.Error(theirs, err)
		}
		// One that comes to nothing leaves no image.
		if task, err = s.ImportNew(t.Context(), alice, image.Spec{DiskFormat: "raw", ContainerFormat: "bare"}, s.web+"/gone", nil); err != nil {
			t.Fatal(err)
		}
		if img, task = s.ended(task.ImageID, task); img.ID != "" || task.Status != image.TaskFailure {
			t.Errorf("%+v %+v", img, task)
		}
	})
}

// Quotas hold for imports too: those that are known before, and what a server
// sends more than it had room for.
func TestImportsWithinQuota(t *testing.T) {
	d := dbtest.SQLite(t)
	if err := d.Migrate(t.Context(), "image", store.Migrations()); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, d, func(c *image.Config) { c.Limits = image.Limits{ProjectBytes: 1 << 20, ProjectUploads: 1} })
	img, task := s.imported(s.create("raw").ID, image.Import{Method: "web-download", URI: s.web + "/raw", MustSucceed: true})
	if img.Status != image.Active {
		t.Fatal(task.Message)
	}
	img, task = s.imported(s.create("raw").ID, image.Import{Method: "web-download", URI: s.web + "/raw", MustSucceed: true})
	if img.Status != image.Queued || !strings.Contains(task.Message, "does not fit") {
		t.Errorf("%+v %+v", img, task)
	}
	staged := s.create("raw")
	if err := s.Stage(t.Context(), alice, staged.ID, bytes.NewReader(payload)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Import(t.Context(), alice, staged.ID, image.Import{Method: "glance-direct"}); !fault.Has(err, fault.CodeImageOverQuota) {
		t.Error(err)
	}
	if _, err := s.Import(t.Context(), alice, s.create("raw").ID, image.Import{Method: "web-download", URI: s.web + "/raw"}); !fault.Has(err, fault.CodeImageOverQuota) {
		t.Error("one upload at a time: ", err)
	}
}
