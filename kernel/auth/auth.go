// Package auth is who calls and what they may touch. A token becomes a
// [Principal]; a policy rule on a route turns that into a [Scope], and no store
// can be called without one. The zero Scope reaches nothing.
package auth

import (
	"context"
	"slices"
	"strings"
	"time"
)

// Principal is a validated token's bearer. It is shared between requests and
// never changed.
type Principal struct {
	UserID, UserName             string
	UserDomainID, UserDomainName string
	ProjectID, ProjectName       string // empty unless project-scoped
	ProjectDomainID              string
	ProjectDomainName            string
	DomainID, DomainName         string   // set when domain-scoped
	System                       bool     // system scope "all"
	Roles                        []string // names in lower case, implied ones included
	RoleIDs                      []string
	Methods                      []string
	AuditID                      string
	ExpiresAt, IssuedAt          time.Time
	AppCredID                    string // application credential the token came from
	AppCredRestricted            bool
	TrustID, TrustorID           string
	AccessTokenID                string // OAuth1 access token it came from
	// VouchedGroups are the groups, by id, that a federated user has by its identity
	// provider's word, for as long as the token lives.
	VouchedGroups []string
	// AccessRules, where not nil, are the only calls the token may make.
	AccessRules []AccessRule
	// Cached says that the token was answered from the verified local cache.
	Cached bool
	// Service is the bearer of X-Service-Token, if the call carried one.
	Service *Principal
}

// HasRole reports whether the bearer has the role; name is in lower case.
func (p *Principal) HasRole(name string) bool { return p != nil && slices.Contains(p.Roles, name) }

// Delegated tells whether the token only lends its user's rights: it came from a
// trust, an application credential or an OAuth1 access token, each for one project.
func (p *Principal) Delegated() bool {
	return p != nil && (p.TrustID != "" || p.AppCredID != "" || p.AccessTokenID != "")
}

// IsAdmin reports whether the bearer has the role admin.
func (p *Principal) IsAdmin() bool { return p.HasRole("admin") }

// AttrText is Attr for the attributes that are text, without boxing them: policy
// is asked on every request. An empty value counts as absent.
func (p *Principal) AttrText(name string) (string, bool) {
	switch name {
	case "user_id", "user":
		return p.UserID, true
	case "project_id", "tenant_id", "tenant", "project":
		return p.ProjectID, true
	case "domain_id", "token.domain.id":
		return p.DomainID, true
	case "user_domain_id":
		return p.UserDomainID, true
	case "project_domain_id", "token.project.domain.id":
		return p.ProjectDomainID, true
	case "system_scope":
		if p.System {
			return "all", true
		}
		return "", true
	case "trust_id":
		return p.TrustID, true
	case "trustor_id":
		return p.TrustorID, true
	}
	return "", false
}

// Attr gives policy checks the attributes they compare by name.
func (p *Principal) Attr(name string) (any, bool) {
	if text, ok := p.AttrText(name); ok {
		return text, text != ""
	}
	switch name {
	case "is_admin":
		return p.IsAdmin(), true
	case "is_admin_project":
		return true, true
	case "service_roles":
		if p.Service != nil {
			return p.Service.Roles, true
		}
	}
	return nil, false
}

// Validator turns a token into its bearer. A token that is expired, revoked,
// forged or unknown gives fault auth.unauthenticated.
type Validator interface {
	Validate(ctx context.Context, token string) (*Principal, error)
}

// LateValidator is a [Validator] that knows tokens for a while after their end,
// for calls that a service makes to finish what a user began.
type LateValidator interface {
	Validator
	ValidateLate(ctx context.Context, token string) (*Principal, error)
}

// ServiceRole is the role of those who may call on for a user, with the user's
// token and their own. Source: keystonemiddleware's service_token_roles.
const ServiceRole = "service"

// Both validates the tokens of a call: the user's, and that of the service which
// calls on for the user, if any. By the service's the user's may be late.
func Both(ctx context.Context, v Validator, token, service string) (*Principal, error) {
	if service == "" {
		return v.Validate(ctx, token)
	}
	caller, err := v.Validate(ctx, service)
	if err != nil {
		return nil, err
	}
	validate := v.Validate
	if late, ok := v.(LateValidator); ok && caller.HasRole(ServiceRole) {
		validate = late.ValidateLate
	}
	p, err := validate(ctx, token)
	if err != nil {
		return nil, err
	}
	both := *p
	both.Service = caller
	return &both, nil
}

// Target is what a rule's %(name)s are taken from: an object's attributes.
type Target map[string]any

// Enforcer decides rules; kernel/policy has the one there is.
type Enforcer interface {
	Allows(rule string, p *Principal, t Target) bool
	// Refuse makes the fault for a rule that was refused.
	Refuse(rule string) error
}

// Scope is what one request may touch. Stores put it into their WHERE.
type Scope struct {
	*Principal
	// All lifts the restriction to the caller's own project: the route's rule
	// holds for objects of others too.
	All      bool
	Rule     string // the route's
	enforcer Enforcer
}

// NewScope decides a route's rule for its caller: first on an object of the
// caller's own, then on somebody else's. A caller refused both is refused.
func NewScope(e Enforcer, p *Principal, rule string) (Scope, error) {
	s := Scope{Principal: p, Rule: rule, enforcer: e}
	if rule == "" {
		return s, nil
	}
	s.All = e.Allows(rule, p, foreign)
	if !s.All && !e.Allows(rule, p, own(p)) {
		return Scope{}, e.Refuse(rule)
	}
	return s, nil
}

// foreign belongs to nobody who could call.
var foreign = Target{"project_id": "\x00", "tenant_id": "\x00", "user_id": "\x00", "domain_id": "\x00"}

func own(p *Principal) Target {
	return Target{"project_id": p.ProjectID, "tenant_id": p.ProjectID, "user_id": p.UserID, "domain_id": p.DomainID}
}

// Sees reports whether an object of the project is within the scope.
func (s Scope) Sees(projectID string) bool {
	return s.All || s.Principal != nil && projectID != "" && s.ProjectID == projectID
}

// May decides a further rule on an object.
func (s Scope) May(rule string, t Target) bool {
	return s.enforcer != nil && s.Principal != nil && s.enforcer.Allows(rule, s.Principal, t)
}

// MayOwn decides a further rule on an object of the caller's own.
func (s Scope) MayOwn(rule string) bool { return s.Principal != nil && s.May(rule, own(s.Principal)) }

// Check is May with the fault to answer.
func (s Scope) Check(rule string, t Target) error {
	if s.May(rule, t) {
		return nil
	}
	return s.enforcer.Refuse(rule)
}

// Own is the same caller restricted to its own project, for calls that must not
// reach further even for an administrator.
func (s Scope) Own() Scope { s.All = false; return s }

// System is the scope of the cloud's own work (sagas, reconcilers), which acts
// on objects of every project. It is never made from a request.
func System(reason string) Scope {
	return Scope{Principal: &Principal{UserID: "altostack", UserName: reason, System: true, Roles: []string{"admin", "service"}}, All: true, Rule: reason, enforcer: always{}}
}

type always struct{}

func (always) Allows(string, *Principal, Target) bool { return true }
func (always) Refuse(string) error                    { return nil }

// As is the scope of a project's user for work done on their behalf after the
// request is over: it sees that project only.
func As(projectID, userID string) Scope {
	return Scope{Principal: &Principal{UserID: userID, ProjectID: projectID, Roles: []string{"member", "reader"}}, enforcer: always{}}
}

type key struct{}

// With puts the caller on the context.
func With(ctx context.Context, p *Principal) context.Context { return context.WithValue(ctx, key{}, p) }

// From answers the caller, or nil.
func From(ctx context.Context) *Principal {
	p, _ := ctx.Value(key{}).(*Principal)
	return p
}

// IdentityHeaders are what a trusted filter would set; from a client they are
// forged, and kernel/rest deletes them before anything reads them.
func IdentityHeaders(name string) bool {
	n := strings.ToLower(name)
	for _, p := range []string{"x-user", "x-project", "x-tenant", "x-domain", "x-role", "x-identity-", "x-is-admin", "x-service-user", "x-service-project", "x-service-domain", "x-service-role", "x-service-identity", "x-service-catalog", "x-trust", "x-system-scope", "x-key-manager"} {
		if strings.HasPrefix(n, p) {
			return true
		}
	}
	return false
}
