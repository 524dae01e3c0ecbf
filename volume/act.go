package volume

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"altostack/hostapi"
	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/kernel/id"
)

// Extend starts to grow a volume to sizeGiB; online says that the caller's
// version allows that for an attached one.
func (s *Service) Extend(ctx context.Context, scope auth.Scope, volumeID string, sizeGiB int64, online bool) error {
	_, err := s.change(ctx, scope, volumeID, func(ctx context.Context, tx *db.Tx, v *Volume) (bool, error) {
		if err := s.thawed(ctx, tx); err != nil {
			return false, err
		}
		if sizeGiB <= v.SizeGiB {
			return false, invalidInput("New size for extend must be greater than current size. (current: %d, extended: %d).", v.SizeGiB, sizeGiB)
		}
		expected := StatusAvailable
		if online && v.Status == StatusInUse {
			expected = StatusInUse
		}
		if v.Status != expected {
			return false, wrongState("Volume %s status must be '{'status': '%s'}' to extend, currently %s.", v.ID, expected, v.Status)
		}
		if sizeGiB > maxSizeGiB {
			return false, invalidInput("Volume size '%d' is larger than %d", sizeGiB, maxSizeGiB)
		}
		v.GrowingGiB = sizeGiB - v.SizeGiB
		if err := s.checkQuota(ctx, tx, v.ProjectID, v.TypeID, v.TypeName, demand{gib: v.GrowingGiB, one: sizeGiB}); err != nil {
			return false, err
		}
		v.PreviousStatus, v.Status = v.Status, StatusExtending
		return true, s.Flows.ExtendVolume(ctx, tx, *v)
	})
	return err
}

// Change runs f on a volume in one transaction and saves what f made of it.
func (s *Service) Change(ctx context.Context, scope auth.Scope, volumeID string, f func(v *Volume) error) (Volume, error) {
	return s.change(ctx, scope, volumeID, func(_ context.Context, _ *db.Tx, v *Volume) (bool, error) {
		if v.Metadata == nil {
			v.Metadata = map[string]string{}
		}
		if v.ImageMeta == nil {
			v.ImageMeta = map[string]string{}
		}
		return true, f(v)
	})
}

// Promise takes a free volume for the older way of attaching, without saying
// for whom; a shared one stays as it is.
func (s *Service) Promise(ctx context.Context, scope auth.Scope, volumeID string) error {
	_, err := s.Change(ctx, scope, volumeID, func(v *Volume) error {
		expected := "available"
		if v.MultiAttach {
			expected = "available or in-use"
		}
		if v.Status != StatusAvailable && !(v.MultiAttach && v.Status == StatusInUse) {
			return wrongState("Volume status must be %s to reserve, but the status is %s.", expected, v.Status)
		}
		v.Status = StatusAttaching
		return nil
	})
	return err
}

// TakeBack is the end of Promise; a volume that is not promised stays.
func (s *Service) TakeBack(ctx context.Context, scope auth.Scope, volumeID string) error {
	_, err := s.Change(ctx, scope, volumeID, func(v *Volume) error {
		if v.Status == StatusAttaching {
			v.settle()
		}
		return nil
	})
	return err
}

// BeginDetaching marks an attached volume; RollDetaching unmarks it.
func (s *Service) BeginDetaching(ctx context.Context, scope auth.Scope, volumeID string) error {
	_, err := s.Change(ctx, scope, volumeID, func(v *Volume) error {
		if v.Status != StatusInUse || v.AttachStatus != "attached" {
			return wrongState("Unable to detach volume. Volume status must be 'in-use' and attach_status must be 'attached' to detach.")
		}
		v.Status = StatusDetaching
		return nil
	})
	return err
}

// RollDetaching returns a volume from detaching to in-use.
func (s *Service) RollDetaching(ctx context.Context, scope auth.Scope, volumeID string) error {
	_, err := s.Change(ctx, scope, volumeID, func(v *Volume) error {
		if v.Status == StatusDetaching {
			v.Status = StatusInUse
		}
		return nil
	})
	return err
}

// Attach records, in the older way, that a server or host has the volume.
func (s *Service) Attach(ctx context.Context, scope auth.Scope, volumeID, serverID, hostName, device, mode string) error {
	_, err := s.change(ctx, scope, volumeID, func(ctx context.Context, tx *db.Tx, v *Volume) (bool, error) {
		if v.ReadOnly && mode != "ro" {
			return false, invalidInput("Invalid attaching mode '%s' for volume %s.", mode, v.ID)
		}
		for _, a := range v.Attachments {
			if serverID != "" && a.ServerID == serverID {
				return false, nil
			}
		}
		if v.Status != StatusAttaching && v.Status != StatusAvailable && v.Status != StatusReserved && !(v.MultiAttach && v.Status == StatusInUse) {
			return false, wrongState("volume %s is already attached", v.ID)
		}
		if mode == "" {
			mode = "rw"
		}
		now := s.Clock.Now()
		a := Attachment{ID: s.IDs.UUID(), VolumeID: v.ID, ServerID: serverID, ProjectID: v.ProjectID, HostName: hostName, Device: device, Mode: mode,
			Status: AttachAttached, AttachedAt: now, CreatedAt: now}
		if err := s.Store.SaveAttachment(ctx, tx, a); err != nil {
			return false, err
		}
		v.Attachments = append(v.Attachments, a)
		v.settle()
		return true, nil
	})
	return err
}

// Release ends an attachment in the older way; without an id the only one
// there is. service says that the compute service asks.
func (s *Service) Release(ctx context.Context, scope auth.Scope, volumeID, attachmentID string, service bool) error {
	_, err := s.change(ctx, scope, volumeID, func(ctx context.Context, tx *db.Tx, v *Volume) (bool, error) {
		if len(v.Attachments) == 0 {
			v.settle()
			return true, nil
		}
		if attachmentID == "" && len(v.Attachments) > 1 {
			return false, wrongState("Detach volume failed: More than one attachment, but no attachment_id provided.")
		}
		at := slices.IndexFunc(v.Attachments, func(a Attachment) bool { return attachmentID == "" || a.ID == attachmentID })
		if at < 0 {
			return false, attachmentNotFound(attachmentID)
		}
		a := v.Attachments[at]
		if a.Managed && !service {
			return false, fault.New(fault.CodeVolumeInUseByServer, "Detach volume from instance %s using the Compute API", a.ServerID)
		}
		return false, s.dropAttachment(ctx, tx, v, a.ID)
	})
	return err
}

// Connection answers how any host reaches a volume, in the older way.
func (s *Service) Connection(ctx context.Context, scope auth.Scope, volumeID string) (hostapi.VolumeConnection, error) {
	v, err := s.find(ctx, s.DB, scope, volumeID)
	if err != nil {
		return hostapi.VolumeConnection{}, err
	}
	conn, err := s.Backend.Connect(ctx, v.ID)
	if err != nil {
		return conn, fault.Because(err, fault.CodeVolumeBackendFailed, "Volume %s cannot be connected.", v.ID)
	}
	conn.VolumeID, conn.ReadOnly, conn.MultiAttach = v.ID, v.ReadOnly, v.MultiAttach
	return conn, nil
}

// Attaching asks for an attachment through the API.
type Attaching struct {
	VolumeID, ServerID, Mode string
	Connector                json.RawMessage
	Host                     string // of the connector
}

// CreateAttachment reserves a volume, and connects it if a connector is given.
func (s *Service) CreateAttachment(ctx context.Context, scope auth.Scope, want Attaching, service bool) (a Attachment, err error) {
	err = s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		v, err := s.find(ctx, tx, scope, want.VolumeID)
		if err != nil {
			return err
		}
		if v.Status == StatusError || v.Status == StatusErrorDeleting || v.Status == StatusErrorExtending {
			return wrongState("Volume attachments can not be created if the volume is in an error state. The Volume %s currently has a status of: %s ", v.ID, v.Status)
		}
		a, err = s.reserve(ctx, tx, &v, want.ServerID, want.Mode, service)
		return err
	})
	if err != nil || want.Connector == nil {
		return a, err
	}
	_, connected, err := s.connect(ctx, scope, a.ID, want.Host, want.Connector)
	if err != nil {
		if undo := s.detach(ctx, scope, a.ID, true); undo != nil {
			s.Log.ErrorContext(ctx, "attachment stays reserved", "attachment", a.ID, "error", undo)
		}
		return a, err
	}
	return connected, nil
}

// UpdateAttachment connects a reserved attachment.
func (s *Service) UpdateAttachment(ctx context.Context, scope auth.Scope, attachmentID, host, device string, connector json.RawMessage) (Attachment, error) {
	_, a, err := s.connect(ctx, scope, attachmentID, host, connector)
	if err != nil || device == "" {
		return a, err
	}
	return s.attachment(ctx, scope, attachmentID, func(ctx context.Context, tx *db.Tx, v *Volume, a *Attachment) error {
		a.Device = device
		return s.keep(ctx, tx, v, a)
	})
}

// CompleteAttachment records that the server has the volume.
func (s *Service) CompleteAttachment(ctx context.Context, scope auth.Scope, attachmentID string) error {
	_, err := s.complete(ctx, scope, attachmentID, "")
	return err
}

// DeleteAttachment ends an attachment, unless compute holds it.
func (s *Service) DeleteAttachment(ctx context.Context, scope auth.Scope, attachmentID string, service bool) error {
	return s.detach(ctx, scope, attachmentID, service)
}

// ResetStatus is an operator's correction of a row; nothing else happens.
func (s *Service) ResetStatus(ctx context.Context, scope auth.Scope, volumeID string, status, attachStatus string) error {
	_, err := s.Change(ctx, scope, volumeID, func(v *Volume) error {
		if status != "" {
			v.Status = Status(status)
		}
		if attachStatus == "attached" || attachStatus == "detached" {
			v.AttachStatus = attachStatus
		}
		return nil
	})
	return err
}

// Upload is a request to make an image of a volume.
type Upload struct {
	Force bool
	Image ImageSpec
}

// UploadImage creates an image and starts to copy the volume into it.
func (s *Service) UploadImage(ctx context.Context, scope auth.Scope, volumeID string, up Upload) (Volume, Image, error) {
	v, err := s.find(ctx, s.DB, scope, volumeID)
	if err != nil {
		return v, Image{}, err
	}
	check := func(v Volume) error {
		allowed := []Status{StatusAvailable}
		if up.Force {
			allowed = append(allowed, StatusInUse)
		}
		if !slices.Contains(allowed, v.Status) {
			return wrongState("Volume %s status must be %s, but current status is: %s.", v.ID, words(allowed), v.Status)
		}
		return nil
	}
	if err := check(v); err != nil {
		return v, Image{}, err
	}
	up.Image.ID, up.Image.DiskFormat = s.IDs.UUID(), "raw"
	up.Image.MinDiskGiB = int(v.SizeGiB)
	up.Image.Properties = map[string]string{}
	for k, value := range v.ImageMeta {
		if !slices.Contains([]string{"image_id", "image_name", "container_format", "disk_format", "min_disk", "min_ram", "size", "checksum"}, k) {
			up.Image.Properties[k] = value
		}
	}
	var img Image
	v, err = s.change(ctx, scope, volumeID, func(ctx context.Context, tx *db.Tx, v *Volume) (bool, error) {
		if err := check(*v); err != nil {
			return false, err
		}
		// With the saga or not at all: nothing else would remove it.
		var err error
		if img, err = s.Images.Create(ctx, tx, scope.Own(), up.Image); err != nil {
			return false, err
		}
		v.PreviousStatus, v.Status = v.Status, StatusUploading
		up := *v
		up.ProjectID = scope.ProjectID // the image's owner
		return true, s.Flows.UploadVolume(ctx, tx, up, img.ID, scope.UserID)
	})
	return v, img, err
}

// Revert starts to return a volume to its latest snapshot.
func (s *Service) Revert(ctx context.Context, scope auth.Scope, volumeID, snapshotID string) error {
	_, err := s.change(ctx, scope, volumeID, func(ctx context.Context, tx *db.Tx, v *Volume) (bool, error) {
		snap, err := s.findSnapshot(ctx, tx, scope, snapshotID)
		if err != nil {
			return false, err
		}
		all, err := s.Store.SnapshotsOf(ctx, tx, v.ID)
		if err != nil {
			return false, err
		}
		if len(all) == 0 || all[len(all)-1].ID != snap.ID {
			return false, invalidInput("Specified snapshot %s is not the latest snapshot of volume %s.", snap.ID, v.ID)
		}
		if v.SizeGiB != snap.SizeGiB {
			return false, invalidInput("Can't revert volume %s to its latest snapshot %s. The volume size must be equal to the snapshot size.", v.ID, snap.ID)
		}
		if v.Status != StatusAvailable {
			return false, wrongState("Can't revert volume %s to its latest snapshot %s. Volume's status must be 'available'.", v.ID, snap.ID)
		}
		if snap.Status != StatusAvailable {
			return false, fault.New(fault.CodeVolumeBadSnapshot, "Invalid snapshot: Can't revert volume %s to its latest snapshot %s. Snapshot's status must be 'available'.", v.ID, snap.ID)
		}
		if err := s.moveSnapshot(ctx, tx, snap, "restoring"); err != nil {
			return false, err
		}
		v.Status = StatusReverting
		return true, s.Flows.RevertVolume(ctx, tx, *v, snap.ID)
	})
	return err
}

// Retype gives a volume another type of the same backend.
func (s *Service) Retype(ctx context.Context, scope auth.Scope, volumeID, ref string) error {
	_, err := s.change(ctx, scope, volumeID, func(ctx context.Context, tx *db.Tx, v *Volume) (bool, error) {
		t, found, err := s.Store.Type(ctx, tx, ref, scope.ProjectID, Admin(scope))
		if err != nil {
			return false, err
		}
		if !found {
			return false, invalidInput("Invalid volume_type passed: %s.", ref)
		}
		if v.Status != StatusAvailable && v.Status != StatusInUse {
			return false, invalidInput("Invalid volume status %s: it must be available or in-use to retype.", v.Status)
		}
		if t.ID == v.TypeID {
			return false, invalidInput("New volume_type same as original: %s.", ref)
		}
		if err := s.checkQuota(ctx, tx, v.ProjectID, t.ID, t.Name, demand{}); err != nil {
			return false, err
		}
		v.TypeID, v.TypeName = t.ID, t.Name
		return true, nil
	})
	return err
}

// keyHash is what is stored of a transfer's key.
func keyHash(salt, key string) string {
	m := hmac.New(sha256.New, []byte(salt))
	m.Write([]byte(key))
	return hex.EncodeToString(m.Sum(nil))
}

// Offer makes a transfer of a volume; key is told once.
func (s *Service) Offer(ctx context.Context, scope auth.Scope, volumeID, name string, noSnapshots bool) (t Transfer, key string, err error) {
	key = id.Secret(transferKeyLength)
	_, err = s.change(ctx, scope, volumeID, func(ctx context.Context, tx *db.Tx, v *Volume) (bool, error) {
		if v.Status != StatusAvailable {
			return false, wrongState("status must be available")
		}
		salt := id.Secret(transferKeyLength)
		t = Transfer{ID: s.IDs.UUID(), VolumeID: v.ID, Name: name, Salt: salt, KeyHash: keyHash(salt, key), NoSnapshots: noSnapshots,
			SourceProject: v.ProjectID, CreatedAt: s.Clock.Now()}
		v.Status = StatusAwaiting
		return true, s.Store.InsertTransfer(ctx, tx, t)
	})
	return t, key, err
}

// FindTransfer reads a transfer of the scope's.
func (s *Service) FindTransfer(ctx context.Context, r db.Reader, scope auth.Scope, id string) (Transfer, error) {
	t, found, err := s.Store.Transfer(ctx, r, id)
	if err == nil && (!found || !scope.Sees(t.SourceProject)) {
		err = transferNotFound(id)
	}
	return t, err
}

func transferNotFound(id string) error {
	return fault.New(fault.CodeVolumeTransferNotFound, "Transfer %s could not be found.", id)
}

// Withdraw takes an offer back.
func (s *Service) Withdraw(ctx context.Context, scope auth.Scope, transferID string) error {
	return s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		t, err := s.FindTransfer(ctx, tx, scope, transferID)
		if err != nil {
			return err
		}
		return s.endTransfer(ctx, tx, t, nil)
	})
}

func (s *Service) endTransfer(ctx context.Context, tx *db.Tx, t Transfer, edit func(v *Volume) error) error {
	if err := s.Store.RemoveTransfer(ctx, tx, t.ID); err != nil {
		return err
	}
	v, found, err := s.Store.Volume(ctx, tx, t.VolumeID)
	if err != nil || !found {
		return err
	}
	if v.Status == StatusAwaiting {
		v.Status = StatusAvailable
	}
	if edit != nil {
		if err := edit(&v); err != nil {
			return err
		}
	}
	return s.save(ctx, tx, &v)
}

// Accept moves an offered volume into the caller's project. Whoever knows the
// key may; without it a transfer cannot be told from none.
func (s *Service) Accept(ctx context.Context, scope auth.Scope, transferID, key string) (t Transfer, err error) {
	err = s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		var found bool
		var err error
		if t, found, err = s.Store.Transfer(ctx, tx, transferID); err != nil {
			return err
		}
		if !found {
			return transferNotFound(transferID)
		}
		if !hmac.Equal([]byte(keyHash(t.Salt, key)), []byte(t.KeyHash)) {
			return fault.New(fault.CodeVolumeBadAuthKey, "Invalid auth key: Attempt to transfer %s with invalid auth key.", transferID)
		}
		snaps, err := s.Store.SnapshotsOf(ctx, tx, t.VolumeID)
		if err != nil {
			return err
		}
		if t.NoSnapshots {
			snaps = nil
		}
		return s.endTransfer(ctx, tx, t, func(v *Volume) error {
			want := demand{volumes: 1, gib: v.SizeGiB, snapshots: int64(len(snaps))}
			for _, snap := range snaps {
				want.gib += snap.SizeGiB
			}
			if err := s.checkQuota(ctx, tx, scope.ProjectID, v.TypeID, v.TypeName, want); err != nil {
				return err
			}
			for _, snap := range snaps {
				snap.ProjectID, snap.UserID = scope.ProjectID, scope.UserID
				if err := s.moveSnapshot(ctx, tx, snap, snap.Status); err != nil {
					return err
				}
			}
			v.ProjectID, v.UserID = scope.ProjectID, scope.UserID
			return nil
		})
	})
	t.Accepted, t.Destination = true, scope.ProjectID
	return t, err
}
