package compute

import (
	"context"

	"altostack/kernel/auth"
)

// SecurityGroup is a security group as compute's own calls showed it until 2.35.
type SecurityGroup struct {
	ID, Name, Description, ProjectID string
	Rules                            []SecurityRule // for what comes in
}

// SecurityRule is one of its rules. Ports are nil for any.
type SecurityRule struct {
	ID, GroupID, Protocol, CIDR, EtherType string
	From, To                               *int
	RemoteID, RemoteName, RemoteProject    string // of the group that it lets in
}

// SecurityGroups is what the calls before 2.36 need of the network service. All
// of it acts on groups of the scope's own project. A [Network] may offer it.
type SecurityGroups interface {
	Groups(ctx context.Context, scope auth.Scope) ([]SecurityGroup, error)
	Group(ctx context.Context, scope auth.Scope, id string) (SecurityGroup, error)
	CreateGroup(ctx context.Context, scope auth.Scope, name, description string) (SecurityGroup, error)
	UpdateGroup(ctx context.Context, scope auth.Scope, id, name, description string) (SecurityGroup, error)
	DeleteGroup(ctx context.Context, scope auth.Scope, id string) error
	AddRule(ctx context.Context, scope auth.Scope, rule SecurityRule) (SecurityRule, error)
	DeleteRule(ctx context.Context, scope auth.Scope, id string) error
}
