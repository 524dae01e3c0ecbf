package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"altostack/identity"
	"altostack/identity/signing"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
)

func (a *API) oauthRoutes() []rest.Route {
	const access = "/v3/users/{user_id}/OS-OAUTH1/access_tokens"
	consumers := crud[identity.Consumer]{
		path: "/v3/OS-OAUTH1/consumers", member: "consumer", plural: "consumers", view: consumerView,
		list: a.svc.Consumers, create: a.svc.CreateConsumer, get: a.svc.Consumer, update: a.svc.UpdateConsumer, remove: a.svc.DeleteConsumer,
	}.routes()
	return append(consumers,
		rest.On("POST /v3/OS-OAUTH1/request_token", "", a.requestOAuth).Open(),
		rest.On("PUT /v3/OS-OAUTH1/authorize/{request_token_id}", "identity:authorize_request_token", a.authorizeOAuth),
		rest.On("POST /v3/OS-OAUTH1/access_token", "", a.grantOAuth).Open(),
		rest.On("GET "+access, "identity:list_access_tokens", func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
			l, err := list(r.URL.Query(), nil)
			if err != nil {
				return err
			}
			rows, more, err := a.svc.AccessTokens(r.Context(), scope, r.PathValue("user_id"), l)
			if err != nil {
				return err
			}
			return many(w, r, "access_tokens", rows, more, accessTokenView)
		}),
		rest.On("GET "+access+"/{access_token_id}", "identity:get_access_token", func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
			v, err := a.svc.AccessToken(r.Context(), scope, r.PathValue("user_id"), r.PathValue("access_token_id"))
			if err != nil {
				return err
			}
			return one(w, http.StatusOK, "access_token", accessTokenView(r, v))
		}),
		rest.On("DELETE "+access+"/{access_token_id}", "identity:delete_access_token", func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
			return noContent(w, a.svc.DeleteAccessToken(r.Context(), scope, r.PathValue("user_id"), r.PathValue("access_token_id")))
		}),
		rest.On("GET "+access+"/{access_token_id}/roles", "identity:list_access_token_roles", a.accessTokenRoles),
		rest.On("GET "+access+"/{access_token_id}/roles/{role_id}", "identity:get_access_token_role", a.accessTokenRole),
	)
}

func consumerView(r *http.Request, c identity.Consumer) object {
	v := object{"id": c.ID, "description": c.Description}
	if c.Secret != "" {
		v["secret"] = c.Secret
	}
	return view(r, c.Extra, "OS-OAUTH1/consumers/"+c.ID, v)
}

func accessTokenView(r *http.Request, a identity.AccessToken) object {
	path := "users/" + a.UserID + "/OS-OAUTH1/access_tokens/" + a.ID
	v := view(r, nil, path, object{"id": a.ID, "consumer_id": a.ConsumerID, "project_id": a.ProjectID, "authorizing_user_id": a.UserID, "expires_at": nil})
	if !a.ExpiresAt.IsZero() {
		v["expires_at"] = instant(a.ExpiresAt)
	}
	v["links"].(object)["roles"] = rest.Base(r) + "/v3/" + path + "/roles"
	return v
}

// oauthOf is the request as its signer saw it; nil where it carries no signature.
func oauthOf(r *http.Request) *signing.OAuth {
	params := signing.ParseOAuth(r.Header.Get("Authorization"))
	if params == nil {
		return nil
	}
	q := url.Values{}
	for name, values := range r.URL.Query() {
		q[name] = values
	}
	return &signing.OAuth{Method: r.Method, URL: rest.Base(r) + pathOf(r), Query: q, Params: params}
}

func needOAuth(r *http.Request) (signing.OAuth, error) {
	if v := oauthOf(r); v != nil {
		return *v, nil
	}
	return signing.OAuth{}, fault.New(fault.CodeIdentityInvalid, "Error retrieving required OAuth headers.").WithField("Authorization")
}

// secretForm answers a token and its secret as OAuth spells them.
func secretForm(w http.ResponseWriter, id, secret, expires string) error {
	text := fmt.Sprintf("oauth_token=%s&oauth_token_secret=%s&oauth_expires_at=%s", url.QueryEscape(id), url.QueryEscape(secret), expires)
	return rest.WriteBytes(w, http.StatusCreated, "application/x-www-form-urlencoded", []byte(text))
}

func (a *API) requestOAuth(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	signed, err := needOAuth(r)
	if err != nil {
		return err
	}
	v, err := a.svc.RequestOAuth(r.Context(), signed, r.Header.Get("Requested-Project-Id"))
	if err != nil {
		return err
	}
	return secretForm(w, v.ID, v.Secret, instant(v.ExpiresAt))
}

func (a *API) grantOAuth(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	signed, err := needOAuth(r)
	if err != nil {
		return err
	}
	v, err := a.svc.GrantOAuth(r.Context(), signed)
	if err != nil {
		return err
	}
	return secretForm(w, v.ID, v.Secret, instant(v.ExpiresAt))
}

func (a *API) authorizeOAuth(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var body struct {
		Roles []struct{ ID, Name string } `json:"roles"`
	}
	if len(rest.RawBody(r)) > 0 {
		if err := json.Unmarshal(rest.RawBody(r), &body); err != nil {
			return fault.Because(err, fault.CodeIdentityInvalid, "Invalid input for field/attribute roles.").WithField("roles")
		}
	}
	var roles []identity.Ref
	for _, role := range body.Roles {
		if (role.ID == "") == (role.Name == "") {
			return fault.New(fault.CodeIdentityInvalid, "Invalid input for field/attribute roles: a role is named by its id or by its name.").WithField("roles")
		}
		roles = append(roles, identity.Ref{ID: role.ID, Name: role.Name})
	}
	verifier, err := a.svc.AuthorizeOAuth(r.Context(), scope, r.PathValue("request_token_id"), roles)
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, object{"token": object{"oauth_verifier": verifier}})
}

func oauthRole(r *http.Request, role identity.Role) object {
	v := roleView(r, role)
	delete(v, "description")
	return v
}

func (a *API) accessTokenRoles(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	roles, err := a.svc.AccessTokenRoles(r.Context(), scope, r.PathValue("user_id"), r.PathValue("access_token_id"))
	if err != nil {
		return err
	}
	return many(w, r, "roles", roles, false, oauthRole)
}

func (a *API) accessTokenRole(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	roles, err := a.svc.AccessTokenRoles(r.Context(), scope, r.PathValue("user_id"), r.PathValue("access_token_id"))
	if err != nil {
		return err
	}
	for _, role := range roles {
		if role.ID == r.PathValue("role_id") {
			return one(w, http.StatusOK, "role", oauthRole(r, role))
		}
	}
	return fault.New(fault.CodeIdentityNotFound, "Could not find role: %s.", r.PathValue("role_id"))
}
