// Package mapping is the language in which an operator says who a stranger is:
// rules that turn what an identity provider asserts into a user, groups and
// projects of this cloud.
//
// The one idea: what a claim holds is data and never becomes syntax. A value is
// put where a rule says {0} as it is, is never split, parsed or formatted again,
// and cannot name a domain unless the rule itself leaves the domain to it.
//
// Everything in here is pure: no clock, no rows, no network. A Mapping is never
// changed after Parse and may be shared.
//
// Wire format: the rules of the Identity API's OS-FEDERATION mappings, schema
// versions 1.0, 2.0 and 3.0; docs/differences.md says where we are stricter.
package mapping

import "regexp"

// The schema versions there are. 2.0 lets a rule's domain stand for its user and
// projects too, 3.0 takes projects from claims and takes away what they no longer
// name.
const (
	Version1 = "1.0"
	Version2 = "2.0"
	Version3 = "3.0"
)

// The types of user that a rule can yield.
const (
	Ephemeral = "ephemeral" // known by the identity provider only
	Local     = "local"     // a user of this cloud that exists already
)

// Mapping is a set of rules that was found valid.
type Mapping struct {
	Version string
	rules   []rule
}

type rule struct {
	remote []requirement
	local  []local
}

// requirement asks for an attribute of the assertion. Without a filter its values
// are what {0}, {1} … stand for, with blacklist or whitelist those that pass.
type requirement struct {
	attribute string
	filter    string // "", any_one_of, not_any_of, blacklist, whitelist
	values    []string
	patterns  []*regexp.Regexp // with regex: true
}

type local struct {
	user     *localUser
	group    *localGroup
	groups   *template
	groupIDs *template
	domain   localDomain
	projects []localProject
	dynamic  *template // projects_json
}

type localUser struct {
	id, name, email *template
	domain          localDomain
	kind            string
}

type localGroup struct {
	id, name *template
	domain   localDomain
}

type localProject struct {
	name   *template
	roles  []*template
	domain localDomain
}

type localDomain struct{ id, name *template }

// Domain names a domain by id or by name; the zero Domain names none.
type Domain struct{ ID, Name string }

// User is whom the assertion is about.
type User struct {
	ID, Name, Email string
	Domain          Domain
	Type            string // Ephemeral or Local
}

// Group is a group named within a domain.
type Group struct {
	Name   string
	Domain Domain
}

// Project is one that the user gets roles in; it is made if it is not there.
type Project struct {
	Name   string
	Domain Domain // zero: the identity provider's
	Roles  []string
}

// Identity is what an assertion comes to.
type Identity struct {
	User     User
	GroupIDs []string
	Groups   []Group
	Projects []Project
	// Sync says that roles in projects which are not named are to be taken away.
	Sync bool
}

// Refused is why an assertion comes to nobody. It is for the operator's log: a
// client learns only that it is not authenticated.
type Refused struct{ Why string }

func (r *Refused) Error() string { return r.Why }
