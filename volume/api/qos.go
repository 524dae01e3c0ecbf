package api

import (
	"context"
	"net/http"
	"slices"

	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
	"altostack/volume"
)

func (a *API) qosRoutes() []rest.Route {
	const rule = "volume_extension:qos_specs_manage:"
	return []rest.Route{
		rest.On("GET /v3/qos-specs", rule+"get_all", a.listQoS),
		rest.On("POST /v3/qos-specs", rule+"create", a.createQoS),
		rest.On("GET /v3/qos-specs/{id}", rule+"get", a.showQoS),
		rest.On("PUT /v3/qos-specs/{id}", rule+"update", a.updateQoS),
		rest.On("DELETE /v3/qos-specs/{id}", rule+"delete", a.deleteQoS),
		rest.On("PUT /v3/qos-specs/{id}/delete_keys", rule+"delete", a.deleteQoSKeys),
		rest.On("GET /v3/qos-specs/{id}/associations", rule+"get_all", a.qosTypes),
		rest.On("GET /v3/qos-specs/{id}/associate", rule+"update", a.tieQoS(true)),
		rest.On("GET /v3/qos-specs/{id}/disassociate", rule+"update", a.tieQoS(false)),
		rest.On("GET /v3/qos-specs/{id}/disassociate_all", rule+"update", a.untieQoS),
	}
}

func viewQoS(q volume.QoS) map[string]any {
	if q.Specs == nil {
		q.Specs = map[string]string{}
	}
	return map[string]any{"id": q.ID, "name": q.Name, "consumer": q.Consumer, "specs": q.Specs}
}

// withQoS runs f on a specification in one transaction.
func (a *API) withQoS(r *http.Request, f func(ctx context.Context, tx *db.Tx, q *volume.QoS) error) (q volume.QoS, err error) {
	err = a.svc.DB.Write(r.Context(), func(ctx context.Context, tx *db.Tx) error {
		var found bool
		var err error
		if q, found, err = a.svc.Store.QoS(ctx, tx, r.PathValue("id")); err != nil {
			return err
		}
		if !found {
			return fault.New(fault.CodeVolumeQosNotFound, "No such QoS spec %s.", r.PathValue("id"))
		}
		if q.Specs == nil {
			q.Specs = map[string]string{}
		}
		return f(ctx, tx, &q)
	})
	return q, err
}

func (a *API) listQoS(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	p, err := pagingOf(r.URL.Query(), "", "name")
	if err != nil {
		return err
	}
	var list []volume.QoS
	if !p.none {
		if list, _, err = a.svc.Store.QoSList(r.Context(), a.svc.DB, p.Request); err != nil {
			return noMarker(err, fault.CodeVolumeQosNotFound, "No such QoS spec %s.", p.Marker)
		}
	}
	out := []map[string]any{}
	for _, q := range cut(p, list) {
		out = append(out, viewQoS(q))
	}
	return rest.Write(w, http.StatusOK, map[string]any{"qos_specs": out})
}

func (a *API) createQoS(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var b map[string]any
	if err := rest.Decode(r, "qos_specs", &b); err != nil {
		return err
	}
	q := volume.QoS{ID: a.svc.IDs.UUID(), Consumer: "back-end", Specs: map[string]string{}, CreatedAt: a.svc.Clock.Now()}
	for k, v := range b {
		s, ok := v.(string)
		if !ok {
			return bad("Invalid qos specs: %s must be a string", k)
		}
		switch k {
		case "name":
			q.Name = s
		case "consumer":
			q.Consumer = s
		default:
			q.Specs[k] = s
		}
	}
	if err := checkConsumer(q.Consumer); err != nil {
		return err
	}
	err := a.svc.DB.Write(r.Context(), func(ctx context.Context, tx *db.Tx) error { return a.svc.Store.SaveQoS(ctx, tx, q) })
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"qos_specs": viewQoS(q), "links": linksTo(r, scope, "qos-specs", q.ID)})
}

func checkConsumer(c string) error {
	if !slices.Contains([]string{"front-end", "back-end", "both"}, c) {
		return bad("Invalid qos specs: Valid consumer of QoS specs are: ['front-end', 'back-end', 'both']")
	}
	return nil
}

func (a *API) showQoS(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	q, found, err := a.svc.Store.QoS(r.Context(), a.svc.DB, r.PathValue("id"))
	if err != nil {
		return err
	}
	if !found {
		return fault.New(fault.CodeVolumeQosNotFound, "No such QoS spec %s.", r.PathValue("id"))
	}
	return rest.Write(w, http.StatusOK, map[string]any{"qos_specs": viewQoS(q), "links": linksTo(r, scope, "qos-specs", q.ID)})
}

func (a *API) updateQoS(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var b map[string]string
	if err := rest.Decode(r, "qos_specs", &b); err != nil {
		return err
	}
	_, err := a.withQoS(r, func(ctx context.Context, tx *db.Tx, q *volume.QoS) error {
		for k, v := range b {
			if k == "consumer" {
				q.Consumer = v
				if err := checkConsumer(v); err != nil {
					return err
				}
				continue
			}
			q.Specs[k] = v
		}
		return a.svc.Store.SaveQoS(ctx, tx, *q)
	})
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"qos_specs": b})
}

func (a *API) deleteQoS(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	force, ok := truth(r.URL.Query().Get("force"))
	if !ok {
		return bad("Invalid value '%s' for 'force'", r.URL.Query().Get("force"))
	}
	_, err := a.withQoS(r, func(ctx context.Context, tx *db.Tx, q *volume.QoS) error {
		tied, _, err := a.svc.Store.Types(ctx, tx, volume.TypeQuery{All: true, QoSID: q.ID})
		if err != nil {
			return err
		}
		if len(tied) > 0 && !force {
			return bad("QoS Specs %s is still associated with entities.", q.ID)
		}
		return a.svc.Store.RemoveQoS(ctx, tx, q.ID)
	})
	if err != nil {
		return err
	}
	return rest.Empty(w, http.StatusAccepted)
}

func (a *API) deleteQoSKeys(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var keys []string
	if err := rest.Decode(r, "keys", &keys); err != nil {
		return err
	}
	_, err := a.withQoS(r, func(ctx context.Context, tx *db.Tx, q *volume.QoS) error {
		for _, k := range keys {
			if _, has := q.Specs[k]; !has {
				return bad("QoS spec %s has no spec with key %s.", q.ID, k)
			}
			delete(q.Specs, k)
		}
		return a.svc.Store.SaveQoS(ctx, tx, *q)
	})
	if err != nil {
		return err
	}
	return rest.Empty(w, http.StatusAccepted)
}

func (a *API) qosTypes(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	out := []map[string]string{}
	_, err := a.withQoS(r, func(ctx context.Context, tx *db.Tx, q *volume.QoS) error {
		tied, _, err := a.svc.Store.Types(ctx, tx, volume.TypeQuery{All: true, QoSID: q.ID})
		out = out[:0]
		for _, t := range tied {
			out = append(out, map[string]string{"association_type": "volume_type", "name": t.Name, "id": t.ID})
		}
		return err
	})
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"qos_associations": out})
}

// tieQoS ties a specification to a type, or unties it.
func (a *API) tieQoS(tie bool) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		ref := r.URL.Query().Get("vol_type_id")
		if ref == "" {
			return bad("Volume Type id must not be None.")
		}
		_, err := a.withQoS(r, func(ctx context.Context, tx *db.Tx, q *volume.QoS) error {
			t, found, err := a.svc.Store.Type(ctx, tx, ref, "", true)
			if err != nil {
				return err
			}
			if !found {
				return fault.New(fault.CodeVolumeTypeNotFound, "Volume type %s could not be found.", ref)
			}
			switch {
			case tie && t.QoSID != "" && t.QoSID != q.ID:
				return bad("Invalid volume type: Type %s is already associated with another qos specs: %s", t.ID, t.QoSID)
			case tie:
				t.QoSID = q.ID
			default:
				t.QoSID = ""
			}
			return a.svc.Store.SaveType(ctx, tx, t)
		})
		if err != nil {
			return err
		}
		return rest.Empty(w, http.StatusAccepted)
	}
}

func (a *API) untieQoS(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	if _, err := a.withQoS(r, func(ctx context.Context, tx *db.Tx, q *volume.QoS) error { return a.svc.Store.Untie(ctx, tx, q.ID) }); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusAccepted)
}
