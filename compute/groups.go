package compute

import (
	"context"
	"time"

	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// ServerGroup keeps its servers together or apart.
type ServerGroup struct {
	ID, ProjectID, UserID, Name string
	Policy                      string
	Rules                       GroupRules
	Members                     []string // ids of servers that are not deleted
	CreatedAt                   time.Time
}

// GroupRules refine a policy.
type GroupRules struct {
	// MaxPerHost is how many members one host may have under anti-affinity; 0
	// means the one that the policy itself allows.
	MaxPerHost int `json:"max_server_per_host,omitempty"`
}

// GroupStore is what server groups need of the database, beyond what booting
// does.
type GroupStore interface {
	Groups(ctx context.Context, r db.Reader, projectID string) ([]ServerGroup, error)
	Group(ctx context.Context, r db.Reader, id string) (ServerGroup, bool, error)
	InsertGroup(ctx context.Context, tx *db.Tx, g ServerGroup) error
	DeleteGroup(ctx context.Context, tx *db.Tx, id string) (bool, error)
	GroupMembers(ctx context.Context, r db.Reader, groupIDs []string) (map[string][]string, error)
}

func noGroup(id string) error {
	return fault.New(fault.CodeComputeGroupNotFound, "Instance group %s could not be found.", id)
}

// Groups answers a project's groups, oldest first; everybody's for an empty
// project. skip and most cut a piece out of the list before members are read;
// most 0 means all.
func (s *Service) Groups(ctx context.Context, projectID string, skip, most int) ([]ServerGroup, error) {
	all, err := s.Store.Groups(ctx, s.DB, projectID)
	if err != nil {
		return nil, err
	}
	all = all[min(skip, len(all)):]
	if most > 0 && most < len(all) {
		all = all[:most]
	}
	ids := make([]string, len(all))
	for i, g := range all {
		ids[i] = g.ID
	}
	members, err := s.Store.GroupMembers(ctx, s.DB, ids)
	for i := range all {
		all[i].Members = append([]string{}, members[all[i].ID]...)
	}
	return all, err
}

// Group answers one; fault compute.group_not_found. Whose it is, the caller
// must compare.
func (s *Service) Group(ctx context.Context, id string) (ServerGroup, error) {
	g, found, err := s.Store.Group(ctx, s.DB, id)
	if err == nil && !found {
		err = noGroup(id)
	}
	if err != nil {
		return g, err
	}
	members, err := s.Store.GroupMembers(ctx, s.DB, []string{id})
	g.Members = append([]string{}, members[id]...)
	return g, err
}

// CreateGroup makes a group within the project's quota; fault
// compute.quota_exceeded.
func (s *Service) CreateGroup(ctx context.Context, g ServerGroup) (ServerGroup, error) {
	if g.Policy != "anti-affinity" && g.Rules != (GroupRules{}) {
		return g, fault.New(fault.CodeComputeBadRequest, "Only anti-affinity policy supports rules.").WithField("rules")
	}
	g.ID, g.CreatedAt, g.Members = s.IDs.UUID(), s.Clock.Now(), []string{}
	err := s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		limits, err := s.quotas(ctx, tx, g.ProjectID)
		if err != nil {
			return err
		}
		n, err := s.Store.CountGroups(ctx, tx, g.ProjectID)
		if err != nil {
			return err
		}
		if limit := limits["server_groups"]; limit >= 0 && n >= limit {
			return fault.New(fault.CodeComputeQuotaExceeded, "Quota exceeded, too many server groups.")
		}
		return s.Store.InsertGroup(ctx, tx, g)
	})
	return g, err
}

// DeleteGroup forgets a group; its servers stay.
func (s *Service) DeleteGroup(ctx context.Context, id string) error {
	return s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		found, err := s.Store.DeleteGroup(ctx, tx, id)
		if err == nil && !found {
			err = noGroup(id)
		}
		return err
	})
}

// joinGroup makes a new server a member, within the quota of members.
func (s *Service) joinGroup(ctx context.Context, tx *db.Tx, groupID string, srv Server) error {
	limits, err := s.quotas(ctx, tx, srv.ProjectID)
	if err != nil {
		return err
	}
	members, err := s.Store.GroupMembers(ctx, tx, []string{groupID})
	if err != nil {
		return err
	}
	if limit := limits["server_group_members"]; limit >= 0 && int64(len(members[groupID])) >= limit {
		return fault.New(fault.CodeComputeQuotaExceeded, "Quota exceeded, too many servers in group")
	}
	return s.Store.JoinGroup(ctx, tx, groupID, srv.ID)
}

// perHost is how many members of a group one host may have under anti-affinity.
func (s *Service) perHost(ctx context.Context, groupID string) (int, error) {
	g, _, err := s.Store.Group(ctx, s.DB, groupID)
	return max(g.Rules.MaxPerHost, 1), err
}
