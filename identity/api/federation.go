package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"altostack/identity"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
)

const (
	providersPath = "/v3/OS-FEDERATION/identity_providers"
	protocolsPath = providersPath + "/{idp_id}/protocols"
)

var providerFilters = map[string]filter{"id": {column: "id"}, "enabled": {column: "enabled", flag: true}}

func (a *API) federationRoutes() []rest.Route {
	providers := named[identity.IdentityProvider]{
		path: providersPath, param: "idp_id", member: "identity_provider", view: providerView,
		create: a.svc.CreateIdentityProvider, get: a.svc.IdentityProvider, update: a.svc.UpdateIdentityProvider, remove: a.svc.DeleteIdentityProvider,
		list: a.svc.IdentityProviders, filters: providerFilters,
	}
	mappings := named[identity.FederationMapping]{
		path: "/v3/OS-FEDERATION/mappings", param: "mapping_id", member: "mapping", view: mappingView,
		create: a.svc.CreateFederationMapping, get: a.svc.FederationMapping, update: a.svc.UpdateFederationMapping, remove: a.svc.DeleteFederationMapping,
		list: a.svc.FederationMappings,
	}
	services := named[identity.ServiceProvider]{
		path: "/v3/OS-FEDERATION/service_providers", param: "service_provider_id", member: "service_provider", view: serviceProviderView,
		create: a.svc.CreateServiceProvider, get: a.svc.ServiceProvider, update: a.svc.UpdateServiceProvider, remove: a.svc.DeleteServiceProvider,
		list: a.svc.ServiceProviders, filters: providerFilters,
	}
	routes := append(providers.routes(), append(mappings.routes(), services.routes()...)...)
	routes = append(routes, a.protocolRoutes()...)
	return append(append(routes, a.assertedRoutes()...), a.ssoRoutes()...)
}

// named makes the handlers of objects whose id the client chooses.
type named[T any] struct {
	path, param, member string
	filters             map[string]filter
	view                func(*http.Request, T) object

	list   func(context.Context, auth.Scope, identity.List) ([]T, bool, error)
	create func(context.Context, auth.Scope, string, identity.Attrs) (T, error)
	get    func(context.Context, auth.Scope, string) (T, error)
	update func(context.Context, auth.Scope, string, identity.Attrs) (T, error)
	remove func(context.Context, auth.Scope, string) error
}

func (n named[T]) routes() []rest.Route {
	item, plural := n.path+"/{"+n.param+"}", n.member+"s"
	id := func(r *http.Request) string { return r.PathValue(n.param) }
	return []rest.Route{
		rest.On("GET "+n.path, "identity:list_"+plural, func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
			l, err := list(r.URL.Query(), n.filters)
			if err != nil {
				return err
			}
			rows, more, err := n.list(r.Context(), scope, l)
			if err != nil {
				return err
			}
			return many(w, r, plural, rows, more, n.view)
		}),
		rest.On("GET "+item, "identity:get_"+n.member, func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
			v, err := n.get(r.Context(), scope, id(r))
			if err != nil {
				return err
			}
			return one(w, http.StatusOK, n.member, n.view(r, v))
		}),
		rest.On("PUT "+item, "identity:create_"+n.member, n.change(http.StatusCreated, n.create)),
		rest.On("PATCH "+item, "identity:update_"+n.member, n.change(http.StatusOK, n.update)),
		rest.On("DELETE "+item, "identity:delete_"+n.member, func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
			return noContent(w, n.remove(r.Context(), scope, id(r)))
		}),
	}
}

// change answers a PUT or PATCH.
func (n named[T]) change(status int, do func(context.Context, auth.Scope, string, identity.Attrs) (T, error)) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		body, err := attrs(r, n.member)
		if err != nil {
			return err
		}
		v, err := do(r.Context(), scope, r.PathValue(n.param), body)
		if err != nil {
			return err
		}
		return one(w, status, n.member, n.view(r, v))
	}
}

func (a *API) protocolRoutes() []rest.Route {
	ends := func(r *http.Request) (provider, id string) { return r.PathValue("idp_id"), r.PathValue("protocol_id") }
	const item = protocolsPath + "/{protocol_id}"
	return []rest.Route{
		rest.On("GET "+protocolsPath, "identity:list_protocols", func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
			rows, err := a.svc.Protocols(r.Context(), scope, r.PathValue("idp_id"))
			if err != nil {
				return err
			}
			return many(w, r, "protocols", rows, false, func(r *http.Request, p identity.Protocol) object {
				v := protocolView(r, p)
				v["idp_id"], v["remote_id_attribute"] = p.ProviderID, orNull(p.RemoteIDAttribute)
				return v
			})
		}),
		rest.On("GET "+item, "identity:get_protocol", func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
			provider, id := ends(r)
			p, err := a.svc.Protocol(r.Context(), scope, provider, id)
			if err != nil {
				return err
			}
			return one(w, http.StatusOK, "protocol", protocolView(r, p))
		}),
		rest.On("PUT "+item, "identity:create_protocol", a.changeProtocol(http.StatusCreated, a.svc.CreateProtocol)),
		rest.On("PATCH "+item, "identity:update_protocol", a.changeProtocol(http.StatusOK, a.svc.UpdateProtocol)),
		rest.On("DELETE "+item, "identity:delete_protocol", func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
			provider, id := ends(r)
			return noContent(w, a.svc.DeleteProtocol(r.Context(), scope, provider, id))
		}),
	}
}

func (a *API) changeProtocol(status int, do func(ctx context.Context, scope auth.Scope, provider, id string, v identity.Attrs) (identity.Protocol, error)) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		body, err := attrs(r, "protocol")
		if err != nil {
			return err
		}
		p, err := do(r.Context(), scope, r.PathValue("idp_id"), r.PathValue("protocol_id"), body)
		if err != nil {
			return err
		}
		return one(w, status, "protocol", protocolView(r, p))
	}
}

func providerView(r *http.Request, p identity.IdentityProvider) object {
	remotes := p.RemoteIDs
	if remotes == nil {
		remotes = []string{}
	}
	var ttl any
	if p.AuthorizationTTL >= 0 {
		ttl = p.AuthorizationTTL
	}
	path := "OS-FEDERATION/identity_providers/" + p.ID
	v := view(r, nil, path, object{"id": p.ID, "domain_id": p.DomainID, "enabled": p.Enabled, "description": orNull(p.Description), "remote_ids": remotes, "authorization_ttl": ttl})
	v["links"].(object)["protocols"] = rest.Base(r) + "/v3/" + path + "/protocols"
	return v
}

func protocolView(r *http.Request, p identity.Protocol) object {
	path := "OS-FEDERATION/identity_providers/" + p.ProviderID
	v := view(r, nil, path+"/protocols/"+p.ID, object{"id": p.ID, "mapping_id": p.MappingID})
	if p.RemoteIDAttribute != "" {
		v["remote_id_attribute"] = p.RemoteIDAttribute
	}
	v["links"].(object)["identity_provider"] = rest.Base(r) + "/v3/" + path
	return v
}

func mappingView(r *http.Request, m identity.FederationMapping) object {
	return view(r, nil, "OS-FEDERATION/mappings/"+m.ID, object{"id": m.ID, "rules": m.Rules, "schema_version": m.SchemaVersion})
}

func serviceProviderView(r *http.Request, p identity.ServiceProvider) object {
	return view(r, nil, "OS-FEDERATION/service_providers/"+p.ID, object{"id": p.ID, "enabled": p.Enabled, "description": orNull(p.Description),
		"auth_url": p.AuthURL, "sp_url": p.URL, "relay_state_prefix": p.RelayStatePrefix})
}

// vouchedView says in a token by whose word its user is one.
func vouchedView(token object, t *identity.Token) {
	groups := make([]object, len(t.Vouched.GroupIDs))
	for i, id := range t.Vouched.GroupIDs {
		groups[i] = object{"id": id}
	}
	user := token["user"].(object)
	user["OS-FEDERATION"] = object{"groups": groups, "identity_provider": object{"id": t.Vouched.ProviderID}, "protocol": object{"id": t.Vouched.ProtocolID}}
	delete(user, "password_expires_at")
}

// federatedView lists by what providers know a user.
func federatedView(all []identity.FederatedUser) []object {
	var out []object
	at := map[string]object{}
	for _, f := range all {
		p := at[f.ProviderID]
		if p == nil {
			p = object{"idp_id": f.ProviderID, "protocols": []object{}}
			at[f.ProviderID] = p
			out = append(out, p)
		}
		p["protocols"] = append(p["protocols"].([]object), object{"protocol_id": f.ProtocolID, "unique_id": f.UniqueID})
	}
	return out
}

func (a *API) assertedRoutes() []rest.Route {
	const item = protocolsPath + "/{protocol_id}/auth"
	return []rest.Route{
		rest.On("GET "+item, "", a.bearer).Open().Proves(),
		rest.On("POST "+item, "", a.bearer).Open().Stream().Proves(),
	}
}

// bearer answers a token to who shows one of the identity provider's.
func (a *API) bearer(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if token = strings.TrimSpace(token); !strings.EqualFold(scheme, "Bearer") || token == "" {
		return fault.New(fault.CodeAuthUnauthenticated, "The request you have made requires authentication.")
	}
	t, err := a.svc.IssueBearer(r.Context(), r.PathValue("idp_id"), r.PathValue("protocol_id"), token)
	if err != nil {
		return err
	}
	w.Header().Set("X-Subject-Token", t.ID)
	return a.answerToken(w, r, http.StatusCreated, t)
}

// writeAway names in a token the clouds that take this one's word.
func (a *API) writeAway(ctx context.Context, b *bytes.Buffer) error {
	away, err := a.svc.EnabledServiceProviders(ctx)
	if err != nil || len(away) == 0 {
		return err
	}
	out := make([]object, len(away))
	for i, p := range away {
		out[i] = object{"id": p.ID, "auth_url": p.AuthURL, "sp_url": p.URL}
	}
	text, err := json.Marshal(out)
	b.WriteString(`, "service_providers": `)
	b.Write(text)
	return err
}

// usersKnown is userList with the filters by what identity providers know users by.
func (a *API) usersKnown(r *http.Request) (identity.List, error) {
	l, err := userList(r)
	if err != nil {
		return l, err
	}
	var known []identity.Match
	for _, name := range []string{"idp_id", "protocol_id", "unique_id"} {
		if q := r.URL.Query(); q.Has(name) {
			known = append(known, identity.Is(name, q.Get(name)))
		}
	}
	if known == nil {
		return l, nil
	}
	return a.svc.KnownAs(r.Context(), l, known...)
}
