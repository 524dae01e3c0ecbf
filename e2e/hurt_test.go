//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/ssh"

	"altostack/client"
)

// inside runs a command in a namespace and answers its lines.
func inside(ns string, args ...string) []string {
	out, _ := exec.Command("ip", append([]string{"netns", "exec", ns}, args...)...).Output() // nothing there is no lines
	return strings.Fields(strings.TrimSpace(string(out)))
}

// spaces lists the cloud's namespaces whose name begins with kind: "" is the one
// with bridges and taps, "-r-" are routers, "-n-" serve networks.
func (c *cloud) spaces(kind string) []string {
	out, _ := exec.Command("ip", "netns", "list").Output()
	var found []string
	for line := range strings.Lines(string(out)) {
		name := strings.Fields(line)[0]
		if rest, ours := strings.CutPrefix(name, "alto-"+c.id); ours && (kind == "" && rest == "" || kind != "" && strings.HasPrefix(rest, kind)) {
			found = append(found, name)
		}
	}
	return found
}

// links lists a namespace's links by the beginning of their name.
func links(ns, prefix string) []string {
	var found []string
	for _, path := range inside(ns, "ls", "/sys/class/net") {
		if strings.HasPrefix(path, prefix) {
			found = append(found, path)
		}
	}
	return found
}

// pieces are what an administrator's slip can take away, each as the commands
// that do it.
var pieces = map[string]func(c *cloud) [][]string{
	"tap":    func(c *cloud) [][]string { return c.cut("", "tap") },
	"veth":   func(c *cloud) [][]string { return c.cut("", "rp") },
	"bridge": func(c *cloud) [][]string { return c.cut("", "br") },
	"uplink": func(c *cloud) [][]string {
		links, _ := filepath.Glob("/sys/class/net/al" + c.id + "*")
		var cmds [][]string
		for _, l := range links {
			cmds = append(cmds, []string{"ip", "link", "del", filepath.Base(l)})
		}
		return cmds
	},
	"rules":        func(c *cloud) [][]string { return c.each("", "nft", "flush", "ruleset") },
	"router-rules": func(c *cloud) [][]string { return c.each("-r-", "nft", "flush", "ruleset") },
	"host-rules":   func(c *cloud) [][]string { return [][]string{{"nft", "delete", "table", "inet", "alto_" + c.id}} },
	"addresses": func(c *cloud) [][]string {
		var cmds [][]string
		for _, ns := range c.spaces("-r-") {
			for _, l := range slices.Concat(links(ns, "lan"), links(ns, "wan")) {
				cmds = append(cmds, []string{"ip", "-n", ns, "addr", "flush", "dev", l})
			}
		}
		return cmds
	},
	"routers": func(c *cloud) [][]string {
		var cmds [][]string
		for _, ns := range c.spaces("-r-") {
			cmds = append(cmds, []string{"ip", "netns", "del", ns})
		}
		return cmds
	},
	"services": func(c *cloud) [][]string {
		var cmds [][]string
		for _, ns := range c.spaces("-n-") {
			cmds = append(cmds, []string{"ip", "netns", "del", ns})
		}
		return cmds
	},
}

func (c *cloud) cut(kind, prefix string) [][]string {
	var cmds [][]string
	for _, ns := range c.spaces(kind) {
		for _, l := range links(ns, prefix) {
			cmds = append(cmds, []string{"ip", "-n", ns, "link", "del", l})
		}
	}
	return cmds
}

func (c *cloud) each(kind string, command ...string) [][]string {
	var cmds [][]string
	for _, ns := range c.spaces(kind) {
		cmds = append(cmds, append([]string{"ip", "netns", "exec", ns}, command...))
	}
	return cmds
}

// inventory is what of the cloud's network is on the machine, by name, address and
// rule; hardware addresses of bridges and counters are nobody's wish.
func (c *cloud) inventory() map[string]bool {
	all := map[string]bool{}
	add := func(where string, cmd ...string) {
		out, _ := exec.Command(cmd[0], cmd[1:]...).Output() // what is gone has no lines
		for line := range strings.Lines(string(out)) {
			if line = strings.TrimSpace(line); line != "" {
				all[where+": "+line] = true
			}
		}
	}
	for _, ns := range slices.Concat(c.spaces(""), c.spaces("-r-"), c.spaces("-n-")) {
		all["namespace "+ns] = true
		for _, l := range links(ns, "") {
			all[ns+": link "+l] = true
		}
		out, _ := exec.Command("ip", "-n", ns, "-o", "-4", "addr", "show").Output()
		for line := range strings.Lines(string(out)) {
			all[ns+": address "+strings.Join(strings.Fields(line)[1:4], " ")] = true
		}
		add(ns, "ip", "netns", "exec", ns, "nft", "-s", "list", "ruleset")
	}
	add("machine", "nft", "-s", "list", "table", "inet", "alto_"+c.id)
	found, _ := filepath.Glob("/sys/class/net/al" + c.id + "*")
	for _, l := range found {
		all[l] = true
	}
	return all
}

// missing answers what was in the first inventory and is not in the second.
func missing(was, is map[string]bool) []string {
	var gone []string
	for line := range was {
		if !is[line] {
			gone = append(gone, line)
		}
	}
	slices.Sort(gone)
	return gone
}

// cmdHurt: PIECE — takes a piece of the cloud's network away, as a slip would, and
// sees it come back within 5 s.
func cmdHurt(ts *testscript.TestScript, _ bool, args []string) {
	c := of(ts)
	was := c.inventory()
	cmds := pieces[args[0]](c)
	if len(cmds) == 0 {
		ts.Fatalf("there is no %s to take away", args[0])
	}
	began := time.Now()
	for _, cmd := range cmds {
		if out, err := exec.Command(cmd[0], cmd[1:]...).CombinedOutput(); err != nil {
			ts.Logf("%s: %v %s", strings.Join(cmd, " "), err, out) // the peer of what went before
		}
	}
	first := -1
	for {
		took := time.Since(began)
		left := missing(was, c.inventory())
		if first < 0 {
			first = len(left)
		}
		if len(left) == 0 {
			ts.Logf("%d lines were gone; all is there after %v", first, took.Round(time.Millisecond))
			return
		}
		if took > 5*time.Second {
			ts.Fatalf("not back after 5 s:\n%s", strings.Join(left, "\n"))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

type heldKey struct{}

// cmdHold: ADDRESS — opens an SSH connection to a guest and keeps it.
func cmdHold(ts *testscript.TestScript, _ bool, args []string) {
	key, err := ssh.ParsePrivateKey([]byte(ts.ReadFile("key")))
	ts.Check(err)
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(args[0], "22"), 5*time.Second)
	ts.Check(err)
	c, chans, reqs, err := ssh.NewClientConn(conn, args[0], &ssh.ClientConfig{User: "cirros", Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: ssh.InsecureIgnoreHostKey()})
	ts.Check(err)
	held := ssh.NewClient(c, chans, reqs)
	*ts.Value(heldKey{}).(**ssh.Client) = held
	ts.Defer(func() { _ = held.Close() })
}

// cmdHeld: SECONDS command… — runs it over the connection that hold opened, which
// must still be there.
func cmdHeld(ts *testscript.TestScript, _ bool, args []string) {
	seconds, err := strconv.Atoi(args[0])
	ts.Check(err)
	held := *ts.Value(heldKey{}).(**ssh.Client)
	type answer struct {
		out []byte
		err error
	}
	done := make(chan answer, 1)
	began := time.Now()
	go func() {
		session, err := held.NewSession()
		if err != nil {
			done <- answer{nil, err}
			return
		}
		out, err := session.CombinedOutput(strings.Join(args[1:], " "))
		done <- answer{out, err}
	}()
	select {
	case a := <-done:
		ts.Logf("answered after %v", time.Since(began).Round(time.Millisecond))
		_, _ = ts.Stdout().Write(a.out)
		ts.Check(a.err)
	case <-time.After(time.Duration(seconds) * time.Second):
		ts.Fatalf("the connection is silent for %d s", seconds)
	}
}

// cmdWhole: SECONDS ADDRESS — waits until a guest answers, and says how long that took.
func cmdWhole(ts *testscript.TestScript, _ bool, args []string) {
	seconds, err := strconv.Atoi(args[0])
	ts.Check(err)
	began := time.Now()
	for until := began.Add(time.Duration(seconds) * time.Second); ; {
		conn, err := net.DialTimeout("tcp", net.JoinHostPort(args[1], "22"), 300*time.Millisecond)
		if err == nil {
			_ = conn.Close()
			ts.Logf("back after %v", time.Since(began).Round(time.Millisecond))
			return
		}
		if time.Now().After(until) {
			ts.Fatalf("%s does not answer %d s later: %v", args[1], seconds, err)
		}
	}
}

// serverView is a server as the API shows it to its administrator.
type serverView struct {
	ID, Name, Status string
	Fault            struct{ Message string }
	Task             *string `json:"OS-EXT-STS:task_state"`
}

func (c *cloud) everyServer(ctx context.Context, api *client.Cloud) ([]serverView, error) {
	var out struct{ Servers []serverView }
	err := api.Do(ctx, "GET", "compute", "/v2.1/servers/detail", nil, &out)
	return out.Servers, err
}

// cmdKills: N SEED IMAGE-NAME — kills the process N times, at moments drawn from
// the seed, while servers are created and deleted; after each restart every server
// must become ACTIVE or ERROR with a cause, and the machine must hold what live
// servers own.
func cmdKills(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	seed, err := strconv.ParseUint(args[1], 10, 64)
	ts.Check(err)
	r := rand.New(rand.NewPCG(seed, 0))
	c := of(ts)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	for i := range n {
		api, err := c.login(ctx)
		ts.Check(err)
		ts.Check(c.disturb(ctx, api, r, i, args[2]))
		time.Sleep(time.Duration(r.IntN(900)) * time.Millisecond) // the moment is the point of the test
		cmdCloud(ts, false, []string{"kill"})
		cmdCloud(ts, false, []string{"start"})
		useAccess(ts, c, "demo")
		if bad := c.whole(ctx, 60*time.Second); len(bad) > 0 {
			ts.Fatalf("after kill %d of seed %d:\n%s", i+1, seed, strings.Join(bad, "\n"))
		}
		ts.Logf("kill %d: whole", i+1)
	}
}

// cmdClear deletes every server of the project that the script is in.
func cmdClear(ts *testscript.TestScript, _ bool, _ []string) {
	c, ctx := of(ts), context.Background()
	useAccess(ts, c, "demo")
	api, err := c.login(ctx)
	ts.Check(err)
	servers, err := c.everyServer(ctx, api)
	ts.Check(err)
	for _, s := range servers {
		ts.Check(api.Do(ctx, "DELETE", "compute", "/v2.1/servers/"+s.ID, nil, nil))
	}
	if bad := c.whole(ctx, 60*time.Second); len(bad) > 0 {
		ts.Fatalf("after the deletes:\n%s", strings.Join(bad, "\n"))
	}
}

// disturb creates a server, and deletes the oldest where there are two already.
func (c *cloud) disturb(ctx context.Context, api *client.Cloud, r *rand.Rand, i int, image string) error {
	servers, err := c.everyServer(ctx, api)
	if err != nil {
		return err
	}
	if len(servers) > 1 || len(servers) == 1 && r.IntN(3) == 0 {
		if err := api.Do(ctx, "DELETE", "compute", "/v2.1/servers/"+servers[len(servers)-1].ID, nil, nil); err != nil {
			return err
		}
	}
	var images struct{ Images []struct{ ID string } }
	if err := api.Do(ctx, "GET", "image", "/v2/images?name="+image, nil, &images); err != nil {
		return err
	}
	var networks struct{ Networks []struct{ ID string } }
	if err := api.Do(ctx, "GET", "network", "/v2.0/networks?name=private", nil, &networks); err != nil {
		return err
	}
	if len(images.Images) == 0 || len(networks.Networks) == 0 {
		return fmt.Errorf("no image %s or no network private", image)
	}
	return api.Do(ctx, "POST", "compute", "/v2.1/servers", map[string]any{"server": map[string]any{"name": fmt.Sprint("k", i), "imageRef": images.Images[0].ID, "flavorRef": "1",
		"networks": []any{map[string]string{"uuid": networks.Networks[0].ID}}}}, nil)
}

// whole waits until every server is at rest and the machine holds what they own,
// and answers what is not so.
func (c *cloud) whole(ctx context.Context, patience time.Duration) []string {
	until := time.Now().Add(patience)
	for {
		bad := c.unlike(ctx)
		if len(bad) == 0 || time.Now().After(until) {
			return bad
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func (c *cloud) unlike(ctx context.Context) (bad []string) {
	api, err := c.login(ctx)
	if err != nil {
		return []string{err.Error()}
	}
	servers, err := c.everyServer(ctx, api)
	if err != nil {
		return []string{err.Error()}
	}
	var live []string
	for _, s := range servers {
		switch {
		case s.Task != nil:
			bad = append(bad, fmt.Sprintf("server %s is %s, %s", s.ID, s.Status, *s.Task))
		case s.Status == "ACTIVE":
			live = append(live, s.ID)
		case s.Status != "ERROR" || s.Fault.Message == "":
			bad = append(bad, fmt.Sprintf("server %s is %s: %q", s.ID, s.Status, s.Fault.Message))
		}
	}
	var ports struct {
		Ports []struct {
			ID     string
			Device string `json:"device_id"`
			Owner  string `json:"device_owner"`
		}
	}
	if err := api.Do(ctx, "GET", "network", "/v2.0/ports", nil, &ports); err != nil {
		return []string{err.Error()}
	}
	owners, taps := []string{}, []string{}
	for _, p := range ports.Ports {
		if strings.HasPrefix(p.Owner, "compute:") {
			owners = append(owners, p.Device)
			taps = append(taps, "tap"+strings.ReplaceAll(p.ID, "-", "")[:12])
		}
	}
	fabric := "alto-" + c.id
	return append(bad, slices.Concat(differ("ports of servers", owners, live), differ("QEMU processes", c.processes(), live),
		differ("disks", c.folders("disks", "guests"), live), differ("QEMU folders", c.folders("qemu", "run"), live),
		differ("taps", links(fabric, "tap"), taps), differ("nftables sets", c.sets(taps), taps))...)
}

// processes answers the guests that have a QEMU process.
func (c *cloud) processes() []string {
	var ids []string
	found, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, p := range found {
		text, _ := os.ReadFile(p)
		cwd, _ := os.Readlink(filepath.Join(filepath.Dir(p), "cwd"))
		if strings.Contains(string(text), "qemu-system") && strings.HasPrefix(cwd, c.data) {
			ids = append(ids, filepath.Base(cwd))
		}
	}
	return ids
}

func (c *cloud) folders(kind, sub string) []string {
	var ids []string
	found, _ := filepath.Glob(filepath.Join(c.data, "hosts", "*", kind, sub, "*"))
	for _, f := range found {
		ids = append(ids, filepath.Base(f))
	}
	return ids
}

// sets answers for which taps there are rules.
func (c *cloud) sets(taps []string) []string {
	text := strings.Join(inside("alto-"+c.id, "nft", "list", "ruleset"), " ")
	var found []string
	for word := range strings.FieldsSeq(text) {
		if name := strings.Trim(word, `",`); strings.HasPrefix(name, "tap") && len(name) == 15 && !slices.Contains(found, name) {
			found = append(found, name)
		}
	}
	return found
}

func differ(what string, have, want []string) []string {
	slices.Sort(have)
	slices.Sort(want)
	if slices.Equal(have, want) {
		return nil
	}
	return []string{fmt.Sprintf("%s: %v, and live servers own %v", what, have, want)}
}

// cmdPid: SERVER NAME — puts the process id of a server's guest into a variable.
func cmdPid(ts *testscript.TestScript, _ bool, args []string) {
	out, err := of(ts).run("status", "--json")
	ts.Check(err)
	var st struct{ Hosts []struct{ PIDs []int } }
	ts.Check(json.Unmarshal([]byte(out), &st))
	var pids []int
	for _, h := range st.Hosts {
		pids = append(pids, h.PIDs...)
	}
	if len(pids) != 1 {
		ts.Fatalf("%d guests run, want one: %v", len(pids), pids)
	}
	ts.Setenv(args[0], strconv.Itoa(pids[0]))
}
