package image

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"altostack/image/fetch"
	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/kernel/id"
	"altostack/saga"
)

// The properties in which an image tells of its imports.
const (
	propTask      = reservedPrefix + "_import_task"
	propImporting = reservedPrefix + "_importing_to_stores"
	propFailed    = reservedPrefix + "_failed_import"
)

// ImportConfig is what imports need. A part that is nil turns its method off.
type ImportConfig struct {
	Web      Web
	Clouds   Clouds
	Convert  Converter
	To       string        // disk format to which imports are converted; empty: none
	MaxBytes int64         // of what a conversion may write; 0: twice the disk
	Deadline time.Duration // for one import; 0: four hours
}

// Web gets data from URLs that users name; see image/fetch.
type Web interface {
	Check(url string) error
	Open(ctx context.Context, url string, offset int64) (*fetch.Answer, error)
}

// RemoteRef names an image of another cloud.
type RemoteRef struct{ Region, Interface, ImageID string }

// RemoteImage is what is wanted to be known of it.
type RemoteImage struct {
	Status, DiskFormat, ContainerFormat string
	Properties                          map[string]string
}

// Clouds reach the image services of other regions, as the user who asks.
type Clouds interface {
	Image(ctx context.Context, token string, ref RemoteRef) (RemoteImage, error)
	Data(ctx context.Context, token string, ref RemoteRef) (io.ReadCloser, error)
}

// Converter turns disk images into others. It sees no file but those two, and is
// bounded in time, memory and what it writes.
type Converter interface {
	Convert(ctx context.Context, c Conversion) error
}

// Conversion is a work for a Converter. Formats are spelled as disk_format is.
type Conversion struct {
	From, FromFormat, To, ToFormat string
	MaxBytes                       int64 // of the file To
}

// Import asks for an image's data to be brought into stores.
type Import struct {
	Method      string
	URI         string    // web-download
	Remote      RemoteRef // glance-download
	Token       string    // glance-download: with which the other cloud is asked
	Stores      []string  // empty: the default one
	All         bool      // all stores
	MustSucceed bool      // one store that fails fails all
	Claim       Digests   // location: what the data is said to be
	Input       any       // as the task shows it
}

// Methods answers the import methods that work here.
func (s *Service) Methods() []string {
	var out []string
	if s.staging == nil || s.flows.engine == nil {
		return out
	}
	out = append(out, "glance-direct")
	if s.imports.Web != nil {
		out = append(out, "web-download")
	}
	out = append(out, "copy-image")
	if s.imports.Clouds != nil {
		out = append(out, "glance-download")
	}
	return out
}

// Imports reports whether a method works here.
func (s *Service) Imports(method string) bool { return slices.Contains(s.Methods(), method) }

func conflict(format string, args ...any) error {
	return fault.New(fault.CodeImageConflict, format, args...)
}

// Import begins to bring an image's data into stores, and answers the task that
// tells of it. What fails later is told by the task, and by the image's property
// os_glance_failed_import; the image is queued again then.
func (s *Service) Import(ctx context.Context, scope auth.Scope, image string, req Import) (Task, error) {
	if !s.Imports(req.Method) {
		return Task{}, invalid("Unknown import method name '%s'.", req.Method)
	}
	var task Task
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		img, _, err := s.get(ctx, tx, scope, image)
		if err != nil {
			return err
		}
		stores, err := s.importable(img, &req)
		if err != nil || len(stores) == 0 {
			return err // nowhere to copy it to: it is everywhere
		}
		if err := s.checkImport(ctx, tx, img, req.Method); err != nil {
			return err
		}
		input := map[string]any{"image_id": image, "import_req": req.Input, "backend": stores}
		if task, err = s.newTask(ctx, scope, TaskAPI, image, input); err != nil {
			return err
		}
		return s.launch(ctx, tx, scope, img, task, req, stores)
	})
	return task, err
}

// checkImport refuses an import that does not fit what the owner may have.
func (s *Service) checkImport(ctx context.Context, tx *db.Tx, img Image, method string) error {
	switch method {
	case "copy-image": // counted once, however many stores have it
		return nil
	case "glance-direct": // it counts as uploading since it was staged
		return s.checkRoom(ctx, tx, img.Owner, img.Size)
	}
	if err := s.checkUpload(ctx, tx, img.Owner, Uploading); err != nil {
		return err
	}
	return s.checkRoom(ctx, tx, img.Owner, 0)
}

// importable decides whether an image can be imported now, and names the stores
// that are to get it. The order and the words are Glance's.
func (s *Service) importable(img Image, req *Import) ([]string, error) {
	copies := req.Method == "copy-image"
	switch {
	case img.Status == Active && !copies:
		return nil, conflict("Image with status active cannot be target for import")
	case img.Status != Active && copies:
		return nil, conflict("Only images with status active can be targeted for copying")
	case img.Status != Queued && (req.Method == "web-download" || req.Method == "glance-download"):
		return nil, conflict("Image needs to be in 'queued' state to use '%s' method", req.Method)
	case req.Method == "glance-direct" && (img.Status != Uploading || img.Uploader != ""):
		return nil, conflict("Image needs to be staged before 'glance-direct' method can be used")
	case img.ContainerFormat == "":
		return nil, conflict("'container_format' needs to be set before import")
	case img.DiskFormat == "":
		return nil, conflict("'disk_format' needs to be set before import")
	case img.Properties[propTask] != "":
		return nil, conflict("Image has active task")
	}
	if err := s.sourceOf(req); err != nil {
		return nil, err
	}
	return s.targets(img, req, copies)
}

// sourceOf checks where the data is to come from.
func (s *Service) sourceOf(req *Import) error {
	switch req.Method {
	case "web-download":
		return s.imports.Web.Check(req.URI)
	case "glance-download":
		if req.Remote.Region == "" {
			return invalid("'glance_region' needs to be set for glance-download import method")
		}
		if req.Remote.ImageID == "" {
			return invalid("'glance_image_id' needs to be set for glance-download import method")
		}
		if !id.IsUUID(req.Remote.ImageID) {
			return invalid("Remote image id does not look like a UUID: %s", req.Remote.ImageID)
		}
		if req.Remote.Interface == "" {
			req.Remote.Interface = "public"
		}
	}
	return nil
}

func (s *Service) targets(img Image, req *Import, copies bool) ([]string, error) {
	stores := slices.Clone(req.Stores)
	if req.All {
		stores = nil
		for _, p := range s.places {
			stores = append(stores, p.ID)
		}
	}
	if len(stores) == 0 {
		stores = []string{s.DefaultStore()}
	}
	slices.Sort(stores)
	stores = slices.Compact(stores)
	has := img.StoresOf()
	for _, store := range stores {
		if _, known := s.place(store); !known {
			return nil, errNoStore(store)
		}
		if copies && !req.All && slices.Contains(has, store) {
			return nil, invalid("Image is already present at store '%s'", store)
		}
	}
	if copies {
		stores = slices.DeleteFunc(stores, func(store string) bool { return slices.Contains(has, store) })
	}
	return stores, nil
}

// launch writes all that an import begins with; its saga commits with it.
func (s *Service) launch(ctx context.Context, tx *db.Tx, scope auth.Scope, img Image, task Task, req Import, stores []string) error {
	state := importing{Task: task.ID, Image: img.ID, Owner: task.Owner, Method: req.Method, URI: req.URI, Remote: req.Remote, Stores: stores, MustSucceed: req.MustSucceed, Claim: req.Claim,
		Made: task.Type == TaskImport, WasDisk: img.DiskFormat, WasContainer: img.ContainerFormat}
	if img.Blob == "" {
		img.Blob = s.ids.UUID()
	}
	state.Blob = img.Blob
	img = img.clone()
	if req.Method != "copy-image" {
		img.Status = Importing
	}
	if err := exceeds("locations", len(img.Locations), len(img.Locations)+len(stores), s.perImage().Locations); err != nil {
		return err
	}
	for _, store := range stores {
		img.Locations = append(img.Locations, Location{Store: store, URL: state.locationURL()})
	}
	img.mark(propTask, task.ID, true)
	img.mark(propImporting, strings.Join(stores, ","), true)
	img.mark(propFailed, "", true)
	if err := s.store.InsertTask(ctx, tx, task); err != nil {
		return err
	}
	if err := s.relocate(ctx, tx, img, img.Locations); err != nil {
		return err
	}
	if req.Token != "" {
		s.flows.tokens.Store(task.ID, req.Token)
	}
	_, err := s.flows.starter.Start(ctx, tx, saga.Request{Subject: img.ID, ProjectID: scope.ProjectID}, state)
	return err
}

// ImportNew makes an image and imports its data from a URL: a task of type import.
func (s *Service) ImportNew(ctx context.Context, scope auth.Scope, spec Spec, uri string, input any) (Task, error) {
	if !s.Imports("web-download") {
		return Task{}, fault.New(fault.CodeImageImportOff, "'web-download' method is not available at this site.")
	}
	if err := s.imports.Web.Check(uri); err != nil {
		return Task{}, err
	}
	var task Task
	img, err := s.create(ctx, scope, spec, func(ctx context.Context, tx *db.Tx, img Image) error {
		var err error
		if task, err = s.newTask(ctx, scope, TaskImport, img.ID, input); err != nil {
			return err
		}
		req := Import{Method: "web-download", URI: uri, MustSucceed: true}
		stores, err := s.importable(img, &req)
		if err == nil {
			err = s.checkImport(ctx, tx, img, req.Method)
		}
		if err != nil {
			return err
		}
		return s.launch(ctx, tx, scope, img, task, req, stores)
	})
	task.ImageID = img.ID
	return task, err
}
