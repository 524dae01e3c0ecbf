package api

import (
	"encoding/base64"
	"net/http"

	"altostack/compute"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/id"
	"altostack/kernel/rest"
)

type rebuildBody struct {
	updateBody
	Image     string            `json:"imageRef"`
	AdminPass string            `json:"adminPass"`
	Metadata  map[string]string `json:"metadata"`
	KeyName   *string           `json:"key_name"`
	UserData  *string           `json:"user_data"`
	Files     []fileBody        `json:"personality"`
}

func (a *API) rebuild(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var body rebuildBody
	if err := rest.Decode(r, "rebuild", &body); err != nil {
		return err
	}
	var present map[string]any
	if err := rest.Decode(r, "rebuild", &present); err != nil {
		return err
	}
	has := func(name string, minor int) bool { _, ok := present[name]; return ok && since(r, minor) }
	want := compute.Rebuild{ImageID: imageID(body.Image), AdminPass: body.AdminPass, Metadata: body.Metadata, KeyName: body.KeyName, SetKey: has("key_name", 54),
		UserData: body.UserData, SetData: has("user_data", 57),
		Edit: compute.Edit{Name: trimmed(body.Name), AccessIPv4: body.AccessIPv4, AccessIPv6: body.AccessIPv6, DiskConfig: body.DiskConfig,
			Description: body.Description, SetDescription: has("description", 19), Hostname: body.Hostname}}
	if !id.IsUUID(want.ImageID) {
		return fault.New(fault.CodeComputeBadImage, "Invalid imageRef provided.")
	}
	if want.AdminPass == "" {
		want.AdminPass = id.Secret(6)
	}
	if want.SetData && body.UserData != nil {
		if _, err := base64.StdEncoding.DecodeString(*body.UserData); err != nil {
			return fault.New(fault.CodeComputeBadUserData, "Invalid input for field/attribute user_data. '%.60s' is not a 'base64'", *body.UserData)
		}
	}
	var c compute.Create
	if err := files(&c, body.Files); err != nil {
		return err
	}
	want.Files = c.Files
	s, err := a.svc.Rebuild(r.Context(), scope, serverID(r), want)
	if err != nil {
		return err
	}
	view, err := a.rebuiltView(r, scope, s)
	if err != nil {
		return err
	}
	view.AdminPass = want.AdminPass
	w.Header().Set("Location", rest.Base(r)+"/v2.1/servers/"+s.ID)
	return rest.Write(w, http.StatusAccepted, map[string]any{"server": view})
}

// rebuiltView is as an update's, with what rebuild could change in its version.
func (a *API) rebuiltView(r *http.Request, scope auth.Scope, s compute.Server) (*serverView, error) {
	if since(r, 75) {
		view, err := a.view(r, scope, s)
		if err == nil {
			view.UserData, view.Rebuilt = nil, orNull(s.UserData)
		}
		return view, err
	}
	v, err := a.viewer(r, scope, []compute.Server{s})
	if err != nil {
		return nil, err
	}
	v.full = false
	out := v.server(s)
	if v.at(54) {
		out.KeyName = orNull(s.KeyName)
	}
	if v.at(57) {
		out.Rebuilt = orNull(s.UserData)
	}
	if v.at(71) {
		groups, err := a.svc.Store.GroupsOf(r.Context(), a.svc.DB, s.ID)
		if err != nil {
			return nil, err
		}
		groups = append([]string{}, groups...)
		out.ServerGroups = &groups
	}
	return out, nil
}
