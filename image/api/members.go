package api

import (
	"encoding/json"
	"net/http"

	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
)

func (a *API) members(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	img, _, err := a.may(r, scope, "get_members")
	if err != nil {
		return hidden(err, r)
	}
	_, list, err := a.images.Members(r.Context(), scope, img.ID)
	if err != nil {
		return err
	}
	views := make([]memberView, len(list))
	for i, m := range list {
		views[i] = viewMember(m)
	}
	return rest.Write(w, http.StatusOK, map[string]any{"members": views, "schema": "/v2/schemas/members"})
}

func (a *API) member(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	img, _, err := a.may(r, scope, "get_member")
	if err != nil {
		return hidden(err, r)
	}
	_, m, err := a.images.Member(r.Context(), scope, img.ID, r.PathValue("member_id"))
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, viewMember(m))
}

// word reads one string of a body.
func word(r *http.Request, name, missing string) (string, error) {
	var body map[string]json.RawMessage
	if err := json.Unmarshal(rest.RawBody(r), &body); err != nil || body == nil {
		return "", invalid(`Expected a body in the form: {"%s": "..."}`, name)
	}
	raw, has := body[name]
	if !has {
		return "", invalid("%s", missing)
	}
	var v string
	if err := json.Unmarshal(raw, &v); err != nil {
		return "", invalid(`Expected a %s in the form: {"%s": "..."}`, name, name)
	}
	return v, nil
}

func (a *API) addMember(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	member, err := word(r, "member", "Member to be added not specified")
	if err != nil {
		return err
	}
	img, scope, err := a.may(r, scope, "add_member")
	if err != nil {
		return err
	}
	m, err := a.images.AddMember(r.Context(), scope, img.ID, member)
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, viewMember(m))
}

func (a *API) setMember(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	status, err := word(r, "status", "Status not specified")
	if err != nil {
		return err
	}
	img, isMember, err := a.images.GetAsMember(r.Context(), scope, r.PathValue("image_id"))
	if err != nil {
		return err
	}
	// The rule speaks of the member whose answer it is, not of the caller.
	t := target(img, scope, isMember)
	t["member_id"] = r.PathValue("member_id")
	if err := scope.Check("modify_member", t); err != nil {
		if scope.Sees(img.Owner) {
			return err
		}
		return fault.New(fault.CodeImageNotFound, "Image member %s of image %s not found.", r.PathValue("member_id"), img.ID)
	}
	m, err := a.images.SetMember(r.Context(), scope, img.ID, r.PathValue("member_id"), status)
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, viewMember(m))
}

func (a *API) removeMember(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	img, scope, err := a.may(r, scope, "delete_member")
	if err != nil {
		return err
	}
	if err := a.images.RemoveMember(r.Context(), scope, img.ID, r.PathValue("member_id")); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusNoContent)
}
