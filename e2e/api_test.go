//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"altostack/client"
)

// answer is what the last api command got.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// session logs in once per identity and start of the cloud.
func (c *cloud) session(ctx context.Context) (*client.Cloud, error) {
	key := c.access["OS_AUTH_URL"] + " " + c.access["OS_USERNAME"] + " " + c.access["OS_PROJECT_NAME"]
	if s := c.sessions[key]; s != nil {
		return s, nil
	}
	s, err := c.login(ctx)
	if err != nil {
		return nil, err
	}
	if c.sessions == nil {
		c.sessions = map[string]*client.Cloud{}
	}
	c.sessions[key] = s
	return s, nil
}

// call is one request of a script: flags, what is expected, and the request.
type call struct {
	token, version             string
	headers                    []string
	want                       string
	method, service, path, put string
}

// parseCall: [-t TOKEN] [-v MICROVERSION] [-H 'Name: value']… STATUS METHOD SERVICE PATH [JSON | @FILE].
func parseCall(ts *testscript.TestScript, args []string) call {
	var c call
	for len(args) > 1 && strings.HasPrefix(args[0], "-") {
		switch args[0] {
		case "-t":
			c.token = args[1]
		case "-v":
			c.version = args[1]
		case "-H":
			c.headers = append(c.headers, args[1])
		default:
			ts.Fatalf("api %s?", args[0])
		}
		args = args[2:]
	}
	if len(args) < 4 {
		ts.Fatalf("usage: api [-t TOKEN] [-v MICROVERSION] [-H 'Name: value'] STATUS METHOD SERVICE PATH [JSON | @FILE]")
	}
	c.want, c.method, c.service, c.path = args[0], args[1], args[2], args[3]
	if len(args) > 4 {
		c.put = args[4]
	}
	return c
}

func (c call) do(ts *testscript.TestScript, s *client.Cloud) (answer, error) {
	base, err := s.Endpoint(c.service)
	if err != nil {
		return answer{}, err
	}
	u, err := url.Parse(base)
	if err != nil {
		return answer{}, err
	}
	prefix, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	body, kind := []byte(c.put), "application/json"
	if file, ok := strings.CutPrefix(c.put, "@"); ok {
		body, kind = []byte(ts.ReadFile(file)), "application/octet-stream"
	}
	path := strings.ReplaceAll(c.path, "{project}", s.ProjectID)
	req, err := http.NewRequest(c.method, u.Scheme+"://"+u.Host+"/"+prefix+path, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", kind)
	}
	switch c.token {
	case "":
		req.Header.Set("X-Auth-Token", s.Token())
	case "none":
	default:
		req.Header.Set("X-Auth-Token", c.token)
	}
	if c.version != "" {
		name := map[string]string{"compute": "compute", "volumev3": "volume", "placement": "placement"}[c.service]
		req.Header.Set("OpenStack-API-Version", name+" "+c.version)
	}
	for _, h := range c.headers {
		k, v, _ := strings.Cut(h, ":")
		req.Header.Set(k, strings.TrimSpace(v))
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, data}, err
}

// cmdAPI makes one request as the identity in force and insists on its status;
// the body is stdout.
func cmdAPI(ts *testscript.TestScript, neg bool, args []string) {
	c, want := of(ts), parseCall(ts, args)
	s, err := c.session(context.Background())
	ts.Check(err)
	c.last, err = want.do(ts, s)
	ts.Check(err)
	_, _ = ts.Stdout().Write(c.last.body)
	if got := strconv.Itoa(c.last.status); got != want.want || neg {
		ts.Fatalf("%s %s answers %s, want %s:\n%s", want.method, want.path, got, want.want, c.last.body)
	}
}

// cmdUntil: SECONDS PATTERN api-arguments… — repeats the request until its body
// matches; negated, until it does not.
func cmdUntil(ts *testscript.TestScript, neg bool, args []string) {
	seconds, err := strconv.Atoi(args[0])
	ts.Check(err)
	pattern, err := regexp.Compile(args[1])
	ts.Check(err)
	c, want := of(ts), parseCall(ts, args[2:])
	s, err := c.session(context.Background())
	ts.Check(err)
	until := time.Now().Add(time.Duration(seconds) * time.Second)
	for {
		c.last, err = want.do(ts, s)
		if err == nil && strconv.Itoa(c.last.status) == want.want && pattern.Match(c.last.body) != neg {
			_, _ = ts.Stdout().Write(c.last.body)
			return
		}
		if time.Now().After(until) {
			ts.Fatalf("after %d s %s %s answers %d (%v), want %s and %q:\n%s", seconds, want.method, want.path, c.last.status, err, want.want, args[1], c.last.body)
		}
		<-time.After(100 * time.Millisecond)
	}
}

// cmdPick: NAME PATH — puts a value of the last answer into a variable:
// "servers.0.id", or "header:X-Subject-Token".
func cmdPick(ts *testscript.TestScript, _ bool, args []string) {
	last := of(ts).last
	if name, ok := strings.CutPrefix(args[1], "header:"); ok {
		ts.Setenv(args[0], last.header.Get(name))
		return
	}
	var v any
	ts.Check(json.Unmarshal(last.body, &v))
	for _, key := range strings.Split(args[1], ".") {
		switch at := v.(type) {
		case map[string]any:
			v = at[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i >= len(at) {
				ts.Fatalf("no %s in %s", args[1], last.body)
			}
			v = at[i]
		}
	}
	if v == nil {
		ts.Fatalf("no %s in %s", args[1], last.body)
	}
	ts.Setenv(args[0], fmt.Sprint(v))
}

// inventory is everything of the cloud that bad input could change or leave,
// as the administrator's lists and the data directory show it.
var inventory = [][2]string{
	{"compute", "/v2.1/servers/detail?all_tenants=1"}, {"compute", "/v2.1/flavors/detail?is_public=none"}, {"compute", "/v2.1/os-keypairs"},
	{"network", "/v2.0/networks"}, {"network", "/v2.0/subnets"}, {"network", "/v2.0/ports"}, {"network", "/v2.0/routers"},
	{"network", "/v2.0/floatingips"}, {"network", "/v2.0/security-groups"},
	{"volumev3", "/v3/{project}/volumes/detail?all_tenants=1"}, {"volumev3", "/v3/{project}/snapshots/detail?all_tenants=1"},
	{"image", "/v2/images?limit=200"}, {"identity", "/v3/users"}, {"identity", "/v3/projects"}, {"identity", "/v3/role_assignments"},
}

// cmdInventory: save | same — remembers what there is, or insists that it still is just that.
func cmdInventory(ts *testscript.TestScript, _ bool, args []string) {
	c := of(ts)
	if args[0] == "save" {
		c.kept = c.takeInventory(ts)
		return
	}
	until := time.Now().Add(10 * time.Second) // what a failed boot took is given back soon after its answer
	for {
		now := c.takeInventory(ts)
		different := ""
		for k, v := range now {
			if c.kept[k] != v {
				different += fmt.Sprintf("%s\n was: %s\n  is: %s\n", k, c.kept[k], v)
			}
		}
		if different == "" {
			return
		}
		if time.Now().After(until) {
			ts.Fatalf("changed or left behind:\n%s", different)
		}
		<-time.After(200 * time.Millisecond)
	}
}

func (c *cloud) takeInventory(ts *testscript.TestScript) map[string]string {
	mine := c.access
	defer func() { c.access = mine }()
	var err error
	c.access, err = c.openrc("admin")
	ts.Check(err)
	s, err := c.session(context.Background())
	ts.Check(err)
	out := map[string]string{}
	for _, l := range inventory {
		a, err := call{method: "GET", service: l[0], path: l[1]}.do(ts, s)
		ts.Check(err)
		if a.status != http.StatusOK {
			ts.Fatalf("GET %s answers %d: %s", l[1], a.status, a.body)
		}
		out[l[1]] = string(a.body)
	}
	for _, dir := range []string{"images", "volumes", "hosts"} {
		var files []string
		_ = filepath.WalkDir(filepath.Join(c.data, dir), func(p string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && !strings.HasSuffix(p, ".log") {
				files = append(files, p)
			}
			return nil
		})
		out[dir] = strings.Join(files, "\n")
	}
	return out
}

// cmdFill: FILE BYTES — a file of that many bytes of JSON string, or zeros with "zeros".
func cmdFill(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), bytes.Repeat([]byte{'a'}, n), 0o644))
}

// cmdCutOff: PATH — begins to PUT 64 MiB to the image API and goes away after the first.
func cmdCutOff(ts *testscript.TestScript, _ bool, args []string) {
	s, err := of(ts).session(context.Background())
	ts.Check(err)
	base, err := s.Endpoint("image")
	ts.Check(err)
	u, err := url.Parse(base)
	ts.Check(err)
	conn, err := net.Dial("tcp", u.Host)
	ts.Check(err)
	defer conn.Close()
	prefix, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	fmt.Fprintf(conn, "PUT /%s%s HTTP/1.1\r\nHost: %s\r\nX-Auth-Token: %s\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n",
		prefix, args[0], u.Host, s.Token(), 64<<20)
	_, err = conn.Write(make([]byte, 1<<20))
	ts.Check(err)
}
