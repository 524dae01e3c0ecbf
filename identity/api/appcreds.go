package api

import (
	"net/http"
	"time"

	"altostack/identity"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
)

func (a *API) appCredRoutes() []rest.Route {
	const creds, rules = "/v3/users/{user_id}/application_credentials", "/v3/users/{user_id}/access_rules"
	user := func(r *http.Request) string { return r.PathValue("user_id") }
	cred := func(r *http.Request) string { return r.PathValue("application_credential_id") }
	rule := func(r *http.Request) string { return r.PathValue("access_rule_id") }
	return []rest.Route{
		rest.On("POST "+creds, "identity:create_application_credential", a.createAppCred),
		rest.On("GET "+creds, "identity:list_application_credentials", a.listAppCreds),
		rest.On("GET "+creds+"/{application_credential_id}", "identity:get_application_credential", func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
			v, err := a.svc.AppCred(r.Context(), scope, user(r), cred(r))
			if err != nil {
				return err
			}
			return one(w, http.StatusOK, "application_credential", appCredView(r, v))
		}),
		rest.On("DELETE "+creds+"/{application_credential_id}", "identity:delete_application_credential", func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
			return noContent(w, a.svc.DeleteAppCred(r.Context(), scope, user(r), cred(r)))
		}),
		rest.On("GET "+rules, "identity:list_access_rules", a.listRules),
		rest.On("GET "+rules+"/{access_rule_id}", "identity:get_access_rule", func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
			v, err := a.svc.AccessRule(r.Context(), scope, user(r), rule(r))
			if err != nil {
				return err
			}
			return one(w, http.StatusOK, "access_rule", ruleView(r, v))
		}),
		rest.On("DELETE "+rules+"/{access_rule_id}", "identity:delete_access_rule", func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
			return noContent(w, a.svc.DeleteAccessRule(r.Context(), scope, user(r), rule(r)))
		}),
	}
}

type appCredBody struct {
	Name         string  `json:"name"`
	Description  *string `json:"description"`
	Secret       *string `json:"secret"`
	ExpiresAt    *string `json:"expires_at"`
	Unrestricted *bool   `json:"unrestricted"`
	Roles        []struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"roles"`
	Rules *[]struct {
		ID      string `json:"id"`
		Service string `json:"service"`
		Method  string `json:"method"`
		Path    string `json:"path"`
	} `json:"access_rules"`
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// expiries are the forms of a time that the real service takes; without a zone
// it is UTC.
var expiries = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999", "2006-01-02T15:04:05Z0700"}

func (b appCredBody) ask() (identity.NewAppCred, error) {
	n := identity.NewAppCred{Name: b.Name, Description: value(b.Description), Secret: value(b.Secret), Unrestricted: value(b.Unrestricted)}
	if s := value(b.ExpiresAt); s != "" {
		var err error
		for _, form := range expiries {
			if n.ExpiresAt, err = time.Parse(form, s); err == nil {
				break
			}
		}
		if err != nil {
			return n, fault.New(fault.CodeIdentityInvalid, "Timestamp not in expected format. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.").WithField("expires_at")
		}
	}
	for _, r := range b.Roles {
		n.Roles = append(n.Roles, identity.Ref{ID: r.ID, Name: r.Name})
	}
	if n.HasRules = b.Rules != nil && len(*b.Rules) > 0; n.HasRules {
		for _, r := range *b.Rules {
			n.Rules = append(n.Rules, identity.AccessRule{ID: r.ID, Service: r.Service, Method: r.Method, Path: r.Path})
		}
	}
	return n, nil
}

func (a *API) createAppCred(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var body appCredBody
	if err := rest.Decode(r, "application_credential", &body); err != nil {
		return err
	}
	ask, err := body.ask()
	if err != nil {
		return err
	}
	v, err := a.svc.CreateAppCred(r.Context(), scope, r.PathValue("user_id"), ask)
	if err != nil {
		return err
	}
	o := appCredView(r, v)
	o["secret"] = v.Secret
	return one(w, http.StatusCreated, "application_credential", o)
}

func (a *API) listAppCreds(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	l, err := list(r.URL.Query(), map[string]filter{"name": {column: "name"}})
	if err != nil {
		return err
	}
	rows, more, err := a.svc.AppCreds(r.Context(), scope, r.PathValue("user_id"), l)
	if err != nil {
		return err
	}
	return many(w, r, "application_credentials", rows, more, appCredView)
}

func appCredView(r *http.Request, v identity.AppCredView) object {
	roles := make([]object, len(v.Roles))
	for i, role := range v.Roles {
		roles[i] = object{"id": role.ID, "name": role.Name, "domain_id": orNull(role.DomainID)}
	}
	o := object{
		"id": v.ID, "name": v.Name, "description": orNull(v.Description), "project_id": v.ProjectID, "user_id": v.UserID, "roles": roles,
		"unrestricted": v.Unrestricted, "expires_at": stamp(v.ExpiresAt), "system": orNull(v.System),
	}
	if v.RuleIDs != nil {
		o["access_rules"] = rulesView(v.Rules)
	}
	return view(r, nil, "users/"+v.UserID+"/application_credentials/"+v.ID, o)
}

func rulesView(rules []identity.AccessRule) []object {
	out := make([]object, len(rules))
	for i, v := range rules {
		out[i] = object{"id": v.ID, "service": v.Service, "method": v.Method, "path": v.Path}
	}
	return out
}

func ruleView(r *http.Request, v identity.AccessRule) object {
	return view(r, nil, "users/"+v.UserID+"/access_rules/"+v.ID, object{"id": v.ID, "service": v.Service, "method": v.Method, "path": v.Path})
}

func (a *API) listRules(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	l, err := list(r.URL.Query(), map[string]filter{"service": {column: "service"}, "method": {column: "method"}, "path": {column: "path"}})
	if err != nil {
		return err
	}
	rows, more, err := a.svc.AccessRules(r.Context(), scope, r.PathValue("user_id"), l)
	if err != nil {
		return err
	}
	return many(w, r, "access_rules", rows, more, ruleView)
}
