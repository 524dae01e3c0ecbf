package fakevm

import (
	"context"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"syscall"

	"altostack/agent"
	"altostack/hostapi"
	"altostack/kernel/fault"
)

// scheme begins the path of every disk that exists in a world only.
const scheme = "fakevm:"

// Disks answers the session's [agent.Disks].
func (s *Session) Disks() *Disks { return &Disks{s} }

// Disks keeps sizes and digests, and no bytes.
type Disks struct{ s *Session }

var _ agent.Disks = (*Disks)(nil)

// Cached asks by digest.
func (d *Disks) Cached(ctx context.Context, image hostapi.DiskImage) (ok bool, err error) {
	err = d.s.do(ctx, "Disks.Cached", image.ID, func(h *Host) error { _, ok = h.cache[image.SHA512]; return nil })
	return ok, err
}

// Store verifies the bytes and forgets them.
func (d *Disks) Store(ctx context.Context, image hostapi.DiskImage, r io.Reader) error {
	sum := sha512.New()
	n, err := io.Copy(sum, r)
	if err != nil {
		return err
	}
	return d.s.do(ctx, "Disks.Store", image.ID, func(h *Host) error {
		if hex.EncodeToString(sum.Sum(nil)) != image.SHA512 {
			return fault.New(fault.CodeAgentImageCorrupt, "The data of image %s is not what its digest says.", image.ID)
		}
		h.cache[image.SHA512] = n
		return nil
	})
}

// Prepare notes the guest's disks, as far as there is room.
func (d *Disks) Prepare(ctx context.Context, guest hostapi.Guest, drive map[string][]byte) (files []agent.DiskFile, err error) {
	err = d.s.do(ctx, "Disks.Prepare", guest.ID, func(h *Host) error {
		mine := maps.Clone(h.disks[guest.ID])
		if mine == nil {
			mine = map[string]int64{}
		}
		for _, disk := range guest.Disks {
			f := agent.DiskFile{ID: disk.ID, Bus: disk.Bus, BootIndex: disk.BootIndex, Serial: disk.Serial, ReadOnly: disk.ReadOnly, Format: "qcow2"}
			switch {
			case disk.Volume != nil:
				f.Path, f.NBD, f.Export, f.Format = disk.Volume.Path, disk.Volume.Address, disk.Volume.Export, disk.Volume.Format
				f.Shared, f.ReadOnly = disk.Volume.MultiAttach, disk.ReadOnly || disk.Volume.ReadOnly
			case disk.Image != nil && h.cache[disk.Image.SHA512] == 0:
				return fmt.Errorf("fakevm: image %s is not cached", disk.Image.ID)
			default:
				f.Path = scheme + h.Name + "/" + guest.ID + "/" + disk.ID
				mine[disk.ID] = disk.SizeMiB
			}
			files = append(files, f)
		}
		if drive != nil {
			mine["config"] = 1
			files = append(files, agent.DiskFile{ID: "config", Path: scheme + h.Name + "/" + guest.ID + "/config",
				Format: "raw", Bus: agent.DriveBus(guest), BootIndex: -1, ReadOnly: true})
		}
		if h.used()-sum(h.disks[guest.ID])+sum(mine) > h.world.size.DiskGiB<<10 {
			return syscall.ENOSPC
		}
		if len(mine) > 0 {
			h.disks[guest.ID] = mine
		}
		return nil
	})
	return files, err
}

// Remove forgets the guest's disks.
func (d *Disks) Remove(ctx context.Context, guestID string) error {
	return d.s.do(ctx, "Disks.Remove", guestID, func(h *Host) error { delete(h.disks, guestID); return nil })
}

// Guests lists whose disks there are.
func (d *Disks) Guests(ctx context.Context) (ids []string, err error) {
	err = d.s.do(ctx, "Disks.Guests", "", func(h *Host) error { ids = slices.Sorted(maps.Keys(h.disks)); return nil })
	return ids, err
}

// Free counts promised sizes.
func (d *Disks) Free(ctx context.Context) (free, total int64, err error) {
	err = d.s.do(ctx, "Disks.Free", "", func(h *Host) error {
		total = h.world.size.DiskGiB << 30
		free = total - h.used()<<20
		return nil
	})
	return free, total, err
}

// used is in MiB. The host is locked.
func (h *Host) used() int64 {
	var n int64
	for _, disks := range h.disks {
		n += sum(disks)
	}
	return n
}

func sum(disks map[string]int64) int64 {
	var n int64
	for _, size := range disks {
		n += size
	}
	return n
}

// Records answers the session's [agent.Records], which outlive it.
func (s *Session) Records() *Records { return &Records{s} }

// Records are kept in the world.
type Records struct{ s *Session }

var _ agent.Records = (*Records)(nil)

// Save stores a value.
func (r *Records) Save(name string, value []byte) error {
	return r.s.do(context.Background(), "Records.Save", name, func(h *Host) error { h.records[name] = slices.Clone(value); return nil })
}

// Delete drops a value.
func (r *Records) Delete(name string) error {
	return r.s.do(context.Background(), "Records.Delete", name, func(h *Host) error { delete(h.records, name); return nil })
}

// All answers copies of the values.
func (r *Records) All() (all map[string][]byte, err error) {
	err = r.s.do(context.Background(), "Records.All", "", func(h *Host) error {
		all = map[string][]byte{}
		for name, value := range h.records {
			all[name] = slices.Clone(value)
		}
		return nil
	})
	return all, err
}
