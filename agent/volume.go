package agent

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"altostack/hostapi"
	"altostack/kernel/fault"
)

// volumes asks the volume API how to reach the guest's volumes, and puts what
// it says into the guest's disks: steps 26 to 28.
func (a *Agent) volumes(ctx context.Context, t *trace, guest *hostapi.Guest) error {
	var first *answer
	var ids []string
	disks := slices.Clone(guest.Disks)
	for i, d := range disks {
		if d.Volume == nil {
			continue
		}
		ids = append(ids, d.Volume.VolumeID)
		if a.cfg.Endpoints.Volume == "" || d.Volume.AttachmentID == "" {
			continue // the description says all there is
		}
		if first == nil {
			t.begin(26)
		}
		connection := *d.Volume
		ans, err := a.attachment(ctx, &connection)
		if err != nil {
			t.add(26, a.cfg.Clock.Now(), 0, err, attrs{"volume_ids": ids})
			return err
		}
		disks[i].Volume = &connection
		if first == nil {
			first = ans
		}
	}
	guest.Disks = disks
	switch {
	case len(ids) == 0:
		t.skip(attrs{"reason": "no volume takes part"}, 26, 27, 28)
	case first == nil:
		t.skip(attrs{"reason": "the description has the connections", "volume_ids": ids}, 26, 27, 28)
	default:
		a.spansOf(t, 26, first, nil, attrs{"volume_ids": ids}, attrs{"volume_ids": ids})
	}
	return nil
}

// attachment fills v from the connection_info of its attachment.
func (a *Agent) attachment(ctx context.Context, v *hostapi.VolumeConnection) (*answer, error) {
	var seen struct {
		Attachment struct {
			VolumeID string          `json:"volume_id"`
			Info     json.RawMessage `json:"connection_info"`
		} `json:"attachment"`
	}
	ans, err := a.getJSON(ctx, "volume", a.cfg.Endpoints.Volume+"/v3/attachments/"+v.AttachmentID,
		map[string]string{"OpenStack-API-Version": "volume 3.27"}, &seen)
	if err != nil {
		return nil, err
	}
	if ans.StatusCode != http.StatusOK || seen.Attachment.VolumeID != v.VolumeID {
		return nil, fault.New(fault.CodeAgentVolumeUnavailable, "The volume service answered %d for the attachment of volume %s.", ans.StatusCode, v.VolumeID)
	}
	info, ok := connectionOf(seen.Attachment.Info)
	if !ok {
		return nil, fault.New(fault.CodeAgentVolumeUnavailable, "The volume service gave no connection for volume %s.", v.VolumeID)
	}
	if info.Path == "" && info.Address == "" {
		info.Path, info.Address, info.Export = v.Path, v.Address, v.Export // the service keeps places to itself; the conductor told
	}
	info.VolumeID, info.AttachmentID = v.VolumeID, v.AttachmentID
	info.ReadOnly, info.MultiAttach = info.ReadOnly || v.ReadOnly, info.MultiAttach || v.MultiAttach
	*v = info
	return ans, nil
}

// connectionOf reads a connection_info, which has what a driver needs under
// data or, as attachments show it, beside the driver's name.
func connectionOf(raw json.RawMessage) (hostapi.VolumeConnection, bool) {
	type data struct {
		Path    string `json:"device_path"`
		Format  string `json:"format"`
		Address string `json:"address"`
		Export  string `json:"export"`
		Mode    string `json:"access_mode"`
	}
	var info struct {
		Driver string `json:"driver_volume_type"`
		Data   *data  `json:"data"`
		data
	}
	if err := json.Unmarshal(raw, &info); err != nil || info.Driver == "" {
		return hostapi.VolumeConnection{}, false
	}
	d := info.data
	if info.Data != nil {
		d = *info.Data
	}
	return hostapi.VolumeConnection{Driver: info.Driver, Path: d.Path, Format: d.Format, Address: d.Address, Export: d.Export, ReadOnly: d.Mode == "ro"}, true
}
