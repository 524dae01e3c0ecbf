package identity

import (
	"strings"
	"time"
)

// Extra are attributes that clients may add to most objects; they are kept and
// given back.
type Extra map[string]any

// User is a person or a program that can ask for tokens.
type User struct {
	ID, Name, DomainID string
	Enabled            bool
	DefaultProjectID   string
	PasswordHash       string // empty: no password, hence no password login
	PasswordCreatedAt  time.Time
	PasswordExpiresAt  time.Time // zero: never
	Options, Extra     Extra
	Source             Source
	Federated          []FederatedUser // whom identity providers know as this user
}

// Group is a set of users of any domain that gets roles together.
type Group struct {
	ID, Name, DomainID, Description string
	Extra                           Extra
	Source                          Source
}

// Project owns what the other services make. A domain is a project with
// IsDomain; it has no domain of its own and stands at the root of a tree.
type Project struct {
	ID, Name, DomainID, ParentID string
	IsDomain, Enabled            bool
	Description                  string
	Options, Extra               Extra
	Tags                         []string
}

// Role is a name that policy rules ask for. One with a domain is only a bundle
// of the roles that it implies and never stands in a token.
type Role struct {
	ID, Name, DomainID, Description string
	Options, Extra                  Extra
}

// Implication says that who has Prior has Implied too.
type Implication struct{ PriorID, ImpliedID string }

// The kinds of actor and target of an Assignment.
const (
	ActorUser     = "user"
	ActorGroup    = "group"
	TargetProject = "project"
	TargetDomain  = "domain"
	TargetSystem  = "system"
)

// Assignment gives a role to a user or group on a project, a domain or the
// whole system. An inherited one holds below its target only.
type Assignment struct {
	ActorKind, ActorID   string
	TargetKind, TargetID string
	RoleID               string
	Inherited            bool
}

// Region is a place in the catalog.
type Region struct {
	ID, ParentID, Description string
	Extra                     Extra
}

// CatalogService is a service in the catalog.
type CatalogService struct {
	ID, Type, Name, Description string
	Enabled                     bool
	Extra                       Extra
}

// Endpoint is an address of a service; its URL may hold $(project_id)s.
type Endpoint struct {
	ID, ServiceID, RegionID, Interface, URL string
	Enabled                                 bool
	Extra                                   Extra
}

// AppCred is an application credential: a secret by which a program acts as its
// owner in one project with some of the owner's roles.
type AppCred struct {
	ID, Name, UserID, ProjectID, Description string
	SecretHash                               string
	Unrestricted                             bool
	ExpiresAt                                time.Time // zero: never
	RoleIDs                                  []string
	RuleIDs                                  []string // nil: no access rules
	System                                   string
}

// AccessRule narrows an application credential to one call of one service.
type AccessRule struct{ ID, UserID, Service, Method, Path string }

// Credential is a secret kept for a user, as an EC2 key pair; Blob is encrypted
// where it is stored.
type Credential struct {
	ID, UserID, ProjectID, Type, Blob string
	Extra                             Extra
}

// PolicyBlob is a document that nothing in the cloud reads; it is kept as older
// clients expect it.
type PolicyBlob struct {
	ID, Type, Blob string
	Extra          Extra
}

// RegisteredLimit is the default quota of a resource.
type RegisteredLimit struct {
	ID, ServiceID, RegionID, ResourceName, Description string
	DefaultLimit                                       int64
}

// Limit is a project's or a domain's own quota of a resource.
type Limit struct {
	ID, ProjectID, DomainID, ServiceID, RegionID, ResourceName, Description string
	ResourceLimit                                                           int64
}

// Revocation kills tokens made before Revision that depend on Key.
type Revocation struct {
	Key       string
	Revision  int64
	RevokedAt time.Time
	ExpiresAt time.Time
}

// Parts splits the key into what kind of thing was revoked and its id.
func (v Revocation) Parts() (kind, id string) {
	kind, id, _ = strings.Cut(v.Key, ":")
	return kind, id
}
