package api

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"altostack/image/metadefs"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/page"
	"altostack/kernel/rest"
)

func (a *Metadefs) resourceTypes(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	list, err := a.defs.ResourceTypes(r.Context())
	if err != nil {
		return err
	}
	views := make([]object, len(list))
	for i, t := range list {
		views[i] = object{"name": t.Name, "created_at": at(t.CreatedAt), "updated_at": at(t.UpdatedAt)}
	}
	return rest.Write(w, http.StatusOK, object{"resource_types": views})
}

func (a *Metadefs) associations(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	n, err := a.see(r, scope, "get_metadef_resource_type")
	if err != nil {
		return err
	}
	list, err := a.defs.Associations(r.Context(), n)
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, object{"resource_type_associations": viewAssociations(list)})
}

func (a *Metadefs) associate(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var f metadefs.FileAssociation
	if err := fields(r, &f); err != nil {
		return err
	}
	as, err := a.defs.Associate(r.Context(), scope, r.PathValue("namespace"), metadefs.Association{Type: f.Name, Prefix: f.Prefix, Target: f.Target})
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusCreated, viewAssociation(as))
}

func (a *Metadefs) dissociate(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	if err := a.defs.Dissociate(r.Context(), scope, r.PathValue("namespace"), r.PathValue("resource_type")); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusNoContent)
}

// list reads a page of one kind of definition.
func (a *Metadefs) list(r *http.Request, scope auth.Scope, kind metadefs.Kind) (metadefs.Namespace, []metadefs.Definition, error) {
	params := r.URL.Query()
	n, err := a.see(r, scope)
	if err != nil {
		return n, nil, err
	}
	p, err := ordered(params, defSorting, metadefs.Public, metadefs.Private, "shared")
	if err != nil {
		return n, nil, err
	}
	if kind == metadefs.Object && params.Get("limit") == "0" {
		return n, nil, invalid("limit param must be positive")
	}
	if !params.Has("limit") {
		p.Limit = 0
	}
	list, err := a.defs.Definitions(r.Context(), n, kind, p)
	return n, list, err
}

func (a *Metadefs) objects(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	n, list, err := a.list(r, scope, metadefs.Object)
	if err != nil {
		return err
	}
	views := make([]object, len(list))
	for i, d := range list {
		views[i] = viewObject(n.Name, d)
	}
	return rest.Write(w, http.StatusOK, object{"objects": views, "schema": "/v2/schemas/metadefs/objects"})
}

func (a *Metadefs) createObject(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	return a.put(w, r, scope, http.StatusCreated, objectOf)
}

func (a *Metadefs) updateObject(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	return a.put(w, r, scope, http.StatusOK, objectOf)
}

// put makes a definition of a request's body or changes the one of its path, and
// answers it.
func (a *Metadefs) put(w http.ResponseWriter, r *http.Request, scope auth.Scope, status int, read func(*http.Request) (metadefs.Definition, error)) error {
	d, err := read(r)
	if err != nil {
		return err
	}
	ns := r.PathValue("namespace")
	if status == http.StatusCreated {
		d, err = a.defs.Add(r.Context(), scope, ns, d)
	} else {
		d, err = a.defs.Replace(r.Context(), scope, ns, r.PathValue("name"), d)
	}
	if err != nil {
		return err
	}
	return rest.Write(w, status, viewDefinition(ns, d))
}

func objectOf(r *http.Request) (metadefs.Definition, error) {
	var o metadefs.FileObject
	err := fields(r, &o, "self", "schema")
	return o.Definition(), err
}

func propertyOf(r *http.Request) (metadefs.Definition, error) {
	var f struct {
		Name string `json:"name"`
	}
	err := fields(r, &f)
	return metadefs.Definition{Kind: metadefs.Property, Name: f.Name, Body: json.RawMessage(rest.RawBody(r))}, err
}

func tagOf(r *http.Request) (metadefs.Definition, error) {
	var f metadefs.FileTag
	err := fields(r, &f)
	return metadefs.Definition{Kind: metadefs.Tag, Name: f.Name}, err
}

// show answers the definition of a request's path.
func (a *Metadefs) show(w http.ResponseWriter, r *http.Request, scope auth.Scope, kind metadefs.Kind) error {
	n, err := a.see(r, scope)
	if err != nil {
		return err
	}
	d, err := a.defs.Definition(r.Context(), n, kind, r.PathValue("name"))
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, viewDefinition(n.Name, d))
}

func (a *Metadefs) showObject(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	return a.show(w, r, scope, metadefs.Object)
}

func (a *Metadefs) showTag(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	return a.show(w, r, scope, metadefs.Tag)
}

func (a *Metadefs) properties(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	n, err := a.see(r, scope)
	if err != nil {
		return err
	}
	list, err := a.defs.Definitions(r.Context(), n, metadefs.Property, page.Request{})
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, object{"properties": viewProperties(list)})
}

// showProperty takes the name as a resource type spells it, with its prefix.
func (a *Metadefs) showProperty(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	kind := r.URL.Query().Get("resource_type")
	if kind == "" {
		return a.show(w, r, scope, metadefs.Property)
	}
	n, err := a.see(r, scope, "get_metadef_resource_type")
	if err != nil {
		return err
	}
	list, err := a.defs.Associations(r.Context(), n)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(as metadefs.Association) bool { return as.Type == kind })
	if i < 0 {
		return fault.New(fault.CodeImageMetadefNotFound, "The metadata definition resource-type association of resource-type=%s to namespace=%s, was not found.", kind, n.Name)
	}
	name := r.PathValue("name")
	short, has := strings.CutPrefix(name, list[i].Prefix)
	if !has || list[i].Prefix == "" {
		return fault.New(fault.CodeImageMetadefNotFound, "Property %s does not start with the expected resource type association prefix of '%s'.", name, list[i].Prefix)
	}
	d, err := a.defs.Definition(r.Context(), n, metadefs.Property, short)
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, viewDefinition(n.Name, d))
}

func (a *Metadefs) createProperty(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	return a.put(w, r, scope, http.StatusCreated, propertyOf)
}

func (a *Metadefs) updateProperty(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	return a.put(w, r, scope, http.StatusOK, propertyOf)
}

func (a *Metadefs) tags(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	_, list, err := a.list(r, scope, metadefs.Tag)
	if err != nil {
		return err
	}
	views := make([]metadefs.FileTag, len(list))
	for i, d := range list {
		views[i].Name = d.Name
	}
	return rest.Write(w, http.StatusOK, object{"tags": views})
}

func (a *Metadefs) createTags(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var body struct {
		Tags []metadefs.FileTag `json:"tags"`
	}
	if err := fields(r, &body); err != nil {
		return err
	}
	names := make([]string, len(body.Tags))
	for i, t := range body.Tags {
		names[i] = t.Name
	}
	appending := slices.Contains([]string{"1", "t", "true", "on", "y", "yes"}, strings.ToLower(r.Header.Get("X-Openstack-Append")))
	if err := a.defs.AddTags(r.Context(), scope, r.PathValue("namespace"), names, appending); err != nil {
		return err
	}
	if body.Tags == nil {
		body.Tags = []metadefs.FileTag{}
	}
	return rest.Write(w, http.StatusCreated, body)
}

const maxDefinition = 80 // characters of a definition's name

func (a *Metadefs) createTag(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	name := r.PathValue("name")
	if len([]rune(name)) > maxDefinition {
		return invalid("Provided object does not match schema 'tag': %s is too long: at most %s characters", strconv.Quote(name), strconv.Itoa(maxDefinition))
	}
	return a.put(w, r, scope, http.StatusCreated, func(*http.Request) (metadefs.Definition, error) {
		return metadefs.Definition{Kind: metadefs.Tag, Name: name}, nil
	})
}

func (a *Metadefs) updateTag(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	return a.put(w, r, scope, http.StatusOK, tagOf)
}

func namespaceLink(name string) string { return "/v2/metadefs/namespaces/" + name }

// viewNamespace leaves out what is not set, as the API does.
func viewNamespace(n metadefs.Whole) object {
	v := object{"namespace": n.Name, "visibility": n.Visibility, "protected": n.Protected, "created_at": at(n.CreatedAt), "updated_at": at(n.UpdatedAt),
		"self": namespaceLink(n.Name), "schema": "/v2/schemas/metadefs/namespace"}
	for name, value := range map[string]string{"display_name": n.DisplayName, "description": n.Description, "owner": n.Owner} {
		if value != "" {
			v[name] = value
		}
	}
	if len(n.Associations) > 0 {
		v["resource_type_associations"] = viewAssociations(n.Associations)
	}
	var objects []object
	var tags []metadefs.FileTag
	var properties []metadefs.Definition
	for _, d := range n.Definitions {
		switch d.Kind {
		case metadefs.Object:
			objects = append(objects, viewObject(n.Name, d))
		case metadefs.Tag:
			tags = append(tags, metadefs.FileTag{Name: d.Name})
		case metadefs.Property:
			properties = append(properties, d)
		}
	}
	if objects != nil {
		v["objects"] = objects
	}
	if tags != nil {
		v["tags"] = tags
	}
	if properties != nil {
		v["properties"] = viewProperties(properties)
	}
	return v
}

func viewProperties(list []metadefs.Definition) object {
	v := object{}
	for _, d := range list {
		v[d.Name] = d.Body
	}
	return v
}

func viewAssociations(list []metadefs.Association) []object {
	views := make([]object, len(list))
	for i, a := range list {
		views[i] = viewAssociation(a)
	}
	return views
}

func viewAssociation(a metadefs.Association) object {
	v := object{"name": a.Type, "created_at": at(a.CreatedAt), "updated_at": at(a.UpdatedAt)}
	if a.Prefix != "" {
		v["prefix"] = a.Prefix
	}
	if a.Target != "" {
		v["properties_target"] = a.Target
	}
	return v
}

func viewObject(namespace string, d metadefs.Definition) object {
	var body object
	_ = json.Unmarshal(d.Body, &body) // an object's body is made by metadefs
	v := object{"required": []string{}, "properties": object{}}
	maps.Copy(v, body)
	maps.Copy(v, object{"name": d.Name, "created_at": at(d.CreatedAt), "updated_at": at(d.UpdatedAt),
		"self": namespaceLink(namespace) + "/objects/" + d.Name, "schema": "/v2/schemas/metadefs/object"})
	return v
}

func viewDefinition(namespace string, d metadefs.Definition) object {
	v := object{}
	switch d.Kind {
	case metadefs.Object:
		return viewObject(namespace, d)
	case metadefs.Property:
		_ = json.Unmarshal(d.Body, &v) // a property's body has passed its schema
	case metadefs.Tag:
		v["created_at"], v["updated_at"] = at(d.CreatedAt), at(d.UpdatedAt)
	}
	v["name"] = d.Name
	return v
}
