package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"altostack/identity"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
)

func (a *API) tokenRoutes() []rest.Route {
	return []rest.Route{
		rest.On("POST /v3/auth/tokens", "", a.issue).Open(),
		rest.On("GET /v3/auth/tokens", "identity:validate_token", a.showToken),
		rest.On("HEAD /v3/auth/tokens", "identity:check_token", a.showToken),
		rest.On("DELETE /v3/auth/tokens", "identity:revoke_token", a.revokeToken),
		rest.On("GET /v3/auth/catalog", "identity:get_auth_catalog", a.authCatalog),
		rest.On("GET /v3/auth/projects", "identity:get_auth_projects", a.authProjects),
		rest.On("GET /v3/auth/domains", "identity:get_auth_domains", a.authDomains),
		rest.On("GET /v3/OS-FEDERATION/projects", "identity:get_auth_projects", a.authProjects),
		rest.On("GET /v3/OS-FEDERATION/domains", "identity:get_auth_domains", a.authDomains),
		rest.On("GET /v3/auth/system", "identity:get_auth_system", a.authSystem),
		rest.On("GET /v3/OS-REVOKE/events", "identity:list_revoke_events", a.revocations),
	}
}

// ref is an object named in an authentication request.
type ref struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Domain   *ref   `json:"domain"`
	Password string `json:"password"`
	Passcode string `json:"passcode"`
}

func (r *ref) identity() *identity.Ref {
	if r == nil {
		return nil
	}
	return &identity.Ref{ID: r.ID, Name: r.Name, Domain: r.Domain.identity()}
}

type authBody struct {
	Identity struct {
		Methods  []string `json:"methods"`
		Password *struct {
			User *ref `json:"user"`
		} `json:"password"`
		TOTP *struct {
			User *ref `json:"user"`
		} `json:"totp"`
		Token *struct {
			ID string `json:"id"`
		} `json:"token"`
		AppCred *struct {
			ID     string `json:"id"`
			Name   string `json:"name"`
			Secret string `json:"secret"`
			User   *ref   `json:"user"`
		} `json:"application_credential"`
	} `json:"identity"`
	Scope *scopeBody `json:"scope"`
}

type scopeBody struct {
	Project  *ref `json:"project"`
	Domain   *ref `json:"domain"`
	Unscoped *any `json:"unscoped"`
	Trust    *struct {
		ID string `json:"id"`
	} `json:"OS-TRUST:trust"`
	System *struct {
		All bool `json:"all"`
	} `json:"system"`
}

func (b authBody) proof() (identity.Proof, error) {
	p := identity.Proof{Methods: b.Identity.Methods}
	for _, m := range p.Methods {
		missing := false
		switch m {
		case "password":
			if missing = b.Identity.Password == nil || b.Identity.Password.User == nil; !missing {
				p.User, p.Password = b.Identity.Password.User.identity(), b.Identity.Password.User.Password
			}
		case "totp":
			if missing = b.Identity.TOTP == nil || b.Identity.TOTP.User == nil; !missing {
				p.TOTPUser, p.Passcode = b.Identity.TOTP.User.identity(), b.Identity.TOTP.User.Passcode
			}
		case "oauth1": // the request itself is the proof
		case "token":
			if missing = b.Identity.Token == nil; !missing {
				p.Token = b.Identity.Token.ID
			}
		case "application_credential":
			if missing = b.Identity.AppCred == nil; !missing {
				c := b.Identity.AppCred
				p.AppCred, p.AppUser, p.Secret = &identity.Ref{ID: c.ID, Name: c.Name}, c.User.identity(), c.Secret
			}
		}
		if missing {
			return p, fault.New(fault.CodeIdentityInvalid, "Expecting to find %s in identity. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.", m).WithField(m)
		}
	}
	return p, nil
}

func (b authBody) ask() (identity.Ask, error) {
	s := b.Scope
	if s == nil {
		return identity.Ask{}, nil
	}
	ask := identity.Ask{Given: true, Project: s.Project.identity(), Domain: s.Domain.identity(), Unscoped: s.Unscoped != nil, System: s.System != nil}
	if s.Trust != nil {
		if ask.TrustID = s.Trust.ID; ask.TrustID == "" {
			return ask, fault.New(fault.CodeIdentityInvalid, "Expecting to find trust_id in trust. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.").WithField("trust_id")
		}
	}
	n := 0
	for _, given := range []bool{s.Trust != nil, ask.Project != nil, ask.Domain != nil, ask.Unscoped, ask.System} {
		if given {
			n++
		}
	}
	if n != 1 {
		return ask, fault.New(fault.CodeIdentityInvalid, "Expecting to find system, project, domain, OS-TRUST:trust or unscoped in scope. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.").WithField("scope")
	}
	return ask, nil
}

func (a *API) issue(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	var body authBody
	if err := rest.Decode(r, "auth", &body); err != nil {
		return err
	}
	proof, err := body.proof()
	if err != nil {
		return err
	}
	ask, err := body.ask()
	if err != nil {
		return err
	}
	proof.Receipt, proof.OAuth = r.Header.Get(receiptHeader), oauthOf(r)
	t, err := a.svc.Issue(r.Context(), proof, ask)
	if err != nil {
		return receiptFor(w, err)
	}
	w.Header().Set("X-Subject-Token", t.ID)
	return a.answerToken(w, r, http.StatusCreated, t)
}

// answerToken puts the token and its project's catalog together, both of which are
// kept as text: this is what every other call of the cloud begins with.
func (a *API) answerToken(w http.ResponseWriter, r *http.Request, status int, t *identity.Token) error {
	spell := func(t *identity.Token) ([]byte, error) { return json.Marshal(tokenView(t)) }
	keep := t.Text
	if status == http.StatusCreated { // most tokens are shown once
		keep = func(func(*identity.Token) ([]byte, error)) ([]byte, error) { return spell(t) }
	}
	head, err := keep(spell)
	if err != nil {
		return err
	}
	b := bodies.Get().(*bytes.Buffer)
	defer bodies.Put(b)
	b.Reset()
	b.WriteString(`{"token": `)
	b.Write(head[:len(head)-1])
	if !t.Unscoped() && !hasQuery(r, "nocatalog") {
		catalog, err := a.svc.CatalogText(r.Context(), t.Claims.Scope.ProjectID, t.User.ID, func(entries []identity.CatalogEntry) ([]byte, error) {
			return json.Marshal(catalogView(entries))
		})
		if err != nil {
			return err
		}
		b.WriteString(`, "catalog": `)
		b.Write(catalog)
	}
	if err := a.writeAway(r.Context(), b); err != nil {
		return err
	}
	b.WriteString("}}")
	w.Header().Add("Vary", "X-Auth-Token")
	return rest.WriteBytes(w, status, "application/json", b.Bytes())
}

// bodies are the answers being put together.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func hasQuery(r *http.Request, name string) bool {
	return r.URL.RawQuery != "" && r.URL.Query().Has(name)
}

// instant is how tokens spell times; stamp how other objects do.
func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000")
}

func brief(p identity.Project) object { return object{"id": p.ID, "name": p.Name} }

func tokenView(t *identity.Token) object {
	v := object{
		"methods": t.Methods, "audit_ids": t.AuditIDs, "expires_at": instant(t.ExpiresAt), "issued_at": instant(t.IssuedAt),
		"user": object{"id": t.User.ID, "name": t.User.Name, "domain": brief(t.UserDomain), "password_expires_at": stamp(t.User.PasswordExpiresAt)},
	}
	switch {
	case t.Project != nil:
		p := brief(*t.Project)
		p["domain"] = brief(t.ProjectDomain)
		v["project"], v["is_domain"] = p, t.Project.IsDomain
	case t.Domain != nil:
		v["domain"] = brief(*t.Domain)
	case t.Scope.System:
		v["system"] = object{"all": true}
	}
	if !t.Unscoped() {
		roles := make([]object, len(t.Roles))
		for i, role := range t.Roles {
			roles[i] = object{"id": role.ID, "name": role.Name}
		}
		v["roles"] = roles
	}
	if t.Vouched != nil {
		vouchedView(v, t)
	}
	if d := t.Trust; d != nil {
		v["OS-TRUST:trust"] = object{"id": d.ID, "impersonation": d.Impersonation, "trustor_user": object{"id": d.TrustorID}, "trustee_user": object{"id": d.TrusteeID}}
	}
	if d := t.Access; d != nil {
		v["OS-OAUTH1"] = object{"access_token_id": d.ID, "consumer_id": d.ConsumerID}
	}
	if c := t.AppCred; c != nil {
		cred := object{"id": c.ID, "name": c.Name, "restricted": !c.Unrestricted}
		if len(t.AccessRules) > 0 {
			cred["access_rules"] = rulesView(t.AccessRules)
		}
		v["application_credential"] = cred
	}
	return v
}

func catalogView(entries []identity.CatalogEntry) []object {
	out := make([]object, len(entries))
	for i, e := range entries {
		endpoints := make([]object, len(e.Endpoints))
		for j, at := range e.Endpoints {
			endpoints[j] = object{"id": at.ID, "interface": at.Interface, "region_id": orNull(at.RegionID), "region": orNull(at.RegionID), "url": at.URL}
		}
		out[i] = object{"id": e.ID, "type": e.Type, "name": e.Name, "endpoints": endpoints}
	}
	return out
}

// subject is the token that a call is about.
func subject(r *http.Request) (string, error) {
	t := r.Header.Get("X-Subject-Token")
	if t == "" {
		return "", fault.New(fault.CodeIdentityInvalid, "Expecting to find X-Subject-Token in headers. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.").WithField("X-Subject-Token")
	}
	return t, nil
}

func (a *API) showToken(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	id, err := subject(r)
	if err != nil {
		return err
	}
	t, err := a.svc.TokenOf(r.Context(), scope, id, yes(r.URL.Query().Get("allow_expired")))
	if err != nil {
		return err
	}
	// Whoever validates a token with access rules must say that it will hold the
	// bearer to them.
	if t.Principal.AccessRules != nil && r.Header.Get("OpenStack-Identity-Access-Rules") == "" {
		return fault.New(fault.CodeIdentityNotFound, "Failed to validate token")
	}
	w.Header().Set("X-Subject-Token", id)
	return a.answerToken(w, r, http.StatusOK, t)
}

// yes reads a flag as Keystone does where anything but a clear yes is a no.
func yes(s string) bool {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "1", "t", "true", "on", "y", "yes":
		return true
	}
	return false
}

func (a *API) revokeToken(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	id, err := subject(r)
	if err != nil {
		return err
	}
	return noContent(w, a.svc.RevokeToken(r.Context(), scope, id))
}

func (a *API) authCatalog(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	if scope.ProjectID == "" && scope.DomainID == "" && !scope.System {
		return fault.New(fault.CodeIdentityForbidden, "A domain-scoped, project-scoped or system-scoped token is required for this request.")
	}
	entries, err := a.svc.Catalog(r.Context(), scope.ProjectID, scope.UserID)
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, object{"catalog": catalogView(entries), "links": object{"self": selfURL(r), "previous": nil, "next": nil}})
}

func (a *API) authProjects(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	l, err := list(r.URL.Query(), nil)
	if err != nil {
		return err
	}
	rows, more, err := a.svc.ReachableProjects(r.Context(), scope.Principal, l)
	if err != nil {
		return err
	}
	return many(w, r, "projects", rows, more, projectView)
}

func (a *API) authDomains(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	l, err := list(r.URL.Query(), nil)
	if err != nil {
		return err
	}
	rows, more, err := a.svc.ReachableDomains(r.Context(), scope.Principal, l)
	if err != nil {
		return err
	}
	return many(w, r, "domains", rows, more, domainView)
}

func (a *API) authSystem(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	ok, err := a.svc.ReachesSystem(r.Context(), scope.Principal)
	if err != nil {
		return err
	}
	system := []object{}
	if ok {
		system = append(system, object{"all": true})
	}
	return rest.Write(w, http.StatusOK, object{"system": system, "links": object{"self": selfURL(r)}})
}

func (a *API) revocations(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	since, err := expiry(r.URL.Query().Get("since"))
	if err != nil {
		return fault.New(fault.CodeIdentityInvalid, "invalidate date format %s", r.URL.Query().Get("since")).WithField("since")
	}
	rows, err := a.svc.Revocations(r.Context(), scope)
	if err != nil {
		return err
	}
	names := map[string]string{"user": "user_id", "project": "project_id", "domain": "domain_id", "audit": "audit_id", "chain": "audit_chain_id",
		"trust": "OS-TRUST:trust_id", "access": "OS-OAUTH1:access_token_id"}
	events := []object{}
	for _, v := range rows {
		kind, id := v.Parts()
		if name := names[kind]; name != "" && !v.RevokedAt.Before(since) {
			events = append(events, object{name: id, "issued_before": instant(v.RevokedAt), "revoked_at": instant(v.RevokedAt)})
		}
	}
	slices.Reverse(events)
	return rest.Write(w, http.StatusOK, object{"events": events, "links": object{"self": selfURL(r), "previous": nil, "next": nil}})
}
