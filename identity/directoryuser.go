package identity

import (
	"context"
	"errors"
	"time"

	"altostack/kernel/auth"
)

// freshen reads a directory's user anew, with its groups, if what is known of it is
// older than a while or now is set. One that is not there any more is gone.
func (s *Service) freshen(ctx context.Context, u User, now bool) (User, DirectoryID, error) {
	id, found, err := s.tables.DirectoryIDs.Get(ctx, s.db, u.ID)
	if err != nil || (found && !now && s.clock.Now().Before(id.SeenAt.Add(directoryAge))) {
		return u, id, err
	}
	if now {
		return s.reread(ctx, u, id, found)
	}
	type read struct {
		u  User
		id DirectoryID
	}
	// Many requests of a user wait for one reading, which no single one can end.
	v, err, _ := s.rereads.Do(u.ID, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		u, id, err := s.reread(ctx, u, id, found)
		return read{u, id}, err
	})
	r, _ := v.(read)
	return r.u, r.id, err
}

func (s *Service) reread(ctx context.Context, u User, id DirectoryID, found bool) (User, DirectoryID, error) {
	d, err := s.directoryOf(ctx, u.DomainID)
	if err != nil {
		return u, id, err
	}
	if d == nil || !found {
		return u, id, refuse("the domain of user %s has no directory any more", u.ID)
	}
	seen := s.clock.Now()
	rows, _, err := d.Users(ctx, Find{ID: id.LocalID})
	if err != nil {
		return u, id, s.directoryDown(ctx, u.DomainID, err)
	}
	if len(rows) != 1 {
		return u, id, s.lose(ctx, u)
	}
	groups, err := d.GroupsOf(ctx, rows[0])
	if err != nil {
		return u, id, s.directoryDown(ctx, u.DomainID, err)
	}
	if err := cmpErr(s.mirrorUsers(ctx, u.DomainID, rows, false), s.mirrorGroups(ctx, u.DomainID, groups, false)); err != nil {
		return u, id, err
	}
	if err := s.setMembership(ctx, u.ID, mirrored(u.DomainID, entryGroup, groups), seen); err != nil {
		return u, id, err
	}
	id.SeenAt = seen
	u, _, err = s.tables.Users.Get(ctx, s.db, u.ID)
	return u, id, err
}

// lose notes that a user is not in its directory any more.
func (s *Service) lose(ctx context.Context, u User) error {
	rows := []User{u}
	rows[0].Source = SourceGone
	err := s.saveMirrored(ctx, rows)
	if err != nil {
		return err
	}
	return refuse("user %s is gone from its directory", u.ID)
}

// stillListed is for a token: the user must be in its directory, and enabled there.
func (s *Service) stillListed(ctx context.Context, t *Token, u User) (User, error) {
	u, id, err := s.freshen(ctx, u, false)
	if err != nil {
		return u, err
	}
	t.holds(id.SeenAt.Add(directoryAge))
	if !u.Enabled {
		return u, refuse("user %s is disabled in its directory", u.ID)
	}
	return u, nil
}

// userInDirectory finds the user whom a domain's directory knows by a name.
func (s *Service) userInDirectory(ctx context.Context, domainID, name string) (u User, found bool, err error) {
	d, err := s.directoryOf(ctx, domainID)
	if err != nil || d == nil || name == "" {
		return u, false, err
	}
	give, err := s.throttle.take(auth.AttemptOf(ctx), "") // who failed too often does not get to ask
	if err != nil {
		return u, false, err
	}
	give()
	rows, _, err := d.Users(ctx, Find{Name: name})
	if err != nil {
		return u, false, s.directoryDown(ctx, domainID, err)
	}
	if len(rows) != 1 { // nobody, or not clear who
		return u, false, nil
	}
	if err := s.mirrorUsers(ctx, domainID, rows, false); err != nil {
		return u, false, err
	}
	return s.tables.Users.Get(ctx, s.db, publicID(domainID, rows[0].LocalID, entryUser))
}

// compare proves a password: by its hash, or by the user's directory.
func (s *Service) compare(ctx context.Context, u User, password string) (verdict, error) {
	if u.Source != SourceDirectory {
		return s.hasher.check(ctx, u.PasswordHash, password)
	}
	id, found, err := s.tables.DirectoryIDs.Get(ctx, s.db, u.ID)
	if err != nil || !found || password == "" {
		return verdict{}, err
	}
	d, err := s.directoryOf(ctx, u.DomainID)
	if err != nil || d == nil {
		return verdict{}, err
	}
	rows, _, err := d.Users(ctx, Find{ID: id.LocalID})
	if err != nil {
		return verdict{}, s.directoryDown(ctx, u.DomainID, err)
	}
	if len(rows) != 1 {
		return verdict{}, nil
	}
	same, err := d.Authenticate(ctx, rows[0], password)
	if err != nil {
		return verdict{}, s.directoryDown(ctx, u.DomainID, err)
	}
	if same { // groups of now, for the token to come
		_, _, err = s.freshen(ctx, u, true)
	}
	return verdict{same: same}, err
}

// lookUp reads what a list of users or groups is about from the domain's directory.
func (s *Service) lookUp(ctx context.Context, domainID string, l List, kind string) error {
	d, err := s.directoryOf(ctx, domainID)
	if err != nil || d == nil {
		return err
	}
	by := Find{}
	for _, m := range l.Match {
		if m.Column == "name" && m.Op == OpEqual {
			by.Name, _ = m.Value.(string)
		}
	}
	read, mirror := d.Users, s.mirrorUsers
	if kind == entryGroup {
		read, mirror = d.Groups, s.mirrorGroups
	}
	rows, complete, err := read(ctx, by)
	if err != nil {
		return s.directoryDown(ctx, domainID, err)
	}
	return mirror(ctx, domainID, rows, complete && by == Find{})
}

// lookUpMembers reads the members of a directory's group.
func (s *Service) lookUpMembers(ctx context.Context, g Group) error {
	if g.Source != SourceDirectory {
		return nil
	}
	d, err := s.directoryOf(ctx, g.DomainID)
	if err != nil || d == nil {
		return err
	}
	id, _, err := s.tables.DirectoryIDs.Get(ctx, s.db, g.ID)
	if err != nil {
		return err
	}
	groups, _, err := d.Groups(ctx, Find{ID: id.LocalID})
	if err != nil {
		return s.directoryDown(ctx, g.DomainID, err)
	}
	var rows []DirectoryEntry
	if len(groups) == 1 {
		if rows, err = d.Members(ctx, groups[0]); err != nil {
			return s.directoryDown(ctx, g.DomainID, err)
		}
	}
	if err := s.mirrorUsers(ctx, g.DomainID, rows, false); err != nil {
		return err
	}
	return s.setMembers(ctx, g.ID, mirrored(g.DomainID, entryUser, rows))
}

// notListed turns a refusal into what calls about users say.
func notListed(err error, noun, id string) error {
	var r *refusal
	if errors.As(err, &r) {
		return notFound(noun, id)
	}
	return err
}
