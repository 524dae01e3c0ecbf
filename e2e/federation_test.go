//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// builtProvider builds tools/oidcprovider once for all scripts.
var builtProvider = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "oidcprovider")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "oidcprovider")
	build := exec.Command("go", "build", "-o", path, ".")
	build.Dir = "../tools/oidcprovider"
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("tools/oidcprovider: %w: %s", err, out)
	}
	return path, nil
})

// cmdProvider: start REDIRECT-PATH… — a real OpenID Connect provider, $ISSUER, to
// which browsers may return at the paths of the cloud;
// token NAME CLIENT USER — an access token, by password.
func cmdProvider(ts *testscript.TestScript, neg bool, args []string) {
	switch args[0] {
	case "start":
		startProvider(ts, args[1:])
	case "token":
		token, err := passwordGrant(ts.Getenv("ISSUER"), args[2], args[3])
		if (err != nil) != neg {
			ts.Fatalf("token of %s for %s: %v", args[3], args[2], err)
		}
		ts.Setenv(args[1], token)
	default:
		ts.Fatalf("provider %s?", args[0])
	}
}

func startProvider(ts *testscript.TestScript, paths []string) {
	program, err := builtProvider()
	ts.Check(err)
	var back []string
	for _, p := range paths {
		back = append(back, fmt.Sprintf("http://127.0.0.1:%d%s", of(ts).port, p))
	}
	cmd := exec.Command(program, "-listen", "127.0.0.1:0", "-redirect", strings.Join(back, ","))
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	ts.Defer(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	issuer, err := bufio.NewReader(out).ReadString('\n')
	ts.Check(err)
	ts.Setenv("ISSUER", strings.TrimSpace(issuer))
}

func passwordGrant(issuer, client, user string) (string, error) {
	form := url.Values{"grant_type": {"password"}, "username": {user}, "password": {user + user}, "scope": {"openid profile email"}, "client_id": {client}, "client_secret": {"secret"}}
	res, err := http.PostForm(issuer+"/oauth/token", form)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("status %d: %v", res.StatusCode, err)
	}
	return answer.Token, nil
}

var hidden = regexp.MustCompile(`name="(id|token)"[^>]* value="([^"]*)"`)

// cmdBrowse: NAME PATH USER PASSWORD — goes to a path of the cloud as a browser,
// logs in at the provider, and puts the token that the last page would post to the
// dashboard into a variable; what that page says is stdout.
func cmdBrowse(ts *testscript.TestScript, neg bool, args []string) {
	jar, err := cookiejar.New(nil)
	ts.Check(err)
	browser := &http.Client{Jar: jar, Timeout: 30 * time.Second}
	page, err := read(browser.Get(fmt.Sprintf("http://127.0.0.1:%d%s", of(ts).port, args[1])))
	if m := hidden.FindStringSubmatch(page); err == nil && m != nil && m[1] == "id" {
		page, err = read(browser.PostForm(ts.Getenv("ISSUER")+"/login/username", url.Values{"id": {m[2]}, "username": {args[2]}, "password": {args[3]}}))
	}
	_, _ = io.WriteString(ts.Stdout(), page)
	m := hidden.FindStringSubmatch(page)
	if got := err == nil && m != nil && m[1] == "token"; got == neg {
		ts.Fatalf("logged in: %v, %v: %s", got, err, page)
	}
	if m != nil {
		ts.Setenv(args[0], m[2])
	}
}

func read(res *http.Response, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return string(body), err
}

// cmdSlapd: start CONFIG LDIF — a real directory at $LDAP; stop; modify LDIF.
func cmdSlapd(ts *testscript.TestScript, _ bool, args []string) {
	switch args[0] {
	case "start":
		program := "/usr/sbin/slapd"
		if _, err := os.Stat(program); err != nil {
			ts.Fatalf("slapd is missing: install the packages slapd and ldap-utils")
		}
		port, err := freePort()
		ts.Check(err)
		ts.Check(os.Mkdir(ts.MkAbs("db"), 0o700))
		address := fmt.Sprintf("127.0.0.1:%d", port)
		cmd := exec.Command(program, "-d", "0", "-f", ts.MkAbs(args[1]), "-h", "ldap://"+address)
		cmd.Dir = ts.MkAbs(".")
		ts.Check(cmd.Start())
		ended := make(chan struct{})
		go func() { _ = cmd.Wait(); close(ended) }()
		ts.Defer(func() { _ = cmd.Process.Kill(); <-ended })
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		ts.Check(answers(ctx, address, ended))
		ts.Setenv("LDAP", "ldap://"+address)
		ts.Setenv("SLAPD", fmt.Sprint(cmd.Process.Pid))
		ts.Check(ts.Exec("ldapadd", "-x", "-H", "ldap://"+address, "-D", "cn=manager,dc=corp,dc=test", "-w", "secret", "-f", ts.MkAbs(args[2])))
	case "modify":
		ts.Check(ts.Exec("ldapmodify", "-x", "-H", ts.Getenv("LDAP"), "-D", "cn=manager,dc=corp,dc=test", "-w", "secret", "-f", ts.MkAbs(args[1])))
	case "stop":
		ts.Check(ts.Exec("kill", "-KILL", ts.Getenv("SLAPD")))
	default:
		ts.Fatalf("slapd %s?", args[0])
	}
}

// answers waits until somebody takes calls.
func answers(ctx context.Context, address string, ended <-chan struct{}) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := net.Dial("tcp", address)
		if err == nil {
			return c.Close()
		}
		select {
		case <-ended:
			return fmt.Errorf("slapd ended: %w", err)
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// cmdExpand: FILE… — puts the script's variables into files.
func cmdExpand(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		text := os.Expand(ts.ReadFile(name), func(v string) string {
			if value := ts.Getenv(v); value != "" {
				return value
			}
			return "${" + v + "}"
		})
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
	}
}
