package flow_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/volume"
	"altostack/volume/volumetest"
)

func done(t *testing.T, c *volumetest.Cloud, id string) {
	t.Helper()
	if err := c.Flows.Settled(t.Context(), id); err != nil {
		t.Fatal(err)
	}
}

func fill(t *testing.T, c *volumetest.Cloud, id, content string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "content")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := c.Disks.Import(t.Context(), id, 1<<10, f); err != nil {
		t.Fatal(err)
	}
}

func starts(t *testing.T, c *volumetest.Cloud, id, want string) {
	t.Helper()
	if got := volumetest.Read(t, c.Disks, id)[:len(want)]; string(got) != want {
		t.Errorf("volume %s starts with %q, wanted %q", id, got, want)
	}
}

func newVolume(t *testing.T, c *volumetest.Cloud) string {
	t.Helper()
	v, err := c.Create(t.Context(), scope, volume.Spec{SizeGiB: 1, Name: "data", Metadata: map[string]string{"owner": "me"}})
	if err != nil {
		t.Fatal(err)
	}
	done(t, c, v.ID)
	return v.ID
}

func backup(t *testing.T, c *volumetest.Cloud, spec volume.BackupSpec) volume.Backup {
	t.Helper()
	b, err := c.CreateBackup(t.Context(), scope, spec)
	if err != nil {
		t.Fatal(err)
	}
	done(t, c, b.VolumeID)
	if b, err = c.Backup(t.Context(), scope, b.ID); err != nil || b.Status != volume.StatusAvailable {
		t.Fatalf("backup is %s (%s), %v", b.Status, b.FailReason, err)
	}
	return b
}

func TestBackupComesBackAfterItsVolumeIsGone(t *testing.T) {
	c := volumetest.New(t)
	id := newVolume(t, c)
	fill(t, c, id, "first")
	first := backup(t, c, volume.BackupSpec{VolumeID: id})
	fill(t, c, id, "second")
	second := backup(t, c, volume.BackupSpec{VolumeID: id, Incremental: true})
	if second.ParentID != first.ID {
		t.Errorf("the increment follows %q", second.ParentID)
	}
	if err := c.DeleteBackup(t.Context(), scope, first.ID, false); !fault.Has(err, fault.CodeVolumeBadBackup) {
		t.Errorf("a backup that an increment leans on: %v", err)
	}
	if err := c.Remove(t.Context(), scope, id, volume.Removal{}); err != nil {
		t.Fatal(err)
	}
	done(t, c, id)
	for b, content := range map[string]string{first.ID: "first", second.ID: "second"} {
		to, err := c.RestoreBackup(t.Context(), scope, volume.Restore{BackupID: b})
		if err != nil {
			t.Fatal(err)
		}
		done(t, c, to.VolumeID)
		starts(t, c, to.VolumeID, content)
		v, err := c.Get(t.Context(), scope, to.VolumeID)
		if err != nil || v.Status != volume.StatusAvailable || v.Name != "restore_backup_"+b || v.Metadata["owner"] != "me" {
			t.Errorf("volume %s %q %v, %v", v.Status, v.Name, v.Metadata, err)
		}
	}
	stranger := auth.As("other", "u")
	if _, err := c.RestoreBackup(t.Context(), stranger, volume.Restore{BackupID: first.ID}); !fault.Has(err, fault.CodeVolumeBackupNotFound) {
		t.Errorf("a stranger's restore: %v", err)
	}
}

func TestBackupOfSnapshotAndOfVolumeInUse(t *testing.T) {
	c := volumetest.New(t)
	id := newVolume(t, c)
	fill(t, c, id, "frozen")
	snap, err := c.CreateSnapshot(t.Context(), scope, volume.SnapshotSpec{VolumeID: id})
	if err != nil {
		t.Fatal(err)
	}
	done(t, c, id)
	fill(t, c, id, "later")
	b := backup(t, c, volume.BackupSpec{VolumeID: id, SnapshotID: snap.ID})
	if _, err := c.RestoreBackup(t.Context(), scope, volume.Restore{BackupID: b.ID, VolumeID: id}); err != nil {
		t.Fatal(err)
	}
	done(t, c, id)
	starts(t, c, id, "frozen")
	if _, err := c.Change(t.Context(), scope, id, func(v *volume.Volume) error { v.Status = volume.StatusInUse; return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateBackup(t.Context(), scope, volume.BackupSpec{VolumeID: id}); !fault.Has(err, fault.CodeVolumeWrongState) {
		t.Errorf("in use without force: %v", err)
	}
	backup(t, c, volume.BackupSpec{VolumeID: id, Force: true})
	if v, err := c.Get(t.Context(), scope, id); err != nil || v.Status != volume.StatusInUse {
		t.Errorf("after its backup the volume is %s, %v", v.Status, err)
	}
}

func TestBackupThatFailsTellsAndLeavesNothing(t *testing.T) {
	c := volumetest.New(t)
	id := newVolume(t, c)
	fill(t, c, id, "content")
	c.Vault.Fail = func(verb, _ string) error {
		if verb == "put" {
			return errors.New("disk /secret is full")
		}
		return nil
	}
	b, err := c.CreateBackup(t.Context(), scope, volume.BackupSpec{VolumeID: id})
	if err != nil {
		t.Fatal(err)
	}
	done(t, c, id)
	b, err = c.Backup(t.Context(), scope, b.ID)
	if err != nil || b.Status != volume.StatusError || b.FailReason == "" || strings.Contains(b.FailReason, "secret") {
		t.Errorf("%s %q, %v", b.Status, b.FailReason, err)
	}
	whole(t, c, "after a backup failed")
	if _, err := c.CreateBackup(t.Context(), scope, volume.BackupSpec{VolumeID: id, Incremental: true}); !fault.Has(err, fault.CodeVolumeBadBackup) {
		t.Errorf("an increment of nothing: %v", err)
	}
}

func TestSpoiledBackupLeavesTheVolumeAsItWas(t *testing.T) {
	c := volumetest.New(t)
	id := newVolume(t, c)
	fill(t, c, id, "kept")
	b := backup(t, c, volume.BackupSpec{VolumeID: id})
	fill(t, c, id, "now")
	c.Vault.Spoil("-00001", []byte("rubbish"))
	if _, err := c.RestoreBackup(t.Context(), scope, volume.Restore{BackupID: b.ID, VolumeID: id}); err != nil {
		t.Fatal(err)
	}
	done(t, c, id)
	v, err := c.Get(t.Context(), scope, id)
	if err != nil || v.Status != volume.StatusErrorRestoring || !strings.Contains(v.Reason, "missing or were changed") {
		t.Errorf("%s %q, %v", v.Status, v.Reason, err)
	}
	starts(t, c, id, "now")
}

func TestRecordsComeInOnlyWhereTheirObjectsAre(t *testing.T) {
	c := volumetest.New(t)
	id := newVolume(t, c)
	b := backup(t, c, volume.BackupSpec{VolumeID: id})
	service, url, err := c.ExportBackup(t.Context(), scope, b.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.ImportBackup(t.Context(), scope, service, url); !fault.Has(err, fault.CodeVolumeBadBackup) {
		t.Errorf("a record that is there already: %v", err)
	}
	text, err := base64.StdEncoding.DecodeString(url)
	if err != nil {
		t.Fatal(err)
	}
	const twin = "55555555-5555-4555-8555-555555555555"
	url = base64.StdEncoding.EncodeToString(bytes.ReplaceAll(text, []byte(b.ID+`","project`), []byte(twin+`","project`)))
	gone := base64.StdEncoding.EncodeToString(bytes.ReplaceAll(text, []byte(b.ID), []byte(twin)))
	for _, tt := range []struct {
		scope  auth.Scope
		url    string
		status volume.Status
	}{{scope, gone, volume.StatusError}, {auth.As("other", "u"), url, volume.StatusAvailable}} {
		got, err := c.ImportBackup(t.Context(), tt.scope, service, tt.url)
		if err != nil {
			t.Fatal(err)
		}
		done(t, c, got.ID)
		if got, err = c.Backup(t.Context(), tt.scope, twin); err != nil || got.Status != tt.status {
			t.Errorf("imported backup is %s (%s), %v; wanted %s", got.Status, got.FailReason, err, tt.status)
		}
		if err := c.DeleteBackup(t.Context(), tt.scope, twin, false); err != nil {
			t.Fatal(err)
		}
		done(t, c, got.VolumeID)
	}
	for _, bad := range []string{"", "%", base64.StdEncoding.EncodeToString([]byte("{}")), base64.StdEncoding.EncodeToString([]byte(`{"id": "x", "size": 1}`))} {
		if _, err := c.ImportBackup(t.Context(), scope, service, bad); !fault.Has(err, fault.CodeVolumeInvalidInput) {
			t.Errorf("record %q: %v", bad, err)
		}
	}
	if _, err := c.ImportBackup(t.Context(), scope, "cinder.backup.drivers.tape", url); !fault.Has(err, fault.CodeVolumeServiceUnavailable) {
		t.Errorf("an unknown service: %v", err)
	}
}
