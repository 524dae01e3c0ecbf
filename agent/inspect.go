package agent

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"altostack/hostapi"
	"altostack/kernel/fault"
)

// Console answers the end of the guest's serial log; see [hostapi.Agent].
func (a *Agent) Console(ctx context.Context, guestID string, max int64) ([]byte, error) {
	if _, ok := a.records.get(guestID); !ok {
		return nil, unknownGuest(guestID)
	}
	b, err := a.cfg.Hypervisor.Console(ctx, guestID, max)
	return b, asFault(err, fault.CodeAgentHypervisorFailed, "The console log of guest %s could not be read.", guestID)
}

// Dial opens a console; see [hostapi.Agent].
func (a *Agent) Dial(ctx context.Context, guestID string, kind hostapi.ConsoleKind) (io.ReadWriteCloser, error) {
	if _, ok := a.records.get(guestID); !ok {
		return nil, unknownGuest(guestID)
	}
	c, err := a.cfg.Hypervisor.Dial(ctx, guestID, kind)
	if err != nil {
		return nil, asFault(err, fault.CodeAgentGuestNotRunning, "The %s console of guest %s cannot be opened.", kind, guestID)
	}
	return c, nil
}

// ResizeVolume passes on that a volume has grown; see [hostapi.Agent].
func (a *Agent) ResizeVolume(ctx context.Context, guestID, volumeID string, sizeMiB int64) error {
	return a.inTurn(ctx, guestID, false, func(ctx context.Context) error {
		r, ok := a.records.get(guestID)
		if !ok {
			return unknownGuest(guestID)
		}
		for i, d := range r.Guest.Disks {
			if d.Volume == nil || d.Volume.VolumeID != volumeID {
				continue
			}
			if err := a.cfg.Hypervisor.ResizeDisk(ctx, guestID, d.ID, sizeMiB); err != nil {
				return asFault(err, fault.CodeAgentHypervisorFailed, "Guest %s could not be told that volume %s has grown.", guestID, volumeID)
			}
			r.Guest.Disks = append([]hostapi.Disk(nil), r.Guest.Disks...) // readers share the old one
			r.Guest.Disks[i].SizeMiB = sizeMiB
			return a.records.put(r)
		}
		return fault.New(fault.CodeAgentVolumeUnavailable, "Guest %s does not have volume %s.", guestID, volumeID)
	})
}

// Diagnostics reads a running guest's counters; the cards' come from the wiring,
// which counts what the guest itself cannot.
func (a *Agent) Diagnostics(ctx context.Context, guestID string) (hostapi.Diagnostics, error) {
	r, ok := a.records.get(guestID)
	if !ok {
		return hostapi.Diagnostics{}, unknownGuest(guestID)
	}
	d, err := a.cfg.Hypervisor.Diagnostics(ctx, guestID)
	if err != nil {
		return d, asFault(err, fault.CodeAgentGuestNotRunning, "Guest %s does not run.", guestID)
	}
	counters, err := a.cfg.Dataplane.Counters(ctx, portIDs(r.Guest))
	if err != nil {
		return d, asFault(err, fault.CodeAgentWiringFailed, "The traffic of guest %s could not be read.", guestID)
	}
	d.NICs = nil
	for _, nic := range r.Guest.NICs {
		c := counters[nic.PortID]
		c.MAC = nic.MAC
		d.NICs = append(d.NICs, c)
	}
	return d, nil
}

// Snapshot uploads a copy of the guest's root disk; see [hostapi.Agent]. The
// copy lies on the host only as long as the call takes.
func (a *Agent) Snapshot(ctx context.Context, guestID, imageID, token string) error {
	return a.inTurn(ctx, guestID, false, func(ctx context.Context) error {
		r, ok := a.records.get(guestID)
		if !ok {
			return unknownGuest(guestID)
		}
		m, err := a.machine(ctx, r.Guest)
		if err != nil {
			return err
		}
		root := -1
		for i, d := range r.Guest.Disks {
			if d.BootIndex == 0 && d.Volume == nil {
				root = i
			}
		}
		if root < 0 {
			return fault.New(fault.CodeAgentNoLocalRoot, "The root disk of server %s is a volume.", guestID)
		}
		dir, err := os.MkdirTemp(a.scratch(), "snapshot-")
		if err != nil {
			return diskFault(err, "make room for a snapshot")
		}
		defer a.clear(dir)
		path := filepath.Join(dir, "disk.qcow2")
		if err := a.cfg.Hypervisor.CopyDisk(ctx, guestID, m.Disks[root], path); err != nil {
			return asFault(err, fault.CodeAgentHypervisorFailed, "The root disk of guest %s could not be copied.", guestID)
		}
		return a.upload(ctx, path, imageID, token)
	})
}

// scratch is where copies lie for a moment; empty is the system's own place.
func (a *Agent) scratch() string {
	if a.cfg.Dir == "" {
		return ""
	}
	return filepath.Join(a.cfg.Dir, "scratch")
}

func (a *Agent) clear(dir string) {
	if err := os.RemoveAll(dir); err != nil {
		a.log.Warn("a copy could not be deleted", "path", dir, "error", err)
	}
}

// upload streams a file to the image service as an image's data.
func (a *Agent) upload(ctx context.Context, path, imageID, token string) error {
	f, err := os.Open(path)
	if err != nil {
		return diskFault(err, "read its copy of the disk")
	}
	defer func() { _ = f.Close() }() // only read
	st, err := f.Stat()
	if err != nil {
		return diskFault(err, "read its copy of the disk")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, a.cfg.Endpoints.Image+"/v2/images/"+imageID+"/file", f)
	if err != nil {
		return err
	}
	req.ContentLength = st.Size()
	req.Header.Set("Content-Type", "application/octet-stream")
	req.Header.Set("X-Auth-Token", token)
	res, err := a.cfg.HTTP.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fault.Because(err, fault.CodeAgentServiceUnavailable, "The image service did not take the data of image %s.", imageID)
	}
	defer discard(res)
	if res.StatusCode != http.StatusNoContent && res.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(res.Body, 4096)) // for the log only
		cause := fmt.Errorf("PUT image data: %s: %s", res.Status, body)
		return fault.Because(cause, fault.CodeAgentImageUnavailable, "The image service answered %d to the data of image %s.", res.StatusCode, imageID)
	}
	return nil
}
