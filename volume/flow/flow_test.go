package flow_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/saga"
	"altostack/volume"
	"altostack/volume/volumetest"
)

var scope = auth.As("project", "user")

// story does everything that sagas do, step after step; it stops at the first
// that cannot go on, as after a kill.
func story(ctx context.Context, c *volumetest.Cloud) (image string, err error) {
	wait := func(id string) error {
		if err := c.Flows.Settled(ctx, id); err != nil {
			return err
		}
		if c.Engine.Killed() {
			return saga.ErrKilled
		}
		return nil
	}
	v, err := c.Create(ctx, scope, volume.Spec{SizeGiB: 1, ImageID: "img"})
	if err != nil {
		return "", err
	}
	if err := wait(v.ID); err != nil {
		return "", err
	}
	snap, err := c.CreateSnapshot(ctx, scope, volume.SnapshotSpec{VolumeID: v.ID})
	if err != nil {
		return "", err
	}
	if err := wait(v.ID); err != nil {
		return "", err
	}
	copied, err := c.Create(ctx, scope, volume.Spec{SnapshotID: snap.ID})
	if err != nil {
		return "", err
	}
	if err := wait(copied.ID); err != nil {
		return "", err
	}
	if err := c.Revert(ctx, scope, v.ID, snap.ID); err != nil {
		return "", err
	}
	if err := wait(v.ID); err != nil {
		return "", err
	}
	if err := backups(ctx, c, v.ID, wait); err != nil {
		return "", err
	}
	if err := c.DeleteSnapshot(ctx, scope, snap.ID, false); err != nil {
		return "", err
	}
	if err := c.Extend(ctx, scope, v.ID, 2, false); err != nil {
		return "", err
	}
	if err := wait(v.ID); err != nil {
		return "", err
	}
	_, img, err := c.UploadImage(ctx, scope, v.ID, volume.Upload{Image: volume.ImageSpec{Name: "out"}})
	if err != nil {
		return "", err
	}
	if err := wait(v.ID); err != nil {
		return img.ID, err
	}
	if err := c.Remove(ctx, scope, v.ID, volume.Removal{}); err != nil {
		return img.ID, err
	}
	return img.ID, wait(v.ID)
}

// backups keeps a volume twice, restores it over itself and removes all but one.
func backups(ctx context.Context, c *volumetest.Cloud, volumeID string, wait func(id string) error) error {
	full, err := c.CreateBackup(ctx, scope, volume.BackupSpec{VolumeID: volumeID})
	if err != nil {
		return err
	}
	if err := wait(volumeID); err != nil {
		return err
	}
	part, err := c.CreateBackup(ctx, scope, volume.BackupSpec{VolumeID: volumeID, Incremental: true})
	if err != nil {
		return err
	}
	if err := wait(volumeID); err != nil {
		return err
	}
	if _, err := c.RestoreBackup(ctx, scope, volume.Restore{BackupID: part.ID, VolumeID: volumeID}); err != nil {
		return err
	}
	if err := wait(volumeID); err != nil {
		return err
	}
	for _, id := range []string{part.ID, full.ID} {
		if err := c.DeleteBackup(ctx, scope, id, false); err != nil {
			return err
		}
		if err := wait(volumeID); err != nil {
			return err
		}
	}
	return nil
}

// TestKilledAnywhere kills the process at every point of every saga, starts it
// again, and looks for what was left behind.
func TestKilledAnywhere(t *testing.T) {
	points := 0
	for at := int64(1); ; at++ {
		w := volumetest.NewWorld(t)
		w.Library.Add(t, volume.Image{ID: "img"}, []byte("image"))
		var n atomic.Int64
		var where saga.Point
		c := volumetest.Start(t, w, func(p saga.Point) error {
			if n.Add(1) == at {
				where = p
				return saga.ErrKilled
			}
			return nil
		})
		img, err := story(t.Context(), c)
		killed := c.Engine.Killed()
		c.Engine.Close()
		if !killed && err != nil {
			t.Fatalf("without a kill: %v", err)
		}
		if !killed && n.Load() < at {
			break
		}
		points++
		c = volumetest.Start(t, w, nil)
		settle(t, c)
		whole(t, c, fmt.Sprintf("killed at %+v", where))
		if s := c.Library.Status(img); img != "" && s != "active" && s != "" {
			t.Errorf("killed at %+v: image %s is %s", where, img, s)
		}
		c.Engine.Close()
	}
	if points < 40 {
		t.Errorf("only %d points", points)
	}
	t.Logf("%d kills", points)
}

func settle(t *testing.T, c *volumetest.Cloud) {
	t.Helper()
	open, err := saga.Open(t.Context(), c.DB)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range open {
		if err := c.Engine.Wait(t.Context(), row.ID); err != nil {
			t.Fatal(err)
		}
	}
}

// whole checks that disks and rows tell the same.
func whole(t *testing.T, c *volumetest.Cloud, when string) {
	t.Helper()
	stored, err := c.Disks.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rows, _, err := c.List(t.Context(), volume.Query{All: true})
	if err != nil {
		t.Fatal(err)
	}
	var disks, snaps []string
	for _, v := range rows {
		switch v.Status {
		case volume.StatusAvailable:
			disks = append(disks, v.ID)
		case volume.StatusError:
		default:
			t.Errorf("%s: volume %s is %s", when, v.ID, v.Status)
		}
	}
	list, _, err := c.Store.Snapshots(t.Context(), c.DB, volume.Query{All: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		if s.Status == volume.StatusAvailable {
			snaps = append(snaps, s.ID)
		} else if s.Status != volume.StatusError {
			t.Errorf("%s: snapshot %s is %s", when, s.ID, s.Status)
		}
	}
	wholeBackups(t, c, when)
	slices.Sort(disks)
	slices.Sort(snaps)
	if !slices.Equal(disks, stored.Volumes) || !slices.Equal(snaps, stored.Snapshots) {
		t.Errorf("%s: rows tell of %v and %v, the backend has %v and %v", when, disks, snaps, stored.Volumes, stored.Snapshots)
	}
	if open, err := saga.Open(t.Context(), c.DB); err != nil || len(open) > 0 {
		t.Errorf("%s: %d sagas are open, %v", when, len(open), err)
	}
}

// wholeBackups checks that objects and rows tell the same.
func wholeBackups(t *testing.T, c *volumetest.Cloud, when string) {
	t.Helper()
	list, _, err := c.Store.Backups(t.Context(), c.DB, volume.Query{All: true})
	if err != nil {
		t.Fatal(err)
	}
	left := c.Vault.Names()
	for _, b := range list {
		switch b.Status {
		case volume.StatusAvailable, volume.StatusError:
			left = slices.DeleteFunc(left, func(name string) bool { return strings.HasPrefix(name, b.ProjectID+"/"+b.Container+"/"+b.Prefix) })
		default:
			t.Errorf("%s: backup %s is %s", when, b.ID, b.Status)
		}
	}
	if len(left) > 0 {
		t.Errorf("%s: objects of no backup: %v", when, left)
	}
}

// TestBackendRefuses fails each call of the backend and reads what users see.
func TestBackendRefuses(t *testing.T) {
	c := volumetest.New(t)
	good, err := c.Create(t.Context(), scope, volume.Spec{SizeGiB: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Await(t.Context(), good.ID); err != nil {
		t.Fatal(err)
	}
	refuse := ""
	c.Disks.Fail = func(verb, _ string) error {
		if verb == refuse {
			return errors.New("disk /secret/path is broken")
		}
		return nil
	}
	refuse = "ensure"
	v, err := c.Create(t.Context(), scope, volume.Spec{SizeGiB: 1})
	if err != nil {
		t.Fatal(err)
	}
	v, err = c.Await(t.Context(), v.ID)
	if err != nil || v.Status != volume.StatusError || v.Reason != "The disk of volume "+v.ID+" could not be made." {
		t.Errorf("%s %q, %v", v.Status, v.Reason, err)
	}
	refuse = "extend"
	if err := c.Extend(t.Context(), scope, good.ID, 2, false); err != nil {
		t.Fatal(err)
	}
	if v, err := c.Await(t.Context(), good.ID); err != nil || v.Status != volume.StatusErrorExtending || v.SizeGiB != 1 || v.GrowingGiB != 0 {
		t.Errorf("%s of %d GiB, %v", v.Status, v.SizeGiB, err)
	}
	refuse = "remove"
	if err := c.Remove(t.Context(), scope, good.ID, volume.Removal{}); err != nil {
		t.Fatal(err)
	}
	if v, err := c.Await(t.Context(), good.ID); err != nil || v.Status != volume.StatusErrorDeleting {
		t.Errorf("%s, %v", v.Status, err)
	}
	refuse = ""
	for _, id := range []string{good.ID, v.ID} {
		if err := c.Remove(t.Context(), scope, id, volume.Removal{Force: true}); err != nil {
			t.Fatal(err)
		}
		if err := c.Flows.Settled(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	messages, _, err := c.Store.Messages(t.Context(), c.DB, volume.Query{ProjectID: "project"})
	if err != nil || len(messages) != 2 {
		t.Errorf("messages %v, %v", messages, err)
	}
	whole(t, c, "at the end")
}

// TestNoBackend reads what comes of a type that nothing offers.
func TestNoBackend(t *testing.T) {
	c := volumetest.New(t)
	if _, err := c.CreateType(t.Context(), volume.Type{Name: "fast", Public: true, ExtraSpecs: map[string]string{"volume_backend_name": "nvme"}}); err != nil {
		t.Fatal(err)
	}
	v, err := c.Create(t.Context(), scope, volume.Spec{SizeGiB: 1, Type: "fast"})
	if err != nil {
		t.Fatal(err)
	}
	if v, err = c.Await(t.Context(), v.ID); err != nil || v.Status != volume.StatusError {
		t.Errorf("%s, %v", v.Status, err)
	}
	if rows, err := saga.Of(t.Context(), c.DB, v.ID); err != nil || len(rows) != 1 || rows[0].Fault == nil || rows[0].Fault.Code != fault.CodeVolumeNoValidBackend {
		t.Errorf("sagas %+v, %v", rows, err)
	}
	whole(t, c, "at the end")
}

// TestTakenBack deletes a volume while it is being made.
func TestTakenBack(t *testing.T) {
	c := volumetest.New(t)
	entered, leave := make(chan struct{}), make(chan struct{})
	c.Disks.Fail = func(verb, _ string) error {
		if verb == "ensure" {
			close(entered)
			<-leave
		}
		return nil
	}
	v, err := c.Create(t.Context(), scope, volume.Spec{SizeGiB: 1})
	if err != nil {
		t.Fatal(err)
	}
	<-entered
	if err := c.Delete(t.Context(), scope, v.ID); err != nil {
		t.Fatal(err)
	}
	close(leave)
	if err := c.Flows.Settled(t.Context(), v.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(t.Context(), scope, v.ID); fault.KindOf(err) != fault.NotFound {
		t.Errorf("the volume is there: %v", err)
	}
	whole(t, c, "at the end")
}
