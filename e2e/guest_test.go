//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/ssh"

	"altostack/client"
)

func cloudID(data string) (string, error) {
	text, err := os.ReadFile(filepath.Join(data, "identity.json"))
	if err != nil {
		return "", err
	}
	var in struct{ Cloud string }
	return in.Cloud, json.Unmarshal(text, &in)
}

func (c *cloud) login(ctx context.Context) (*client.Cloud, error) {
	a := c.access
	return client.Login(ctx, client.Credentials{AuthURL: a["OS_AUTH_URL"], Username: a["OS_USERNAME"], Password: a["OS_PASSWORD"], Project: a["OS_PROJECT_NAME"], Region: a["OS_REGION_NAME"]})
}

// serverID finds a server of any project by its name.
func (c *cloud) serverID(ctx context.Context, api *client.Cloud, name string) (string, error) {
	var out struct{ Servers []struct{ ID, Name string } }
	if err := api.Do(ctx, "GET", "compute", "/v2.1/servers?name=^"+name+"$", nil, &out); err != nil {
		return "", err
	}
	for _, s := range out.Servers {
		if s.Name == name {
			return s.ID, nil
		}
	}
	return "", fmt.Errorf("no server %s", name)
}

// cmdConsole: SERVER SECONDS TEXT — waits until the text stands in the console log.
func cmdConsole(ts *testscript.TestScript, neg bool, args []string) {
	seconds, err := strconv.Atoi(args[1])
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(seconds)*time.Second)
	defer cancel()
	api, err := of(ts).login(ctx)
	ts.Check(err)
	id, err := of(ts).serverID(ctx, api, args[0])
	ts.Check(err)
	var out struct{ Output string }
	for {
		err := api.Do(ctx, "POST", "compute", "/v2.1/servers/"+id+"/action", map[string]any{"os-getConsoleOutput": map[string]any{"length": nil}}, &out)
		if err == nil && strings.Contains(out.Output, args[2]) {
			return
		}
		select {
		case <-ctx.Done():
			if !neg {
				ts.Fatalf("console of %s never said %q (%v):\n%s", args[0], args[2], err, out.Output)
			}
			return
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// cmdBecomes: server|volume NAME STATUS SECONDS — waits for the status.
func cmdBecomes(ts *testscript.TestScript, _ bool, args []string) {
	seconds, err := strconv.Atoi(args[3])
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(seconds)*time.Second)
	defer cancel()
	api, err := of(ts).login(ctx)
	ts.Check(err)
	service, path := "compute", "/v2.1/servers/detail"
	if args[0] == "volume" {
		service, path = "volumev3", "/v3/"+api.ProjectID+"/volumes/detail"
	}
	for {
		var out map[string][]struct{ Name, Status string }
		err := api.Do(ctx, "GET", service, path, nil, &out)
		status := "absent"
		for _, o := range out[args[0]+"s"] {
			if o.Name == args[1] {
				status = o.Status
			}
		}
		if status == args[2] {
			return
		}
		select {
		case <-ctx.Done():
			ts.Fatalf("%s %s is %s after %d s, want %s (%v)", args[0], args[1], status, seconds, args[2], err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// cmdSSH: ADDRESS SECONDS command… — runs it in the guest with the script's key
// (file key), waiting for the guest to answer; stdout is the script's.
func cmdSSH(ts *testscript.TestScript, neg bool, args []string) {
	seconds, err := strconv.Atoi(args[1])
	ts.Check(err)
	key, err := ssh.ParsePrivateKey([]byte(ts.ReadFile("key")))
	ts.Check(err)
	until := time.Now().Add(time.Duration(seconds) * time.Second)
	for {
		out, ran, err := runSSH(args[0], key, strings.Join(args[2:], " "))
		if ran || time.Now().After(until) {
			_, _ = ts.Stdout().Write(out)
			if (err != nil) != neg {
				ts.Fatalf("ssh %s: %v\n%s", args[0], err, out)
			}
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// runSSH runs a command; ran tells that the guest took it.
func runSSH(address string, key ssh.Signer, command string) (out []byte, ran bool, err error) {
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(address, "22"), 5*time.Second)
	if err != nil {
		return nil, false, err
	}
	_ = conn.SetDeadline(time.Now().Add(90 * time.Second))
	c, chans, reqs, err := ssh.NewClientConn(conn, address, &ssh.ClientConfig{User: "cirros", Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: ssh.InsecureIgnoreHostKey()})
	if err != nil {
		_ = conn.Close()
		return nil, false, err
	}
	defer c.Close()
	session, err := ssh.NewClient(c, chans, reqs).NewSession()
	if err != nil {
		return nil, false, err
	}
	out, err = session.CombinedOutput(command)
	return out, true, err
}

// socketOf answers the WebSocket's address that noVNC's page opens.
func socketOf(page string) string {
	u, err := url.Parse(page)
	if err != nil || u.Query().Get("path") == "" {
		return page
	}
	return u.Scheme + "://" + u.Host + "/" + u.Query().Get("path")
}

// cmdWebSocket: URL TEXT — opens a console's WebSocket and waits for the text;
// negated, the URL must be refused.
func cmdWebSocket(ts *testscript.TestScript, neg bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, socketOf(args[0]), &websocket.DialOptions{Subprotocols: []string{"binary"}})
	if neg {
		if err == nil {
			ts.Fatalf("%s was let in a second time", args[0])
		}
		return
	}
	ts.Check(err)
	defer conn.CloseNow()
	_ = conn.Write(ctx, websocket.MessageBinary, []byte("\n"))
	var got bytes.Buffer
	for !strings.Contains(got.String(), args[1]) {
		_, data, err := conn.Read(ctx)
		if err != nil {
			ts.Fatalf("%s said %q and not %q: %v", args[0], got.String(), args[1], err)
		}
		got.Write(data)
	}
}

// cmdTrace29: SERVER — the trace has steps 1 to 29 in order, none failed.
func cmdTrace29(ts *testscript.TestScript, _ bool, args []string) {
	out, err := of(ts).run("trace", args[0], "--json")
	ts.Check(err)
	var t struct {
		Trace struct {
			Steps []struct {
				Number        int
				Outcome, Name string
			}
		}
	}
	ts.Check(json.Unmarshal([]byte(out), &t))
	for i, s := range t.Trace.Steps {
		if s.Number != i+1 || s.Outcome != "ok" && (s.Outcome != "skipped" || s.Number < 26 || s.Number > 28) {
			ts.Fatalf("step %d is %d %s: %s\n%s", i+1, s.Number, s.Name, s.Outcome, out)
		}
	}
	if len(t.Trace.Steps) != 29 {
		ts.Fatalf("%d steps, want 29:\n%s", len(t.Trace.Steps), out)
	}
}

// cmdLeftovers: guests — no QEMU process, tap or disk of a guest is left;
// all — nothing at all of the cloud is left on the machine.
func cmdLeftovers(ts *testscript.TestScript, _ bool, args []string) {
	of(ts).waitClean(ts, args[0] == "all")
}

func (c *cloud) waitClean(ts *testscript.TestScript, all bool) {
	until := time.Now().Add(10 * time.Second)
	for {
		left := c.left(all)
		if len(left) == 0 {
			return
		}
		if time.Now().After(until) {
			ts.Fatalf("left behind:\n%s", strings.Join(left, "\n"))
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (c *cloud) left(all bool) []string {
	var left []string
	processes, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, p := range processes {
		text, _ := os.ReadFile(p)
		cwd, _ := os.Readlink(filepath.Join(filepath.Dir(p), "cwd"))
		if strings.Contains(string(text), "qemu") && strings.HasPrefix(cwd, c.data) || all && strings.Contains(string(text), c.data) {
			left = append(left, p+" "+strings.ReplaceAll(string(text), "\x00", " "))
		}
	}
	spaces, _ := exec.Command("ip", "netns", "list").Output()
	for line := range strings.Lines(string(spaces)) {
		name := strings.Fields(line)[0]
		if !strings.Contains(name, c.id) {
			continue
		}
		if all {
			left = append(left, "namespace "+name)
		}
		links, _ := exec.Command("ip", "-n", name, "-br", "link", "show", "type", "tun").Output()
		for l := range strings.Lines(string(links)) {
			left = append(left, "tap in "+name+": "+strings.TrimSpace(l))
		}
	}
	disks, _ := filepath.Glob(filepath.Join(c.data, "hosts", "*", "disks", "guests", "*"))
	left = append(left, disks...)
	if all {
		links, _ := exec.Command("ip", "-br", "link").Output()
		tables, _ := exec.Command("nft", "list", "tables").Output()
		for line := range strings.Lines(string(links) + string(tables)) {
			if strings.Contains(line, c.id) {
				left = append(left, strings.TrimSpace(line))
			}
		}
		if _, err := os.Stat(c.data); err == nil {
			left = append(left, c.data)
		}
	}
	return left
}

// cmdGuests: N — as many QEMU processes of this cloud run, at latest soon.
func cmdGuests(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	until := time.Now().Add(10 * time.Second)
	for {
		got := of(ts).qemus()
		if len(got) == want {
			return
		}
		if time.Now().After(until) {
			ts.Fatalf("%d guests run, want %d: %v", len(got), want, got)
		}
		<-time.After(100 * time.Millisecond)
	}
}

// qemus answers the cloud's QEMU processes, one of each guest.
func (c *cloud) qemus() []string {
	var out []string
	processes, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, p := range processes {
		text, _ := os.ReadFile(p)
		cwd, _ := os.Readlink(filepath.Join(filepath.Dir(p), "cwd"))
		if program, _, _ := strings.Cut(string(text), "\x00"); strings.Contains(filepath.Base(program), "qemu-system") && strings.HasPrefix(cwd, c.data) {
			out = append(out, filepath.Dir(p))
		}
	}
	return out
}

// cmdReaches: HOST:PORT SECONDS — until new connections there are answered;
// negated, until they are not any more.
func cmdReaches(ts *testscript.TestScript, neg bool, args []string) {
	seconds, err := strconv.Atoi(args[1])
	ts.Check(err)
	until := time.Now().Add(time.Duration(seconds) * time.Second)
	for {
		conn, err := net.DialTimeout("tcp", args[0], time.Second)
		if err == nil {
			_ = conn.Close()
		}
		if (err == nil) != neg {
			return
		}
		if time.Now().After(until) {
			ts.Fatalf("%s after %d s: %v", args[0], seconds, err)
		}
		<-time.After(100 * time.Millisecond)
	}
}
