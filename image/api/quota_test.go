package api_test

import (
	"fmt"
	"strings"
	"testing"

	"altostack/image"
)

// TestQuotas reaches each limit that settings give, and sees it in the usage.
func TestQuotas(t *testing.T) {
	c := newCloud(t, image.Limits{ImageBytes: 2 << 20, ProjectBytes: 3 << 20, ProjectImages: 3, ProjectUploads: 5, ProjectStaged: 7 << 20,
		PerImage: &image.PerImage{Properties: 2, Tags: 2, Members: 1, Locations: 1}})
	id := c.active(`{"container_format": "bare", "disk_format": "raw", "tags": ["a", "b"], "p": "1", "q": "2"}`, strings.Repeat("x", 1<<20+1))
	at := "/v2/images/" + id
	usage := c.want(200, owner, "GET /v2/info/usage", "").body["usage"].(map[string]any)
	for name, want := range map[string]string{"image_size_total": "map[limit:3 usage:2]", "image_count_total": "map[limit:3 usage:1]",
		"image_stage_total": "map[limit:7 usage:0]", "image_count_uploading": "map[limit:5 usage:0]"} {
		if got := fmt.Sprint(usage[name]); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	c.want(413, owner, "PUT "+at+"/tags/c", "")
	c.want(204, owner, "PUT "+at+"/tags/a", "")
	c.want(413, owner, "PATCH "+at, `[{"op": "add", "path": "/r", "value": "3"}]`, "Content-Type", patch)
	c.want(200, owner, "PATCH "+at, `[{"op": "replace", "path": "/p", "value": "3"}]`, "Content-Type", patch)
	c.want(413, owner, "POST /v2/images", `{"p": "1", "q": "2", "r": "3"}`)
	c.want(413, owner, "POST /v2/images", `{"tags": ["1", "2", "3"]}`)
	c.want(200, owner, "POST "+at+"/members", `{"member": "bob"}`)
	if a := c.want(413, owner, "POST "+at+"/members", `{"member": "carol"}`); !strings.Contains(a.raw, "Attempted: 2, Maximum: 1") {
		t.Error(a.raw)
	}
	other := c.create(`{"container_format": "bare", "disk_format": "raw"}`)
	c.want(413, owner, "PUT /v2/images/"+other+"/file", strings.Repeat("x", 2<<20+1), "Content-Type", octets)
	c.want(413, owner, "PUT /v2/images/"+other+"/file", strings.Repeat("x", 2<<20), "Content-Type", octets)
	c.create(`{}`)
	c.want(413, owner, "POST /v2/images", `{}`)
}
