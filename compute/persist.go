package compute

import (
	"context"
	"time"

	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/page"
)

// Filter restricts a list of servers; empty fields do not.
type Filter struct {
	ProjectID, UserID, Host, ImageID, FlavorID, ReservationID, KeyName, ID, Hostname string
	AccessIPv4, AccessIPv6, Zone, Description, PowerState, LaunchIndex, Progress     string
	Name, IP, IP6                                                                    string // regular expressions
	States, Tasks, IDs                                                               []string
	Deleted, Locked, ConfigDrive                                                     *bool
	ChangedSince, ChangedBefore                                                      time.Time
	Tags, TagsAny, NotTags, NotTagsAny                                               []string
	Metadata                                                                         map[string]string
}

// Store is compute's memory; compute/store has the one there is.
type Store interface {
	FlavorStore
	KeypairStore
	QuotaStore
	HostStore
	PasswordStore
	AggregateStore
	GroupStore
	UsageStore
	UserQuotaStore
	InsertServer(ctx context.Context, tx *db.Tx, s Server) error
	SaveServer(ctx context.Context, tx *db.Tx, s Server) error
	SaveSpec(ctx context.Context, tx *db.Tx, s Server) error
	Server(ctx context.Context, r db.Reader, scope auth.Scope, id string, deleted bool) (Server, bool, error)
	ServersByID(ctx context.Context, r db.Reader, ids []string) ([]Server, error)
	OnHost(ctx context.Context, r db.Reader, host string) ([]Server, error)
	Stuck(ctx context.Context, r db.Reader, before time.Time) ([]Server, error)
	List(ctx context.Context, r db.Reader, f Filter, req page.Request) ([]Server, bool, error)

	InsertAction(ctx context.Context, tx *db.Tx, a Action) error
	FinishAction(ctx context.Context, tx *db.Tx, serverID, requestID, name, message string, events []Event, at time.Time) error
	Actions(ctx context.Context, r db.Reader, serverID string) ([]Action, error)
	Action(ctx context.Context, r db.Reader, serverID, requestID string) (Action, bool, error)

	InsertConsole(ctx context.Context, tx *db.Tx, digest, serverID, kind string, now, expires time.Time) error
	Console(ctx context.Context, r db.Reader, digest string, now time.Time) (serverID, kind string, found bool, err error)
	UseConsole(ctx context.Context, tx *db.Tx, digest string, now time.Time) (bool, error)

	Flavor(ctx context.Context, r db.Reader, scope auth.Scope, id string) (Flavor, bool, error)
	InsertFlavor(ctx context.Context, tx *db.Tx, f Flavor) error
	Keypair(ctx context.Context, r db.Reader, userID, name string) (Keypair, bool, error)
	Quotas(ctx context.Context, r db.Reader, projectID string) (Quotas, error)
	Use(ctx context.Context, tx *db.Tx, projectID string, more Usage) (before Usage, err error)
	Usage(ctx context.Context, r db.Reader, projectID string) (Usage, error)

	Hosts(ctx context.Context, r db.Reader) ([]Host, error)
	HostsSeen(ctx context.Context, tx *db.Tx, names []string, at time.Time) error
	Host(ctx context.Context, r db.Reader, name string) (Host, bool, error)
	PutHost(ctx context.Context, tx *db.Tx, h Host) error

	GroupHosts(ctx context.Context, r db.Reader, groupID, but string) (map[string]int, error)
	GroupPolicy(ctx context.Context, r db.Reader, groupID, projectID string) (string, bool, error)
	JoinGroup(ctx context.Context, tx *db.Tx, groupID, serverID string) error
	LeaveGroups(ctx context.Context, tx *db.Tx, serverID string) error
	GroupsOf(ctx context.Context, r db.Reader, serverID string) ([]string, error)
}
