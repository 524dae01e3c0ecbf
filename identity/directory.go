package identity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// Find says which entries of a directory are wanted; the zero Find wants all.
type Find struct{ ID, Name string }

// DirectoryEntry is a user or a group as a directory knows it.
type DirectoryEntry struct {
	DN, LocalID, Name, Description string
	Email                          string // of a user
	Enabled                        bool   // of a user
	More                           map[string]string
}

// Directory is where the users and groups of a domain are kept instead of here. It
// is only read. An error says that it cannot be asked; who is not there is no error.
type Directory interface {
	Users(ctx context.Context, by Find) (found []DirectoryEntry, complete bool, err error)
	Groups(ctx context.Context, by Find) (found []DirectoryEntry, complete bool, err error)
	GroupsOf(ctx context.Context, user DirectoryEntry) ([]DirectoryEntry, error)
	Members(ctx context.Context, group DirectoryEntry) ([]DirectoryEntry, error)
	Authenticate(ctx context.Context, user DirectoryEntry, password string) (bool, error)
	Close()
}

// directoryAge is for how long what a directory said of a user holds.
const directoryAge = 5 * time.Minute

// The kinds of entry in a directory.
const (
	entryUser  = "user"
	entryGroup = "group"
)

// directories are the open ones, by domain.
type directories struct {
	mu   sync.Mutex
	open map[string]openDirectory
}

type openDirectory struct {
	Directory
	options string // what it was opened with
}

// directoryOf answers the directory of a domain; nil: its users are kept here.
func (s *Service) directoryOf(ctx context.Context, domainID string) (Directory, error) {
	if s.cfg.OpenDirectory == nil || domainID == "" {
		return nil, nil
	}
	c, err := s.DomainConfig(ctx, domainID)
	if err != nil {
		return nil, err
	}
	text := ""
	if driver, _ := c["identity"]["driver"].(string); driver == "ldap" {
		b, err := json.Marshal(c)
		if err != nil {
			return nil, err
		}
		text = string(b)
	}
	s.directories.mu.Lock()
	defer s.directories.mu.Unlock()
	old, has := s.directories.open[domainID]
	if has && old.options == text {
		return old.Directory, nil
	}
	if has {
		old.Close()
		delete(s.directories.open, domainID)
	}
	if text == "" {
		return nil, nil
	}
	limit := 0
	if n, ok := c["identity"]["list_limit"].(float64); ok {
		limit = int(n)
	}
	d, err := s.cfg.OpenDirectory(c["ldap"], limit)
	if err != nil {
		return nil, s.directoryDown(ctx, domainID, err)
	}
	if s.directories.open == nil {
		s.directories.open = map[string]openDirectory{}
	}
	s.directories.open[domainID] = openDirectory{d, text}
	return d, nil
}

// directoryDown hides what went wrong from clients.
func (s *Service) directoryDown(ctx context.Context, domainID string, err error) error {
	s.log.WarnContext(ctx, "the directory of a domain cannot be asked", "domain_id", domainID, "error", err)
	return fault.Because(err, fault.CodeIdentityDirectoryDown, "The directory of domain %s cannot be asked at the moment.", domainID)
}

// readOnly refuses changes of what a directory holds.
func readOnly(source Source) error {
	if source == SourceDirectory {
		return forbidden("LDAP does not support write operations")
	}
	return nil
}

// mayCreateIn refuses new users and groups in a domain that has a directory.
func (s *Service) mayCreateIn(ctx context.Context, domainID string) error {
	d, err := s.directoryOf(ctx, domainID)
	if err == nil && d != nil {
		err = readOnly(SourceDirectory)
	}
	return err
}

// publicID is the id here of an entry of a directory: Keystone's.
func publicID(domainID, localID, kind string) string {
	sum := sha256.Sum256([]byte(domainID + kind + localID))
	return hex.EncodeToString(sum[:])
}

// mirrored are the rows that stand for entries, in the order of the entries.
func mirrored(domainID, kind string, entries []DirectoryEntry) []string {
	ids := make([]string, len(entries))
	for i, e := range entries {
		ids[i] = publicID(domainID, e.LocalID, kind)
	}
	return ids
}

// mirrorUsers makes the rows of a domain's users those of the entries; with all,
// who is not among them is gone. It writes what changed only.
func (s *Service) mirrorUsers(ctx context.Context, domainID string, entries []DirectoryEntry, all bool) error {
	rows, err := s.tables.Users.List(ctx, s.db, Is("domain_id", domainID), Match{Column: "source", Op: OpIn, Value: []string{string(SourceDirectory), string(SourceGone)}})
	if err != nil {
		return err
	}
	have := map[string]User{}
	for _, u := range rows {
		have[u.ID] = u
	}
	want, ids := map[string]User{}, []DirectoryID{}
	for _, e := range entries {
		u := User{ID: publicID(domainID, e.LocalID, entryUser), Name: e.Name, DomainID: domainID, Enabled: e.Enabled, Source: SourceDirectory, Extra: extraOf(e)}
		want[u.ID] = u
		ids = append(ids, DirectoryID{PublicID: u.ID, DomainID: domainID, LocalID: e.LocalID, Kind: entryUser})
	}
	var changed []User
	for id, u := range want {
		if old, has := have[id]; has {
			u.DefaultProjectID, u.Options = old.DefaultProjectID, old.Options
			if old.Name == u.Name && old.Enabled == u.Enabled && old.Source == u.Source && maps.EqualFunc(old.Extra, u.Extra, func(a, b any) bool { return fmt.Sprint(a) == fmt.Sprint(b) }) {
				continue
			}
		}
		changed = append(changed, u)
	}
	for id, u := range have {
		if _, still := want[id]; all && !still && u.Source == SourceDirectory {
			u.Source = SourceGone
			changed = append(changed, u)
		}
	}
	if len(changed) == 0 {
		return nil
	}
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		for _, u := range changed {
			if err := s.keepMirrored(ctx, tx, e, u); err != nil {
				return err
			}
		}
		return s.keepIDs(ctx, tx, ids)
	})
}

func (s *Service) keepMirrored(ctx context.Context, tx *db.Tx, e *effects, u User) error {
	old, found, err := s.tables.Users.Get(ctx, tx, u.ID)
	if err != nil {
		return err
	}
	if !found {
		return s.tables.Users.Insert(ctx, tx, u)
	}
	e.touched(userKey(u.ID))
	if (old.Enabled && !u.Enabled) || (old.Source == SourceDirectory && u.Source == SourceGone) {
		e.revoked(userKey(u.ID))
	}
	return s.tables.Users.Save(ctx, tx, u)
}

// keepIDs notes the entries that are not noted yet.
func (s *Service) keepIDs(ctx context.Context, tx *db.Tx, ids []DirectoryID) error {
	for _, id := range ids {
		if _, has, err := s.tables.DirectoryIDs.Get(ctx, tx, id.PublicID); err != nil || has {
			if err != nil {
				return err
			}
			continue
		}
		if err := s.tables.DirectoryIDs.Insert(ctx, tx, id); err != nil {
			return err
		}
	}
	return nil
}

func extraOf(e DirectoryEntry) Extra {
	x := Extra{}
	for name, value := range e.More {
		x[name] = value
	}
	if e.Email != "" {
		x["email"] = e.Email
	}
	if e.Description != "" {
		x["description"] = e.Description
	}
	return x
}

// mirrorGroups is mirrorUsers for groups.
func (s *Service) mirrorGroups(ctx context.Context, domainID string, entries []DirectoryEntry, all bool) error {
	rows, err := s.tables.Groups.List(ctx, s.db, Is("domain_id", domainID), Match{Column: "source", Op: OpIn, Value: []string{string(SourceDirectory), string(SourceGone)}})
	if err != nil {
		return err
	}
	have := map[string]Group{}
	for _, g := range rows {
		have[g.ID] = g
	}
	want, ids := map[string]Group{}, []DirectoryID{}
	var changed []Group
	for _, e := range entries {
		g := Group{ID: publicID(domainID, e.LocalID, entryGroup), Name: e.Name, DomainID: domainID, Description: e.Description, Source: SourceDirectory}
		want[g.ID] = g
		ids = append(ids, DirectoryID{PublicID: g.ID, DomainID: domainID, LocalID: e.LocalID, Kind: entryGroup})
		if old, has := have[g.ID]; !has || old.Name != g.Name || old.Description != g.Description || old.Source != g.Source {
			changed = append(changed, g)
		}
	}
	for id, g := range have {
		if _, still := want[id]; all && !still && g.Source == SourceDirectory {
			g.Source = SourceGone
			changed = append(changed, g)
		}
	}
	if len(changed) == 0 {
		return nil
	}
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		for _, g := range changed {
			_, found, err := s.tables.Groups.Get(ctx, tx, g.ID)
			if err != nil {
				return err
			}
			keep := s.tables.Groups.Insert
			if found {
				keep = s.tables.Groups.Save
				e.touched(groupKey(g.ID))
			}
			if err := keep(ctx, tx, g); err != nil {
				return err
			}
		}
		return s.keepIDs(ctx, tx, ids)
	})
}

// setMembership makes a user's groups of a directory those given. Groups that are
// kept here stay as they are.
func (s *Service) setMembership(ctx context.Context, userID string, groups []string, seen time.Time) error {
	has, err := s.store.GroupsOf(ctx, s.db, userID)
	if err != nil {
		return err
	}
	foreign, err := s.tables.Groups.List(ctx, s.db, Match{Column: "id", Op: OpIn, Value: has}, Match{Column: "source", Op: OpNotEqual, Value: string(SourceHere)})
	if err != nil {
		return err
	}
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		for _, g := range foreign {
			if slices.Contains(groups, g.ID) {
				continue
			}
			e.touched(userKey(userID))
			if _, err := s.store.RemoveMember(ctx, tx, g.ID, userID); err != nil {
				return err
			}
		}
		for _, id := range groups {
			if slices.Contains(has, id) {
				continue
			}
			e.touched(userKey(userID))
			if err := s.store.AddMember(ctx, tx, id, userID); err != nil {
				return err
			}
		}
		id, found, err := s.tables.DirectoryIDs.Get(ctx, tx, userID)
		if err != nil || !found {
			return err
		}
		id.SeenAt = seen
		return s.tables.DirectoryIDs.Save(ctx, tx, id)
	})
}

// setMembers makes the users of a directory's group those given.
func (s *Service) setMembers(ctx context.Context, groupID string, users []string) error {
	has, err := s.store.MembersOf(ctx, s.db, groupID)
	if err != nil {
		return err
	}
	old := has[groupID]
	if slices.Equal(slices.Sorted(slices.Values(old)), slices.Sorted(slices.Values(users))) {
		return nil
	}
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		for _, u := range old {
			if slices.Contains(users, u) {
				continue
			}
			e.touched(userKey(u))
			if _, err := s.store.RemoveMember(ctx, tx, groupID, u); err != nil {
				return err
			}
		}
		for _, u := range users {
			if slices.Contains(old, u) {
				continue
			}
			e.touched(userKey(u))
			if err := s.store.AddMember(ctx, tx, groupID, u); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Service) saveMirrored(ctx context.Context, rows []User) error {
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		for _, u := range rows {
			if err := s.keepMirrored(ctx, tx, e, u); err != nil {
				return err
			}
		}
		return nil
	})
}

// writableGroup refuses members for a group that a directory holds.
func (s *Service) writableGroup(ctx context.Context, r db.Reader, id string) error {
	g, _, err := s.tables.Groups.Get(ctx, r, id)
	return cmpErr(err, readOnly(g.Source))
}
