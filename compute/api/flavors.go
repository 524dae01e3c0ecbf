package api

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"altostack/compute"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/microversion"
	"altostack/kernel/page"
	"altostack/kernel/rest"
)

// Flavors are the routes of flavors, their extra specs and their access.
type Flavors struct{ compute *compute.Service }

// NewFlavors makes them.
func NewFlavors(s *compute.Service) *Flavors { return &Flavors{s} }

// Routes lists them.
func (a *Flavors) Routes() []rest.Route {
	const one, specs = "/v2.1/flavors/{flavor_id}", "/v2.1/flavors/{flavor_id}/os-extra_specs"
	return []rest.Route{
		rest.On("GET /v2.1/flavors", "", a.list(false)),
		rest.On("GET /v2.1/flavors/detail", "", a.list(true)),
		rest.On("POST /v2.1/flavors", "os_compute_api:os-flavor-manage:create", a.create),
		rest.On("GET "+one, "", a.show),
		rest.On("PUT "+one, "os_compute_api:os-flavor-manage:update", a.update).Since("2.55"),
		rest.On("DELETE "+one, "os_compute_api:os-flavor-manage:delete", a.remove),
		rest.On("GET "+specs, "os_compute_api:os-flavor-extra-specs:index", a.specs),
		rest.On("POST "+specs, "os_compute_api:os-flavor-extra-specs:create", a.setSpecs),
		rest.On("GET "+specs+"/{key}", "os_compute_api:os-flavor-extra-specs:show", a.spec),
		rest.On("PUT "+specs+"/{key}", "os_compute_api:os-flavor-extra-specs:update", a.setSpec),
		rest.On("DELETE "+specs+"/{key}", "os_compute_api:os-flavor-extra-specs:delete", a.removeSpec),
		rest.On("GET "+one+"/os-flavor-access", "os_compute_api:os-flavor-access", a.access),
		rest.On("POST "+one+"/action", "os_compute_api:os-flavor-access:add_tenant_access", a.share("addTenantAccess", true)).Act("addTenantAccess"),
		rest.On("POST "+one+"/action", "os_compute_api:os-flavor-access:remove_tenant_access", a.share("removeTenantAccess", false)).Act("removeTenantAccess"),
	}
}

var flavorPages = page.Options{Max: 1000, Default: []page.Key{{Column: "id"}},
	Keys: map[string]string{"created_at": "created_at", "description": "COALESCE(description, '')", "disabled": "disabled", "ephemeral_gb": "ephemeral_gib", "flavorid": "id", "id": "id",
		"is_public": "is_public", "memory_mb": "memory_mib", "name": "name", "root_gb": "disk_gib", "rxtx_factor": "rxtx", "swap": "swap_mib", "updated_at": "updated_at", "vcpu_weight": "id", "vcpus": "vcpus"}}

// everyone's flavors are readable by any token; an administrator sees private
// ones too.
func reach(scope auth.Scope) auth.Scope {
	scope.All = scope.MayOwn("context_is_admin")
	return scope
}

func (a *Flavors) list(detail bool) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		q := r.URL.Query()
		f, err := flavorFilter(r)
		if err != nil {
			return err
		}
		scope = reach(scope)
		if !q.Has("is_public") && scope.All {
			yes := true
			f.Public = &yes // an administrator asks for private ones with is_public=None
		}
		req, err := page.Parse(q, flavorPages)
		if err != nil {
			return err
		}
		rows, more, err := a.compute.Flavors(r.Context(), scope, f, req)
		if err != nil {
			return err
		}
		out := map[string]any{}
		views := make([]map[string]any, len(rows))
		for i, row := range rows {
			views[i] = a.view(r, scope, row, detail)
		}
		out["flavors"] = views
		if more {
			q.Set("marker", rows[len(rows)-1].ID)
			path := "/v2.1/flavors"
			if detail {
				path += "/detail"
			}
			out["flavors_links"] = []map[string]string{{"rel": "next", "href": rest.Base(r) + path + "?" + q.Encode()}}
		}
		return rest.Write(w, http.StatusOK, out)
	}
}

func flavorFilter(r *http.Request) (f compute.FlavorFilter, err error) {
	q := r.URL.Query()
	if since(r, 102) && q.Get("name") != "" {
		if f.Name, err = regexp.Compile(q.Get("name")); err != nil {
			return f, fault.New(fault.CodeRestInvalidInput, "Invalid name filter [%s]", q.Get("name")).WithField("name")
		}
	}
	for name, into := range map[string]*int{"minDisk": &f.MinDiskGiB, "minRam": &f.MinRAMMiB} {
		if s := q.Get(name); s != "" {
			if *into, err = strconv.Atoi(s); err != nil {
				return f, fault.New(fault.CodeRestInvalidInput, "Invalid %s filter [%s]", name, s).WithField(name)
			}
		}
	}
	if s := q.Get("is_public"); s != "" && !strings.EqualFold(s, "none") {
		public, err := parseBool(s)
		if err != nil {
			return f, fault.New(fault.CodeRestInvalidInput, "Invalid is_public filter [%s]", s).WithField("is_public")
		}
		f.Public = &public
	}
	return f, nil
}

// parseBool reads a boolean as oslo's strict form does.
func parseBool(s string) (bool, error) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "1", "t", "true", "on", "y", "yes":
		return true, nil
	case "0", "f", "false", "off", "n", "no":
		return false, nil
	}
	return false, strconv.ErrSyntax
}

var (
	v2_55 = microversion.V(2, 55)
	v2_61 = microversion.V(2, 61)
	v2_75 = microversion.V(2, 75)
)

func (a *Flavors) view(r *http.Request, scope auth.Scope, f compute.Flavor, detail bool) map[string]any {
	v, base := microversion.From(r.Context()), rest.Base(r)
	out := map[string]any{"id": f.ID, "name": f.Name, "links": []map[string]string{
		{"rel": "self", "href": base + "/v2.1/flavors/" + f.ID}, {"rel": "bookmark", "href": base + "/flavors/" + f.ID}}}
	if v.AtLeast(v2_55) {
		out["description"] = f.Description
	}
	if !detail {
		return out
	}
	out["vcpus"], out["ram"], out["disk"] = f.VCPUs, f.MemoryMiB, f.DiskGiB
	out["OS-FLV-EXT-DATA:ephemeral"], out["os-flavor-access:is_public"] = f.EphemeralGiB, f.Public
	if !since(r, 102) {
		out["rxtx_factor"], out["OS-FLV-DISABLED:disabled"] = f.RxTx, f.Disabled
	}
	out["swap"] = any(f.SwapMiB)
	if f.SwapMiB == 0 && v.Before(v2_75) {
		out["swap"] = ""
	}
	if v.AtLeast(v2_61) && scope.MayOwn("os_compute_api:os-flavor-extra-specs:index") {
		out["extra_specs"] = notNil(f.ExtraSpecs)
	}
	return out
}

func notNil(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

func (a *Flavors) show(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	scope = reach(scope)
	f, err := a.compute.Flavor(r.Context(), scope, r.PathValue("flavor_id"))
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"flavor": a.view(r, scope, f, true)})
}

// looseNumber reads a JSON number that may come as text, as the schema allows.
type looseNumber float64

// UnmarshalJSON takes 5 and "5".
func (n *looseNumber) UnmarshalJSON(data []byte) error {
	f, err := strconv.ParseFloat(strings.Trim(string(data), `"`), 64)
	*n = looseNumber(f)
	return err
}

// flag reads a JSON boolean that may come as text, as the schema allows.
type flag bool

// UnmarshalJSON takes true and "true".
func (b *flag) UnmarshalJSON(data []byte) error {
	v, err := parseBool(strings.Trim(string(data), `"`))
	*b = flag(v)
	return err
}

func (a *Flavors) create(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	body := struct {
		ID          any         `json:"id"`
		Name        string      `json:"name"`
		RAM         looseNumber `json:"ram"`
		VCPUs       looseNumber `json:"vcpus"`
		Disk        looseNumber `json:"disk"`
		Ephemeral   looseNumber `json:"OS-FLV-EXT-DATA:ephemeral"`
		Swap        looseNumber `json:"swap"`
		RxTx        looseNumber `json:"rxtx_factor"`
		Public      flag        `json:"os-flavor-access:is_public"`
		Description *string     `json:"description"`
	}{RxTx: 1, Public: true}
	if err := rest.Decode(r, "flavor", &body); err != nil {
		return err
	}
	f := compute.Flavor{Name: strings.TrimSpace(body.Name), VCPUs: int(body.VCPUs), MemoryMiB: int(body.RAM), DiskGiB: int(body.Disk), EphemeralGiB: int(body.Ephemeral),
		SwapMiB: int(body.Swap), RxTx: float64(body.RxTx), Public: bool(body.Public), Description: body.Description}
	switch id := body.ID.(type) {
	case string:
		if f.ID = strings.TrimSpace(id); f.ID == "auto" {
			f.ID = ""
		}
	case float64:
		f.ID = strconv.FormatFloat(id, 'f', -1, 64)
	}
	f, err := a.compute.CreateFlavor(r.Context(), f)
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"flavor": a.view(r, scope, f, true)})
}

func (a *Flavors) update(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var body struct{ Description *string }
	if err := rest.Decode(r, "flavor", &body); err != nil {
		return err
	}
	scope = reach(scope)
	f, err := a.compute.ChangeFlavor(r.Context(), scope, r.PathValue("flavor_id"), func(f *compute.Flavor) error {
		f.Description = body.Description
		return nil
	})
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"flavor": a.view(r, scope, f, true)})
}

func (a *Flavors) remove(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	if err := a.compute.DeleteFlavor(r.Context(), r.PathValue("flavor_id")); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusAccepted)
}

func (a *Flavors) specs(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	f, err := a.compute.Flavor(r.Context(), reach(scope), r.PathValue("flavor_id"))
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"extra_specs": notNil(f.ExtraSpecs)})
}

func noSpec(f, key string) error {
	return fault.New(fault.CodeComputeFlavorNotFound, "Flavor %s has no extra specs with key %s.", f, key)
}

func (a *Flavors) spec(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	f, err := a.compute.Flavor(r.Context(), reach(scope), r.PathValue("flavor_id"))
	if err != nil {
		return err
	}
	key := r.PathValue("key")
	value, has := f.ExtraSpecs[key]
	if !has {
		return noSpec(f.ID, key)
	}
	return rest.Write(w, http.StatusOK, map[string]string{key: value})
}

// text reads a value that may be a string or a number.
type text string

// UnmarshalJSON takes "5" and 5.
func (t *text) UnmarshalJSON(data []byte) error {
	*t = text(strings.Trim(string(data), `"`))
	if len(data) > 1 && data[0] == '"' {
		s, err := strconv.Unquote(string(data))
		if err == nil {
			*t = text(s)
		}
	}
	return nil
}

func (a *Flavors) setSpecs(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var body map[string]text
	if err := rest.Decode(r, "extra_specs", &body); err != nil {
		return err
	}
	return a.editSpecs(w, r, scope, body, map[string]any{"extra_specs": body})
}

func (a *Flavors) setSpec(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var body map[string]text
	if err := rest.Decode(r, "", &body); err != nil {
		return err
	}
	if _, has := body[r.PathValue("key")]; !has {
		return fault.New(fault.CodeRestInvalidInput, "Request body and URI mismatch")
	}
	return a.editSpecs(w, r, scope, body, body)
}

func (a *Flavors) editSpecs(w http.ResponseWriter, r *http.Request, scope auth.Scope, body map[string]text, answer any) error {
	for k, v := range body {
		if len(v) > 255 { // a number as long as that; the schema has looked at text
			return fault.New(fault.CodeRestInvalidInput, "Invalid input received: extra_specs value has %d characters, more than 255.", len(v)).WithField(k)
		}
		if !since(r, 86) {
			continue
		}
		if err := compute.CheckExtraSpec(k, string(v)); err != nil {
			return err
		}
	}
	_, err := a.compute.ChangeFlavor(r.Context(), reach(scope), r.PathValue("flavor_id"), func(f *compute.Flavor) error {
		if f.ExtraSpecs == nil {
			f.ExtraSpecs = map[string]string{}
		}
		for k, v := range body {
			f.ExtraSpecs[k] = string(v)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, answer)
}

func (a *Flavors) removeSpec(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	key := r.PathValue("key")
	_, err := a.compute.ChangeFlavor(r.Context(), reach(scope), r.PathValue("flavor_id"), func(f *compute.Flavor) error {
		if _, has := f.ExtraSpecs[key]; !has {
			return noSpec(f.ID, key)
		}
		delete(f.ExtraSpecs, key)
		return nil
	})
	if err != nil {
		return err
	}
	return rest.Empty(w, http.StatusOK)
}

func accessView(flavorID string, projects []string) map[string]any {
	rows := make([]map[string]string, len(projects))
	for i, p := range projects {
		rows[i] = map[string]string{"flavor_id": flavorID, "tenant_id": p}
	}
	return map[string]any{"flavor_access": rows}
}

func (a *Flavors) access(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	projects, err := a.compute.FlavorAccess(r.Context(), reach(scope), r.PathValue("flavor_id"))
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, accessView(r.PathValue("flavor_id"), projects))
}

func (a *Flavors) share(action string, open bool) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		var body struct{ Tenant string }
		if err := rest.Decode(r, action, &body); err != nil {
			return err
		}
		if open {
			if err := a.compute.CheckProject(r.Context(), body.Tenant); err != nil {
				return err
			}
		}
		projects, err := a.compute.ShareFlavor(r.Context(), reach(scope), r.PathValue("flavor_id"), body.Tenant, open)
		if err != nil {
			return err
		}
		return rest.Write(w, http.StatusOK, accessView(r.PathValue("flavor_id"), projects))
	}
}
