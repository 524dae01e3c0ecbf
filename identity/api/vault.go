package api

import (
	"encoding/json"
	"net/http"

	"altostack/identity"
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
		list:    a.svc.Credentials,
		create:  a.svc.CreateCredential,
		get:     a.svc.Credential,
		update:  a.svc.UpdateCredential,
		remove:  a.svc.DeleteCredential,
	}.routes()
	policies := crud[identity.PolicyBlob]{
		path: "/v3/policies", member: "policy", plural: "policies", view: policyView,
		filters: map[string]filter{"type": {column: "type"}},
		list:    a.svc.Policies,
		create:  a.svc.CreatePolicy,
		get:     a.svc.Policy,
		update:  a.svc.UpdatePolicy,
		remove:  a.svc.DeletePolicy,
	}.routes()
	return append(credentials, policies...)
}
