package identity

import (
	"context"
	"strings"

	"altostack/kernel/db"
)

// takeFederated reads by what providers shall know a user; nil: it was not said.
func takeFederated(a Attrs) ([]FederatedUser, error) {
	v, has := a["federated"]
	if delete(a, "federated"); !has || v == nil {
		return nil, nil
	}
	bad := invalid("federated", "Invalid input for field/attribute federated. Every element needs idp_id and protocols, each of those protocol_id and unique_id.")
	list, ok := v.([]any)
	if !ok {
		return nil, bad
	}
	out := []FederatedUser{}
	for _, e := range list {
		o, _ := e.(map[string]any)
		provider, _ := o["idp_id"].(string)
		protocols, _ := o["protocols"].([]any)
		if provider == "" || len(protocols) == 0 {
			return nil, bad
		}
		for _, p := range protocols {
			o, _ := p.(map[string]any)
			f := FederatedUser{ProviderID: provider}
			f.ProtocolID, _ = o["protocol_id"].(string)
			f.UniqueID, _ = o["unique_id"].(string)
			if f.ProtocolID == "" || f.UniqueID == "" || strings.Contains(f.UniqueID, Separator) {
				return nil, bad
			}
			out = append(out, f)
		}
	}
	return out, nil
}

// keepFederated replaces by what providers know a user that is made here.
func (s *Service) keepFederated(ctx context.Context, tx *db.Tx, e *effects, u *User, all []FederatedUser) error {
	if all == nil {
		return nil
	}
	e.touched(userKey(u.ID))
	if _, err := s.tables.FederatedUsers.Remove(ctx, tx, Is("user_id", u.ID)); err != nil {
		return err
	}
	u.Federated = nil
	for _, f := range all {
		if _, found, err := s.tables.IdentityProviders.Get(ctx, tx, f.ProviderID); err != nil || !found {
			return cmpErr(err, invalid("federated", "Could not find Identity Provider: %s", f.ProviderID))
		}
		if _, found, err := s.tables.Protocols.Get(ctx, tx, protocolRef(f.ProviderID, f.ProtocolID)); err != nil || !found {
			return cmpErr(err, invalid("federated", "Could not find federated protocol %s for Identity Provider: %s.", f.ProtocolID, f.ProviderID))
		}
		f.UserID = u.ID
		err := s.tables.FederatedUsers.Insert(ctx, tx, f)
		if db.IsUnique(err) {
			return conflict("federated_user", "Duplicate entry found with unique id %s", f.UniqueID)
		}
		if err != nil {
			return err
		}
		u.Federated = append(u.Federated, f)
	}
	if u.Source != SourceFederated {
		u.Source = SourceHere
		if len(u.Federated) > 0 {
			u.Source = SourceLinked
		}
	}
	return s.tables.Users.Save(ctx, tx, *u)
}

// shown turns what a list asks of names so that shadows are found too, and leaves
// out who is gone.
func shown(l List) List {
	match := []Match{{Column: "source", Op: OpNotEqual, Value: string(SourceGone)}}
	for _, m := range l.Match {
		if m.Column == "name" && m.Op == OpEqual {
			m.Op = OpNamed
		}
		match = append(match, m)
	}
	l.Match = match
	return l
}

// present hides who is gone from calls about users.
type present struct{ Table[User] }

func (t present) Get(ctx context.Context, r db.Reader, id string) (User, bool, error) {
	u, found, err := t.Table.Get(ctx, r, id)
	return u, found && u.Source != SourceGone, err
}

// presentGroups hides groups that are gone.
type presentGroups struct{ Table[Group] }

func (t presentGroups) Get(ctx context.Context, r db.Reader, id string) (Group, bool, error) {
	g, found, err := t.Table.Get(ctx, r, id)
	return g, found && g.Source != SourceGone, err
}

// EnabledServiceProviders answers the clouds that take this one's word.
func (s *Service) EnabledServiceProviders(ctx context.Context) ([]ServiceProvider, error) {
	c, err := s.stored(ctx)
	if err != nil {
		return nil, err
	}
	return c.away, nil
}

// noSeparator refuses a name that could be mistaken for a shadow's.
func noSeparator(name string) error {
	if strings.Contains(name, Separator) {
		return invalid("name", "Invalid input for field/attribute name. A name cannot hold a unit separator.")
	}
	return nil
}

// KnownAs narrows a list to the users whom providers know by these conditions on
// idp_id, protocol_id and unique_id.
func (s *Service) KnownAs(ctx context.Context, l List, match ...Match) (List, error) {
	rows, err := s.tables.FederatedUsers.List(ctx, s.db, match...)
	ids := []string{}
	for _, f := range rows {
		ids = append(ids, f.UserID)
	}
	l.Match = append(l.Match, Match{Column: "id", Op: OpIn, Value: ids})
	return l, err
}
