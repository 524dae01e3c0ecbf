package volumetest_test

import (
	"errors"
	"testing"

	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/volume"
	"altostack/volume/volumetest"
)

// TestCodes provokes the faults of the service's methods, by code.
func TestCodes(t *testing.T) {
	ctx, c, scope := t.Context(), volumetest.New(t), auth.As("p", "u")
	c.Library.Add(t, volume.Image{ID: "queued", Status: "queued"}, nil)
	v, err := c.Create(ctx, scope, volume.Spec{SizeGiB: 1})
	if err != nil {
		t.Fatal(err)
	}
	if v, err = c.Await(ctx, v.ID); err != nil {
		t.Fatal(err)
	}
	snap, err := c.CreateSnapshot(ctx, scope, volume.SnapshotSpec{VolumeID: v.ID})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Flows.Settled(ctx, v.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ChangeSnapshot(ctx, scope, snap.ID, func(s *volume.Snapshot) error { s.Status = volume.StatusDeleting; return nil }); err != nil {
		t.Fatal(err)
	}
	create := func(s volume.Spec) error { _, err := c.Create(ctx, scope, s); return err }
	held, err := c.Create(ctx, scope, volume.Spec{SizeGiB: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Await(ctx, held.ID); err != nil {
		t.Fatal(err)
	}
	attachment, err := c.Reserve(ctx, scope, held.ID, "server")
	if err != nil {
		t.Fatal(err)
	}
	offered, err := c.Create(ctx, scope, volume.Spec{SizeGiB: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Await(ctx, offered.ID); err != nil {
		t.Fatal(err)
	}
	offer, _, err := c.Offer(ctx, scope, offered.ID, "", false)
	if err != nil {
		t.Fatal(err)
	}
	for code, provoke := range map[fault.Code]func() error{
		fault.CodeVolumeVolumeNotFound:     func() error { _, err := c.Get(ctx, auth.As("other", "u"), v.ID); return err },
		fault.CodeVolumeSnapshotNotFound:   func() error { _, err := c.Snapshot(ctx, auth.As("other", "u"), snap.ID); return err },
		fault.CodeVolumeAttachmentNotFound: func() error { return c.Complete(ctx, "none", "") },
		fault.CodeVolumeTypeNotFound:       func() error { return create(volume.Spec{SizeGiB: 1, Type: "none"}) },
		fault.CodeVolumeTransferNotFound:   func() error { return c.Withdraw(ctx, auth.As("other", "u"), offer.ID) },
		fault.CodeVolumeServiceNotFound:    func() error { _, err := c.SetDaemon(ctx, "none", "cinder-volume", true, ""); return err },
		fault.CodeVolumeBadAuthKey:         func() error { _, err := c.Accept(ctx, auth.As("other", "u"), offer.ID, "wrong"); return err },
		fault.CodeVolumeBadImage:           func() error { return create(volume.Spec{SizeGiB: 1, ImageID: "none"}) },
		fault.CodeVolumeInvalidInput:       func() error { return create(volume.Spec{SizeGiB: 1, ImageID: "queued"}) },
		fault.CodeVolumeBadSnapshot:        func() error { return create(volume.Spec{SnapshotID: snap.ID}) },
		fault.CodeVolumeBadType:            func() error { return c.DeleteType(ctx, scope, volume.DefaultTypeName) },
		fault.CodeVolumeConflict:           func() error { _, err := c.CreateType(ctx, volume.Type{Name: volume.DefaultTypeName}); return err },
		fault.CodeVolumeWrongState:         func() error { return c.Remove(ctx, scope, v.ID, volume.Removal{}) },
		fault.CodeVolumeInUseByServer:      func() error { return c.DeleteAttachment(ctx, scope, attachment, false) },
		fault.CodeVolumeQuotaExceeded:      func() error { return create(volume.Spec{SizeGiB: 5000}) },
		fault.CodeVolumeBackendFailed: func() error {
			c.Disks.Fail = func(string, string) error { return errors.New("broken") }
			defer func() { c.Disks.Fail = nil }()
			_, err := c.Connect(ctx, attachment, "host1")
			return err
		},
	} {
		t.Run(string(code), func(t *testing.T) {
			if err := provoke(); !fault.Has(err, code) {
				t.Errorf("got %v", err)
			}
		})
	}
}
