package store_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"altostack/identity"
	"altostack/identity/store"
	"altostack/kernel/db"
	"altostack/kernel/db/dbtest"
	"altostack/kernel/page"
)

func each(t *testing.T, test func(t *testing.T, d *db.DB, s *store.Store)) {
	dbtest.Each(t, "identity", store.Migrations(), func(t *testing.T, d *db.DB) { test(t, d, store.New()) })
}

func write(t *testing.T, d *db.DB, f func(ctx context.Context, tx *db.Tx) error) {
	t.Helper()
	if err := d.Write(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

var (
	at     = time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	domain = identity.Project{ID: "d", Name: "Dom", IsDomain: true, Enabled: true}
	tree   = []identity.Project{
		domain,
		{ID: "a", Name: "a", DomainID: "d", ParentID: "d", Enabled: true, Description: "first", Tags: []string{"blue", "red"}, Extra: identity.Extra{"k": "v"}},
		{ID: "b", Name: "b", DomainID: "d", ParentID: "a", Enabled: true},
		{ID: "c", Name: "c", DomainID: "d", ParentID: "b"},
	}
	user = identity.User{ID: "u", Name: "Ann", DomainID: "d", Enabled: true, PasswordHash: "h", PasswordCreatedAt: at, PasswordExpiresAt: at.Add(time.Hour), Options: identity.Extra{"lock_password": true}}
)

func plant(t *testing.T, d *db.DB, s *store.Store) {
	t.Helper()
	write(t, d, func(ctx context.Context, tx *db.Tx) error {
		for _, p := range tree {
			if err := s.Tables().Projects.Insert(ctx, tx, p); err != nil {
				return err
			}
		}
		return s.Tables().Users.Insert(ctx, tx, user)
	})
}

// keeps puts a value in, changes it, reads it back and takes it out.
func keeps[T any](t *testing.T, d *db.DB, table identity.Table[T], id string, first, second T) {
	t.Helper()
	for i, v := range []T{first, second} {
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			if i == 0 {
				return table.Insert(ctx, tx, v)
			}
			return table.Save(ctx, tx, v)
		})
		got, found, err := table.Get(t.Context(), d, id)
		if err != nil || !found || !reflect.DeepEqual(got, v) {
			t.Errorf("%T\n got %+v (%t, %v)\nwant %+v", v, got, found, err, v)
		}
	}
	write(t, d, func(ctx context.Context, tx *db.Tx) error {
		_, err := table.Remove(ctx, tx, identity.Is("id", id))
		return err
	})
	if _, found, err := table.Get(t.Context(), d, id); found || err != nil {
		t.Errorf("%T is still there: %v", first, err)
	}
}

func TestEveryKindIsKept(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB, s *store.Store) {
		plant(t, d, s)
		k, x := s.Tables(), identity.Extra{"more": "x"}
		other := user
		other.ID, other.Name = "u2", "Bob"
		changed := other
		changed.Enabled, changed.PasswordHash, changed.Extra = false, "h2", x
		keeps(t, d, k.Users, "u2", other, changed)
		keeps(t, d, k.Groups, "g", identity.Group{ID: "g", Name: "g", DomainID: "d"}, identity.Group{ID: "g", Name: "h", DomainID: "d", Description: "x", Extra: x})
		keeps(t, d, k.Projects, "p", identity.Project{ID: "p", Name: "p", DomainID: "d", ParentID: "d", Tags: []string{"t"}}, identity.Project{ID: "p", Name: "q", DomainID: "d", ParentID: "d", Enabled: true, Options: x})
		keeps(t, d, k.Roles, "r", identity.Role{ID: "r", Name: "r"}, identity.Role{ID: "r", Name: "s", DomainID: "d", Description: "x", Options: x, Extra: x})
		keeps(t, d, k.Regions, "e", identity.Region{ID: "e"}, identity.Region{ID: "e", ParentID: "w", Description: "x", Extra: x})
		keeps(t, d, k.Services, "s", identity.CatalogService{ID: "s", Type: "t"}, identity.CatalogService{ID: "s", Type: "t", Name: "n", Enabled: true, Extra: x})
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			return k.Services.Insert(ctx, tx, identity.CatalogService{ID: "s", Type: "t"})
		})
		keeps(t, d, k.Endpoints, "e", identity.Endpoint{ID: "e", ServiceID: "s", Interface: "public", URL: "u"}, identity.Endpoint{ID: "e", ServiceID: "s", RegionID: "r", Interface: "admin", URL: "v", Enabled: true, Extra: x})
		cred := identity.AppCred{ID: "c", Name: "n", UserID: "u", ProjectID: "a", SecretHash: "h", RoleIDs: []string{"r"}, RuleIDs: []string{}, ExpiresAt: at}
		more := cred
		more.Unrestricted, more.RuleIDs = true, []string{"x"}
		keeps(t, d, k.AppCreds, "c", cred, more)
		keeps(t, d, k.AccessRules, "a", identity.AccessRule{ID: "a", UserID: "u", Service: "s", Method: "GET", Path: "/"}, identity.AccessRule{ID: "a", UserID: "u", Service: "s", Method: "PUT", Path: "/x"})
		keeps(t, d, k.EndpointGroups, "g", identity.EndpointGroup{ID: "g", Name: "g", Filters: map[string]string{"interface": "public"}}, identity.EndpointGroup{ID: "g", Name: "h", Description: "x", Filters: map[string]string{}})
		keeps(t, d, k.Credentials, "c", identity.Credential{ID: "c", UserID: "u", Type: "t", Blob: "b"}, identity.Credential{ID: "c", UserID: "u", ProjectID: "a", Type: "t", Blob: "c", Extra: x})
		keeps(t, d, k.Policies, "p", identity.PolicyBlob{ID: "p", Type: "t", Blob: `"b"`}, identity.PolicyBlob{ID: "p", Type: "t", Blob: "{}", Extra: x})
		keeps(t, d, k.RegisteredLimits, "l", identity.RegisteredLimit{ID: "l", ServiceID: "s", ResourceName: "n"}, identity.RegisteredLimit{ID: "l", ServiceID: "s", RegionID: "r", ResourceName: "n", DefaultLimit: 5, Description: "x"})
		keeps(t, d, k.Limits, "l", identity.Limit{ID: "l", ProjectID: "a", ServiceID: "s", ResourceName: "n"}, identity.Limit{ID: "l", DomainID: "d", ServiceID: "s", ResourceName: "n", ResourceLimit: 5})
	})
}

func TestNamesAreUnique(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB, s *store.Store) {
		plant(t, d, s)
		twice := user
		twice.ID = "u2"
		err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error { return s.Tables().Users.Insert(ctx, tx, twice) })
		if !db.IsUnique(err) {
			t.Errorf("a second Ann: %v", err)
		}
	})
}

func TestTree(t *testing.T) {
	ids := func(rows []identity.Project) (out []string) {
		for _, p := range rows {
			out = append(out, p.ID)
		}
		return out
	}
	each(t, func(t *testing.T, d *db.DB, s *store.Store) {
		plant(t, d, s)
		up, err := s.Ancestors(t.Context(), d, "c")
		if err != nil || !slices.Equal(ids(up), []string{"c", "b", "a", "d"}) {
			t.Errorf("above c: %v: %v", ids(up), err)
		}
		down, err := s.Subtree(t.Context(), d, "d")
		if err != nil || !slices.Equal(ids(down), []string{"a", "b", "c"}) || !slices.Equal(down[0].Tags, []string{"blue", "red"}) {
			t.Errorf("below d: %v: %v", ids(down), err)
		}
		for tag, want := range map[string]int{"blue": 1, "green": 0} {
			if got, err := s.Tagged(t.Context(), d, []string{"red", tag}, true); err != nil || len(got) != want {
				t.Errorf("red and %s: %v: %v", tag, got, err)
			}
		}
	})
}

func TestMatches(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB, s *store.Store) {
		plant(t, d, s)
		tests := map[string]struct {
			match identity.Match
			want  bool
		}{
			"equal":                {identity.Is("name", "Ann"), true},
			"equal, other case":    {identity.Is("name", "ann"), false},
			"contains":             {identity.Match{Column: "name", Op: identity.OpContains, Value: "nn"}, true},
			"contains, other case": {identity.Match{Column: "name", Op: identity.OpContains, Value: "AN"}, false},
			"contains nothing":     {identity.Match{Column: "name", Op: identity.OpContains, Value: ""}, true},
			"no wildcard":          {identity.Match{Column: "name", Op: identity.OpContains, Value: "%"}, false},
			"icontains":            {identity.Match{Column: "name", Op: identity.OpIContains, Value: "AN"}, true},
			"startswith":           {identity.Match{Column: "name", Op: identity.OpStartsWith, Value: "An"}, true},
			"startswith, not":      {identity.Match{Column: "name", Op: identity.OpStartsWith, Value: "nn"}, false},
			"istartswith":          {identity.Match{Column: "name", Op: identity.OpIStartsWith, Value: "aN"}, true},
			"endswith":             {identity.Match{Column: "name", Op: identity.OpEndsWith, Value: "nn"}, true},
			"endswith, longer":     {identity.Match{Column: "name", Op: identity.OpEndsWith, Value: "xAnn"}, false},
			"iendswith":            {identity.Match{Column: "name", Op: identity.OpIEndsWith, Value: "NN"}, true},
			"flag":                 {identity.Is("enabled", true), true},
			"in none":              {identity.Match{Column: "id", Op: identity.OpIn, Value: []string{}}, false},
			"in":                   {identity.Match{Column: "id", Op: identity.OpIn, Value: []string{"x", "u"}}, true},
			"not equal":            {identity.Match{Column: "id", Op: identity.OpNotEqual, Value: "u"}, false},
		}
		for name, tt := range tests {
			rows, err := s.Tables().Users.List(t.Context(), d, tt.match)
			if err != nil || (len(rows) == 1) != tt.want {
				t.Errorf("%s: %d rows: %v", name, len(rows), err)
			}
		}
		rows, more, err := s.Tables().Projects.Page(t.Context(), d, page.Request{Limit: 2, Marker: "a", Sort: []page.Key{{Column: "id"}}})
		if err != nil || more != true || len(rows) != 2 || rows[0].ID != "b" {
			t.Errorf("the page after a: %v, more %t: %v", rows, more, err)
		}
		if err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			_, err := s.Tables().Users.Remove(ctx, tx)
			return err
		}); err == nil {
			t.Error("a removal without a condition went through")
		}
	})
}

func TestRevisionsAndRevocations(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB, s *store.Store) {
		before, err := s.Revision(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		var n int64
		write(t, d, func(ctx context.Context, tx *db.Tx) (err error) {
			if n, err = s.Advance(ctx, tx, []string{"user:u"}); err != nil {
				return err
			}
			return s.Revoke(ctx, tx, identity.Revocation{Key: "user:u", Revision: n, RevokedAt: at, ExpiresAt: at.Add(time.Hour)})
		})
		changes, complete, err := s.ChangesSince(t.Context(), d, before)
		if err != nil || !complete || len(changes) != 1 || changes[0].N != n || n != before+1 {
			t.Errorf("changes since %d: %v, complete %t: %v", before, changes, complete, err)
		}
		for revision, want := range map[int64]bool{before: true, n: false} {
			if dead, err := s.RevokedSince(t.Context(), d, revision, []string{"user:u", "user:v"}); err != nil || dead != want {
				t.Errorf("a token of revision %d: revoked is %t: %v", revision, dead, err)
			}
		}
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			return s.ForgetRevocations(ctx, tx, db.Micros(at.Add(2*time.Hour)))
		})
		if rows, err := s.Revocations(t.Context(), d); err != nil || len(rows) != 0 {
			t.Errorf("forgotten: %v: %v", rows, err)
		}
	})
}

// What ties an endpoint to projects and policies goes with each end.
func TestTiesOfEndpointsFollow(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB, s *store.Store) {
		plant(t, d, s)
		k := s.Tables()
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			return errors.Join(k.Services.Insert(ctx, tx, identity.CatalogService{ID: "s", Type: "t"}),
				k.Endpoints.Insert(ctx, tx, identity.Endpoint{ID: "e", ServiceID: "s", Interface: "public", URL: "u"}),
				k.EndpointGroups.Insert(ctx, tx, identity.EndpointGroup{ID: "g", Name: "g"}),
				k.DomainConfigs.Insert(ctx, tx, identity.DomainSettings{DomainID: "d", Sealed: "s"}),
				k.Policies.Insert(ctx, tx, identity.PolicyBlob{ID: "p", Type: "t", Blob: `""`}),
				k.ProjectEndpoints.Insert(ctx, tx, identity.ProjectEndpoint{ProjectID: "c", EndpointID: "e"}),
				k.ProjectEndpointGroups.Insert(ctx, tx, identity.ProjectEndpointGroup{ProjectID: "c", GroupID: "g"}),
				k.PolicyAssociations.Insert(ctx, tx, identity.PolicyAssociation{PolicyID: "p", ServiceID: "s", RegionID: "r"}))
		})
		if v, found, err := k.DomainConfigs.Get(t.Context(), d, "d"); err != nil || !found || v.Sealed != "s" {
			t.Errorf("configuration: %+v %t %v", v, found, err)
		}
		if err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			return k.ProjectEndpoints.Insert(ctx, tx, identity.ProjectEndpoint{ProjectID: "c", EndpointID: "e"})
		}); !db.IsUnique(err) {
			t.Errorf("twice: %v", err)
		}
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			_, first := k.Services.Remove(ctx, tx, identity.Is("id", "s"))
			_, second := k.EndpointGroups.Remove(ctx, tx, identity.Is("id", "g"))
			_, third := k.Policies.Remove(ctx, tx, identity.Is("id", "p"))
			return errors.Join(first, second, third)
		})
		endpoints, err := k.ProjectEndpoints.List(t.Context(), d)
		groups, gerr := k.ProjectEndpointGroups.List(t.Context(), d)
		places, perr := k.PolicyAssociations.List(t.Context(), d)
		if err := errors.Join(err, gerr, perr); err != nil || len(endpoints)+len(groups)+len(places) != 0 {
			t.Errorf("left: %v %v %v (%v)", endpoints, groups, places, err)
		}
	})
}
