package qemu

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"altostack/agent"
	"altostack/driver/qemu/qmp"
	"altostack/hostapi"
	"altostack/kernel/fault"
)

// ResizeDisk tells a running guest that a disk has grown. It never shrinks one,
// and for a guest that does not run there is nobody to tell.
func (d *Driver) ResizeDisk(ctx context.Context, id, diskID string, sizeMiB int64) error {
	g, err := d.find(id)
	if err != nil {
		return err
	}
	mon, err := g.monitor(ctx)
	if fault.Has(err, fault.CodeAgentGuestNotRunning) {
		return nil
	}
	if err != nil {
		return err
	}
	found, err := findNode(ctx, mon, nodeName(diskID))
	if err != nil {
		return g.silent(err)
	}
	if found == nil {
		return fault.New(fault.CodeQemuDiskUnusable, "Server %s has no disk %s.", id, diskID)
	}
	size := max(sizeMiB<<20, found.Image.Size, g.rawSize(diskID))
	if err := mon.Run(ctx, "block_resize", object{"node-name": found.Name, "size": size}, nil); err != nil {
		return g.silent(err)
	}
	return nil
}

// rawSize is how large a raw disk's file is already, so that it is never cut.
func (g *guest) rawSize(diskID string) int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	d := findDisk(g.rec.Spec.Disks, diskID)
	if d == nil || d.Format != "raw" || d.Path == "" {
		return 0
	}
	info, err := os.Stat(d.Path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// CopyDisk writes a point-in-time, self-contained qcow2 copy of one disk to
// path, which appears only when it is whole. It is QEMU that reads the disk, as
// the guest's own user and within its limits: the running one, or, for a guest
// that is off, one in which the guest never executes an instruction.
func (d *Driver) CopyDisk(ctx context.Context, id string, file agent.DiskFile, path string) error {
	if _, err := d.find(id); err != nil {
		return err
	}
	g, err := d.take(ctx, id, false)
	if err != nil {
		return err
	}
	if g == nil {
		_, err := d.find(id)
		return err
	}
	g.mu.Lock()
	running := g.proc != nil && g.rec.PID != 0 && g.rec.State != hostapi.GuestStopped && g.rec.State != hostapi.GuestCrashed
	g.mu.Unlock()
	if !running {
		defer g.leave()
		return g.copyStopped(ctx, file, path)
	}
	g.leave() // a copy may take long: the guest can be changed meanwhile
	mon, err := g.monitor(ctx)
	if err != nil {
		return err
	}
	return g.copyVia(ctx, mon, file.ID, path)
}

// copyStopped copies a disk of a guest that is off. The turn is held, so that
// it cannot be started meanwhile.
func (g *guest) copyStopped(ctx context.Context, file agent.DiskFile, path string) error {
	if err := g.settle(ctx); err != nil {
		return err
	}
	if err := checkDisk(file, nil); err != nil {
		return err
	}
	g.mu.Lock()
	before := g.rec
	g.mu.Unlock()
	file.Bus, file.BootIndex = "virtio", -1
	// Nothing runs in it, so the least of everything does.
	idle := spec{ID: g.id, Machine: "q35", VCPUs: 1, MemoryMiB: 16, Disks: []disk{{file}}}
	if err := checkFiles(idle.Disks); err != nil {
		return err
	}
	g.update(func(r *record) { r.Ending = true }) // a successor ends what it finds
	if _, err := g.launch(ctx, idle, nil); err != nil {
		return err
	}
	g.mu.Lock()
	mon := g.mon
	g.mu.Unlock()
	err := errors.New("QEMU ended")
	if mon != nil {
		err = g.copyVia(ctx, mon, file.ID, path)
	}
	err = errors.Join(err, g.end(context.WithoutCancel(ctx)))
	g.update(func(r *record) { r.State, r.Reason, r.Since = before.State, before.Reason, before.Since })
	return err
}

// Names of a copy in QEMU; there is one at a time.
const (
	copyJob  = "copy"
	copyNode = "copy"
	copyFile = "copy-file"
)

func (g *guest) copyVia(ctx context.Context, mon *qmp.Client, diskID, path string) error {
	select {
	case g.copying <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-g.copying }()
	part := path + ".part"
	err := g.copyTo(ctx, mon, nodeName(diskID), part)
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.d.cfg.StartTimeout)
	defer cancel()
	err = errors.Join(err, g.clearCopy(after, mon))
	if err == nil {
		err = os.Rename(part, path)
	}
	if err != nil {
		_ = os.Remove(part)
		return fault.Because(err, fault.CodeQemuCopyFailed, "Disk %s of server %s could not be copied.", diskID, g.id)
	}
	return nil
}

func (g *guest) copyTo(ctx context.Context, mon *qmp.Client, source, part string) error {
	if err := g.clearCopy(ctx, mon); err != nil { // of an attempt that broke off
		return err
	}
	found, err := findNode(ctx, mon, source)
	if err == nil && found == nil {
		err = fmt.Errorf("no disk %s", source)
	}
	if err != nil {
		return err
	}
	f, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	set, err := addOpen(ctx, mon, f)
	if err != nil {
		return err
	}
	steps := []struct {
		command string
		args    object
		job     bool
	}{
		{"blockdev-add", object{"driver": "file", "node-name": copyFile, "filename": fmt.Sprintf("/dev/fdset/%d", set), "discard": "unmap"}, false},
		{"blockdev-create", object{"job-id": copyJob, "options": object{"driver": "qcow2", "file": copyFile, "size": found.Image.Size}}, true},
		{"blockdev-add", object{"driver": "qcow2", "node-name": copyNode, "file": copyFile, "backing": nil, "discard": "unmap", "detect-zeroes": "unmap"}, false},
		{"blockdev-backup", object{"job-id": copyJob, "device": source, "target": copyNode, "sync": "full", "auto-dismiss": false}, true},
	}
	for _, step := range steps {
		if err := mon.Run(ctx, step.command, step.args, nil); err != nil {
			return err
		}
		if step.job {
			if err := g.waitJob(ctx, mon); err != nil {
				return err
			}
		}
	}
	return nil
}

// job is what query-jobs says of one.
type job struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	Error  string `json:"error"`
}

func findJob(ctx context.Context, mon *qmp.Client) (*job, error) {
	var jobs []job
	if err := mon.Run(ctx, "query-jobs", nil, &jobs); err != nil {
		return nil, err
	}
	for i := range jobs {
		if jobs[i].ID == copyJob {
			return &jobs[i], nil
		}
	}
	return nil, nil
}

// waitJob waits for the end of the job and answers how it ended.
func (g *guest) waitJob(ctx context.Context, mon *qmp.Client) error {
	for {
		wake := g.stirred()
		j, err := findJob(ctx, mon)
		if err != nil || j == nil {
			return errors.Join(err, missing(j))
		}
		if j.Status == "concluded" {
			if err := mon.Run(ctx, "job-dismiss", object{"id": copyJob}, nil); err != nil {
				return err
			}
			if j.Error != "" {
				return errors.New(j.Error)
			}
			return nil
		}
		if err := g.waitStir(ctx, mon, wake); err != nil {
			return err
		}
	}
}

func missing(j *job) error {
	if j == nil {
		return errors.New("the job vanished")
	}
	return nil
}

// waitStir waits until something happens to the guest, or it is time to look.
func (g *guest) waitStir(ctx context.Context, mon *qmp.Client, wake <-chan struct{}) error {
	tick, stop := g.d.cfg.Clock.After(time.Second)
	defer stop()
	select {
	case <-wake:
	case <-tick:
	case <-mon.Done():
		return mon.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// clearCopy removes whatever a copy has in QEMU. Nothing there is success.
func (g *guest) clearCopy(ctx context.Context, mon *qmp.Client) error {
	for {
		wake := g.stirred()
		j, err := findJob(ctx, mon)
		if err != nil {
			return err
		}
		if j == nil {
			break
		}
		if j.Status == "concluded" {
			err = mon.Run(ctx, "job-dismiss", object{"id": copyJob}, nil)
		} else {
			err = mon.Run(ctx, "job-cancel", object{"id": copyJob}, nil)
			err = errors.Join(err, g.waitStir(ctx, mon, wake))
		}
		if err != nil {
			return err
		}
	}
	return errors.Join(dropNode(ctx, mon, copyNode), dropNode(ctx, mon, copyFile))
}
