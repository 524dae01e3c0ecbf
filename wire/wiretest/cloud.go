// Package wiretest opens whole clouds for tests: every service in this process,
// pretended hosts, no sockets. What a test asks goes through the handler that
// clients meet, with real tokens and the real policy.
package wiretest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"altostack/agent"
	"altostack/kernel/config"
	"altostack/saga"
	"altostack/wire"
)

// Cloud is a running cloud. It ends with its test.
type Cloud struct {
	T       testing.TB
	Data    string // its directory
	System  *wire.System
	access  wire.Access
	commits atomic.Int64
}

// Open starts a cloud with one host. Settings are those of kernel/config; hosts
// do nothing by themselves that is not due to a request, so that rows stay as
// requests leave them.
func Open(t testing.TB, settings map[string]string) *Cloud {
	t.Helper()
	return OpenLogged(t, settings, t.Output())
}

// OpenLogged is Open with a place for the log.
func OpenLogged(t testing.TB, settings map[string]string, log io.Writer) *Cloud {
	t.Helper()
	dir := t.TempDir()
	flags := map[string]string{"hypervisor": "fake", "sqlite_sync": "off", "password_cost": "4", "demo": "false", "log_level": "error"}
	for name, value := range settings {
		flags[name] = value
	}
	cfg, err := config.Load("", false, nil, flags)
	if err != nil {
		t.Fatal(err)
	}
	c := &Cloud{T: t, Data: dir}
	rarely := time.Hour
	c.System, err = wire.Open(t.Context(), wire.Options{Data: dir, Config: cfg, Version: "test", NoListen: true, LogTo: log,
		Every:  agent.Intervals{Check: rarely, Observe: rarely, Heartbeat: rarely, Resync: rarely, Sweep: rarely},
		Commit: func(commit func() error) error { c.commits.Add(1); return commit() }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.System.Close(); err != nil {
			t.Error(err)
		}
	})
	if c.access, err = wire.AccessOf(dir, "admin"); err != nil {
		t.Fatal(err)
	}
	return c
}

// Commits counts the durable writes so far.
func (c *Cloud) Commits() int64 { return c.commits.Load() }

// Idle returns once no operation is under way.
func (c *Cloud) Idle() {
	c.T.Helper()
	ctx, cancel := context.WithTimeout(c.T.Context(), 30*time.Second)
	defer cancel()
	for {
		rows, err := saga.Open(ctx, c.System.DB())
		if err != nil {
			c.T.Fatal(err)
		}
		if len(rows) == 0 {
			return
		}
		for _, r := range rows {
			if err := c.System.Sagas().Wait(ctx, r.ID); err != nil {
				c.T.Fatalf("operation %s on %s at step %d: %v", r.Kind, r.Subject, r.Step, err)
			}
		}
	}
}

// Person is somebody with a token.
type Person struct {
	*Cloud
	Token, UserID, ProjectID string
}

// Nobody has no token.
func (c *Cloud) Nobody() *Person { return &Person{Cloud: c} }

// Admin is the administrator, in the project admin.
func (c *Cloud) Admin() *Person {
	c.T.Helper()
	return c.Login(c.access.Username, c.access.Password, c.access.Project)
}

// Login gets a token for a user of the default domain in a project of it.
func (c *Cloud) Login(user, password, project string) *Person {
	c.T.Helper()
	domain := M{"id": "default"}
	a := c.Nobody().Must(201, "POST", "/identity/v3/auth/tokens", M{"auth": M{
		"identity": M{"methods": []string{"password"}, "password": M{"user": M{"name": user, "password": password, "domain": domain}}},
		"scope":    M{"project": M{"name": project, "domain": domain}}}})
	return &Person{c, a.Header.Get("X-Subject-Token"), a.Str("token.user.id"), a.Str("token.project.id")}
}

// M is an object of a request.
type M = map[string]any

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Text   string
	body   any
}

// Raw sends bytes; headers are pairs of name and value. Every API of which the
// newest microversion matters is asked for that one.
func (p *Person) Raw(method, path string, body []byte, headers ...string) Answer {
	r := httptest.NewRequestWithContext(p.T.Context(), method, "http://cloud.test"+path, bytes.NewReader(body))
	if p.Token != "" {
		r.Header.Set("X-Auth-Token", p.Token)
	}
	if len(body) > 0 {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("OpenStack-API-Version", newest(path))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	p.System.Handler().ServeHTTP(w, r)
	a := Answer{Status: w.Code, Header: w.Header(), Text: w.Body.String()}
	_ = json.Unmarshal(w.Body.Bytes(), &a.body) // not every answer is JSON
	return a
}

// newest is the microversion header of the service at path.
func newest(path string) string {
	switch service, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/"); service {
	case "compute":
		return "compute 2.103"
	case "volume":
		return "volume 3.71"
	case "placement":
		return "placement 1.39"
	}
	return ""
}

// Do sends an object as JSON; nil sends nothing.
func (p *Person) Do(method, path string, body any, headers ...string) Answer {
	p.T.Helper()
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			p.T.Fatal(err)
		}
	}
	return p.Raw(method, path, text, headers...)
}

// Must is Do that ends the test on another status.
func (p *Person) Must(status int, method, path string, body any, headers ...string) Answer {
	p.T.Helper()
	a := p.Do(method, path, body, headers...)
	if a.Status != status {
		p.T.Fatalf("%s %s: %d, want %d: %s", method, path, a.Status, status, a.Text)
	}
	return a
}

// At walks the body: names, and numbers for places in a list. Nil: not there.
func (a Answer) At(path string) any {
	v := a.body
	for name := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[name]
		case []any:
			var i int
			if _, err := fmt.Sscan(name, &i); err != nil || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

// Str is At for what is text.
func (a Answer) Str(path string) string { s, _ := a.At(path).(string); return s }

// Members are the body's, if it is an object.
func (a Answer) Members() map[string]any { m, _ := a.body.(map[string]any); return m }
