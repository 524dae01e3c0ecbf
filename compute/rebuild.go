package compute

import (
	"context"
	"slices"

	"altostack/hostapi"
	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// Rebuild asks for a server's root disk anew, from an image; nil fields stay.
type Rebuild struct {
	ImageID   string
	AdminPass string
	Edit      Edit
	Metadata  map[string]string
	KeyName   *string // pointer to "": no key
	SetKey    bool
	UserData  *string
	SetData   bool
	Files     []hostapi.File
}

// Rebuild makes a server's root disk anew. Its ports, its volumes and its host
// stay; what was written to the root disk is gone.
func (s *Service) Rebuild(ctx context.Context, scope auth.Scope, id string, want Rebuild) (Server, error) {
	srv, err := s.Get(ctx, scope, id)
	if err != nil {
		return srv, err
	}
	want.AdminPass = s.hide(want.AdminPass)
	img, err := s.image(ctx, scope, want.ImageID)
	if fault.Has(err, fault.CodeComputeBadImage) && img == nil {
		return srv, fault.Because(err, fault.CodeComputeBadImage, "Cannot find image for rebuild")
	}
	if err != nil {
		return srv, err
	}
	if err := fits(plan{flavor: srv.Flavor, image: img, disks: srv.Disks}, Create{}, scope); err != nil {
		return srv, err
	}
	if root, _ := srv.Root(); root.Destination != "local" && srv.ImageID != want.ImageID {
		return srv, fault.New(fault.CodeComputeBadRequest, "Unable to rebuild with a different image for a volume-backed server")
	}
	if err := s.checkMetadata(ctx, srv.ProjectID, want.Metadata); err != nil {
		return srv, err
	}
	var key Keypair
	if want.SetKey && want.KeyName != nil {
		var found bool
		if key, found, err = s.Store.Keypair(ctx, s.DB, srv.UserID, *want.KeyName); err != nil {
			return srv, err
		}
		if !found {
			return srv, fault.New(fault.CodeComputeBadKeypair, "Invalid key_name provided.")
		}
	}
	return s.acceptRebuild(ctx, scope, id, want, img, key)
}

func (s *Service) acceptRebuild(ctx context.Context, scope auth.Scope, id string, want Rebuild, img *Image, key Keypair) (Server, error) {
	var out Server
	err := s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		var err error
		out, err = s.ChangeTx(ctx, tx, scope, id, func(ctx context.Context, tx *db.Tx, srv *Server) error {
			if err := Unlocked(scope, *srv); err != nil {
				return err
			}
			if err := may(*srv, "rebuild", []VMState{VMActive, VMStopped, VMError}, nil); err != nil {
				return err
			}
			if srv.Host == "" {
				return fault.New(fault.CodeComputeWrongState, "Instance %s is not ready", srv.ID)
			}
			op := s.op(ctx, *srv, "rebuild", "compute_rebuild_instance")
			want.apply(srv, img, key)
			if err := s.note(ctx, tx, *srv, "rebuild"); err != nil {
				return err
			}
			_, err := s.flows.Start(ctx, tx, KindRebuild, op)
			return err
		})
		if err != nil {
			return err
		}
		return s.Store.SaveSpec(ctx, tx, out)
	})
	return out, err
}

// apply writes the request into the server.
func (r Rebuild) apply(srv *Server, img *Image, key Keypair) {
	spec := srv.Spec()
	spec.Image, spec.Files = img, r.Files
	if r.AdminPass != "" {
		spec.AdminPass = r.AdminPass
	}
	if r.SetKey {
		srv.KeyName, spec.KeyType, spec.PublicKey = key.Name, key.Type, key.PublicKey
	}
	srv.SetSpec(spec)
	if r.SetData {
		if srv.UserData = ""; r.UserData != nil {
			srv.UserData = *r.UserData
		}
	}
	if r.Metadata != nil {
		srv.Metadata = r.Metadata
	}
	r.Edit.apply(srv)
	if root, _ := srv.Root(); root.Destination == "local" {
		srv.ImageID = img.ID
		i := slices.IndexFunc(srv.Disks, func(d Disk) bool { return d.BootIndex == 0 })
		srv.Disks[i].SourceID = img.ID
	}
	if srv.VMState == VMError {
		srv.Want = hostapi.PowerOn
	}
	srv.Task = TaskRebuilding
}
