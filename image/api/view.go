package api

import (
	"maps"
	"strings"
	"time"

	"altostack/image"
	"altostack/kernel/auth"
)

func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func bytesOf(n int64) any {
	if n < 0 {
		return nil
	}
	return n
}

func at(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// view is an image with those properties that the caller may read.
func (a *API) view(i image.Image, scope auth.Scope) map[string]any {
	v := view(i)
	for name := range i.Properties {
		if !a.protected.Allow(scope, name, image.ReadProperty) {
			delete(v, name)
		}
	}
	if a.images.ShowsLocations() {
		v["locations"] = viewLocations(i)
	}
	return v
}

// view is an image as the API shows it: its properties stand among its fields.
func view(i image.Image) map[string]any {
	v := make(map[string]any, 22+len(i.Properties))
	for name, value := range i.Properties {
		v[name] = value
	}
	tags := i.Tags
	if tags == nil {
		tags = []string{}
	}
	self := "/v2/images/" + i.ID
	maps.Copy(v, map[string]any{
		"id": i.ID, "name": text(i.Name), "status": i.Status, "visibility": i.Visibility, "owner": text(i.Owner),
		"disk_format": text(i.DiskFormat), "container_format": text(i.ContainerFormat),
		"size": bytesOf(i.Size), "virtual_size": bytesOf(i.VirtualSize),
		"checksum": text(i.Checksum), "os_hash_algo": text(i.HashAlgo), "os_hash_value": text(i.HashValue),
		"min_disk": i.MinDiskGiB, "min_ram": i.MinRAMMiB, "protected": i.Protected, "os_hidden": i.Hidden,
		"tags": tags, "created_at": at(i.CreatedAt), "updated_at": at(i.UpdatedAt),
		"self": self, "file": self + "/file", "schema": "/v2/schemas/image",
	})
	if stores := i.StoresOf(); len(stores) > 0 {
		v["stores"] = strings.Join(stores, ",")
	}
	return v
}

type memberView struct {
	ImageID   string `json:"image_id"`
	MemberID  string `json:"member_id"`
	Status    string `json:"status"`
	CreatedAt string `json:"created_at"`
	UpdatedAt string `json:"updated_at"`
	Schema    string `json:"schema"`
}

func viewMember(m image.Member) memberView {
	return memberView{m.ImageID, m.MemberID, m.Status, at(m.CreatedAt), at(m.UpdatedAt), "/v2/schemas/member"}
}
