package identity

import (
	"time"

	"altostack/identity/mapping"
)

// Separator stands between the parts of a stored key. Ids that clients choose
// never hold it: the door refuses control characters in paths, and what providers
// assert is refused where it is read.
const Separator = "\x1f"

// Source says where a user or group is known from.
type Source string

// The sources there are; the migration that brings the column says more.
const (
	SourceHere      Source = ""
	SourceLinked    Source = "linked"
	SourceFederated Source = "federated"
	SourceDirectory Source = "ldap"
	SourceGone      Source = "gone"
)

// Shadow says that the row mirrors somebody known elsewhere: its name is not
// reserved and it has no password here.
func (s Source) Shadow() bool {
	return s == SourceFederated || s == SourceDirectory || s == SourceGone
}

// IdentityProvider is a party whose word about users is taken.
type IdentityProvider struct {
	ID, DomainID, Description string
	Enabled                   bool
	AuthorizationTTL          int64 // minutes that groups are kept; -1: the cloud's default
	RemoteIDs                 []string
}

// Protocol is a way of speaking with a provider, and the mapping that its word is
// read by.
type Protocol struct {
	ProviderID, ID, MappingID string
	RemoteIDAttribute         string // attribute that holds the provider's remote id
}

// FederationMapping is a set of rules as a client gave it.
type FederationMapping struct {
	ID, SchemaVersion string
	Rules             any
}

// parsed answers the rules to be applied.
func (m FederationMapping) parsed() (*mapping.Mapping, error) {
	return mapping.Parse(m.SchemaVersion, m.Rules)
}

// ServiceProvider is another cloud that takes this one's word.
type ServiceProvider struct {
	ID, Description, AuthURL, URL, RelayStatePrefix string
	Enabled                                         bool
}

// FederatedUser is what a provider knows a user by.
type FederatedUser struct{ UserID, ProviderID, ProtocolID, UniqueID string }

// FederatedMember is a group that a provider vouched for.
type FederatedMember struct {
	UserID, GroupID, ProviderID string
	ExpiresAt                   time.Time
}

// DirectoryID is the id here of an entry of a domain's directory.
type DirectoryID struct {
	PublicID, DomainID, LocalID, Kind string
	SeenAt                            time.Time // when the entry was last read
}

// Vouched is what a token of a federated user says beyond who: by whose word, and
// for which groups.
type Vouched struct {
	ProviderID, ProtocolID string
	GroupIDs               []string
}

// pack spells it for a token's payload: the provider, the protocol, the groups.
func (v *Vouched) pack() [][]byte {
	if v == nil {
		return nil
	}
	out := [][]byte{packID(v.ProviderID), packID(v.ProtocolID)}
	for _, g := range v.GroupIDs {
		out = append(out, packID(g))
	}
	return out
}

func unpackVouched(b [][]byte) *Vouched {
	if len(b) < 2 {
		return nil
	}
	v := &Vouched{ProviderID: unpackID(b[0]), ProtocolID: unpackID(b[1])}
	for _, g := range b[2:] {
		v.GroupIDs = append(v.GroupIDs, unpackID(g))
	}
	return v
}

func providerKey(id string) string { return "idp:" + id }
