package api

import (
	"net/http"

	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
	"altostack/volume"
)

func (a *API) transferRoutes() []rest.Route {
	var all []rest.Route
	for _, path := range []string{"os-volume-transfer", "volume-transfers"} {
		routes := []rest.Route{
			rest.On("GET /v3/"+path, "volume:get_all_transfers", a.listTransfers(path, false)),
			rest.On("POST /v3/"+path, "volume:create_transfer", a.createTransfer(path)),
			rest.On("GET /v3/"+path+"/detail", "volume:get_all_transfers", a.listTransfers(path, true)),
			rest.On("GET /v3/"+path+"/{id}", "volume:get_transfer", a.showTransfer(path)),
			rest.On("DELETE /v3/"+path+"/{id}", "volume:delete_transfer", simply(a.svc.Withdraw)),
			rest.On("POST /v3/"+path+"/{id}/accept", "volume:accept_transfer", a.acceptTransfer(path)),
		}
		for _, r := range routes {
			if path == "volume-transfers" {
				r = r.Since("3.55")
			}
			all = append(all, r)
		}
	}
	return all
}

func transferSummary(r *http.Request, scope auth.Scope, path string, t volume.Transfer) map[string]any {
	return map[string]any{"id": t.ID, "volume_id": t.VolumeID, "name": text(t.Name), "links": linksTo(r, scope, path, t.ID)}
}

func viewTransfer(r *http.Request, scope auth.Scope, path string, t volume.Transfer) map[string]any {
	out := transferSummary(r, scope, path, t)
	out["created_at"] = stamp(t.CreatedAt)
	if since(r, 55) {
		out["no_snapshots"] = t.NoSnapshots
	}
	if since(r, 57) {
		out["source_project_id"], out["destination_project_id"], out["accepted"] = t.SourceProject, text(t.Destination), t.Accepted
	}
	return out
}

func (a *API) listTransfers(path string, detail bool) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		p, err := pagingOf(r.URL.Query(), "", "name", "display_name=name", "volume_id")
		if err != nil {
			return err
		}
		q, err := filtersOf(r, scope, "name", "volume_id", "display_name", "is_public")
		if err != nil {
			return err
		}
		q.Page = p.Request
		var list []volume.Transfer
		if !p.none {
			if list, _, err = a.svc.Store.Transfers(r.Context(), a.svc.DB, q); err != nil {
				return noMarker(err, fault.CodeVolumeTransferNotFound, "Transfer %s could not be found.", p.Marker)
			}
		}
		out := []map[string]any{}
		for _, t := range cut(p, list) {
			if detail {
				out = append(out, viewTransfer(r, scope, path, t))
			} else {
				out = append(out, transferSummary(r, scope, path, t))
			}
		}
		return rest.Write(w, http.StatusOK, map[string]any{"transfers": out})
	}
}

func (a *API) createTransfer(path string) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		var b struct {
			VolumeID    string `json:"volume_id"`
			Name        string `json:"name"`
			NoSnapshots flag   `json:"no_snapshots"`
		}
		if err := rest.Decode(r, "transfer", &b); err != nil {
			return err
		}
		t, key, err := a.svc.Offer(r.Context(), scope, b.VolumeID, b.Name, bool(b.NoSnapshots))
		if err != nil {
			return err
		}
		out := viewTransfer(r, scope, path, t)
		out["auth_key"] = key
		return rest.Write(w, http.StatusAccepted, map[string]any{"transfer": out})
	}
}

func (a *API) showTransfer(path string) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		t, err := a.svc.FindTransfer(r.Context(), a.svc.DB, scope, r.PathValue("id"))
		if err != nil {
			return err
		}
		return rest.Write(w, http.StatusOK, map[string]any{"transfer": viewTransfer(r, scope, path, t)})
	}
}

func (a *API) acceptTransfer(path string) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		var b struct {
			Key string `json:"auth_key"`
		}
		if err := rest.Decode(r, "accept", &b); err != nil {
			return err
		}
		t, err := a.svc.Accept(r.Context(), scope, r.PathValue("id"), b.Key)
		if err != nil {
			return err
		}
		return rest.Write(w, http.StatusAccepted, map[string]any{"transfer": transferSummary(r, scope, path, t)})
	}
}
