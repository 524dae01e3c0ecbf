package api

import (
	"net/http"
	"time"

	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
	"altostack/placement"
)

type inventoryBody struct {
	Class      string   `json:"resource_class"`
	Generation *int64   `json:"resource_provider_generation"`
	Total      int64    `json:"total"`
	Reserved   int64    `json:"reserved"`
	MinUnit    *int64   `json:"min_unit"`
	MaxUnit    *int64   `json:"max_unit"`
	StepSize   *int64   `json:"step_size"`
	Ratio      *float64 `json:"allocation_ratio"`
}

func (b inventoryBody) inventory() placement.Inventory {
	inv := placement.Inventory{Total: b.Total, Reserved: b.Reserved, MinUnit: 1, MaxUnit: placement.MaxInt, StepSize: 1, Ratio: 1}
	for _, f := range []struct{ into, from *int64 }{{&inv.MinUnit, b.MinUnit}, {&inv.MaxUnit, b.MaxUnit}, {&inv.StepSize, b.StepSize}} {
		if f.from != nil {
			*f.into = *f.from
		}
	}
	if b.Ratio != nil {
		inv.Ratio = *b.Ratio
	}
	return inv
}

type inventoryView struct {
	Total      int64   `json:"total"`
	Reserved   int64   `json:"reserved"`
	MinUnit    int64   `json:"min_unit"`
	MaxUnit    int64   `json:"max_unit"`
	StepSize   int64   `json:"step_size"`
	Ratio      float64 `json:"allocation_ratio"`
	Generation int64   `json:"resource_provider_generation,omitempty"`
}

func viewInventory(i placement.Inventory, generation int64) inventoryView {
	return inventoryView{i.Total, i.Reserved, i.MinUnit, i.MaxUnit, i.StepSize, i.Ratio, generation}
}

func (a *API) inventories(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	p, err := a.placement.Provider(r.Context(), r.PathValue("uuid"))
	if err != nil {
		return err
	}
	return a.sendInventories(w, r, p)
}

func (a *API) sendInventories(w http.ResponseWriter, r *http.Request, p *placement.Provider) error {
	out := map[string]inventoryView{}
	var modified time.Time
	for class, inv := range p.Inventories {
		out[class], modified = viewInventory(inv, 0), latest(modified, inv.UpdatedAt)
	}
	a.dated(w, r, modified)
	return rest.Write(w, http.StatusOK, map[string]any{"inventories": out, "resource_provider_generation": p.Generation})
}

func (a *API) inventory(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	p, err := a.placement.Provider(r.Context(), r.PathValue("uuid"))
	if err != nil {
		return err
	}
	class := r.PathValue("resource_class")
	inv, has := p.Inventories[class]
	if !has {
		return fault.New(fault.CodePlacementNotFound, "No inventory of class %s for %s", class, p.UUID)
	}
	return a.sendInventory(w, r, http.StatusOK, p, inv)
}

func (a *API) sendInventory(w http.ResponseWriter, r *http.Request, status int, p *placement.Provider, inv placement.Inventory) error {
	a.dated(w, r, inv.UpdatedAt)
	return rest.Write(w, status, viewInventory(inv, p.Generation))
}

func (a *API) createInventory(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	var body inventoryBody
	if err := rest.Decode(r, "", &body); err != nil {
		return err
	}
	p, err := a.placement.SetInventory(r.Context(), r.PathValue("uuid"), body.Generation, body.Class, body.inventory(), true, at(r, 26))
	if err != nil {
		return err
	}
	w.Header().Set("Location", path(r, "/resource_providers/"+p.UUID+"/inventories/"+body.Class))
	return a.sendInventory(w, r, http.StatusCreated, p, p.Inventories[body.Class])
}

func (a *API) setInventory(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	var body inventoryBody
	if err := rest.Decode(r, "", &body); err != nil {
		return err
	}
	class := r.PathValue("resource_class")
	p, err := a.placement.SetInventory(r.Context(), r.PathValue("uuid"), body.Generation, class, body.inventory(), false, at(r, 26))
	if err != nil {
		return err
	}
	return a.sendInventory(w, r, http.StatusOK, p, p.Inventories[class])
}

func (a *API) setInventories(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	var body struct {
		Generation  *int64                   `json:"resource_provider_generation"`
		Inventories map[string]inventoryBody `json:"inventories"`
	}
	if err := rest.Decode(r, "", &body); err != nil {
		return err
	}
	want := map[string]placement.Inventory{}
	for class, b := range body.Inventories {
		want[class] = b.inventory()
	}
	p, err := a.placement.SetInventories(r.Context(), r.PathValue("uuid"), body.Generation, want, at(r, 26))
	if err != nil {
		return err
	}
	return a.sendInventories(w, r, p)
}

func (a *API) deleteInventory(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	if err := a.placement.DeleteInventory(r.Context(), r.PathValue("uuid"), r.PathValue("resource_class")); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusNoContent)
}

func (a *API) deleteInventories(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	if _, err := a.placement.SetInventories(r.Context(), r.PathValue("uuid"), nil, nil, true); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusNoContent)
}
