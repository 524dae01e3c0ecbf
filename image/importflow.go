package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"altostack/image/inspect"
	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/saga"
)

const importKind = "image.import"

// flows are the sagas of images.
type flows struct {
	engine  *saga.Engine
	starter saga.Starter[importing]
	// tokens of users whose import asks another cloud, by task. They are not
	// written down: an import that a restart interrupts fails and says so.
	tokens *sync.Map
}

func (f *flows) cancel(ctx context.Context, tx *db.Tx, image string) error {
	if f.engine == nil {
		return nil
	}
	return f.engine.Cancel(ctx, tx, image, importKind)
}

// importing is the state of an import. What the data turned out to be is known
// after the step that stored it.
type importing struct {
	Task, Image, Owner, Blob, Method, URI string
	Remote                                RemoteRef
	Stores, Failed                        []string
	MustSucceed, Made                     bool
	Claim                                 Digests
	WasDisk, WasContainer                 string
	WasProperties                         map[string]string // nil: untouched
	Converted                             string            // disk format, if it was converted
	Size, Virtual                         int64
	Checksum, Algo, Digest                string
}

func (s *importing) locationURL() string {
	if s.Method == methodLocation {
		return s.URI
	}
	return ""
}

// methodLocation registers data where it is, once it has been read and digested.
const methodLocation = "location"

const defaultImportDeadline = 4 * time.Hour

// Run makes the service able to import; call it before the engine starts.
func (s *Service) Run(e *saga.Engine) {
	deadline := s.imports.Deadline
	if deadline == 0 {
		deadline = defaultImportDeadline
	}
	s.flows = flows{engine: e, tokens: &sync.Map{}}
	s.flows.starter = saga.Register(e, saga.Definition[importing]{Kind: importKind, Deadline: deadline, Done: s.imported, Failed: s.notImported,
		Steps: []saga.Step[importing]{
			{Name: "bring-data", Component: "image", Do: s.bringData, Undo: s.unstage},
			{Name: "inspect", Component: "image", Do: s.inspectStaged},
			{Name: "convert", Component: "image", Do: s.convert, Undo: s.unconvert},
			{Name: "store", Component: "image", Do: s.storeData, Undo: s.unstore},
		}})
}

// importee reads the image that an import works on.
func (s *Service) importee(ctx context.Context, r db.Reader, t *importing) (Image, error) {
	img, found, err := s.store.Find(ctx, r, t.Image)
	if err == nil && (!found || img.Blob != t.Blob) {
		err = errGone(t.Image, nil)
	}
	return img, err
}

// say writes a task's message, at most once a second.
func (s *Service) say(ctx context.Context, task string) func(int64) {
	var last time.Time
	return func(bytes int64) {
		now := s.clock.Now()
		if now.Sub(last) < time.Second {
			return
		}
		last = now
		err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			return s.settle(ctx, tx, task, TaskProcessing, fmt.Sprintf("Copied %d MiB", bytes>>20))
		})
		if err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "a task's progress was not recorded", "task", task, "error", err)
		}
	}
}

// bringData gets the data into the staging area, unless it is there.
func (s *Service) bringData(ctx context.Context, t *importing) error {
	img, err := s.importee(ctx, s.db, t)
	if err != nil {
		return err
	}
	progress := s.say(ctx, t.Task)
	progress(0)
	var r io.ReadCloser
	switch t.Method {
	case "web-download":
		if r, err = s.imports.Web.Open(ctx, t.URI, 0); err != nil {
			return err
		}
	case "glance-download":
		if img, r, err = s.ask(ctx, t, img); err != nil {
			return err
		}
	case methodLocation:
		return s.digest(ctx, t, img, progress)
	default:
		return nil
	}
	defer func() { _ = r.Close() }() // read to its end, or given up
	if err := s.staging.Remove(ctx, t.Blob); err != nil {
		return err // what an earlier try left
	}
	_, err = s.bring(ctx, img, r, &pump{inspector: inspect.New(img.DiskFormat, img.ContainerFormat), progress: progress})
	return err
}

// copied are the properties that glance-download takes over: Glance's default.
var copied = []string{"hw_", "trait:", "os_distro", "os_secure_boot", "os_type"}

// ask asks the other cloud for an image, and takes over what describes it.
func (s *Service) ask(ctx context.Context, t *importing, img Image) (Image, io.ReadCloser, error) {
	token, known := s.flows.tokens.Load(t.Task)
	if !known {
		return img, nil, fault.New(fault.CodeImageImportFailed, "The image service was restarted during the import.")
	}
	secret, _ := token.(string)
	far, err := s.imports.Clouds.Image(ctx, secret, t.Remote)
	if err != nil {
		return img, nil, err
	}
	if far.Status != Active {
		return img, nil, fault.New(fault.CodeImageImportFailed, "Source image status should be active instead of %s", far.Status)
	}
	t.WasProperties = maps.Clone(img.Properties)
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		now, err := s.importee(ctx, tx, t)
		if err != nil {
			return err
		}
		now.DiskFormat, now.ContainerFormat = far.DiskFormat, far.ContainerFormat
		for name, value := range far.Properties {
			if slices.ContainsFunc(copied, func(p string) bool { return strings.HasPrefix(name, p) }) {
				now.Properties[name] = value
			}
		}
		if err := now.validate(); err != nil {
			return err
		}
		now.Generation++
		img = now
		return s.save(ctx, tx, now)
	})
	if err != nil {
		return img, nil, err
	}
	r, err := s.imports.Clouds.Data(ctx, secret, t.Remote)
	return img, r, err
}

// unstage removes staged data.
func (s *Service) unstage(ctx context.Context, t *importing) error {
	s.flows.tokens.Delete(t.Task)
	if t.Method == "copy-image" || t.Method == methodLocation {
		return nil
	}
	return s.staging.Remove(ctx, t.Blob)
}

// inspectStaged decides whether the data may be stored as what it is said to be.
func (s *Service) inspectStaged(ctx context.Context, t *importing) error {
	if t.Method == "copy-image" || t.Method == methodLocation {
		return nil
	}
	img, err := s.importee(ctx, s.db, t)
	if err != nil {
		return err
	}
	info, size, err := s.look(ctx, t.Blob, img.DiskFormat, img.ContainerFormat)
	if err != nil {
		return err
	}
	if t.Virtual = info.VirtualSize; t.Virtual == 0 {
		t.Virtual = size
	}
	return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.checkRoom(ctx, tx, img.Owner, size) })
}

// look inspects a staged blob.
func (s *Service) look(ctx context.Context, blob, disk, container string) (inspect.Info, int64, error) {
	f, err := s.staging.Open(ctx, blob)
	if err != nil {
		return inspect.Info{}, 0, err
	}
	defer func() { _ = f.Close() }() // only read
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return inspect.Info{}, 0, err
	}
	info, err := inspect.File(disk, container, f, size)
	return info, size, err
}

// convertible are the formats of which a converter may be given one.
var convertible = []string{"qcow2", "raw", "vmdk", "vdi", "vhd", "vhdx"}

// convert makes the other form of the data, if the site wants one.
func (s *Service) convert(ctx context.Context, t *importing) error {
	to := s.imports.To
	if to == "" || s.imports.Convert == nil || t.Method == "copy-image" || t.Method == methodLocation {
		return nil
	}
	img, err := s.importee(ctx, s.db, t)
	if err != nil || img.DiskFormat == to || img.ContainerFormat != "bare" || !slices.Contains(convertible, img.DiskFormat) {
		return err
	}
	out := t.Blob + converted
	if err := s.staging.Remove(ctx, out); err != nil {
		return err
	}
	limit := 2*t.Virtual + 64<<20
	if s.imports.MaxBytes > 0 {
		limit = min(limit, s.imports.MaxBytes)
	}
	err = s.imports.Convert.Convert(ctx, Conversion{From: s.staging.Path(t.Blob), FromFormat: img.DiskFormat, To: s.staging.Incoming(out), ToFormat: to, MaxBytes: limit})
	if err == nil {
		err = s.staging.Adopt(ctx, out)
	}
	if err != nil {
		return err
	}
	info, size, err := s.look(ctx, out, to, img.ContainerFormat)
	if err != nil {
		return err
	}
	if t.Converted, t.Virtual = to, info.VirtualSize; t.Virtual == 0 {
		t.Virtual = size
	}
	return nil
}

func (s *Service) unconvert(ctx context.Context, t *importing) error {
	if t.Method == "copy-image" || t.Method == methodLocation {
		return nil
	}
	return s.staging.Remove(ctx, t.Blob+converted)
}

// source opens what is to be stored.
func (s *Service) importSource(ctx context.Context, t *importing, img Image) (BlobReader, error) {
	switch {
	case t.Method == "copy-image":
		return s.read(ctx, img)
	case t.Converted != "":
		return s.staging.Open(ctx, t.Blob+converted)
	}
	return s.staging.Open(ctx, t.Blob)
}

// storeData copies the data into every store, and digests it on the way.
func (s *Service) storeData(ctx context.Context, t *importing) error {
	if t.Method == methodLocation {
		return nil
	}
	t.Failed = nil
	for _, store := range t.Stores {
		err := s.storeIn(ctx, t, store)
		if ctx.Err() != nil {
			return err
		}
		if err != nil && t.MustSucceed {
			t.Failed = []string{store}
			return err
		}
		if err != nil {
			s.log.WarnContext(ctx, "an import goes on without a store that failed", "image_id", t.Image, "store", store, "error", err)
			t.Failed = append(t.Failed, store)
			s.clear(ctx, store, t.Blob)
		}
		if err := s.stored(ctx, t, store, err == nil); err != nil {
			return err
		}
	}
	if len(t.Failed) == len(t.Stores) && t.Method != "copy-image" {
		return fault.New(fault.CodeImageImportFailed, "None of the uploads finished!")
	}
	return nil
}

func (s *Service) storeIn(ctx context.Context, t *importing, store string) error {
	img, err := s.importee(ctx, s.db, t)
	if err != nil {
		return err
	}
	place, known := s.place(store)
	if !known {
		return errNoStore(store)
	}
	if err := place.Blobs.Remove(ctx, t.Blob); err != nil {
		return err // what an earlier try left
	}
	r, err := s.importSource(ctx, t, img)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // only read
	w, err := place.Blobs.Create(ctx, t.Blob)
	if err != nil {
		return err
	}
	defer func() { _ = w.Abort() }() // nothing after Commit
	algo := s.hashAlgo
	if t.Method == "copy-image" && img.HashAlgo != "" {
		algo = img.HashAlgo
	}
	p := &pump{src: &source{r: &interrupted{ctx, r}}, w: w, limit: s.limits.ImageBytes, progress: s.say(ctx, t.Task)}
	got, err := p.run(algo)
	if err != nil {
		return err
	}
	if want := img.HashValue; t.Method == "copy-image" && want != "" && want != got.digest {
		return fault.New(fault.CodeImageCorrupt, "The stored data of image %s is damaged.", t.Image)
	}
	t.Size, t.Checksum, t.Algo, t.Digest = got.size, got.checksum, got.algo, got.digest
	return w.Commit()
}

// interrupted ends a read when the context does.
type interrupted struct {
	ctx context.Context
	r   io.Reader
}

// Read implements io.Reader.
func (i *interrupted) Read(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.r.Read(p)
}

// stored records that one store has ended, well or not.
func (s *Service) stored(ctx context.Context, t *importing, store string, well bool) error {
	return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		img, err := s.importee(ctx, tx, t)
		if err != nil {
			return err
		}
		img = img.clone()
		img.mark(propImporting, without(img.Properties[propImporting], store), true)
		at := slices.IndexFunc(img.Locations, func(l Location) bool { return l.Store == store && l.URL == "" })
		switch {
		case !well && at >= 0:
			img.mark(propFailed, withName(img.Properties[propFailed], store), true)
			img.Locations = slices.Delete(img.Locations, at, at+1)
		case !well:
			img.mark(propFailed, withName(img.Properties[propFailed], store), true)
		case at < 0:
			img.Locations = append(img.Locations, Location{Store: store, Ready: true})
		default:
			img.Locations[at].Ready = true
		}
		return s.relocate(ctx, tx, img, img.Locations)
	})
}

// unstore removes what an import stored.
func (s *Service) unstore(ctx context.Context, t *importing) error {
	if t.Method == methodLocation {
		return nil
	}
	var errs []error
	for _, store := range t.Stores {
		if p, known := s.place(store); known {
			errs = append(errs, p.Blobs.Remove(ctx, t.Blob))
		}
	}
	return errors.Join(errs...)
}

// imported ends an import well: the image is active, the task says so.
func (s *Service) imported(ctx context.Context, tx *db.Tx, t *importing) error {
	img, err := s.importee(ctx, tx, t)
	if err != nil {
		return err
	}
	img = img.clone()
	if t.Method != "copy-image" {
		img.take(received{size: t.Size, virtual: t.Virtual, checksum: t.Checksum, algo: t.Algo, digest: t.Digest})
	}
	if t.Converted != "" {
		img.DiskFormat = t.Converted
	}
	for i := range img.Locations {
		img.Locations[i].Ready = img.Locations[i].Ready || t.Method == methodLocation
	}
	img.mark(propTask, "", false)
	if err := s.relocate(ctx, tx, img, img.Locations); err != nil {
		return err
	}
	tx.AfterCommit(func() { go s.tidy(t) })
	return s.settle(ctx, tx, t.Task, TaskSuccess, "")
}

// tidy removes staged data that has been imported; what fails waits for Recover.
func (s *Service) tidy(t *importing) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s.removed(ctx, errors.Join(s.unstage(ctx, t), s.unconvert(ctx, t)), t.Blob)
}

// notImported tells image and task why an import failed.
func (s *Service) notImported(ctx context.Context, tx *db.Tx, t *importing, why *fault.Fault) error {
	message := why.Message
	if why.Hint != "" {
		message += " " + why.Hint
	}
	if err := s.settle(ctx, tx, t.Task, TaskFailure, message); err != nil {
		return err
	}
	img, found, err := s.store.Find(ctx, tx, t.Image)
	if err != nil || !found || img.Blob != t.Blob {
		return err
	}
	if t.Made {
		return s.store.Delete(ctx, tx, img.ID)
	}
	img = img.clone()
	if t.WasProperties != nil {
		img.Properties = maps.Clone(t.WasProperties)
	}
	failed := t.Failed
	if len(failed) == 0 {
		failed = t.Stores
	}
	img.mark(propTask, "", false)
	img.mark(propImporting, "", true)
	img.mark(propFailed, strings.Join(failed, ","), true)
	if t.Method == "copy-image" {
		kept := slices.DeleteFunc(slices.Clone(img.Locations), func(l Location) bool { return l.URL == "" && slices.Contains(t.Stores, l.Store) })
		return s.relocate(ctx, tx, img, kept)
	}
	img.DiskFormat, img.ContainerFormat = t.WasDisk, t.WasContainer
	return s.requeue(ctx, tx, img)
}
