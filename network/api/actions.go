package api

import (
	"net/http"
	"slices"

	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
	"altostack/network"
)

// actions are the operations on one object that are not a change of attributes.
func (a *API) actions() []rest.Route {
	router, group := "/v2.0/routers/{router_id}/", "/v2.0/address-groups/{address_group_id}/"
	pool := "/v2.0/subnetpools/{subnetpool_id}/"
	return []rest.Route{
		inside("PUT "+router+"add_router_interface", "add_router_interface", a.routerInterface(true)),
		inside("PUT "+router+"remove_router_interface", "remove_router_interface", a.routerInterface(false)),
		inside("PUT "+router+"add_extraroutes", "add_extraroutes", a.extraRoutes(true)),
		inside("PUT "+router+"remove_extraroutes", "remove_extraroutes", a.extraRoutes(false)),
		inside("PUT "+group+"add_addresses", "update_address_group", a.addresses(true)),
		inside("PUT "+group+"remove_addresses", "update_address_group", a.addresses(false)),
		inside("PUT "+pool+"add_prefixes", "add_prefixes", a.prefixes(true)),
		inside("PUT "+pool+"remove_prefixes", "remove_prefixes", a.prefixes(false)),
	}
}

func (a *API) routerInterface(add bool) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		m, err := body(r)
		if err != nil {
			return err
		}
		for _, key := range []string{"subnet_id", "port_id"} {
			if s, ok := m[key].(string); m[key] != nil && (!ok || s == "") {
				return fault.New(fault.CodeNetworkMalformed, "Invalid input for %s. Reason: it is not a valid UUID.", key)
			}
		}
		subnet, _ := m["subnet_id"].(string)
		port, _ := m["port_id"].(string)
		do := a.svc.RemoveInterface
		if add {
			do = a.svc.AddInterface
		}
		out, err := do(r.Context(), scope, r.PathValue("router_id"), subnet, port)
		if err != nil {
			return err
		}
		return rest.Write(w, http.StatusOK, out)
	}
}

func (a *API) extraRoutes(add bool) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		var b struct {
			Routes []network.HostRoute `json:"routes"`
		}
		if err := rest.Decode(r, "router", &b); err != nil {
			return err
		}
		row, err := a.svc.ChangeRoutes(r.Context(), scope, r.PathValue("router_id"), b.Routes, add)
		if err != nil {
			return err
		}
		return rest.Write(w, http.StatusOK, map[string]any{"router": a.render(network.Routers, scope, []network.Row{row}, nil)[0]})
	}
}

func (a *API) addresses(add bool) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		var b struct {
			Addresses []string `json:"addresses"`
		}
		if err := rest.Decode(r, "", &b); err != nil {
			return err
		}
		row, err := a.svc.ChangeAddresses(r.Context(), scope, r.PathValue("address_group_id"), b.Addresses, add)
		if err != nil {
			return err
		}
		return rest.Write(w, http.StatusOK, map[string]any{"address_group": a.render(network.AddressGroups, scope, []network.Row{row}, nil)[0]})
	}
}

func (a *API) prefixes(add bool) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		var b struct {
			Prefixes []string `json:"prefixes"`
		}
		if err := rest.Decode(r, "", &b); err != nil {
			return err
		}
		list, err := a.svc.ChangePrefixes(r.Context(), scope, r.PathValue("subnetpool_id"), b.Prefixes, add)
		if err != nil {
			return err
		}
		return rest.Write(w, http.StatusOK, map[string]any{"prefixes": list})
	}
}

// tags are the seven operations on a resource's tags.
func (a *API) tags(res *network.Resource, path string) []rest.Route {
	rule := func(action string) string { return action + "_" + res.Singular }
	return []rest.Route{
		inside("GET "+path+"/tags", rule("get"), a.listTags(res)),
		inside("POST "+path+"/tags", rule("update"), a.setTags(res, true)),
		inside("PUT "+path+"/tags", rule("update"), a.setTags(res, false)),
		inside("DELETE "+path+"/tags", rule("delete"), a.dropTags(res)),
		inside("GET "+path+"/tags/{tag}", rule("get"), a.hasTag(res)),
		inside("PUT "+path+"/tags/{tag}", rule("update"), a.addTag(res)),
		inside("DELETE "+path+"/tags/{tag}", rule("delete"), a.dropTag(res)),
	}
}

func (a *API) listTags(res *network.Resource) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		tags, err := a.svc.Tags(r.Context(), scope, res, id(r, res))
		if err != nil {
			return err
		}
		return rest.Write(w, http.StatusOK, map[string]any{"tags": tags})
	}
}

// setTags replaces the tags, or with add, adds to them.
func (a *API) setTags(res *network.Resource, add bool) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		var b struct {
			Tags []string `json:"tags"`
		}
		if err := rest.Decode(r, "", &b); err != nil {
			return err
		}
		if b.Tags == nil {
			return fault.New(fault.CodeNetworkMalformed, "Invalid tags body")
		}
		tags, err := a.svc.ChangeTags(r.Context(), scope, res, id(r, res), "update", func(old []string) ([]string, error) {
			if add {
				return append(old, b.Tags...), nil
			}
			return slices.Clone(b.Tags), nil
		})
		if err != nil {
			return err
		}
		return rest.Write(w, http.StatusOK, map[string]any{"tags": tags})
	}
}

func (a *API) dropTags(res *network.Resource) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		_, err := a.svc.ChangeTags(r.Context(), scope, res, id(r, res), "delete", func([]string) ([]string, error) { return nil, nil })
		if err != nil {
			return err
		}
		return rest.Empty(w, http.StatusNoContent)
	}
}

func noTag(tag string) error {
	return fault.New(fault.CodeNetworkTagNotFound, "Tag %s could not be found.", tag)
}

func (a *API) hasTag(res *network.Resource) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		tags, err := a.svc.Tags(r.Context(), scope, res, id(r, res))
		if err != nil {
			return err
		}
		if !slices.Contains(tags, r.PathValue("tag")) {
			return noTag(r.PathValue("tag"))
		}
		return rest.Empty(w, http.StatusNoContent)
	}
}

func (a *API) addTag(res *network.Resource) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		_, err := a.svc.ChangeTags(r.Context(), scope, res, id(r, res), "update", func(old []string) ([]string, error) {
			return append(old, r.PathValue("tag")), nil
		})
		if err != nil {
			return err
		}
		return rest.Empty(w, http.StatusCreated)
	}
}

func (a *API) dropTag(res *network.Resource) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		_, err := a.svc.ChangeTags(r.Context(), scope, res, id(r, res), "delete", func(old []string) ([]string, error) {
			i := slices.Index(old, r.PathValue("tag"))
			if i < 0 {
				return nil, noTag(r.PathValue("tag"))
			}
			return slices.Delete(old, i, i+1), nil
		})
		if err != nil {
			return err
		}
		return rest.Empty(w, http.StatusNoContent)
	}
}
