package api

import (
	"encoding/json"
	"net/http"

	"altostack/identity"
	"altostack/kernel/auth"
	"altostack/kernel/rest"
)

func credentialView(r *http.Request, c identity.Credential) object {
	return view(r, c.Extra, "credentials/"+c.ID, object{"id": c.ID, "user_id": c.UserID, "project_id": orNull(c.ProjectID), "type": c.Type, "blob": c.Blob})
}

func policyView(r *http.Request, p identity.PolicyBlob) object {
	return view(r, p.Extra, "policies/"+p.ID, object{"id": p.ID, "type": p.Type, "blob": json.RawMessage(p.Blob)})
}

func (a *API) vaultRoutes() []rest.Route {
	credentials := crud[identity.Credential]{
		path: "/v3/credentials", member: "credential", plural: "credentials", view: credentialView,
		filters: map[string]filter{"user_id": {column: "user_id"}, "type": {column: "type"}},
		list: func(r *http.Request, s auth.Scope, l identity.List) ([]identity.Credential, bool, error) {
			return a.svc.Credentials(r.Context(), s, l)
		},
		create: func(r *http.Request, s auth.Scope, v identity.Attrs) (identity.Credential, error) {
			return a.svc.CreateCredential(r.Context(), s, v)
		},
		get: func(r *http.Request, s auth.Scope, id string) (identity.Credential, error) {
			return a.svc.Credential(r.Context(), s, id)
		},
		update: func(r *http.Request, s auth.Scope, id string, v identity.Attrs) (identity.Credential, error) {
			return a.svc.UpdateCredential(r.Context(), s, id, v)
		},
		remove: func(r *http.Request, s auth.Scope, id string) error {
			return a.svc.DeleteCredential(r.Context(), s, id)
		},
	}.routes()
	policies := crud[identity.PolicyBlob]{
		path: "/v3/policies", member: "policy", plural: "policies", view: policyView,
		filters: map[string]filter{"type": {column: "type"}},
		list: func(r *http.Request, s auth.Scope, l identity.List) ([]identity.PolicyBlob, bool, error) {
			return a.svc.Policies(r.Context(), s, l)
		},
		create: func(r *http.Request, s auth.Scope, v identity.Attrs) (identity.PolicyBlob, error) {
			return a.svc.CreatePolicy(r.Context(), s, v)
		},
		get: func(r *http.Request, s auth.Scope, id string) (identity.PolicyBlob, error) {
			return a.svc.Policy(r.Context(), s, id)
		},
		update: func(r *http.Request, s auth.Scope, id string, v identity.Attrs) (identity.PolicyBlob, error) {
			return a.svc.UpdatePolicy(r.Context(), s, id, v)
		},
		remove: func(r *http.Request, s auth.Scope, id string) error { return a.svc.DeletePolicy(r.Context(), s, id) },
	}.routes()
	return append(credentials, policies...)
}
