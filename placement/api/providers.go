package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"altostack/kernel/auth"
	"altostack/kernel/id"
	"altostack/kernel/microversion"
	"altostack/kernel/rest"
	"altostack/placement"
)

type link struct {
	Rel  string `json:"rel"`
	Href string `json:"href"`
}

func viewProvider(r *http.Request, p *placement.Provider) map[string]any {
	self := path(r, "/resource_providers/"+p.UUID)
	links := []link{{"self", self}, {"inventories", self + "/inventories"}, {"usages", self + "/usages"}}
	for _, l := range []struct {
		since int
		rel   string
	}{{1, "aggregates"}, {6, "traits"}, {11, "allocations"}} {
		if at(r, l.since) {
			links = append(links, link{l.rel, self + "/" + l.rel})
		}
	}
	out := map[string]any{"uuid": p.UUID, "name": p.Name, "generation": p.Generation, "links": links}
	if at(r, 14) {
		out["parent_provider_uuid"], out["root_provider_uuid"] = orNull(p.Parent), p.Root
	}
	return out
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func (a *API) listProviders(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	q, ver := r.URL.Query(), microversion.From(r.Context())
	var g placement.Group
	for name, values := range q {
		since, known := providerParams[name]
		if !known || ver.Before(v(since)) {
			return unexpected(name)
		}
		if name == "uuid" && !id.IsUUID(q.Get("uuid")) {
			return bad("Invalid query string parameters: '%s' is not a 'uuid'", q.Get("uuid"))
		}
		if err := read(&g, name, "", values, ver); err != nil {
			return err
		}
	}
	ctx := r.Context()
	for class := range g.Resources {
		if err := a.placement.KnowClasses(ctx, []string{class}); err != nil {
			return err
		}
	}
	if err := a.placement.KnowTraits(ctx, append(slices.Concat(g.Required...), g.Forbidden...)); err != nil {
		return bad(`Invalid trait(s) in "required" parameter: %s`, strings.TrimSpace(err.Error()))
	}
	tree, err := a.placement.TreeOf(ctx, g.InTree)
	if err != nil {
		return err
	}
	list, err := a.placement.Providers(ctx, func(p *placement.Provider) bool {
		return (!q.Has("name") || p.Name == q.Get("name")) && (!q.Has("uuid") || p.UUID == q.Get("uuid")) && g.Suits(p, tree) && (g.InTree == "" || tree != "")
	})
	if err != nil {
		return err
	}
	views := make([]map[string]any, len(list))
	var modified time.Time
	for i, p := range list {
		views[i], modified = viewProvider(r, p), latest(modified, p.UpdatedAt)
	}
	a.dated(w, r, modified)
	return rest.Write(w, http.StatusOK, map[string]any{"resource_providers": views})
}

type providerBody struct {
	Name   string          `json:"name"`
	UUID   string          `json:"uuid"`
	Parent json.RawMessage `json:"parent_provider_uuid"`
}

// parent answers the parent named, and whether one was named at all.
func (b providerBody) parent() *string {
	if b.Parent == nil {
		return nil
	}
	var p string
	_ = json.Unmarshal(b.Parent, &p) // null is no parent; the schema knows no other type
	return &p
}

func (a *API) createProvider(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	var body providerBody
	if err := rest.Decode(r, "", &body); err != nil {
		return err
	}
	parent := ""
	if p := body.parent(); p != nil {
		parent = *p
	}
	p, err := a.placement.CreateProvider(r.Context(), dashed(body.UUID), body.Name, parent)
	if err != nil {
		return err
	}
	w.Header().Set("Location", path(r, "/resource_providers/"+p.UUID))
	if !at(r, 20) {
		return rest.Empty(w, http.StatusCreated)
	}
	a.dated(w, r, p.UpdatedAt)
	return rest.Write(w, http.StatusOK, viewProvider(r, p))
}

// dashed spells a UUID with its dashes.
func dashed(s string) string {
	if h := strings.ToLower(strings.ReplaceAll(s, "-", "")); len(h) == 32 {
		return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
	}
	return s
}

func (a *API) showProvider(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	p, err := a.placement.Provider(r.Context(), r.PathValue("uuid"))
	if err != nil {
		return err
	}
	a.dated(w, r, p.UpdatedAt)
	return rest.Write(w, http.StatusOK, viewProvider(r, p))
}

func (a *API) updateProvider(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	var body providerBody
	if err := rest.Decode(r, "", &body); err != nil {
		return err
	}
	p, err := a.placement.UpdateProvider(r.Context(), r.PathValue("uuid"), body.Name, body.parent(), at(r, 37))
	if err != nil {
		return err
	}
	a.dated(w, r, p.UpdatedAt)
	return rest.Write(w, http.StatusOK, viewProvider(r, p))
}

func (a *API) deleteProvider(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	if err := a.placement.DeleteProvider(r.Context(), r.PathValue("uuid")); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusNoContent)
}

func (a *API) providerUsages(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	p, err := a.placement.Provider(r.Context(), r.PathValue("uuid"))
	if err != nil {
		return err
	}
	used := map[string]int64{}
	for class, inv := range p.Inventories {
		used[class] = inv.Used
	}
	a.dated(w, r, time.Time{})
	return rest.Write(w, http.StatusOK, map[string]any{"resource_provider_generation": p.Generation, "usages": used})
}

func (a *API) providerAllocations(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	p, held, generations, err := a.placement.AllocationsOn(r.Context(), r.PathValue("uuid"))
	if err != nil {
		return err
	}
	out := map[string]map[string]any{}
	var modified time.Time
	for _, h := range held {
		entry := out[h.Consumer]
		if entry == nil {
			entry = map[string]any{"resources": map[string]int64{}}
			if at(r, 28) {
				entry["consumer_generation"] = generations[h.Consumer]
			}
			out[h.Consumer] = entry
		}
		entry["resources"].(map[string]int64)[h.Class] = h.Used
		modified = latest(modified, h.CreatedAt)
	}
	a.dated(w, r, modified)
	return rest.Write(w, http.StatusOK, map[string]any{"allocations": out, "resource_provider_generation": p.Generation})
}

func (a *API) aggregates(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	p, err := a.placement.Provider(r.Context(), r.PathValue("uuid"))
	if err != nil {
		return err
	}
	return a.sendAggregates(w, r, p)
}

func (a *API) sendAggregates(w http.ResponseWriter, r *http.Request, p *placement.Provider) error {
	out := map[string]any{"aggregates": orEmpty(p.Aggregates)}
	if at(r, 19) {
		out["resource_provider_generation"] = p.Generation
	}
	a.dated(w, r, time.Time{})
	return rest.Write(w, http.StatusOK, out)
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func (a *API) setAggregates(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	var body struct {
		Aggregates []string `json:"aggregates"`
		Generation *int64   `json:"resource_provider_generation"`
	}
	var err error
	if at(r, 19) {
		err = rest.Decode(r, "", &body)
	} else {
		err = rest.Decode(r, "", &body.Aggregates)
	}
	if err != nil {
		return err
	}
	p, err := a.placement.SetAggregates(r.Context(), r.PathValue("uuid"), body.Generation, body.Aggregates)
	if err != nil {
		return err
	}
	return a.sendAggregates(w, r, p)
}

func (a *API) providerTraits(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	p, err := a.placement.Provider(r.Context(), r.PathValue("uuid"))
	if err != nil {
		return err
	}
	return a.sendTraits(w, r, p)
}

func (a *API) sendTraits(w http.ResponseWriter, r *http.Request, p *placement.Provider) error {
	a.dated(w, r, p.UpdatedAt)
	return rest.Write(w, http.StatusOK, map[string]any{"traits": orEmpty(p.Traits), "resource_provider_generation": p.Generation})
}

func (a *API) setProviderTraits(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	var body struct {
		Traits     []string `json:"traits"`
		Generation *int64   `json:"resource_provider_generation"`
	}
	if err := rest.Decode(r, "", &body); err != nil {
		return err
	}
	p, err := a.placement.SetTraits(r.Context(), r.PathValue("uuid"), body.Generation, body.Traits)
	if err != nil {
		return err
	}
	return a.sendTraits(w, r, p)
}

func (a *API) deleteProviderTraits(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	if _, err := a.placement.SetTraits(r.Context(), r.PathValue("uuid"), nil, nil); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusNoContent)
}
