// Package client speaks to any OpenStack-compatible cloud over its public APIs,
// as little as our own commands need: a token, the catalog, and JSON. It knows
// nothing of how this cloud is built, so the same commands can be pointed at
// another one.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// Credentials are what OS_* variables carry.
type Credentials struct {
	AuthURL, Username, Password, Project, UserDomain, ProjectDomain, Region string
}

// FromEnv reads OS_AUTH_URL, OS_USERNAME, OS_PASSWORD, OS_PROJECT_NAME,
// OS_USER_DOMAIN_NAME, OS_PROJECT_DOMAIN_NAME and OS_REGION_NAME.
func FromEnv() (Credentials, error) {
	c := Credentials{os.Getenv("OS_AUTH_URL"), os.Getenv("OS_USERNAME"), os.Getenv("OS_PASSWORD"), os.Getenv("OS_PROJECT_NAME"),
		os.Getenv("OS_USER_DOMAIN_NAME"), os.Getenv("OS_PROJECT_DOMAIN_NAME"), os.Getenv("OS_REGION_NAME")}
	for name, v := range map[string]string{"OS_AUTH_URL": c.AuthURL, "OS_USERNAME": c.Username, "OS_PASSWORD": c.Password, "OS_PROJECT_NAME": c.Project} {
		if v == "" {
			return c, fmt.Errorf("%s is not set: source the openrc that 'altostack openrc' prints", name)
		}
	}
	return c, nil
}

// Cloud is a session with one cloud; it renews its token when that expires. It
// is safe for concurrent use once Login has returned.
type Cloud struct {
	HTTP      *http.Client
	creds     Credentials
	token     string
	endpoints map[string]string
	ProjectID string
	UserID    string
}

// Login gets a token and the catalog.
func Login(ctx context.Context, c Credentials) (*Cloud, error) {
	cloud := &Cloud{creds: c, HTTP: &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 256}}}
	return cloud, cloud.Authenticate(ctx)
}

// Token answers the token in use.
func (c *Cloud) Token() string { return c.token }

// Endpoint answers the public URL of a service type, without a trailing slash.
func (c *Cloud) Endpoint(service string) (string, error) {
	if u := c.endpoints[service]; u != "" {
		return u, nil
	}
	return "", fmt.Errorf("the catalog has no %s service", service)
}

// Authenticate gets a fresh token by password.
func (c *Cloud) Authenticate(ctx context.Context) error {
	or := func(s string) string {
		if s == "" {
			return "Default"
		}
		return s
	}
	body := map[string]any{"auth": map[string]any{
		"identity": map[string]any{"methods": []string{"password"}, "password": map[string]any{"user": map[string]any{
			"name": c.creds.Username, "password": c.creds.Password, "domain": map[string]string{"name": or(c.creds.UserDomain)}}}},
		"scope": map[string]any{"project": map[string]any{"name": c.creds.Project, "domain": map[string]string{"name": or(c.creds.ProjectDomain)}}},
	}}
	base := strings.TrimSuffix(strings.TrimSuffix(c.creds.AuthURL, "/"), "/v3")
	var out struct {
		Token struct {
			Project struct{ ID string }
			User    struct{ ID string }
			Catalog []struct {
				Type      string
				Endpoints []struct{ Interface, Region, URL string }
			}
		}
	}
	resp, err := c.do(ctx, http.MethodPost, base+"/v3/auth/tokens", body, &out, nil)
	if err != nil {
		return fmt.Errorf("authenticate as %s: %w", c.creds.Username, err)
	}
	c.token, c.ProjectID, c.UserID = resp.Header.Get("X-Subject-Token"), out.Token.Project.ID, out.Token.User.ID
	c.endpoints = map[string]string{"identity": base + "/v3"}
	for _, s := range out.Token.Catalog {
		for _, e := range s.Endpoints {
			if e.Interface == "public" && (c.creds.Region == "" || e.Region == c.creds.Region) {
				c.endpoints[s.Type] = strings.TrimSuffix(e.URL, "/")
			}
		}
	}
	for alias, official := range map[string]string{"volumev3": "block-storage", "block-storage": "volumev3"} {
		if c.endpoints[alias] == "" {
			c.endpoints[alias] = c.endpoints[official]
		}
	}
	return nil
}

// Error is an answer with a status of 400 or more.
type Error struct {
	Status  int
	Message string
	ID      string // the request id, for the cloud's operator
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%d %s: %s", e.Status, http.StatusText(e.Status), e.Message)
	if e.ID != "" {
		s += " (" + e.ID + ")"
	}
	return s
}

// IsNotFound reports whether err is a 404.
func IsNotFound(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == http.StatusNotFound
}

// Do calls METHOD service path, as "POST network /v2.0/ports", with in as its
// body and the answer decoded into out; either may be nil. Headers come in pairs.
func (c *Cloud) Do(ctx context.Context, method, service, path string, in, out any, headers ...string) error {
	base, err := c.Endpoint(service)
	if err != nil {
		return err
	}
	for _, version := range []string{"/v2.0", "/v2.1", "/v2", "/v3"} { // catalogs differ in whether the version is in the URL
		if i := strings.LastIndex(base, version); i > 0 && strings.HasPrefix(path, version) {
			base = base[:i]
			break
		}
	}
	_, err = c.do(ctx, method, base+path, in, out, headers)
	var e *Error
	if errors.As(err, &e) && e.Status == http.StatusUnauthorized {
		if err := c.Authenticate(ctx); err != nil {
			return err
		}
		_, err = c.do(ctx, method, base+path, in, out, headers)
	}
	return err
}

func (c *Cloud) do(ctx context.Context, method, url string, in, out any, headers []string) (*http.Response, error) {
	var body io.Reader
	switch v := in.(type) {
	case nil:
	case io.Reader:
		body = v
	default:
		data, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	if c.token != "" {
		req.Header.Set("X-Auth-Token", c.token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 400 {
		return resp, refusal(resp)
	}
	if w, ok := out.(io.Writer); ok {
		_, err = io.Copy(w, resp.Body)
		return resp, err
	}
	if out == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		return resp, err
	}
	return resp, json.NewDecoder(resp.Body).Decode(out)
}

// refusal finds the message in any service's form of error.
func refusal(resp *http.Response) error {
	data, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	e := &Error{Status: resp.StatusCode, ID: resp.Header.Get("X-Openstack-Request-Id"), Message: strings.TrimSpace(string(data))}
	var outer map[string]json.RawMessage
	if json.Unmarshal(data, &outer) == nil {
		for _, raw := range outer {
			var inner struct{ Message string }
			if json.Unmarshal(raw, &inner) == nil && inner.Message != "" {
				e.Message = inner.Message
			}
		}
	}
	return e
}
