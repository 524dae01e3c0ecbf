package api

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"

	"altostack/kernel/auth"
	"altostack/kernel/id"
	"altostack/kernel/microversion"
	"altostack/kernel/rest"
	"altostack/placement"
)

// incomplete stands for project and user before 1.8, when nobody named them.
const incomplete = "00000000-0000-0000-0000-000000000000"

type consumerBody struct {
	Allocations json.RawMessage `json:"allocations"`
	ProjectID   string          `json:"project_id"`
	UserID      string          `json:"user_id"`
	Generation  *int64          `json:"consumer_generation"`
	Type        string          `json:"consumer_type"`
}

type resourcesBody struct {
	Provider struct {
		UUID string `json:"uuid"`
	} `json:"resource_provider"`
	Resources map[string]int64 `json:"resources"`
}

// write makes the change that a body asks for. Up to 1.11 allocations are a list.
func (b consumerBody) write(consumer string, ver microversion.Version) (placement.Write, error) {
	w := placement.Write{Consumer: placement.Consumer{ID: consumer, ProjectID: b.ProjectID, UserID: b.UserID, Type: b.Type},
		CheckGen: ver.AtLeast(v(28)), Generation: b.Generation, Allocations: map[string]map[string]int64{}}
	if w.Consumer.ProjectID == "" {
		w.Consumer.ProjectID, w.Consumer.UserID = incomplete, incomplete
	}
	if ver.AtLeast(v(12)) {
		byProvider := map[string]resourcesBody{}
		if err := json.Unmarshal(b.Allocations, &byProvider); err != nil {
			return w, bad("JSON does not validate: allocations: %v", err)
		}
		for provider, a := range byProvider {
			w.Allocations[provider] = a.Resources
		}
		return w, nil
	}
	var list []resourcesBody
	if err := json.Unmarshal(b.Allocations, &list); err != nil {
		return w, bad("JSON does not validate: allocations: %v", err)
	}
	for _, a := range list {
		w.Allocations[a.Provider.UUID] = a.Resources
	}
	return w, nil
}

func (a *API) putAllocations(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	consumer := r.PathValue("consumer_uuid")
	if !id.IsUUID(consumer) {
		return bad("Malformed consumer_uuid: %s", consumer)
	}
	var body consumerBody
	if err := rest.Decode(r, "", &body); err != nil {
		return err
	}
	write, err := body.write(consumer, microversion.From(r.Context()))
	if err != nil {
		return err
	}
	if err := a.placement.Allocate(r.Context(), []placement.Write{write}); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusNoContent)
}

func writesOf(bodies map[string]consumerBody, ver microversion.Version) ([]placement.Write, error) {
	var out []placement.Write
	for _, consumer := range slices.Sorted(maps.Keys(bodies)) {
		write, err := bodies[consumer].write(consumer, ver)
		if err != nil {
			return nil, err
		}
		out = append(out, write)
	}
	return out, nil
}

func (a *API) postAllocations(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	var body map[string]consumerBody
	if err := rest.Decode(r, "", &body); err != nil {
		return err
	}
	writes, err := writesOf(body, microversion.From(r.Context()))
	if err != nil {
		return err
	}
	if err := a.placement.Allocate(r.Context(), writes); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusNoContent)
}

func (a *API) deleteAllocations(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	if err := a.placement.DeleteAllocations(r.Context(), r.PathValue("consumer_uuid")); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusNoContent)
}

func (a *API) allocations(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	c, held, generations, err := a.placement.AllocationsOf(r.Context(), r.PathValue("consumer_uuid"))
	if err != nil {
		return err
	}
	type entry struct {
		Generation int64            `json:"generation"`
		Resources  map[string]int64 `json:"resources"`
	}
	list := map[string]entry{}
	var modified time.Time
	for _, h := range held {
		if list[h.Provider].Resources == nil {
			list[h.Provider] = entry{generations[h.Provider], map[string]int64{}}
		}
		list[h.Provider].Resources[h.Class] = h.Used
		modified = latest(modified, h.CreatedAt)
	}
	out := map[string]any{"allocations": list}
	if len(held) > 0 && at(r, 12) {
		out["project_id"], out["user_id"] = c.ProjectID, c.UserID
		if at(r, 28) {
			out["consumer_generation"] = c.Generation
		}
		if at(r, 38) {
			out["consumer_type"] = typeOf(c.Type)
		}
	}
	a.dated(w, r, modified)
	return rest.Write(w, http.StatusOK, out)
}

func typeOf(t string) string {
	if t == "" {
		return "unknown"
	}
	return t
}

func (a *API) usages(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	q := r.URL.Query()
	for name := range q {
		if name != "project_id" && name != "user_id" && !(name == "consumer_type" && at(r, 38)) {
			return unexpected(name)
		}
	}
	project := q.Get("project_id")
	if err := scope.Check("placement:usages", auth.Target{"project_id": project}); err != nil {
		return err
	}
	if project == "" {
		return bad("Invalid query string parameters: 'project_id' is a required property")
	}
	list, err := a.placement.Usages(r.Context(), project, q.Get("user_id"))
	if err != nil {
		return err
	}
	a.dated(w, r, time.Time{})
	return rest.Write(w, http.StatusOK, map[string]any{"usages": viewUsages(list, at(r, 38), q.Get("consumer_type"))})
}

// viewUsages sums over types before 1.38, and where type is "all".
func viewUsages(list []placement.Usage, typed bool, only string) any {
	byType := map[string]map[string]int64{}
	for _, u := range list {
		t := typeOf(u.Type)
		if typed && only != "" && only != "all" && only != t {
			continue
		}
		if !typed || only == "all" {
			t = "all"
		}
		if byType[t] == nil {
			byType[t] = map[string]int64{}
		}
		byType[t]["consumer_count"] += u.Consumers
		for class, used := range u.Used {
			byType[t][class] += used
		}
	}
	if typed {
		return byType
	}
	sum := byType["all"]
	if sum == nil {
		sum = map[string]int64{}
	}
	delete(sum, "consumer_count")
	return sum
}

func (a *API) reshape(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	var body struct {
		Inventories map[string]struct {
			Generation  int64                    `json:"resource_provider_generation"`
			Inventories map[string]inventoryBody `json:"inventories"`
		} `json:"inventories"`
		Allocations map[string]consumerBody `json:"allocations"`
	}
	if err := rest.Decode(r, "", &body); err != nil {
		return err
	}
	shapes := map[string]placement.Reshape{}
	for provider, b := range body.Inventories {
		s := placement.Reshape{Generation: b.Generation, Inventories: map[string]placement.Inventory{}}
		for class, inv := range b.Inventories {
			s.Inventories[class] = inv.inventory()
		}
		shapes[provider] = s
	}
	writes, err := writesOf(body.Allocations, microversion.From(r.Context()))
	if err != nil {
		return err
	}
	if err := a.placement.Reshape(r.Context(), shapes, writes); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusNoContent)
}

func (a *API) candidates(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	ask, err := askOf(r.URL.Query(), microversion.From(r.Context()))
	if err != nil {
		return err
	}
	found, err := a.placement.Match(r.Context(), ask)
	if err != nil {
		return err
	}
	requests := make([]any, len(found.Fits))
	for i, f := range found.Fits {
		requests[i] = viewFit(r, f)
	}
	asked := map[string]bool{}
	for _, g := range ask.Groups {
		for class := range g.Resources {
			asked[class] = true
		}
	}
	summaries := map[string]any{}
	for _, p := range found.Providers {
		summaries[p.UUID] = viewSummary(r, p, asked)
	}
	a.dated(w, r, time.Time{})
	return rest.Write(w, http.StatusOK, map[string]any{"allocation_requests": requests, "provider_summaries": summaries})
}

func viewFit(r *http.Request, f placement.Fit) any {
	if !at(r, 12) {
		var list []any
		for _, provider := range slices.Sorted(maps.Keys(f.Allocations)) {
			list = append(list, map[string]any{"resource_provider": map[string]any{"uuid": provider}, "resources": f.Allocations[provider]})
		}
		return map[string]any{"allocations": list}
	}
	byProvider := map[string]any{}
	for provider, resources := range f.Allocations {
		byProvider[provider] = map[string]any{"resources": resources}
	}
	out := map[string]any{"allocations": byProvider}
	if at(r, 34) {
		out["mappings"] = f.Mappings
	}
	return out
}

func viewSummary(r *http.Request, p *placement.Provider, asked map[string]bool) any {
	resources := map[string]any{}
	for class, inv := range p.Inventories {
		if at(r, 27) || asked[class] {
			resources[class] = map[string]int64{"capacity": inv.Capacity(), "used": inv.Used}
		}
	}
	out := map[string]any{"resources": resources}
	if at(r, 17) {
		out["traits"] = orEmpty(p.Traits)
	}
	if at(r, 29) {
		out["parent_provider_uuid"], out["root_provider_uuid"] = orNull(p.Parent), p.Root
	}
	return out
}
