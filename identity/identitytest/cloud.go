// Package identitytest makes identity services for tests: bootstrapped, with a
// demo project, cheap password hashes and a clock of the test's own.
package identitytest

import (
	"log/slog"
	"testing"
	"time"

	"altostack/identity"
	"altostack/identity/store"
	"altostack/kernel/auth"
	"altostack/kernel/clock"
	"altostack/kernel/db"
	"altostack/kernel/db/dbtest"
	"altostack/kernel/id"
)

// Cloud is an identity service after its first start.
type Cloud struct {
	Service *identity.Service
	Access  identity.Access
	Options identity.BootstrapOptions
	Clock   *clock.Virtual
	DB      *db.DB
	Keys    *identity.KeyRing
	config  identity.Config
}

// Catalog is what the tests' clouds offer.
var Catalog = []identity.BootstrapService{
	{Type: "identity", Name: "keystone", URL: "http://cloud.test/identity"},
	{Type: "compute", Name: "nova", URL: "http://cloud.test/compute/v2.1"},
	{Type: "block-storage", Name: "cinder", URL: "http://cloud.test/volume/v3/$(project_id)s"},
}

// New makes a cloud on SQLite.
func New(t testing.TB) *Cloud {
	t.Helper()
	d := dbtest.SQLite(t)
	if err := d.Migrate(t.Context(), "identity", store.Migrations()); err != nil {
		t.Fatal(err)
	}
	return On(t, d)
}

// Each runs a test on a cloud per database.
func Each(t *testing.T, test func(t *testing.T, c *Cloud)) {
	dbtest.Each(t, "identity", store.Migrations(), func(t *testing.T, d *db.DB) { test(t, On(t, d)) })
}

// On makes a cloud in a database whose tables are there.
func On(t testing.TB, d *db.DB) *Cloud {
	t.Helper()
	c := &Cloud{DB: d, Clock: clock.NewVirtual(time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC))}
	var err error
	if c.Keys, err = identity.OpenKeyRing(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	credentials, err := identity.OpenKeyRing(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c.config = identity.Config{DB: d, Store: store.New(), Clock: c.Clock, IDs: id.Random{}, Log: slog.New(slog.DiscardHandler), TokenKeys: c.Keys, CredentialKeys: credentials, Hashing: identity.Hashing{Cost: 4}}
	c.Forget(t)
	c.Options = identity.BootstrapOptions{AdminPassword: "admin's", DemoPassword: "demo's", Services: Catalog, ServiceUsers: []string{"nova", "glance"}, Demo: true}
	if c.Access, err = c.Service.Bootstrap(t.Context(), c.Options); err != nil {
		t.Fatal(err)
	}
	return c
}

// Forget replaces the service by a new one on the same rows and keys, as a
// restart does.
func (c *Cloud) Forget(t testing.TB) {
	t.Helper()
	var err error
	if c.Service, err = identity.New(c.config); err != nil {
		t.Fatal(err)
	}
}

// Limits restarts the service under a model of limits.
func (c *Cloud) Limits(t testing.TB, model string) {
	t.Helper()
	c.config.LimitModel = model
	c.Forget(t)
}

// Change starts the service anew with another configuration.
func (c *Cloud) Change(t testing.TB, change func(*identity.Config)) {
	t.Helper()
	change(&c.config)
	c.Forget(t)
}

// Another is a further process of the same cloud.
func (c *Cloud) Another(t testing.TB) *Cloud {
	t.Helper()
	more := *c
	more.Forget(t)
	return &more
}

// With is a further process of the same cloud, set up differently.
func (c *Cloud) With(t testing.TB, change func(*identity.Config)) *Cloud {
	t.Helper()
	more := *c
	change(&more.config)
	more.Forget(t)
	return &more
}

// Password is the proof of a user of the default domain.
func (c *Cloud) Password(user, password string) identity.Proof {
	return identity.Proof{Methods: []string{"password"}, User: &identity.Ref{Name: user, Domain: &identity.Ref{ID: identity.DefaultDomainID}}, Password: password}
}

// Token is a token of admin or demo in a project of the default domain.
func (c *Cloud) Token(t testing.TB, user, project string) string {
	t.Helper()
	tok, err := c.Service.Issue(t.Context(), c.Password(user, user+"'s"), identity.Ask{Given: true, Project: &identity.Ref{Name: project, Domain: &identity.Ref{ID: identity.DefaultDomainID}}})
	if err != nil {
		t.Fatal(err)
	}
	return tok.ID
}

// Role is the id of a role of the cloud.
func (c *Cloud) Role(t testing.TB, name string) string {
	t.Helper()
	rows, _, err := c.Service.Roles(t.Context(), auth.System("test"), identity.List{Match: []identity.Match{identity.Is("name", name)}})
	if err != nil || len(rows) != 1 {
		t.Fatalf("role %s: %d found: %v", name, len(rows), err)
	}
	return rows[0].ID
}
