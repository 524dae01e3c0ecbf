package identity

import (
	"context"
	"time"

	"altostack/kernel/db"
	"altostack/kernel/page"
)

// Op is how a Match compares.
type Op string

// The comparisons that lists offer; the I forms ignore case.
const (
	OpEqual       Op = ""
	OpNotEqual    Op = "ne"
	OpIn          Op = "in" // Value is a []string
	OpContains    Op = "contains"
	OpIContains   Op = "icontains"
	OpStartsWith  Op = "startswith"
	OpIStartsWith Op = "istartswith"
	OpEndsWith    Op = "endswith"
	OpIEndsWith   Op = "iendswith"
	OpBefore      Op = "lt"
	OpAtMost      Op = "lte"
	OpAfter       Op = "gt"
	OpAtLeast     Op = "gte"
	// OpNamed compares a name that a shadow may have, which ends with its id.
	OpNamed Op = "named"
)

// Match is one condition of a list. Column comes from code, never from a client.
type Match struct {
	Column string
	Op     Op
	Value  any
}

// Is is the commonest Match.
func Is(column string, value any) Match { return Match{Column: column, Value: value} }

// Table keeps one kind of object by its id. Insert gives an error that
// db.IsUnique knows when a unique name is taken.
type Table[T any] interface {
	Get(ctx context.Context, r db.Reader, id string) (T, bool, error)
	List(ctx context.Context, r db.Reader, match ...Match) ([]T, error)
	Page(ctx context.Context, r db.Reader, p page.Request, match ...Match) (rows []T, more bool, err error)
	Insert(ctx context.Context, tx *db.Tx, v T) error
	Save(ctx context.Context, tx *db.Tx, v T) error
	// Remove deletes what matches; at least one condition is needed.
	Remove(ctx context.Context, tx *db.Tx, match ...Match) (int64, error)
}

// Tables are the objects kept by id.
type Tables struct {
	Users            Table[User]
	Groups           Table[Group]
	Projects         Table[Project]
	Roles            Table[Role]
	Regions          Table[Region]
	Services         Table[CatalogService]
	Endpoints        Table[Endpoint]
	AppCreds         Table[AppCred]
	AccessRules      Table[AccessRule]
	Credentials      Table[Credential]
	Policies         Table[PolicyBlob]
	RegisteredLimits Table[RegisteredLimit]
	Limits           Table[Limit]
	Trusts           Table[Trust]
	Consumers        Table[Consumer]
	OAuthRequests    Table[OAuthRequest]
	AccessTokens     Table[AccessToken]
	DomainConfigs    Table[DomainSettings]
	EndpointGroups   Table[EndpointGroup]
	// Of these three, rows have no id of their own: Get and Save are not for them.
	ProjectEndpoints      Table[ProjectEndpoint]
	ProjectEndpointGroups Table[ProjectEndpointGroup]
	PolicyAssociations    Table[PolicyAssociation]

	IdentityProviders Table[IdentityProvider]
	Protocols         Table[Protocol]
	Mappings          Table[FederationMapping]
	ServiceProviders  Table[ServiceProvider]
	FederatedUsers    Table[FederatedUser]
	FederatedMembers  Table[FederatedMember]
	DirectoryIDs      Table[DirectoryID]
}

// Store is SQL as the domain needs it.
type Store interface {
	Tables() Tables
	LoginStore

	// Ancestors answers the project itself first, then its parents up to its
	// domain, all without tags.
	Ancestors(ctx context.Context, r db.Reader, projectID string) ([]Project, error)
	// Subtree answers the descendants, parents before children.
	Subtree(ctx context.Context, r db.Reader, projectID string) ([]Project, error)
	SaveTags(ctx context.Context, tx *db.Tx, projectID string, tags []string) error
	// Tagged answers the ids of projects that have all (or any) of the tags.
	Tagged(ctx context.Context, r db.Reader, tags []string, all bool) ([]string, error)

	// RemoteOwners answers which identity providers have the remote ids.
	RemoteOwners(ctx context.Context, r db.Reader, remoteIDs []string) (map[string]string, error)

	GroupsOf(ctx context.Context, r db.Reader, userID string) ([]string, error)
	MembersOf(ctx context.Context, r db.Reader, groupIDs ...string) (map[string][]string, error)
	AddMember(ctx context.Context, tx *db.Tx, groupID, userID string) error
	RemoveMember(ctx context.Context, tx *db.Tx, groupID, userID string) (bool, error)

	Implications(ctx context.Context, r db.Reader) ([]Implication, error)
	AddImplication(ctx context.Context, tx *db.Tx, i Implication) error
	RemoveImplication(ctx context.Context, tx *db.Tx, i Implication) (bool, error)

	Assignments(ctx context.Context, r db.Reader, match ...Match) ([]Assignment, error)
	AddAssignment(ctx context.Context, tx *db.Tx, a Assignment) error
	RemoveAssignments(ctx context.Context, tx *db.Tx, match ...Match) (int64, error)

	Revision(ctx context.Context, r db.Reader) (int64, error)
	// Advance takes the next revision and notes what it changed.
	Advance(ctx context.Context, tx *db.Tx, keys []string) (int64, error)
	// ChangesSince answers the keys changed after n, by revision; complete is
	// false where older notes are gone.
	ChangesSince(ctx context.Context, r db.Reader, n int64) (changes []Change, complete bool, err error)
	Revoke(ctx context.Context, tx *db.Tx, v Revocation) error
	// RevokedSince tells whether any of the keys was revoked after the revision.
	RevokedSince(ctx context.Context, r db.Reader, revision int64, keys []string) (bool, error)
	// NewestRevocation answers the highest revision at which one of the keys was
	// revoked, 0 for none.
	NewestRevocation(ctx context.Context, r db.Reader, keys []string) (int64, error)
	Revocations(ctx context.Context, r db.Reader) ([]Revocation, error)
	// Sealed answers every text that the credential keys encrypted.
	Sealed(ctx context.Context, r db.Reader) ([]Sealed, error)
	// Reseal replaces such a text, unless it is another one by now.
	Reseal(ctx context.Context, tx *db.Tx, old Sealed, text string) (bool, error)
	// UseNonce notes a number that is used once; false where it was noted before.
	UseNonce(ctx context.Context, tx *db.Tx, nonce string, now, until time.Time) (bool, error)
	// UseStep takes the one-time passcode of a step of time; false where it, or a
	// later one, is gone already.
	UseStep(ctx context.Context, tx *db.Tx, credentialID string, step int64) (bool, error)
	// ForgetRevocations removes those that no token can meet any more.
	ForgetRevocations(ctx context.Context, tx *db.Tx, now int64) error
}

// Change is what one revision touched.
type Change struct {
	N    int64
	Keys []string
}
