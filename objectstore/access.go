package objectstore

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"altostack/kernel/auth"
)

// Prefix is what an account's name starts with; the rest is its project's id.
const Prefix = "AUTH_"

// The roles that make a caller its account's owner, and of all accounts.
// Source: Swift's keystoneauth, whose defaults these are; member is the role that
// users of this cloud have.
var (
	OperatorRoles     = []string{"admin", "member", "manager", "swiftoperator"}
	ResellerAdminRole = "reselleradmin"
	// ReaderRoles may read their own account.
	ReaderRoles = []string{"reader"}
)

// AccountOf answers the account of a project.
func AccountOf(projectID string) string { return Prefix + projectID }

// Need is what a request is about to do.
type Need int

// What requests do. Reading a container is listing it.
const (
	ReadObject Need = iota
	WriteObject
	ReadContainer
	WriteContainer // its metadata and ACLs; creating and deleting
	ReadAccount
	WriteAccount
	DeleteAccount
)

// Grant is what Decide found.
type Grant struct {
	Allowed bool
	// Owner may see and set what belongs to the account's owner: ACLs, keys.
	Owner bool
	// Reseller may do anything in every account.
	Reseller bool
}

// Ask is a question to Decide.
type Ask struct {
	Caller  *auth.Principal // nil: nobody in particular
	Need    Need
	Account string
	// ACL is the container's that applies to Need: its read ACL for reads, its
	// write ACL for writing objects; empty where there is none.
	ACL string
	// Access is the account's own ACL (SystemAccess); empty: none.
	Access  string
	Referer string
	// Names lets names of projects and users count in ACLs, where the caller's are
	// of the default domain; without, only ids do. It is for accounts whose project
	// is known to be of the default domain too: names are unique in a domain only.
	Names bool
}

// DefaultDomain is the one whose names may stand in ACLs.
const DefaultDomain = "default"

// Decide answers Decide's question with what is known of the account: its own ACL,
// and whether names may stand for ids there. The account is read only where the
// question is not decided without.
func (s *Service) Decide(ctx context.Context, a Ask) (Grant, error) {
	a.Names, a.Access = false, ""
	g := Decide(a)
	if g.Allowed || a.Caller == nil {
		return g, nil
	}
	account, found, err := s.store.Account(ctx, s.db, a.Account)
	if err != nil || !found || !account.DeletedAt.IsZero() {
		return g, err
	}
	a.Access = account.System[SystemAccess]
	a.Names = account.System[SystemDomain] == DefaultDomain
	return Decide(a), nil
}

// Decide answers whether a caller may do what it asks, by its roles, the account's
// ACL and the container's. Rules: Swift's keystoneauth and, for account ACLs,
// tempauth.
func Decide(a Ask) Grant {
	// What a caller may by itself comes first: an owner stays one where everybody
	// may read.
	bare := a
	bare.ACL = ""
	if g := decide(bare); g.Allowed {
		return g
	}
	return decide(a)
}

func decide(a Ask) Grant {
	p := a.Caller
	acl := ParseACL(a.ACL)
	if p != nil && p.HasRole(ResellerAdminRole) {
		return Grant{Allowed: true, Owner: true, Reseller: true}
	}
	if p != nil && a.Need == DeleteAccount {
		return Grant{}
	}
	if p != nil && acl.matches(p, a.Names) {
		return Grant{Allowed: true}
	}
	if public, decided := acl.referred(a); decided && public {
		return Grant{Allowed: true}
	}
	if p == nil || p.ProjectID == "" {
		return Grant{}
	}
	if g, ok := decideAccount(a); ok {
		return g
	}
	if AccountOf(p.ProjectID) != a.Account {
		return Grant{}
	}
	if hasAny(p, OperatorRoles) {
		return Grant{Allowed: true, Owner: true}
	}
	reads := a.Need == ReadObject || a.Need == ReadContainer || a.Need == ReadAccount
	if reads && hasAny(p, ReaderRoles) {
		return Grant{Allowed: true}
	}
	return Grant{Allowed: slices.ContainsFunc(acl.Groups, func(role string) bool { return p.HasRole(strings.ToLower(role)) })}
}

func hasAny(p *auth.Principal, roles []string) bool { return slices.ContainsFunc(roles, p.HasRole) }

// decideAccount applies the account's ACL.
func decideAccount(a Ask) (Grant, bool) {
	access, err := ParseAccess(a.Access)
	if err != nil {
		return Grant{}, false
	}
	has := func(list []string) bool { return ACL{Groups: list}.matches(a.Caller, a.Names) }
	switch {
	case has(access["admin"]):
		return Grant{Allowed: true, Owner: true}, true
	case has(access["read-write"]) && a.Need != WriteAccount && a.Need != DeleteAccount:
		return Grant{Allowed: true}, true
	case has(access["read-only"]) && (a.Need == ReadObject || a.Need == ReadContainer || a.Need == ReadAccount):
		return Grant{Allowed: true}, true
	}
	return Grant{}, false
}

// ParseAccess reads an account's ACL: {"admin": [...], "read-write": [...],
// "read-only": [...]}, each list of project:user.
func ParseAccess(text string) (map[string][]string, error) {
	out := map[string][]string{}
	if text == "" {
		return out, nil
	}
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		return nil, fmt.Errorf("the account ACL is not a JSON object of lists: %w", err)
	}
	for key := range out {
		if key != "admin" && key != "read-write" && key != "read-only" {
			return nil, fmt.Errorf("key %q not recognized", key)
		}
	}
	return out, nil
}

// FormatAccess spells an account's ACL as Swift does: sorted keys, no spaces.
func FormatAccess(access map[string][]string) string {
	maps.DeleteFunc(access, func(_ string, list []string) bool { return len(list) == 0 })
	if len(access) == 0 {
		return ""
	}
	b, err := json.Marshal(access)
	if err != nil {
		return ""
	}
	return string(b)
}

// ACL is a container's ACL, taken apart.
type ACL struct {
	Referrers []string // in order: "*", "host", ".suffix", each possibly with a leading -
	Groups    []string // project:user, roles, .rlistings
}

// ParseACL takes apart an ACL that CleanACL made.
func ParseACL(text string) ACL {
	var a ACL
	for _, part := range strings.Split(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		if ref, is := strings.CutPrefix(part, ".r:"); is {
			a.Referrers = append(a.Referrers, ref)
			continue
		}
		if name, err := url.PathUnescape(part); err == nil {
			part = name
		}
		a.Groups = append(a.Groups, part)
	}
	return a
}

// matches reports whether project:user of the caller, by ids, names of the default
// domain, or *, is in the list.
func (a ACL) matches(p *auth.Principal, names bool) bool {
	if p == nil || len(a.Groups) == 0 {
		return false
	}
	projects, users := []string{p.ProjectID, "*"}, []string{p.UserID, "*"}
	if names && p.ProjectDomainID == DefaultDomain && p.UserDomainID == DefaultDomain {
		projects, users = append(projects, p.ProjectName), append(users, p.UserName)
	}
	for _, project := range projects {
		for _, user := range users {
			if project != "" && user != "" && slices.Contains(a.Groups, project+":"+user) {
				return true
			}
		}
	}
	return false
}

// referred decides by the Referer header; decided is false where it says nothing.
func (a ACL) referred(ask Ask) (allowed, decided bool) {
	if !ReferrerAllowed(ask.Referer, a.Referrers) {
		return false, false
	}
	switch ask.Need {
	case ReadObject, WriteObject:
		return true, true
	case ReadContainer:
		return slices.Contains(a.Groups, ".rlistings"), true
	}
	return false, true
}

// ReferrerAllowed applies a list of referrers in order; the last that matches
// decides.
func ReferrerAllowed(referer string, list []string) bool {
	host := "unknown"
	if u, err := url.Parse(referer); err == nil && u.Hostname() != "" {
		host = strings.ToLower(u.Hostname())
	}
	allowed := false
	for _, r := range list {
		no := strings.HasPrefix(r, "-")
		r = strings.TrimPrefix(r, "-")
		if r == "*" || r == host || strings.HasPrefix(r, ".") && strings.HasSuffix(host, r) {
			allowed = !no
		}
	}
	return allowed
}

// aclError is a sentence of Swift's, told to clients as it is.
type aclError string

// Error implements error.
func (e aclError) Error() string { return string(e) }

// CleanACL brings an ACL into the form that is kept. header names where it stands,
// as in X-Container-Read: only reading may be allowed to referrers. Messages:
// Swift's acl.
func CleanACL(header, text string) (string, error) {
	var out []string
	for _, raw := range strings.Split(text, ",") {
		raw = strings.TrimSpace(raw)
		if raw == "" {
			continue
		}
		kind, value, has := strings.Cut(raw, ":")
		kind = strings.TrimSpace(kind)
		if !has || !strings.HasPrefix(kind, ".") {
			out = append(out, raw)
			continue
		}
		if !slices.Contains([]string{".r", ".ref", ".referer", ".referrer"}, kind) {
			return "", aclError(fmt.Sprintf("Unknown designator '%s' in ACL: '%s'", kind, raw))
		}
		if strings.Contains(strings.ToLower(header), "write") {
			return "", aclError(fmt.Sprintf("Referrers not allowed in write ACL: '%s'", raw))
		}
		value = strings.TrimSpace(value)
		no := strings.HasPrefix(value, "-")
		value = strings.TrimSpace(strings.TrimPrefix(value, "-"))
		if value != "*" {
			value = strings.TrimPrefix(value, "*")
		}
		if value == "" || value == "." {
			return "", aclError(fmt.Sprintf("No host/domain value after referrer designation in ACL: '%s'", raw))
		}
		if no {
			value = "-" + value
		}
		out = append(out, ".r:"+value)
	}
	return strings.Join(out, ","), nil
}
