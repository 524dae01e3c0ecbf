package api

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"altostack/image/metadefs"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/page"
	"altostack/kernel/rest"
)

// Metadefs is the handlers of metadata definitions.
type Metadefs struct{ defs *metadefs.Service }

// NewMetadefs makes the API of a service.
func NewMetadefs(s *metadefs.Service) *Metadefs { return &Metadefs{defs: s} }

// Routes is the table of all there is. Rules are decided inside, where they need
// the namespace.
func (a *Metadefs) Routes() []rest.Route {
	const ns = "/v2/metadefs/namespaces/{namespace}"
	routes := []rest.Route{
		rest.On("GET /v2/metadefs/resource_types", "list_metadef_resource_types", a.resourceTypes),
		rest.On("GET /v2/metadefs/namespaces", "get_metadef_namespaces", a.namespaces),
		rest.On("POST /v2/metadefs/namespaces", "add_metadef_namespace", a.createNamespace),
		rest.On("GET "+ns, "get_metadef_namespace", a.showNamespace).Inside(),
		rest.On("PUT "+ns, "modify_metadef_namespace", a.updateNamespace).Inside(),
		rest.On("DELETE "+ns, "delete_metadef_namespace", a.deleteNamespace).Inside(),

		rest.On("GET "+ns+"/resource_types", "list_metadef_resource_types", a.associations).Inside(),
		rest.On("POST "+ns+"/resource_types", "add_metadef_resource_type_association", a.associate).Inside(),
		rest.On("DELETE "+ns+"/resource_types/{resource_type}", "remove_metadef_resource_type_association", a.dissociate).Inside(),

		rest.On("GET "+ns+"/objects", "get_metadef_objects", a.objects).Inside(),
		rest.On("POST "+ns+"/objects", "add_metadef_object", a.createObject).Inside(),
		rest.On("DELETE "+ns+"/objects", "delete_metadef_namespace", a.clear(metadefs.Object)).Inside(),
		rest.On("GET "+ns+"/objects/{name}", "get_metadef_object", a.showObject).Inside(),
		rest.On("PUT "+ns+"/objects/{name}", "modify_metadef_object", a.updateObject).Inside(),
		rest.On("DELETE "+ns+"/objects/{name}", "delete_metadef_object", a.remove(metadefs.Object)).Inside(),

		rest.On("GET "+ns+"/properties", "get_metadef_properties", a.properties).Inside(),
		rest.On("POST "+ns+"/properties", "add_metadef_property", a.createProperty).Inside(),
		rest.On("DELETE "+ns+"/properties", "delete_metadef_namespace", a.clear(metadefs.Property)).Inside(),
		rest.On("GET "+ns+"/properties/{name}", "get_metadef_property", a.showProperty).Inside(),
		rest.On("PUT "+ns+"/properties/{name}", "modify_metadef_property", a.updateProperty).Inside(),
		rest.On("DELETE "+ns+"/properties/{name}", "remove_metadef_property", a.remove(metadefs.Property)).Inside(),

		rest.On("GET "+ns+"/tags", "get_metadef_tags", a.tags).Inside(),
		rest.On("POST "+ns+"/tags", "add_metadef_tags", a.createTags).Inside(),
		rest.On("DELETE "+ns+"/tags", "delete_metadef_namespace", a.clear(metadefs.Tag, "delete_metadef_tags")).Inside(),
		rest.On("GET "+ns+"/tags/{name}", "get_metadef_tag", a.showTag).Inside(),
		rest.On("POST "+ns+"/tags/{name}", "add_metadef_tag", a.createTag).Inside(),
		rest.On("PUT "+ns+"/tags/{name}", "modify_metadef_tag", a.updateTag).Inside(),
		rest.On("DELETE "+ns+"/tags/{name}", "delete_metadef_tag", a.remove(metadefs.Tag)).Inside(),
	}
	for name, schema := range metadefSchemas() {
		routes = append(routes, rest.On("GET /v2/schemas/metadefs/"+name, "", func(w http.ResponseWriter, _ *http.Request, _ auth.Scope) error {
			return rest.Write(w, http.StatusOK, schema)
		}))
	}
	return routes
}

// see answers the namespace of a route if the route's rule allows the caller to.
func (a *Metadefs) see(r *http.Request, scope auth.Scope, rules ...string) (metadefs.Namespace, error) {
	return a.defs.Get(r.Context(), scope, r.PathValue("namespace"), append(rules, scope.Rule)...)
}

var defSorting = page.Options{
	Keys:    map[string]string{"created_at": "created_at", "updated_at": "updated_at", "id": "id", "name": "name"},
	Default: []page.Key{{Column: "created_at", Desc: true}},
	Max:     1000,
}

var namespaceSorting = page.Options{
	Keys: map[string]string{"created_at": "created_at", "updated_at": "updated_at", "id": "id", "namespace": "name", "visibility": "visibility",
		"owner": "owner", "protected": "protected", "display_name": "display_name", "description": "description"},
	Default: defSorting.Default,
	Max:     1000,
	Implied: 25,
}

// ordered reads the paging parameters, which know no list of keys here.
func ordered(params url.Values, o page.Options, visibilities ...string) (page.Request, error) {
	if v := params.Get("visibility"); v != "" && !slices.Contains(visibilities, v) {
		return page.Request{}, invalid("Invalid visibility value: %s", v)
	}
	if text := params.Get("limit"); params.Has("limit") {
		if n, err := strconv.Atoi(text); err != nil {
			return page.Request{}, invalid("limit param must be an integer")
		} else if n < 0 {
			return page.Request{}, invalid("limit param must be positive")
		}
	}
	if d := params.Get("sort_dir"); d != "" && d != "asc" && d != "desc" {
		return page.Request{}, invalid("Invalid sort direction: %s", d)
	}
	q := url.Values{}
	for _, name := range []string{"limit", "marker", "sort_key", "sort_dir"} {
		if params.Has(name) {
			q.Set(name, params.Get(name))
		}
	}
	if q.Has("sort_dir") && !q.Has("sort_key") {
		q.Set("sort_key", "created_at")
	}
	return page.Parse(q, o)
}

func (a *Metadefs) namespaces(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	params := r.URL.Query()
	p, err := ordered(params, namespaceSorting, metadefs.Public, metadefs.Private)
	if err != nil {
		return err
	}
	if err := scope.Check("list_metadef_resource_types", auth.Target{"project_id": scope.ProjectID}); err != nil {
		return err
	}
	q := metadefs.Query{Page: p, Visibility: params.Get("visibility")}
	if types := params.Get("resource_types"); types != "" {
		q.Types = strings.Split(types, ",")
	}
	var list []metadefs.Whole
	more := false
	if p.Limit > 0 {
		if list, more, err = a.defs.List(r.Context(), scope, q); err != nil {
			return err
		}
	}
	views := make([]object, len(list))
	for i, n := range list {
		views[i] = viewNamespace(n)
	}
	link := func(marker string) string {
		params.Del("marker")
		if marker != "" {
			params.Set("marker", marker)
		}
		if len(params) == 0 {
			return "/v2/metadefs/namespaces"
		}
		return "/v2/metadefs/namespaces?" + params.Encode()
	}
	body := object{"namespaces": views, "schema": "/v2/schemas/metadefs/namespaces", "first": link("")}
	if more {
		body["next"] = link(list[len(list)-1].Name)
	}
	return rest.Write(w, http.StatusOK, body)
}

// fields reads a body of which clients may set all but some members. The body's
// schema has been checked already.
func fields(r *http.Request, into any, readOnly ...string) error {
	var members map[string]json.RawMessage
	if err := rest.Decode(r, "", &members); err != nil {
		return err
	}
	for _, name := range append(readOnly, "created_at", "updated_at") {
		if _, has := members[name]; has {
			return forbidden("Attribute '%s' is read-only.", name)
		}
	}
	return rest.Decode(r, "", into)
}

func (a *Metadefs) createNamespace(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var f metadefs.File
	if err := fields(r, &f, "self", "schema"); err != nil {
		return err
	}
	own := auth.Target{"project_id": scope.ProjectID}
	for rule, needed := range map[string]bool{"add_metadef_resource_type_association": len(f.Associations) > 0, "add_metadef_object": len(f.Objects) > 0,
		"add_metadef_property": len(f.Properties) > 0, "add_metadef_tag": len(f.Tags) > 0} {
		if !needed {
			continue
		}
		if err := scope.Check(rule, own); err != nil {
			return err
		}
	}
	n, err := a.defs.Create(r.Context(), scope, f.Whole())
	if err != nil {
		return err
	}
	w.Header().Set("Location", rest.Base(r)+namespaceLink(n.Name))
	return rest.Write(w, http.StatusCreated, viewNamespace(n))
}

func (a *Metadefs) showNamespace(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	name := r.PathValue("namespace")
	n, err := a.see(r, scope)
	if fault.Has(err, fault.CodePolicyForbidden) {
		return fault.New(fault.CodeImageMetadefNotFound, "Namespace %s not found", name)
	}
	if err == nil {
		n, err = a.see(r, scope, "list_metadef_resource_types", "get_metadef_objects", "get_metadef_properties", "get_metadef_tags")
	}
	if err != nil {
		return err
	}
	whole, err := a.defs.Contents(r.Context(), n)
	if err != nil {
		return err
	}
	if kind := r.URL.Query().Get("resource_type"); kind != "" {
		whole = whole.Prefixed(kind)
	}
	return rest.Write(w, http.StatusOK, viewNamespace(whole))
}

func (a *Metadefs) updateNamespace(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var f metadefs.File
	if err := fields(r, &f, "self", "schema"); err != nil {
		return err
	}
	n, err := a.defs.Update(r.Context(), scope, r.PathValue("namespace"), f.Whole().Namespace)
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, viewNamespace(metadefs.Whole{Namespace: n}))
}

func (a *Metadefs) deleteNamespace(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	if err := a.defs.Delete(r.Context(), scope, r.PathValue("namespace")); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusNoContent)
}

func (a *Metadefs) clear(kind metadefs.Kind, rules ...string) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		if err := a.defs.Clear(r.Context(), scope, r.PathValue("namespace"), kind, rules...); err != nil {
			return err
		}
		return rest.Empty(w, http.StatusNoContent)
	}
}

func (a *Metadefs) remove(kind metadefs.Kind) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		if err := a.defs.Remove(r.Context(), scope, r.PathValue("namespace"), kind, r.PathValue("name")); err != nil {
			return err
		}
		return rest.Empty(w, http.StatusNoContent)
	}
}
