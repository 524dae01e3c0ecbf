package api

import (
	"encoding/json"
	"maps"
	"net/http"
	"strconv"

	"altostack/kernel/auth"
	"altostack/volume"
)

// volumeView is a volume in full. Members of type RawMessage come with their
// microversion, or for administrators.
type volumeView struct {
	ID                 string            `json:"id"`
	Status             string            `json:"status"`
	Size               int64             `json:"size"`
	Zone               string            `json:"availability_zone"`
	CreatedAt          *string           `json:"created_at"`
	UpdatedAt          *string           `json:"updated_at"`
	Name               *string           `json:"name"`
	Description        *string           `json:"description"`
	Type               *string           `json:"volume_type"`
	SnapshotID         *string           `json:"snapshot_id"`
	SourceID           *string           `json:"source_volid"`
	Metadata           map[string]string `json:"metadata"`
	Links              []link            `json:"links"`
	UserID             string            `json:"user_id"`
	Bootable           string            `json:"bootable"`
	Encrypted          bool              `json:"encrypted"`
	ReplicationStatus  *string           `json:"replication_status"`
	ConsistencyGroupID *string           `json:"consistencygroup_id"`
	MultiAttach        bool              `json:"multiattach"`
	Attachments        []attachedView    `json:"attachments"`
	ImageMeta          map[string]string `json:"volume_image_metadata,omitempty"`
	MigrationStatus    json.RawMessage   `json:"migration_status,omitempty"`
	GroupID            json.RawMessage   `json:"group_id,omitempty"`
	ProviderID         json.RawMessage   `json:"provider_id,omitempty"`
	SharedTargets      json.RawMessage   `json:"shared_targets,omitempty"`
	ServiceUUID        json.RawMessage   `json:"service_uuid,omitempty"`
	ClusterName        json.RawMessage   `json:"cluster_name,omitempty"`
	TypeID             string            `json:"volume_type_id,omitempty"`
	ConsumesQuota      *bool             `json:"consumes_quota,omitempty"`
	TenantID           string            `json:"os-vol-tenant-attr:tenant_id,omitempty"`
	Host               json.RawMessage   `json:"os-vol-host-attr:host,omitempty"`
	MigStat            json.RawMessage   `json:"os-vol-mig-status-attr:migstat,omitempty"`
	MigName            json.RawMessage   `json:"os-vol-mig-status-attr:name_id,omitempty"`
}

type attachedView struct {
	ID           string  `json:"id"`
	AttachmentID string  `json:"attachment_id"`
	VolumeID     string  `json:"volume_id"`
	ServerID     *string `json:"server_id"`
	HostName     *string `json:"host_name"`
	Device       *string `json:"device"`
	AttachedAt   *string `json:"attached_at"`
}

type volumeSummary struct {
	ID    string  `json:"id"`
	Name  *string `json:"name"`
	Links []link  `json:"links"`
}

func viewSummary(r *http.Request, scope auth.Scope, v volume.Volume) volumeSummary {
	return volumeSummary{v.ID, text(v.Name), linksTo(r, scope, "volumes", v.ID)}
}

// viewVolume is the detailed view; extended adds what Cinder's extensions add
// to shows and detailed lists, but not to the answer of a create.
func viewVolume(r *http.Request, scope auth.Scope, v volume.Volume, extended bool) volumeView {
	out := volumeView{ID: v.ID, Status: string(v.Status), Size: v.SizeGiB, Zone: v.Zone, CreatedAt: stamp(v.CreatedAt), UpdatedAt: changed(v.CreatedAt, v.UpdatedAt),
		Name: text(v.Name), Description: text(v.Description), Type: text(v.TypeName), SnapshotID: text(v.SnapshotID), SourceID: text(v.SourceID),
		Metadata: shown(v), Links: linksTo(r, scope, "volumes", v.ID), UserID: v.UserID, Bootable: strconv.FormatBool(v.Bootable),
		MultiAttach: v.MultiAttach, Attachments: viewAttached(scope, v)}
	admin := volume.Admin(scope)
	if admin {
		out.MigrationStatus = null
	}
	if since(r, 13) {
		out.GroupID = null
	}
	if admin && since(r, 21) {
		out.ProviderID = null
	}
	if since(r, 48) {
		out.SharedTargets, out.ServiceUUID = json.RawMessage("false"), null
	}
	if admin && since(r, 61) {
		out.ClusterName = null
	}
	if since(r, 63) {
		out.TypeID = v.TypeID
	}
	if since(r, 65) {
		yes := true
		out.ConsumesQuota = &yes
	}
	if !extended {
		return out
	}
	if len(v.ImageMeta) > 0 {
		out.ImageMeta = v.ImageMeta
	}
	out.TenantID = v.ProjectID
	if admin {
		out.Host, out.MigStat, out.MigName = null, null, null
		if v.Host != "" {
			out.Host = json.RawMessage(strconv.Quote(v.Host))
		}
	}
	return out
}

// shown is the metadata with what the read-only flag adds to it.
func shown(v volume.Volume) map[string]string {
	m := v.Metadata
	if m == nil {
		m = map[string]string{}
	}
	if v.ReadOnly && m["readonly"] != "True" {
		m = maps.Clone(m)
		m["readonly"] = "True"
	}
	return m
}

func viewAttached(scope auth.Scope, v volume.Volume) []attachedView {
	out := []attachedView{}
	for _, at := range v.Attachments {
		if at.Status != volume.AttachAttached {
			continue
		}
		a := attachedView{ID: v.ID, AttachmentID: at.ID, VolumeID: v.ID, ServerID: text(at.ServerID), Device: text(at.Device), AttachedAt: stamp(at.AttachedAt)}
		if volume.Admin(scope) || service(scope) {
			if a.HostName = text(at.HostName); at.HostName == "" {
				a.HostName = text(at.Host)
			}
		}
		out = append(out, a)
	}
	return out
}
