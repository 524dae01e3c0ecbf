package api_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"altostack/identity/api"
	"altostack/identity/identitytest"
	"altostack/kernel/id"
	"altostack/kernel/policy"
	"altostack/kernel/rest"
)

// client speaks to an identity service over HTTP with the real policy and
// schemas.
type client struct {
	t      *testing.T
	cloud  *identitytest.Cloud
	server *httptest.Server
	token  string
}

func serve(t *testing.T) *client {
	t.Helper()
	return over(t, identitytest.New(t))
}

func over(t *testing.T, cloud *identitytest.Cloud) *client {
	t.Helper()
	engine, err := policy.Service("keystone", nil)
	if err != nil {
		t.Fatal(err)
	}
	face := &rest.API{
		Service: "keystone", Mount: "/identity", Dialect: rest.KeystoneDialect(), Tokens: cloud.Service, Policy: rest.PolicyOf("keystone", engine),
		Clock: cloud.Clock, IDs: id.Random{}, Log: slog.New(slog.DiscardHandler), Schemas: rest.SchemasOf("keystone"), HeadFromGet: true, AuthURL: "http://cloud.test/identity",
	}
	handler, err := face.Handle(api.New(cloud.Service).Routes())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return &client{t: t, cloud: cloud, server: server}
}

// as is the same client with another token.
func (c client) as(token string) *client { c.token = token; return &c }

func (c *client) admin() *client { return c.as(c.cloud.Token(c.t, "admin", "admin")) }
func (c *client) demo() *client  { return c.as(c.cloud.Token(c.t, "demo", "demo")) }

type answer struct {
	status int
	header http.Header
	text   string
	body   map[string]any
}

// at walks the body: names, and numbers for elements of a list.
func (a answer) at(path string) any {
	var v any = a.body
	for name := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

func (a answer) str(path string) string { s, _ := a.at(path).(string); return s }

// do sends "METHOD /path" with a body in JSON and wants a status.
func (c *client) do(call string, status int, body string, headers ...string) answer {
	c.t.Helper()
	a := c.attempt(call, body, headers...)
	if a.status != status {
		c.t.Fatalf("%s %s: status %d, want %d: %s", call, body, a.status, status, a.text)
	}
	return a
}

// attempt is do for any status.
func (c *client) attempt(call, body string, headers ...string) answer {
	c.t.Helper()
	a := c.attemptText(call, body, headers...)
	if len(a.text) > 0 {
		if err := json.Unmarshal([]byte(a.text), &a.body); err != nil {
			c.t.Fatalf("%s: %v in %s", call, err, a.text)
		}
	}
	return a
}

// attemptText is attempt for any body.
func (c *client) attemptText(call, body string, headers ...string) answer {
	c.t.Helper()
	method, path, _ := strings.Cut(call, " ")
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.server.URL+"/identity"+path, bytes.NewBufferString(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("X-Auth-Token", c.token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return answer{status: res.StatusCode, header: res.Header, text: string(text)}
}
