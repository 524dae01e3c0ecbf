package computetest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"altostack/compute/api"
	"altostack/kernel/auth"
	"altostack/kernel/clock"
	"altostack/kernel/fault"
	"altostack/kernel/id"
	"altostack/kernel/policy"
	"altostack/kernel/rest"
)

// tokens are the callers that API tests know, by what they send as token.
var tokens = map[string]*auth.Principal{
	"member":   {UserID: User, ProjectID: Project, Roles: []string{"member", "reader"}},
	"reader":   {UserID: User, ProjectID: Project, Roles: []string{"reader"}},
	"stranger": {UserID: "33333333333333333333333333333333", ProjectID: "44444444444444444444444444444444", Roles: []string{"member", "reader"}},
	"admin":    {UserID: "55555555555555555555555555555555", ProjectID: "66666666666666666666666666666666", Roles: []string{"admin", "member", "reader", "manager"}},
}

type validator struct{}

func (validator) Validate(_ context.Context, token string) (*auth.Principal, error) {
	if p := tokens[token]; p != nil {
		return p, nil
	}
	return nil, fault.New(fault.CodeAuthUnauthenticated, "The request you have made requires authentication.")
}

// Client calls the compute API over a cloud.
type Client struct {
	t       testing.TB
	handler http.Handler
	// Token is one of member, reader, stranger and admin.
	Token   string
	Version string // as 2.100; empty: none asked for
}

// API serves a cloud's API to a client with the token "member".
func API(t testing.TB, c *Cloud) *Client {
	t.Helper()
	rules, err := policy.Service("nova", nil)
	if err != nil {
		t.Fatal(err)
	}
	a := &rest.API{Service: "nova", Mount: "/compute", Dialect: rest.NovaDialect(), Tokens: validator{}, Policy: rest.PolicyOf("nova", rules), Clock: clock.Real{},
		IDs: id.Random{}, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Range: &api.Range, Schemas: rest.SchemasOf("nova"), ProjectAfter: "v2.1", MaxBody: 1 << 20}
	h, err := a.Handle(api.New(c.Service).Routes())
	if err != nil {
		t.Fatal(err)
	}
	return &Client{t: t, handler: h, Token: "member"}
}

// As is the client with another token and version.
func (c *Client) As(token, version string) *Client {
	other := *c
	other.Token, other.Version = token, version
	return &other
}

// Do calls, expects a status, and answers the body and the headers.
func (c *Client) Do(method, path string, body any, status int) (map[string]any, http.Header) {
	c.t.Helper()
	w := c.Raw(method, path, body)
	if w.Code != status {
		c.t.Fatalf("%s %s (%s, %s): status %d, want %d: %s", method, path, c.Token, c.Version, w.Code, status, w.Body)
	}
	var out map[string]any
	if w.Body.Len() > 0 {
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
			c.t.Fatalf("%s %s: %v in %s", method, path, err, w.Body)
		}
	}
	return out, w.Header()
}

// Raw calls and answers whatever comes.
func (c *Client) Raw(method, path string, body any) *httptest.ResponseRecorder {
	c.t.Helper()
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			c.t.Fatal(err)
		}
		in = bytes.NewReader(b)
	}
	r := httptest.NewRequest(method, "http://cloud/compute"+path, in)
	r.Header.Set("X-Auth-Token", c.Token)
	r.Header.Set("Content-Type", "application/json")
	if c.Version != "" {
		r.Header.Set("Openstack-Api-Version", "compute "+c.Version)
	}
	w := httptest.NewRecorder()
	c.handler.ServeHTTP(w, r)
	return w
}
