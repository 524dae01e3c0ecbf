package api

import (
	"net/http"
	"time"

	"altostack/identity"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
)

func (a *API) trustRoutes() []rest.Route {
	const trusts = "/v3/OS-TRUST/trusts"
	return []rest.Route{
		rest.On("GET "+trusts, "identity:list_trusts", a.listTrusts).Inside(),
		rest.On("POST "+trusts, "identity:create_trust", a.createTrust),
		rest.On("GET "+trusts+"/{trust_id}", "identity:get_trust", a.showTrust),
		rest.On("DELETE "+trusts+"/{trust_id}", "identity:delete_trust", func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
			return noContent(w, a.svc.DeleteTrust(r.Context(), scope, r.PathValue("trust_id")))
		}),
		rest.On("GET "+trusts+"/{trust_id}/roles", "identity:list_roles_for_trust", a.trustRoles),
		rest.On("GET "+trusts+"/{trust_id}/roles/{role_id}", "identity:get_role_for_trust", a.trustRole),
	}
}

type trustBody struct {
	TrustorID         string  `json:"trustor_user_id"`
	TrusteeID         string  `json:"trustee_user_id"`
	ProjectID         *string `json:"project_id"`
	Impersonation     bool    `json:"impersonation"`
	ExpiresAt         *string `json:"expires_at"`
	RemainingUses     *int64  `json:"remaining_uses"`
	AllowRedelegation *bool   `json:"allow_redelegation"`
	RedelegationCount *int64  `json:"redelegation_count"`
	Roles             []struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"roles"`
}

func (b trustBody) ask() (identity.NewTrust, error) {
	n := identity.NewTrust{AllowRedelegation: value(b.AllowRedelegation), CountGiven: b.RedelegationCount != nil, Trust: identity.Trust{
		TrustorID: b.TrustorID, TrusteeID: b.TrusteeID, ProjectID: value(b.ProjectID), Impersonation: b.Impersonation,
		RemainingUses: identity.AnyUses, RedelegationCount: value(b.RedelegationCount)}}
	if b.RemainingUses != nil {
		if n.RemainingUses = *b.RemainingUses; n.RemainingUses < 1 {
			return n, fault.New(fault.CodeIdentityInvalid, "remaining_uses must be a positive integer or null.").WithField("remaining_uses")
		}
	}
	for _, r := range b.Roles {
		n.Roles = append(n.Roles, identity.Ref{ID: r.ID, Name: r.Name})
	}
	var err error
	n.ExpiresAt, err = expiry(value(b.ExpiresAt))
	return n, err
}

// expiry reads when something ends; without a text, never.
func expiry(s string) (t time.Time, err error) {
	if s == "" {
		return t, nil
	}
	for _, form := range expiries {
		if t, err = time.Parse(form, s); err == nil {
			return t.UTC(), nil
		}
	}
	return t, fault.New(fault.CodeIdentityInvalid, "The 'expires_at' must be a UTC time such as 2026-04-01T12:00:00.000000Z. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.").WithField("expires_at")
}

func (a *API) createTrust(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var body trustBody
	if err := rest.Decode(r, "trust", &body); err != nil {
		return err
	}
	n, err := body.ask()
	if err != nil {
		return err
	}
	t, err := a.svc.CreateTrust(r.Context(), scope, n)
	if err != nil {
		return err
	}
	return one(w, http.StatusCreated, "trust", fullTrust(r, t))
}

func (a *API) listTrusts(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	q := r.URL.Query()
	l, err := list(q, nil)
	if err != nil {
		return err
	}
	rows, more, err := a.svc.Trusts(r.Context(), scope, q.Get("trustor_user_id"), q.Get("trustee_user_id"), l)
	if err != nil {
		return err
	}
	return many(w, r, "trusts", rows, more, trustView)
}

func (a *API) showTrust(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	t, err := a.svc.TrustByID(r.Context(), scope, r.PathValue("trust_id"))
	if err != nil {
		return err
	}
	return one(w, http.StatusOK, "trust", fullTrust(r, t))
}

func (a *API) trustRoles(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	t, err := a.svc.TrustByID(r.Context(), scope, r.PathValue("trust_id"))
	if err != nil {
		return err
	}
	v := fullTrust(r, t)
	return rest.Write(w, http.StatusOK, object{"roles": v["roles"], "links": v["roles_links"]})
}

func (a *API) trustRole(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	t, err := a.svc.TrustByID(r.Context(), scope, r.PathValue("trust_id"))
	if err != nil {
		return err
	}
	for _, role := range t.Roles {
		if role.ID == r.PathValue("role_id") {
			return one(w, http.StatusOK, "role", roleView(r, role))
		}
	}
	return fault.New(fault.CodeIdentityNotFound, "Could not find role: %s.", r.PathValue("role_id"))
}

func trustView(r *http.Request, t identity.Trust) object {
	v := object{"id": t.ID, "trustor_user_id": t.TrustorID, "trustee_user_id": t.TrusteeID, "project_id": orNull(t.ProjectID), "impersonation": t.Impersonation,
		"expires_at": nil, "remaining_uses": nil, "deleted_at": nil, "redelegation_count": t.RedelegationCount}
	if !t.ExpiresAt.IsZero() {
		v["expires_at"] = instant(t.ExpiresAt)
	}
	if t.RemainingUses != identity.AnyUses {
		v["remaining_uses"] = t.RemainingUses
	}
	if t.ParentID != "" {
		v["redelegated_trust_id"] = t.ParentID
	}
	return view(r, t.Extra, "OS-TRUST/trusts/"+t.ID, v)
}

// fullTrust adds the roles, which lists leave out.
func fullTrust(r *http.Request, t identity.TrustView) object {
	v := trustView(r, t.Trust)
	roles := make([]object, len(t.Roles))
	for i, role := range t.Roles {
		roles[i] = roleView(r, role)
	}
	v["roles"] = roles
	v["roles_links"] = object{"self": rest.Base(r) + "/v3/OS-TRUST/trusts/" + t.ID + "/roles", "next": nil, "previous": nil}
	return v
}
