// Package networktest builds a network service for the tests of others: the
// real one on a database of its own, served under the real policy, with tokens
// that are the callers' names.
package networktest

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"altostack/kernel/auth"
	"altostack/kernel/clock"
	"altostack/kernel/db"
	"altostack/kernel/db/dbtest"
	"altostack/kernel/fault"
	"altostack/kernel/id"
	"altostack/kernel/policy"
	"altostack/kernel/rest"
	"altostack/network"
	"altostack/network/api"
	"altostack/network/store"
)

// Cloud is a network service with its API.
type Cloud struct {
	Service *network.Service
	Handler http.Handler
	Clock   *clock.Virtual
	DB      *db.DB

	mu    sync.Mutex
	wakes map[string][]string
}

// The callers there are: project-scoped users, by token. Projects are named p1,
// p2 and admin.
var people = map[string]auth.Principal{
	"admin":   {UserID: "u-admin", ProjectID: "admin", Roles: []string{"admin", "manager", "member", "reader"}},
	"member":  {UserID: "u-member", ProjectID: "p1", Roles: []string{"member", "reader"}},
	"manager": {UserID: "u-manager", ProjectID: "p1", Roles: []string{"manager", "member", "reader"}},
	"reader":  {UserID: "u-reader", ProjectID: "p1", Roles: []string{"reader"}},
	"other":   {UserID: "u-other", ProjectID: "p2", Roles: []string{"member", "reader"}},
	"service": {UserID: "u-nova", ProjectID: "service", Roles: []string{"service"}},
}

// Principal answers one of the callers: admin, member, manager and reader (of
// project p1), other (of p2), service.
func Principal(name string) *auth.Principal {
	p := people[name]
	return &p
}

type tokens struct{}

func (tokens) Validate(_ context.Context, token string) (*auth.Principal, error) {
	if p, ok := people[token]; ok {
		return &p, nil
	}
	return nil, fault.New(fault.CodeAuthUnauthenticated, "The request you have made requires authentication.")
}

// Policy is the real policy of the service.
func Policy(t testing.TB) auth.Enforcer {
	t.Helper()
	engine, err := policy.Service("neutron", nil)
	if err != nil {
		t.Fatal(err)
	}
	return rest.PolicyOf("neutron", engine)
}

// Scope is what a caller's request works with.
func Scope(t testing.TB, name string) auth.Scope {
	t.Helper()
	s, err := auth.NewScope(Policy(t), Principal(name), "")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// New makes a cloud on a new SQLite database; change alters its configuration.
func New(t testing.TB, change ...func(*network.Config)) *Cloud {
	t.Helper()
	d := dbtest.SQLite(t)
	if err := d.Migrate(t.Context(), "network", store.Migrations()); err != nil {
		t.Fatal(err)
	}
	return On(t, d, change...)
}

// On makes a cloud on a migrated database.
func On(t testing.TB, d *db.DB, change ...func(*network.Config)) *Cloud {
	t.Helper()
	c := &Cloud{DB: d, Clock: clock.NewVirtual(time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC)), wakes: map[string][]string{}}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	cfg := network.Config{DB: d, Store: store.New(d), Clock: c.Clock, IDs: id.NewSeeded(7), Log: log, Physical: []string{"public"}, Rewire: c.rewire}
	for _, f := range change {
		f(&cfg)
	}
	c.Service = network.New(cfg)
	face := &rest.API{Service: "neutron", Dialect: rest.NeutronDialect(), Tokens: tokens{}, Policy: Policy(t), Clock: c.Clock, IDs: cfg.IDs, Log: log}
	h, err := face.Handle(api.New(c.Service).Routes())
	if err != nil {
		t.Fatal(err)
	}
	c.Handler = h
	return c
}

func (c *Cloud) rewire(host string, ports []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(ports) == 0 {
		ports = []string{"*"}
	}
	c.wakes[host] = append(c.wakes[host], strings.Join(ports, ","))
}

// Woken answers and forgets which hosts were told to look, and at what: ids of
// ports, or * for everything.
func (c *Cloud) Woken() map[string][]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.wakes
	c.wakes = map[string][]string{}
	return w
}
