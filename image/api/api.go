// Package api is the face of the image service: OpenStack Image API v2.
//
// Most rules speak of the image (its owner, its visibility), so the handlers
// decide them once they have it: an image that the caller may not see is a 404,
// one that may be seen but not changed a 403.
package api

import (
	"net/http"

	"altostack/image"
	"altostack/kernel/auth"
	"altostack/kernel/rest"
)

// API is the handlers.
type API struct {
	images    *image.Service
	protected *image.Protections
}

// New makes the API of a service.
func New(s *image.Service) *API { return &API{images: s} }

// Protect makes p decide who may do what to which properties.
func (a *API) Protect(p *image.Protections) *API { a.protected = p; return a }

// Routes is the table of all there is.
func (a *API) Routes() []rest.Route {
	routes := []rest.Route{
		rest.On("GET /", "", versions(http.StatusMultipleChoices)).Open(),
		rest.On("GET /versions", "", versions(http.StatusOK)).Open(),
		rest.On("GET /v2", "", versions(http.StatusMultipleChoices)).Open(),

		rest.On("GET /v2/images", "get_images", a.list),
		rest.On("POST /v2/images", "add_image", a.create).Inside(),
		rest.On("GET /v2/images/{image_id}", "get_image", a.show).Inside(),
		rest.On("PATCH /v2/images/{image_id}", "modify_image", a.update).Inside(),
		rest.On("DELETE /v2/images/{image_id}", "delete_image", a.remove).Inside(),
		rest.On("POST /v2/images/{image_id}/actions/deactivate", "deactivate", a.deactivate).Inside(),
		rest.On("POST /v2/images/{image_id}/actions/reactivate", "reactivate", a.reactivate).Inside(),
		rest.On("PUT /v2/images/{image_id}/tags/{tag_value}", "modify_image", a.addTag).Inside(),
		rest.On("DELETE /v2/images/{image_id}/tags/{tag_value}", "modify_image", a.removeTag).Inside(),

		rest.On("PUT /v2/images/{image_id}/file", "upload_image", a.upload).Inside().Stream(),
		rest.On("GET /v2/images/{image_id}/file", "download_image", a.download).Inside().Stream(),

		rest.On("GET /v2/images/{image_id}/members", "get_members", a.members).Inside(),
		rest.On("POST /v2/images/{image_id}/members", "add_member", a.addMember).Inside(),
		rest.On("GET /v2/images/{image_id}/members/{member_id}", "get_member", a.member).Inside(),
		rest.On("PUT /v2/images/{image_id}/members/{member_id}", "modify_member", a.setMember).Inside(),
		rest.On("DELETE /v2/images/{image_id}/members/{member_id}", "delete_member", a.removeMember).Inside(),

		rest.On("GET /v2/info/import", "", a.importInfo),
		rest.On("GET /v2/info/stores", "", a.stores),
		rest.On("GET /v2/info/stores/detail", "stores_info_detail", a.storesDetail),
		rest.On("GET /v2/info/usage", "", a.usage),
	}
	routes = append(routes, a.arrivals()...)
	for name, schema := range schemas() {
		routes = append(routes, rest.On("GET /v2/schemas/"+name, "", func(w http.ResponseWriter, _ *http.Request, _ auth.Scope) error {
			return rest.Write(w, http.StatusOK, schema)
		}))
	}
	return routes
}

// minors are the minor versions of v2 that this API answers to, newest first.
var minors = []string{"2.17", "2.15", "2.13", "2.12", "2.11", "2.10", "2.9", "2.8", "2.7", "2.6", "2.5", "2.4", "2.3", "2.2", "2.1", "2.0"}

type link struct {
	Rel  string `json:"rel"`
	Href string `json:"href"`
}

func versions(status int) rest.Handler {
	type version struct {
		ID     string `json:"id"`
		Status string `json:"status"`
		Links  []link `json:"links"`
	}
	return func(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
		list := make([]version, len(minors))
		for i, minor := range minors {
			list[i] = version{ID: "v" + minor, Status: "SUPPORTED", Links: []link{{"self", rest.Base(r) + "/v2/"}}}
		}
		list[0].Status = "CURRENT"
		return rest.Write(w, status, map[string]any{"versions": list})
	}
}

// target is what the rules compare of an image. A member's own project stands
// for member_id, as Glance has it.
func target(img image.Image, scope auth.Scope, member bool) auth.Target {
	t := auth.Target{"project_id": img.Owner, "owner": img.Owner, "visibility": img.Visibility, "image_id": img.ID, "member_id": ""}
	if img.Visibility == image.Shared && !member {
		t["visibility"] = "not shared with the caller"
	}
	if member {
		t["member_id"] = scope.ProjectID
	}
	return t
}

// may reads an image and decides a rule on it. The scope answered reaches the
// image whoever owns it, as the rule has been decided.
func (a *API) may(r *http.Request, scope auth.Scope, rule string) (image.Image, auth.Scope, error) {
	img, member, err := a.images.GetAsMember(r.Context(), scope, r.PathValue("image_id"))
	if err != nil {
		return img, scope, err
	}
	if err := scope.Check(rule, target(img, scope, member)); err != nil {
		return img, scope, err
	}
	scope.All = true
	return img, scope, nil
}
