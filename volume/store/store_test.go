package store_test

import (
	"context"
	"testing"
	"time"

	"altostack/kernel/db"
	"altostack/kernel/db/dbtest"
	"altostack/kernel/fault"
	"altostack/kernel/page"
	"altostack/volume"
	"altostack/volume/store"
)

func write(t *testing.T, d *db.DB, f func(ctx context.Context, tx *db.Tx) error) error {
	t.Helper()
	return d.Write(t.Context(), f)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestEverything writes and reads each table on both databases.
func TestEverything(t *testing.T) {
	dbtest.Each(t, "volume", store.Migrations(), func(t *testing.T, d *db.DB) {
		ctx, s, now := t.Context(), store.New(), time.UnixMicro(1_700_000_000_000_000).UTC()
		typ := volume.Type{ID: "t1", Name: "file", Public: false, ExtraSpecs: map[string]string{"a": "b"}, CreatedAt: now, UpdatedAt: now}
		v := volume.Volume{ID: "v1", ProjectID: "p", UserID: "u", Name: "n", SizeGiB: 2, GrowingGiB: 1, TypeID: "t1", Status: volume.StatusAvailable, AttachStatus: "detached",
			Metadata: map[string]string{"k": `va"l`, "x": "y"}, ImageMeta: map[string]string{"i": "j"}, Generation: 1, CreatedAt: now, UpdatedAt: now}
		snap := volume.Snapshot{ID: "s1", VolumeID: "v1", ProjectID: "p", TypeID: "t1", SizeGiB: 2, Status: volume.StatusAvailable, Generation: 1, CreatedAt: now, UpdatedAt: now}
		must(t, write(t, d, func(ctx context.Context, tx *db.Tx) error {
			for _, err := range []error{s.SaveType(ctx, tx, typ), s.InsertVolume(ctx, tx, v), s.InsertSnapshot(ctx, tx, snap),
				s.SaveAttachment(ctx, tx, volume.Attachment{ID: "a1", VolumeID: "v1", ServerID: "srv", ProjectID: "p", Status: volume.AttachReserved, CreatedAt: now}),
				s.SaveAttachment(ctx, tx, volume.Attachment{ID: "a1", VolumeID: "v1", ServerID: "srv", ProjectID: "p", Status: volume.AttachAttached, Device: "vdb", AttachedAt: now}),
				s.InsertTransfer(ctx, tx, volume.Transfer{ID: "x1", VolumeID: "v1", SourceProject: "p", CreatedAt: now}),
				s.SaveQoS(ctx, tx, volume.QoS{ID: "q1", Name: "q", Consumer: "both", Specs: map[string]string{"a": "1"}, CreatedAt: now}),
				s.InsertMessage(ctx, tx, volume.Message{ID: "m1", ProjectID: "p", CreatedAt: now, ExpiresAt: now.Add(time.Hour)}),
				s.SaveDaemon(ctx, tx, volume.Daemon{Host: "h", Binary: "b", Disabled: true, UpdatedAt: now}),
				s.SetLimit(ctx, tx, "p", "volumes", 1), s.SetLimit(ctx, tx, "p", "volumes", 3), s.SetDefaultType(ctx, tx, "p", "t1")} {
				if err != nil {
					return err
				}
			}
			_, err := s.SetTypeAccess(ctx, tx, "t1", "p", true)
			return err
		}))
		got, found, err := s.Volume(ctx, d, "v1")
		if err != nil || !found || got.TypeName != "file" || got.Metadata["k"] != `va"l` || len(got.Attachments) != 1 || got.Attachments[0].Device != "vdb" || !got.CreatedAt.Equal(now) {
			t.Errorf("volume %+v, %v", got, err)
		}
		yes := true
		for name, tt := range map[string]struct {
			q    volume.Query
			want int
		}{
			"own": {volume.Query{ProjectID: "p"}, 1}, "stranger's": {volume.Query{ProjectID: "z"}, 0}, "all": {volume.Query{All: true}, 1},
			"metadata":        {volume.Query{All: true, Metadata: map[string]string{"k": `va"l`}}, 1},
			"second metadata": {volume.Query{All: true, Metadata: map[string]string{"x": "y"}}, 1},
			"part of a key":   {volume.Query{All: true, Metadata: map[string]string{"l": ""}}, 0},
			"other case":      {volume.Query{All: true, Metadata: map[string]string{"x": "Y"}}, 0},
			"image metadata":  {volume.Query{All: true, ImageMeta: map[string]string{"i": "j"}}, 1},
			"bootable":        {volume.Query{All: true, Bootable: &yes}, 0}, "size": {volume.Query{All: true, SizeGiB: 2}, 1},
			"like": {volume.Query{All: true, NameLike: "N"}, 1}, "like %": {volume.Query{All: true, NameLike: "%"}, 0},
			"later": {volume.Query{All: true, Times: []volume.TimeFilter{{Op: "gt", At: now}}}, 0},
			"since": {volume.Query{All: true, Times: []volume.TimeFilter{{Op: "gte", At: now, Updated: true}}}, 1},
		} {
			tt.q.Page = page.Request{Sort: []page.Key{{Column: "v.created_at", Desc: true}}}
			list, _, err := s.Volumes(ctx, d, tt.q)
			n, err2 := s.CountVolumes(ctx, d, tt.q)
			if err != nil || err2 != nil || len(list) != tt.want || n != tt.want {
				t.Errorf("%s: %d and %d, want %d; %v %v", name, len(list), n, tt.want, err, err2)
			}
		}
		used, err := s.Used(ctx, d, "p")
		if err != nil || len(used) != 1 || used[0] != (volume.Used{TypeID: "t1", TypeName: "file", Volumes: 1, Snapshots: 1, GiB: 5}) {
			t.Errorf("used %+v, %v", used, err)
		}
		if host, err := s.HostUse(ctx, d); err != nil || len(host) != 1 || host[0].SnapshotGiB != 2 {
			t.Errorf("host %+v, %v", host, err)
		}
		if _, found, err := s.Type(ctx, d, "file", "z", false); err != nil || found {
			t.Errorf("a stranger sees a private type: %v, %v", found, err)
		}
		if typ, found, err := s.Type(ctx, d, "file", "p", false); err != nil || !found || typ.ExtraSpecs["a"] != "b" {
			t.Errorf("type %+v, %v", typ, err)
		}
		if list, _, err := s.Types(ctx, d, volume.TypeQuery{ProjectID: "p"}); err != nil || len(list) != 1 {
			t.Errorf("types %v, %v", list, err)
		}
		if l, err := s.Limits(ctx, d, "p"); err != nil || l["volumes"] != 3 {
			t.Errorf("limits %v, %v", l, err)
		}
		if list, _, err := s.Snapshots(ctx, d, volume.Query{ProjectID: "p", VolumeID: "v1", Zone: ""}); err != nil || len(list) != 1 {
			t.Errorf("snapshots %v, %v", list, err)
		}
		if of, err := s.AttachmentsOf(ctx, d, []string{"srv", "none"}); err != nil || len(of) != 1 {
			t.Errorf("attachments %v, %v", of, err)
		}
		if count, gib, meta, err := s.Summary(ctx, d, volume.Query{ProjectID: "p"}); err != nil || count != 1 || gib != 2 || len(meta) != 1 {
			t.Errorf("summary %d %d %v %v", count, gib, meta, err)
		}
		stale := write(t, d, func(ctx context.Context, tx *db.Tx) error { return s.SaveVolume(ctx, tx, v) })
		if !fault.Has(stale, fault.CodeDbStale) {
			t.Errorf("an old generation was saved: %v", stale)
		}
		if err := write(t, d, func(ctx context.Context, tx *db.Tx) error {
			bad := v
			bad.Status, bad.Generation = "sleeping", 2
			return s.SaveVolume(ctx, tx, bad)
		}); err == nil {
			t.Error("a state that there is not was saved")
		}
		if err := write(t, d, func(ctx context.Context, tx *db.Tx) error { return s.RemoveType(ctx, tx, "t1") }); !fault.Has(err, fault.CodeVolumeBadType) {
			t.Errorf("a type in use was removed: %v", err)
		}
		must(t, write(t, d, func(ctx context.Context, tx *db.Tx) error {
			for _, err := range []error{s.RemoveVolume(ctx, tx, "v1"), s.RemoveType(ctx, tx, "t1"), s.RemoveQoS(ctx, tx, "q1"), s.RemoveMessage(ctx, tx, "m1"), s.DeleteLimits(ctx, tx, "p")} {
				if err != nil {
					return err
				}
			}
			return nil
		}))
		for table, n := range map[string]func() (int, error){
			"snapshots": func() (int, error) { l, _, err := s.Snapshots(ctx, d, volume.Query{All: true}); return len(l), err },
			"attachments": func() (int, error) {
				l, _, err := s.Attachments(ctx, d, volume.AttachmentQuery{All: true})
				return len(l), err
			},
			"transfers": func() (int, error) { l, _, err := s.Transfers(ctx, d, volume.Query{All: true}); return len(l), err },
			"defaults":  func() (int, error) { l, err := s.DefaultTypes(ctx, d); return len(l), err },
			"access":    func() (int, error) { l, err := s.TypeAccess(ctx, d, "t1"); return len(l), err },
		} {
			if left, err := n(); err != nil || left > 0 {
				t.Errorf("%d %s left, %v", left, table, err)
			}
		}
	})
}
