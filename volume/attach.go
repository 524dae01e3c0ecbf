package volume

import (
	"context"
	"encoding/json"
	"slices"

	"altostack/hostapi"
	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

func ignoreNotFound(err error) error {
	if err != nil && fault.KindOf(err) == fault.NotFound {
		return nil
	}
	return err
}

func attachmentNotFound(id string) error {
	return fault.New(fault.CodeVolumeAttachmentNotFound, "Volume attachment could not be found with filter: attachment_id = %s.", id)
}

// SnapshotSize answers a snapshot's size in GiB.
func (s *Service) SnapshotSize(ctx context.Context, scope auth.Scope, id string) (int64, error) {
	snap, err := s.findSnapshot(ctx, s.DB, scope, id)
	return snap.SizeGiB, err
}

// Reserve promises a volume to a server. It is keyed by both: a repeated call
// answers the attachment of the first.
func (s *Service) Reserve(ctx context.Context, scope auth.Scope, volumeID, serverID string) (attachmentID string, err error) {
	err = s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		attachmentID, err = s.ReserveIn(ctx, tx, scope, volumeID, serverID)
		return err
	})
	return attachmentID, err
}

// ReserveIn is Reserve inside the caller's transaction.
func (s *Service) ReserveIn(ctx context.Context, tx *db.Tx, scope auth.Scope, volumeID, serverID string) (string, error) {
	v, err := s.find(ctx, tx, scope, volumeID)
	if err != nil {
		return "", err
	}
	for _, a := range v.Attachments {
		if a.ServerID == serverID {
			return a.ID, nil
		}
	}
	a, err := s.reserve(ctx, tx, &v, serverID, "", true)
	return a.ID, err
}

// reserve adds an attachment to a volume that is free, or shared.
func (s *Service) reserve(ctx context.Context, tx *db.Tx, v *Volume, serverID, mode string, managed bool) (Attachment, error) {
	free := v.Status == StatusAvailable || v.MultiAttach && slices.Contains([]Status{StatusInUse, StatusReserved, StatusAttaching}, v.Status)
	if !free {
		expected := "available"
		if v.MultiAttach {
			expected = "available or in-use"
		}
		return Attachment{}, wrongState("Volume %s status must be %s or downloading to reserve, but the current status is %s.", v.ID, expected, v.Status)
	}
	now := s.Clock.Now()
	if mode == "" || mode == "null" {
		mode = "rw"
	}
	if v.ReadOnly {
		mode = "ro"
	}
	a := Attachment{ID: s.IDs.UUID(), VolumeID: v.ID, ServerID: serverID, ProjectID: v.ProjectID, Mode: mode, Status: AttachReserved, Managed: managed, CreatedAt: now}
	if err := s.Store.SaveAttachment(ctx, tx, a); err != nil {
		return a, err
	}
	v.Attachments = append(v.Attachments, a)
	v.settle()
	return a, s.save(ctx, tx, v)
}

// settle derives a volume's status from its attachments.
func (v *Volume) settle() {
	v.Status, v.AttachStatus = StatusAvailable, "detached"
	for _, rank := range []struct{ of, is Status }{{AttachReserved, StatusReserved}, {AttachAttaching, StatusAttaching}, {AttachAttached, StatusInUse}, {AttachDetaching, StatusInUse}} {
		if slices.ContainsFunc(v.Attachments, func(a Attachment) bool { return a.Status == rank.of }) {
			v.Status = rank.is
		}
	}
	if v.Status == StatusInUse {
		v.AttachStatus = "attached"
	}
}

// attachment runs f on an attachment and its volume in one transaction.
func (s *Service) attachment(ctx context.Context, scope auth.Scope, id string, f func(ctx context.Context, tx *db.Tx, v *Volume, a *Attachment) error) (out Attachment, err error) {
	err = s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		a, err := s.FindAttachment(ctx, tx, scope, id)
		if err != nil {
			return err
		}
		v, found, err := s.Store.Volume(ctx, tx, a.VolumeID)
		if err != nil {
			return err
		}
		if !found {
			return attachmentNotFound(id)
		}
		i := slices.IndexFunc(v.Attachments, func(x Attachment) bool { return x.ID == id })
		err = f(ctx, tx, &v, &v.Attachments[i])
		out = a
		if i < len(v.Attachments) && v.Attachments[i].ID == id {
			out = v.Attachments[i]
		}
		return err
	})
	return out, err
}

// FindAttachment reads an attachment within a scope.
func (s *Service) FindAttachment(ctx context.Context, r db.Reader, scope auth.Scope, id string) (Attachment, error) {
	a, found, err := s.Store.Attachment(ctx, r, id)
	if err == nil && (!found || !scope.Sees(a.ProjectID)) {
		err = attachmentNotFound(id)
	}
	return a, err
}

// keep saves an attachment and its volume, whose status follows.
func (s *Service) keep(ctx context.Context, tx *db.Tx, v *Volume, a *Attachment) error {
	if err := s.Store.SaveAttachment(ctx, tx, *a); err != nil {
		return err
	}
	v.settle()
	return s.save(ctx, tx, v)
}

// Connect says how a host reaches the volume of an attachment, and records
// that the host was told.
func (s *Service) Connect(ctx context.Context, attachmentID, host string) (hostapi.VolumeConnection, error) {
	conn, _, err := s.connect(ctx, auth.System("volume connect"), attachmentID, host, nil)
	return conn, err
}

func (s *Service) connect(ctx context.Context, scope auth.Scope, attachmentID, host string, connector json.RawMessage) (hostapi.VolumeConnection, Attachment, error) {
	a, err := s.FindAttachment(ctx, s.DB, scope, attachmentID)
	if err != nil {
		return hostapi.VolumeConnection{}, a, err
	}
	conn, err := s.Backend.Connect(ctx, a.VolumeID)
	if err != nil {
		return conn, a, fault.Because(err, fault.CodeVolumeBackendFailed, "Volume %s cannot be connected.", a.VolumeID)
	}
	a, err = s.attachment(ctx, scope, attachmentID, func(ctx context.Context, tx *db.Tx, v *Volume, a *Attachment) error {
		if v.Status == StatusError || v.Status == StatusDeleting {
			return wrongState("Volume attachments can not be updated if the volume is in an error state. The Volume %s currently has a status of: %s ", v.ID, v.Status)
		}
		conn.VolumeID, conn.AttachmentID, conn.ReadOnly, conn.MultiAttach = v.ID, a.ID, a.Mode == "ro", v.MultiAttach
		a.Host, a.Connection = host, json.RawMessage(db.JSON(conn))
		if connector != nil {
			a.Connector = connector
		}
		if a.Status == AttachReserved {
			a.Status = AttachAttaching
		}
		return s.keep(ctx, tx, v, a)
	})
	return conn, a, err
}

// Complete records that the server has the volume, as device.
func (s *Service) Complete(ctx context.Context, attachmentID, device string) error {
	_, err := s.complete(ctx, auth.System("volume attached"), attachmentID, device)
	return err
}

func (s *Service) complete(ctx context.Context, scope auth.Scope, attachmentID, device string) (Attachment, error) {
	return s.attachment(ctx, scope, attachmentID, func(ctx context.Context, tx *db.Tx, v *Volume, a *Attachment) error {
		if device != "" {
			a.Device = device
		}
		if a.AttachedAt.IsZero() {
			a.AttachedAt = s.Clock.Now()
		}
		a.Status = AttachAttached
		return s.keep(ctx, tx, v, a)
	})
}

// Detach ends an attachment; one that is gone is success.
func (s *Service) Detach(ctx context.Context, attachmentID string) error {
	return ignoreNotFound(s.detach(ctx, auth.System("volume detached"), attachmentID, true))
}

func (s *Service) detach(ctx context.Context, scope auth.Scope, attachmentID string, service bool) error {
	_, err := s.attachment(ctx, scope, attachmentID, func(ctx context.Context, tx *db.Tx, v *Volume, a *Attachment) error {
		if a.Managed && !service {
			return fault.New(fault.CodeVolumeInUseByServer, "Detach volume from instance %s using the Compute API", a.ServerID)
		}
		return s.dropAttachment(ctx, tx, v, a.ID)
	})
	return err
}

// dropAttachment removes an attachment; the volume's status follows, unless
// the volume is about something else.
func (s *Service) dropAttachment(ctx context.Context, tx *db.Tx, v *Volume, id string) error {
	if err := s.Store.RemoveAttachment(ctx, tx, id); err != nil {
		return err
	}
	v.Attachments = slices.DeleteFunc(v.Attachments, func(a Attachment) bool { return a.ID == id })
	switch v.Status {
	case StatusReserved, StatusAttaching, StatusInUse, StatusDetaching, StatusAvailable, StatusError, StatusErrorExtending:
		v.settle() // an attached volume has its disk, whatever was reported of it
	default:
		was := v.Status
		v.settle()
		if v.PreviousStatus == StatusInUse {
			v.PreviousStatus = v.Status
		}
		v.Status = was
	}
	return s.save(ctx, tx, v)
}

// AttachmentsOf answers the attachments of many servers, by server, in one
// query.
func (s *Service) AttachmentsOf(ctx context.Context, serverIDs []string) (map[string][]Attachment, error) {
	all, err := s.Store.AttachmentsOf(ctx, s.DB, serverIDs)
	out := map[string][]Attachment{}
	for _, a := range all {
		out[a.ServerID] = append(out[a.ServerID], a)
	}
	return out, err
}
