package wire

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"altostack/driver/fileblobs"
	"altostack/driver/objectblobs"
	"altostack/driver/qemuimg"
	"altostack/driver/remoteglance"
	"altostack/driver/s3blobs"
	"altostack/image"
	"altostack/image/fetch"
	imagestore "altostack/image/store"
	"altostack/kernel/config"
)

// openImage makes the image service with its stores.
func (s *System) openImage(ctx context.Context) error {
	cfg := s.opt.Config
	stores, err := s.imageStores(ctx)
	if err != nil {
		return err
	}
	staging, err := fileblobs.Open(s.dir.File("image-staging"))
	if err != nil {
		return fmt.Errorf("image staging: %w", err)
	}
	c := image.Config{DB: s.db, Store: imagestore.New(), Stores: stores, Staging: staging, Clock: s.clock, IDs: s.ids, Log: s.log, Limiter: s.imageLimiter(), Limits: imageLimits(cfg),
		HashAlgo: cfg.String("image_hash"), ShowLocations: cfg.Bool("image_locations"),
		Import: image.ImportConfig{Clouds: remoteglance.New(s.imageEndpoint), To: cfg.String("image_convert_to"), Deadline: cfg.Duration("image_import_deadline")}}
	if cfg.String("image_web_ports") != "" {
		if c.Import.Web, err = webFetcher(cfg.String("image_web_ports"), cfg.String("image_web_allow")); err != nil {
			return err
		}
	}
	if c.Import.To != "" {
		if c.Import.Convert, err = qemuimg.Open(qemuimg.Config{User: cfg.String("image_convert_user")}); err != nil {
			return err
		}
	}
	if c.Cache, err = fileblobs.Open(s.dir.File("image-cache")); err != nil {
		return fmt.Errorf("image cache: %w", err)
	}
	if err := s.imageProtections(); err != nil {
		return err
	}
	s.image = image.New(c)
	s.image.Run(s.sagas)
	return nil
}

func webFetcher(ports, allow string) (*fetch.Fetcher, error) {
	c := fetch.Config{}
	for _, text := range words(ports) {
		port, err := strconv.Atoi(text)
		if err != nil || port < 1 || port > 65535 {
			return nil, fmt.Errorf("image_web_ports: %q is no port", text)
		}
		c.Ports = append(c.Ports, port)
	}
	for _, text := range words(allow) {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("image_web_allow: %w", err)
		}
		c.Allow = append(c.Allow, p)
	}
	return fetch.New(c), nil
}

// words splits a setting at its commas.
func words(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

// imageStores opens what the setting image_stores names: file, NAME=file:/directory,
// NAME=objects (our own object store), NAME=s3://bucket@host:port or NAME=s3+http://…. The first one is the default.
func (s *System) imageStores(ctx context.Context) ([]image.Place, error) {
	var out []image.Place
	for i, word := range words(s.opt.Config.String("image_stores")) {
		name, where, _ := strings.Cut(word, "=")
		p := image.Place{ID: name, Type: "file", Default: i == 0}
		var err error
		switch {
		case name == "" || strings.HasPrefix(name, "os_glance_") || name == "http" || slices.ContainsFunc(out, func(o image.Place) bool { return o.ID == name }):
			err = fmt.Errorf("%q cannot be the name of a store", name)
		case where == "" && name == "file":
			p.Blobs, err = fileblobs.Open(s.dir.File("images"))
		case where == "objects":
			p.Type, p.Blobs = "swift", objectblobs.New(s.objects)
		case strings.HasPrefix(where, "file:/"):
			p.Blobs, err = fileblobs.Open(strings.TrimPrefix(where, "file:"))
		case strings.HasPrefix(where, "s3://"), strings.HasPrefix(where, "s3+http://"):
			p.Type, p.Remote = "s3", true
			p.Blobs, err = s.s3Store(ctx, where)
		default:
			err = fmt.Errorf("%q is not file, NAME=file:/directory, NAME=objects or NAME=s3://bucket@host", word)
		}
		if err != nil {
			return nil, fmt.Errorf("image_stores: %w", err)
		}
		out = append(out, p)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("image_stores: at least one store is needed")
	}
	return out, nil
}

func (s *System) s3Store(ctx context.Context, where string) (*s3blobs.Store, error) {
	u, err := url.Parse(where)
	if err != nil || u.User == nil || u.User.Username() == "" {
		return nil, fmt.Errorf("%q is not s3://bucket@host", where)
	}
	return s3blobs.Open(ctx, s3blobs.Config{Endpoint: u.Host, Bucket: u.User.Username(), Prefix: strings.Trim(u.Path, "/"), Plain: u.Scheme == "s3+http",
		AccessKey: s.opt.Config.String("image_s3_access_key"), SecretKey: s.opt.Config.String("image_s3_secret_key")})
}

// imageEndpoint answers the address of a region's image service in the catalog.
func (s *System) imageEndpoint(ctx context.Context, region, kind string) (string, error) {
	catalog, err := s.identity.Catalog(ctx, "", "")
	if err != nil {
		return "", err
	}
	for _, entry := range catalog {
		for _, e := range entry.Endpoints {
			if entry.Type == "image" && e.RegionID == region && e.Interface == kind {
				return strings.TrimSuffix(e.URL, "/"), nil
			}
		}
	}
	return "", nil
}

// imageLimits are the limits that settings give.
func imageLimits(cfg *config.Config) image.Limits {
	const mib = 1 << 20
	return image.Limits{ImageBytes: int64(cfg.Int("image_size_cap")), ProjectBytes: int64(cfg.Int("image_size_total")) * mib, ProjectImages: cfg.Int("image_count_total"),
		ProjectUploads: cfg.Int("image_count_uploading"), ProjectStaged: int64(cfg.Int("image_stage_total")) * mib,
		PerImage: &image.PerImage{Properties: cfg.Int("image_property_quota"), Tags: cfg.Int("image_tag_quota"), Members: cfg.Int("image_member_quota"), Locations: cfg.Int("image_location_quota")}}
}

// imageProtections reads who may touch which properties of images, if the operator
// says so.
func (s *System) imageProtections() error {
	path := s.opt.Config.String("property_protection_file")
	if path == "" {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("property_protection_file: %w", err)
	}
	defer f.Close()
	if s.protections, err = image.ReadProtections(f, s.opt.Config.String("property_protection_rule_format")); err != nil {
		return fmt.Errorf("property_protection_file %s: %w", path, err)
	}
	return nil
}
