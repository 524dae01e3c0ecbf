package api

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"altostack/image"
	"altostack/kernel/auth"
	"altostack/kernel/rest"
)

// arrivals are the routes by which data comes other than by PUT, and of the stores.
func (a *API) arrivals() []rest.Route {
	routes := []rest.Route{
		rest.On("PUT /v2/images/{image_id}/stage", "modify_image", a.stage).Inside().Stream(),
		rest.On("POST /v2/images/{image_id}/import", "modify_image", a.importImage).Inside(),
		rest.On("GET /v2/images/{image_id}/tasks", "get_image", a.imageTasks).Inside(),
		rest.On("DELETE /v2/stores/{store_id}/{image_id}", "delete_image_location", a.removeFrom).Inside(),
		rest.On("GET /v2/images/{image_id}/locations", "fetch_image_location", a.locations).Inside(),
		rest.On("POST /v2/images/{image_id}/locations", "add_image_location", a.addLocation).Inside(),
		rest.On("GET /v2/tasks", "tasks_api_access", a.tasks),
		rest.On("POST /v2/tasks", "tasks_api_access", a.addTask),
		rest.On("GET /v2/tasks/{task_id}", "tasks_api_access", a.task),
		rest.On("DELETE /v2/tasks/{task_id}", "tasks_api_access", a.removeTask),
		rest.On("GET /v2/cache", "cache_list", a.cache),
		rest.On("DELETE /v2/cache", "cache_delete", a.clearCache),
		rest.On("PUT /v2/cache/{image_id}", "cache_image", a.cacheImage),
		rest.On("DELETE /v2/cache/{image_id}", "cache_delete", a.uncache),
	}
	task := taskSchema()
	for name, schema := range map[string]object{"task": task, "tasks": collection("tasks", task)} {
		routes = append(routes, rest.On("GET /v2/schemas/"+name, "", func(w http.ResponseWriter, _ *http.Request, _ auth.Scope) error {
			return rest.Write(w, http.StatusOK, schema)
		}))
	}
	return routes
}

func (a *API) stage(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	img, scope, body, err := a.incoming(r, scope, "modify_image")
	if err != nil {
		return err
	}
	if err := a.images.Stage(r.Context(), scope, img.ID, body); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusNoContent)
}

type importBody struct {
	Method *struct {
		Name      string `json:"name"`
		URI       string `json:"uri"`
		Region    string `json:"glance_region"`
		ImageID   string `json:"glance_image_id"`
		Interface string `json:"glance_service_interface"`
	} `json:"method"`
	Stores      []string `json:"stores"`
	AllStores   *bool    `json:"all_stores"`
	MustSucceed *bool    `json:"all_stores_must_succeed"`
}

func (a *API) importImage(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	req, err := importOf(r)
	if err != nil {
		return err
	}
	rule := "modify_image"
	if req.Method == "copy-image" {
		rule = "copy_image"
	}
	img, scope, err := a.may(r, scope, rule)
	if err != nil {
		return err
	}
	if _, err := a.images.Import(r.Context(), scope, img.ID, req); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusAccepted)
}

// importOf reads what is asked for, and says what is missing in Glance's words.
func importOf(r *http.Request) (image.Import, error) {
	var body importBody
	raw := rest.RawBody(r)
	if err := json.Unmarshal(raw, &body); err != nil {
		for _, name := range []string{"all_stores_must_succeed", "all_stores"} {
			if strings.Contains(err.Error(), "."+name+" ") {
				return image.Import{}, invalid("'%s' must be boolean value only", name)
			}
		}
		return image.Import{}, invalid("The request body is no import request.")
	}
	switch {
	case body.Method == nil:
		return image.Import{}, invalid("Import request requires a 'method' field.")
	case body.Method.Name == "":
		return image.Import{}, invalid("Import request requires a 'name' field.")
	}
	req := image.Import{Method: body.Method.Name, URI: body.Method.URI, Stores: body.Stores, MustSucceed: body.MustSucceed == nil || *body.MustSucceed,
		All: body.AllStores != nil && *body.AllStores, Input: json.RawMessage(raw),
		Remote: image.RemoteRef{Region: body.Method.Region, ImageID: body.Method.ImageID, Interface: body.Method.Interface}}
	if req.Method == "glance-download" {
		req.Token = r.Header.Get("X-Auth-Token")
	}
	header := r.Header.Get("X-Image-Meta-Store")
	switch {
	case req.All && (body.Stores != nil || header != ""):
		return req, invalid("All_stores parameter can't be used with x-image-meta-store header or stores parameter")
	case body.Stores != nil && header != "":
		return req, invalid("Stores parameter and x-image-meta-store header can't be both specified")
	case header != "":
		req.Stores = []string{header}
	}
	return req, nil
}

func (a *API) removeFrom(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	if _, _, err := a.may(r, scope, "get_image_location"); err != nil {
		return err
	}
	img, scope, err := a.may(r, scope, "delete_image_location")
	if err != nil {
		return err
	}
	if err := a.images.DeleteFrom(r.Context(), scope, r.PathValue("store_id"), img.ID); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusNoContent)
}

type locationView struct {
	URL      string            `json:"url"`
	Metadata map[string]string `json:"metadata"`
}

// viewLocations shows where data is. What lies in a store has an address that
// means something to this service only: no path, no bucket.
func viewLocations(img image.Image) []locationView {
	out := []locationView{}
	for _, l := range img.Locations {
		if !l.Ready {
			continue
		}
		v := locationView{URL: l.URL, Metadata: map[string]string{"store": l.Store}}
		for name, value := range l.Metadata {
			v.Metadata[name] = value
		}
		if l.URL == "" {
			v.URL = "altostack://" + l.Store + "/" + img.ID
		}
		out = append(out, v)
	}
	return out
}

// relocate carries out what a patch says of locations, after all else.
func (a *API) relocate(r *http.Request, scope auth.Scope, img image.Image, ops []operation) (image.Image, error) {
	for _, op := range ops {
		if op.name != "locations" {
			continue
		}
		if err := a.moveLocation(r, scope, img, op); err != nil {
			return img, err
		}
		var err error
		if img, err = a.images.Get(r.Context(), scope, img.ID); err != nil {
			return img, err
		}
	}
	return img, nil
}

func (a *API) mayLocate(op operation) error {
	if a.images.ShowsLocations() {
		return nil
	}
	return forbidden("It's not allowed to %s locations if locations are invisible.", map[string]string{"add": "add", "remove": "remove", "replace": "update"}[op.op])
}

func (a *API) moveLocation(r *http.Request, scope auth.Scope, img image.Image, op operation) error {
	if op.op == "remove" {
		_, scope, err := a.may(r, scope, "delete_image_location")
		if err != nil {
			return err
		}
		at, err := strconv.Atoi(op.at)
		if err != nil {
			return invalid("Invalid position for removing a location.")
		}
		return a.images.RemoveLocation(r.Context(), scope, img.ID, at)
	}
	_, scope, err := a.may(r, scope, "set_image_location")
	if err != nil {
		return err
	}
	type location struct {
		URL   string        `json:"url"`
		Claim image.Digests `json:"validation_data"`
	}
	var list []location
	if op.op == "add" {
		list = make([]location, 1)
		err = json.Unmarshal(op.value, &list[0])
	} else {
		err = json.Unmarshal(op.value, &list)
	}
	switch {
	case err != nil:
		return invalid("Provided object does not match schema 'location': a location has a 'url'")
	case len(list) == 0:
		return forbidden("Cannot set locations to empty list.")
	case len(list) > 1:
		return invalid("One location is taken at a time.")
	}
	_, err = a.images.AddLocation(r.Context(), scope, img.ID, list[0].URL, list[0].Claim)
	return err
}

func (a *API) locations(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	img, _, err := a.may(r, scope, "fetch_image_location")
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, viewLocations(img))
}

func (a *API) addLocation(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var body struct {
		URL   string        `json:"url"`
		Claim image.Digests `json:"validation_data"`
	}
	if err := json.Unmarshal(rest.RawBody(r), &body); err != nil || body.URL == "" {
		return invalid("Provided object does not match schema 'location': a location has a 'url'")
	}
	img, scope, err := a.may(r, scope, "add_image_location")
	if err != nil {
		return err
	}
	if _, err := a.images.AddLocation(r.Context(), scope, img.ID, body.URL, body.Claim); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusAccepted)
}
