package wire_test

import (
	"testing"

	"altostack/wire/wiretest"
)

// limit sets a project's limit of a resource in the identity service, and answers
// its id.
func limit(w *wiretest.World, project, service, resource string, n int) string {
	w.T.Helper()
	id := w.Admin.Must(200, "GET", "/identity/v3/services?type="+service, nil).Str("services.0.id")
	return w.Admin.Must(201, "POST", "/identity/v3/limits", wiretest.M{"limits": []wiretest.M{{"service_id": id, "project_id": project, "resource_name": resource, "resource_limit": n}}}).Str("limits.0.id")
}

// TestLimitsOfIdentityAreQuotas sets limits where a project stands, and wants the
// next object of each kind to be refused as its service refuses, the quotas to
// show the limit, and the object to be made once the limit is gone.
func TestLimitsOfIdentityAreQuotas(t *testing.T) {
	w := wiretest.NewWorld(wiretest.Open(t, map[string]string{"quota_driver": "unified_limits"}))
	member, project := w.A.Member, w.A.IDs["project"]
	server := wiretest.M{"server": wiretest.M{"name": "more", "imageRef": w.A.Image, "flavorRef": "1", "networks": []wiretest.M{{"uuid": w.A.Network}}}}
	tests := map[string]struct {
		service, resource string
		limit             int
		path              string
		body              wiretest.M
		refused, made     int
		quota, shown      string // where the limit is shown; empty: nowhere
	}{
		"servers":       {"compute", "servers", 1, "/compute/v2.1/servers", server, 403, 202, "/compute/v2.1/os-quota-sets/" + project, "quota_set.instances"},
		"memory":        {"compute", "class:MEMORY_MB", 1, "/compute/v2.1/servers", server, 403, 202, "/compute/v2.1/limits", "limits.absolute.maxTotalRAMSize"},
		"server groups": {"compute", "server_groups", 1, "/compute/v2.1/os-server-groups", wiretest.M{"server_group": wiretest.M{"name": "g2", "policy": "affinity"}}, 403, 200, "/compute/v2.1/os-quota-sets/" + project, "quota_set.server_groups"},
		"volumes":       {"block-storage", "volumes", 2, "/volume/v3/volumes", wiretest.M{"volume": wiretest.M{"size": 1}}, 413, 202, "/volume/v3/limits", "limits.absolute.maxTotalVolumes"},
		"gigabytes":     {"block-storage", "gigabytes", 3, "/volume/v3/volumes", wiretest.M{"volume": wiretest.M{"size": 1}}, 413, 202, "/volume/v3/os-quota-sets/" + project, "quota_set.gigabytes"},
		"images":        {"image", "image_count_total", 1, "/image/v2/images", wiretest.M{"name": "more"}, 413, 201, "/image/v2/info/usage", "usage.image_count_total.limit"},
		"networks":      {"network", "network", 1, "/network/v2.0/networks", wiretest.M{"network": wiretest.M{"name": "more"}}, 409, 201, "/network/v2.0/quotas/" + project, "quota.network"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			id := limit(w, project, tt.service, tt.resource, tt.limit)
			if a := member.Do("POST", tt.path, tt.body); a.Status != tt.refused {
				t.Errorf("over the limit: %d %s", a.Status, a.Text)
			}
			if a := member.Must(200, "GET", tt.quota, nil); a.At(tt.shown) != float64(tt.limit) {
				t.Errorf("%s shows %v: %s", tt.quota, a.At(tt.shown), a.Text)
			}
			w.Admin.Must(204, "DELETE", "/identity/v3/limits/"+id, nil)
			if a := member.Do("POST", tt.path, tt.body); a.Status != tt.made {
				t.Errorf("without the limit: %d %s", a.Status, a.Text)
			}
			w.Idle()
		})
	}
	id := limit(w, project, "image", "image_size_total", 0)
	image := member.Must(201, "POST", "/image/v2/images", wiretest.M{"name": "big", "disk_format": "raw", "container_format": "bare"}).Str("id")
	if a := member.Raw("PUT", "/image/v2/images/"+image+"/file", []byte("data"), "Content-Type", "application/octet-stream"); a.Status != 413 {
		t.Errorf("bytes over the limit: %d %s", a.Status, a.Text)
	}
	w.Admin.Must(204, "DELETE", "/identity/v3/limits/"+id, nil)
	w.Admin.Must(200, "PUT", "/compute/v2.1/os-quota-sets/"+project, wiretest.M{"quota_set": wiretest.M{"instances": 77}})
	if a := w.Admin.Must(200, "GET", "/compute/v2.1/os-quota-sets/"+project, nil); a.At("quota_set.instances") != float64(10) {
		t.Errorf("quotas of the service's own have no effect then: %s", a.Text)
	}
}
