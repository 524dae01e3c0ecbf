package wire

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"altostack/compute"
	"altostack/identity"
	"altostack/image"
	"altostack/image/metadefs"
	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/network"
	"altostack/reconcile"
)

// bootstrap makes what a cloud cannot be used without: the administrator, the
// catalog, the standard flavors; and leaves openrc and clouds.yaml. Repeated at
// every start, it adds what is missing.
func (s *System) bootstrap(ctx context.Context) error {
	cfg, u := s.opt.Config, s.publicURL
	access, err := s.identity.Bootstrap(ctx, identity.BootstrapOptions{AdminPassword: s.identityFile.AdminPassword, DemoPassword: s.identityFile.DemoPassword,
		Region: cfg.String("region"), Demo: cfg.Bool("demo"), ServiceUsers: []string{"nova", "neutron", "cinder", "glance", "placement", "swift"}, Roles: []string{"ResellerAdmin", "swiftoperator"},
		Services: []identity.BootstrapService{
			{Type: "identity", Name: "keystone", URL: u + "/identity/v3"},
			{Type: "compute", Name: "nova", URL: u + "/compute/v2.1"},
			{Type: "placement", Name: "placement", URL: u + "/placement"},
			{Type: "image", Name: "glance", URL: u + "/image"},
			{Type: "network", Name: "neutron", URL: u + "/network"},
			{Type: "volumev3", Name: "cinderv3", URL: u + "/volume/v3/$(project_id)s"},
			{Type: "block-storage", Name: "cinder", URL: u + "/volume/v3/$(project_id)s"},
			{Type: "object-store", Name: "swift", URL: u + objectMount + "/v1/AUTH_$(project_id)s"},
		}})
	if err != nil {
		return fmt.Errorf("first administrator: %w", err)
	}
	s.access = access
	if err := s.registerLimits(ctx); err != nil {
		return err
	}
	if err := s.flavors(ctx); err != nil {
		return fmt.Errorf("flavors: %w", err)
	}
	if err := s.definitions(ctx); err != nil {
		return fmt.Errorf("metadata definitions: %w", err)
	}
	return s.writeAccess()
}

// flavors makes the standard sizes in a cloud that has none.
func (s *System) flavors(ctx context.Context) error {
	n, _, err := db.Get(ctx, s.db, db.Value[int64], "SELECT COUNT(*) FROM flavors")
	if err != nil || n > 0 {
		return err
	}
	for _, f := range compute.StandardFlavors() {
		if _, err := s.compute.CreateFlavor(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// definitions loads the standard metadata definitions into a cloud that has none.
func (s *System) definitions(ctx context.Context) error {
	if empty, err := s.metadefs.Empty(ctx); err != nil || !empty {
		return err
	}
	files, err := metadefs.Read(metadefs.Standard())
	if err != nil {
		return err
	}
	var all []metadefs.Whole
	for _, f := range files {
		all = append(all, f.Whole())
	}
	_, err = s.metadefs.Load(ctx, all)
	return err
}

// startLoops starts the reconcilers of the control plane.
func (s *System) startLoops(ctx context.Context) error {
	s.loops.Add(s.flows.Loop())
	s.objectLoops()
	s.loops.Add(reconcile.Loop{Name: "image uploads", Every: time.Minute, Run: s.image.Recover})
	s.loops.Add(reconcile.Loop{Name: "token keys", Every: time.Hour, Run: s.identity.RotateKeys})
	s.loops.Add(reconcile.Loop{Name: "audit retention", Every: time.Hour, Run: s.audit.Prune})
	s.loops.Add(reconcile.Loop{Name: "saga history", Every: time.Hour, Run: s.forgetSagas})
	runCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stops = append(s.stops, stop)
	go s.network.Run(runCtx)
	go s.image.KeepCache(runCtx)
	if s.opt.Config.Bool("demo") {
		if err := s.demo(ctx); err != nil {
			return fmt.Errorf("demo project: %w", err)
		}
	}
	return nil
}

// sagaHistory is how long finished operations can be looked at.
const sagaHistory = 14 * 24 * time.Hour

// forgetSagas removes finished operations that nobody looks at any more, a
// thousand at a time so that the writer is never held up for long.
func (s *System) forgetSagas(ctx context.Context) error {
	before := db.Micros(s.clock.Now().Add(-sagaHistory))
	for {
		var n int64
		err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
			n, err = tx.Exec(ctx, "DELETE FROM sagas WHERE id IN (SELECT id FROM sagas WHERE status IN ('done', 'failed') AND updated_at < $1 LIMIT 1000)", before)
			return err
		})
		if err != nil || n < 1000 {
			return err
		}
	}
}

// demo makes the external network, the demo project's own, and the tiny image if
// it was built, once.
func (s *System) demo(ctx context.Context) error {
	if _, err := os.Stat(s.dir.File("demo.done")); err == nil {
		return nil
	}
	cidr := s.opt.Config.String("external_cidr")
	if cidr == "" && s.identityFile.ExternalCIDR == "" {
		free, err := freeExternal(s.identityFile.Cloud)
		if err != nil {
			return err
		}
		cidr = free.String()
	}
	if cidr != "" {
		s.identityFile.ExternalCIDR = cidr
		if err := s.dir.SaveIdentity(s.identityFile); err != nil {
			return err
		}
	}
	if _, err := s.network.Bootstrap(ctx, network.BootstrapOptions{AdminProject: s.access.AdminProjectID, DemoProject: s.access.DemoProjectID,
		Physical: physicalNetwork, PublicCIDR: s.identityFile.ExternalCIDR}); err != nil {
		return err
	}
	if err := s.demoImage(ctx); err != nil {
		return err
	}
	return WriteFile(s.dir.File("demo.done"), nil, 0o644)
}

// demoImage uploads the tiny image from where the build leaves it, beside the
// executable; a cloud without one has no image.
func (s *System) demoImage(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	f, err := os.Open(filepath.Join(filepath.Dir(filepath.Dir(self)), ".cache", "tiny.qcow2"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	scope := auth.System("first start")
	img, err := s.image.Create(ctx, scope, image.Spec{Name: "tiny", Owner: s.access.AdminProjectID, Visibility: "public", DiskFormat: "qcow2", ContainerFormat: "bare",
		Properties: map[string]string{"os_distro": "debian"}})
	if err != nil {
		return err
	}
	return s.image.Upload(ctx, scope, img.ID, f)
}
