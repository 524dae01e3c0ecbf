package api

import (
	"net/http"

	"altostack/identity"
	"altostack/kernel/auth"
	"altostack/kernel/rest"
)

func roleView(r *http.Request, v identity.Role) object {
	return view(r, v.Extra, "roles/"+v.ID, object{"id": v.ID, "name": v.Name, "domain_id": orNull(v.DomainID), "description": orNull(v.Description), "options": options(v.Options)})
}

func (a *API) roleRoutes() []rest.Route {
	routes := crud[identity.Role]{
		path: "/v3/roles", member: "role", plural: "roles", view: roleView,
		filters: map[string]filter{"name": {column: "name"}, "domain_id": {column: "domain_id"}},
		list:    a.svc.Roles,
		create:  a.svc.CreateRole,
		get:     a.svc.Role,
		update:  a.svc.UpdateRole,
		remove:  a.svc.DeleteRole,
	}.routes()
	const implies, implied = "/v3/roles/{prior_role_id}/implies", "/v3/roles/{prior_role_id}/implies/{implied_role_id}"
	return append(routes,
		rest.On("GET "+implies, "identity:list_implied_roles", a.listImplied),
		rest.On("GET "+implied, "identity:get_implied_role", a.showImplied),
		rest.On("HEAD "+implied, "identity:check_implied_role", a.checkImplied),
		rest.On("PUT "+implied, "identity:create_implied_role", a.imply),
		rest.On("DELETE "+implied, "identity:delete_implied_role", a.unimply),
		rest.On("GET /v3/role_inferences", "identity:list_role_inference_rules", a.listInferences),
	)
}

// inRule is a role as an inference rule shows it.
func inRule(r *http.Request, v identity.Role) object {
	return object{"id": v.ID, "name": v.Name, "description": orNull(v.Description), "links": object{"self": rest.Base(r) + "/v3/roles/" + v.ID}}
}

func inRules(r *http.Request, roles []identity.Role) []object {
	out := make([]object, len(roles))
	for i, v := range roles {
		out[i] = inRule(r, v)
	}
	return out
}

func implication(r *http.Request) identity.Implication {
	return identity.Implication{PriorID: r.PathValue("prior_role_id"), ImpliedID: r.PathValue("implied_role_id")}
}

func answerRule(w http.ResponseWriter, r *http.Request, status int, prior identity.Role, implies any) error {
	return rest.Write(w, status, object{
		"role_inference": object{"prior_role": inRule(r, prior), "implies": implies},
		"links":          object{"self": selfURL(r)},
	})
}

func (a *API) listImplied(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	prior, implied, err := a.svc.Implied(r.Context(), scope, r.PathValue("prior_role_id"))
	if err != nil {
		return err
	}
	return answerRule(w, r, http.StatusOK, prior, inRules(r, implied))
}

func (a *API) showImplied(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	prior, implied, err := a.svc.Implication(r.Context(), scope, implication(r))
	if err != nil {
		return err
	}
	return answerRule(w, r, http.StatusOK, prior, inRule(r, implied))
}

func (a *API) checkImplied(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	_, _, err := a.svc.Implication(r.Context(), scope, implication(r))
	return noContent(w, err)
}

func (a *API) imply(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	prior, implied, err := a.svc.Imply(r.Context(), scope, implication(r))
	if err != nil {
		return err
	}
	return answerRule(w, r, http.StatusCreated, prior, inRule(r, implied))
}

func (a *API) unimply(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	return noContent(w, a.svc.Unimply(r.Context(), scope, implication(r)))
}

func (a *API) listInferences(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	rules, err := a.svc.Inferences(r.Context(), scope)
	if err != nil {
		return err
	}
	out := make([]object, len(rules))
	for i, rule := range rules {
		out[i] = object{"prior_role": inRule(r, rule.Prior), "implies": inRules(r, rule.Implied)}
	}
	return rest.Write(w, http.StatusOK, object{"role_inferences": out, "links": object{"self": selfURL(r)}})
}
