//go:build e2e

// Package e2e drives the built executable as a person does: the real openstack
// command, real guests, real networks, and a look for litter at the end. Each
// script in testdata/script has a cloud of its own.
//
// Run it by `make test-e2e`: it needs root, QEMU, nftables, the openstack client
// and the tiny guest image, and fails, naming it, where one is missing.
package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/ssh"

	"altostack/client"
)

func TestMain(m *testing.M) { os.Exit(m.Run()) }

// need answers a path from the environment, or what is missing and how to get it.
func need(t *testing.T, name string) string {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		t.Fatalf("%s is not set: run these scripts by 'make test-e2e'", name)
	}
	if _, err := os.Stat(v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return v
}

func TestScripts(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("these scripts program the host's network and so need root")
	}
	for _, program := range []string{"qemu-system-x86_64", "nft", "ip", "openstack", "swift", "rclone", "s3cmd", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%s is missing: 'tools/setup run demo test' installs it", program)
		}
	}
	binary, image := need(t, "ALTOSTACK_BIN"), need(t, "ALTOSTACK_IMAGE")
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		ContinueOnError:     os.Getenv("E2E_CONTINUE") != "", // all failures of a script at once, for its author
		Setup: func(e *testscript.Env) error {
			port, err := freePort()
			if err != nil {
				return err
			}
			e.Setenv("ALTOSTACK", binary)
			e.Setenv("IMAGE", image)
			e.Setenv("DATA", filepath.Join(e.WorkDir, "cloud"))
			e.Setenv("PORT", strconv.Itoa(port))
			e.Setenv("OBJECT_MIB", objectMiB())
			e.Setenv("PYTHONWARNINGS", "ignore")
			e.Setenv("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
			e.Setenv("HOME", e.WorkDir)
			c := &cloud{data: filepath.Join(e.WorkDir, "cloud"), binary: binary, port: port}
			e.Values[cloudKey{}] = c
			var held *ssh.Client
			e.Values[heldKey{}] = &held
			e.Defer(c.wipe)
			other, err := freePort()
			if err != nil {
				return err
			}
			c.second = &cloud{data: filepath.Join(e.WorkDir, "second"), binary: binary, port: other}
			e.Defer(c.second.wipe)
			return os.Chmod(e.WorkDir, 0o711)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"cloud": cmdCloud, "as": cmdAs, "console": cmdConsole, "ssh": cmdSSH, "leftovers": cmdLeftovers,
			"api": cmdAPI, "until": cmdUntil, "pick": cmdPick, "inventory": cmdInventory, "fill": cmdFill, "cutoff": cmdCutOff,
			"second": cmdSecond, "guests": cmdGuests, "waitlog": cmdWaitLog, "reaches": cmdReaches,
			"capture": cmdCapture, "retry": cmdRetry, "becomes": cmdBecomes, "vnc": cmdWebSocket, "trace29": cmdTrace29,
			"provider": cmdProvider, "browse": cmdBrowse, "slapd": cmdSlapd, "expand": cmdExpand,
			"hurt": cmdHurt, "hold": cmdHold, "held": cmdHeld, "whole": cmdWhole, "kills": cmdKills, "clear": cmdClear, "pid": cmdPid,
			"tree": cmdTree, "random": cmdRandom, "blobs": cmdBlobs, "web": cmdWeb,
		},
	})
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

type cloudKey struct{}

// cloud is a script's own.
type cloud struct {
	data, binary string
	port         int
	id           string
	access       map[string]string
	second       *cloud                   // another one beside it
	sessions     map[string]*client.Cloud // by identity, since the last start
	last         answer                   // of the last api command
	kept         map[string]string        // the inventory at "inventory save"
}

func of(ts *testscript.TestScript) *cloud { return ts.Value(cloudKey{}).(*cloud) }

func (c *cloud) run(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, c.binary, append(args, "--data", c.data)...).CombinedOutput()
	return string(out), err
}

func (c *cloud) wipe() { _, _ = c.run("wipe", "--force") }

// cmdCloud: start [flags…] | kill | reload | stop [--guests stop] | wipe
func cmdCloud(ts *testscript.TestScript, neg bool, args []string) { of(ts).control(ts, neg, args) }

// cmdSecond: the same for the second cloud, and "as PROJECT", "leftovers all".
// From its start until the next "as" the script's requests go to it.
func cmdSecond(ts *testscript.TestScript, neg bool, args []string) {
	first := of(ts)
	c := first.second
	switch args[0] {
	case "as":
		useAccess(ts, c, args[1])
		first.access = c.access
	case "leftovers":
		c.waitClean(ts, args[1] == "all")
	default:
		c.control(ts, neg, args)
		first.sessions = nil
	}
}

func (c *cloud) control(ts *testscript.TestScript, neg bool, args []string) {
	var out string
	var err error
	switch args[0] {
	case "start":
		out, err = c.run(append([]string{"up", "--detach", "--hypervisor", "qemu", "--listen", fmt.Sprintf("127.0.0.1:%d", c.port)}, args[1:]...)...)
		if err == nil {
			c.sessions = nil
			c.id, err = cloudID(c.data)
			useAccess(ts, c, "admin")
		}
	case "kill", "reload":
		pid, rerr := os.ReadFile(filepath.Join(c.data, "lock"))
		ts.Check(rerr)
		signal := map[string]string{"kill": "-KILL", "reload": "-HUP"}[args[0]]
		err = exec.Command("kill", signal, strings.TrimSpace(string(pid))).Run()
		if args[0] == "kill" && err == nil {
			err = released(filepath.Join(c.data, "lock"))
		}
	case "stop":
		out, err = c.run(append([]string{"down"}, args[1:]...)...)
	case "wipe":
		out, err = c.run("wipe")
	default:
		ts.Fatalf("cloud %s?", args[0])
	}
	ts.Logf("%s", out)
	if (err != nil) != neg {
		ts.Fatalf("cloud %s: %v", strings.Join(args, " "), err)
	}
}

// released waits until the kernel has put a killed process away, whose lock on its
// data directory ends last.
func released(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
}

// cmdAs: admin | demo — whose OS_* the openstack command sees.
func cmdAs(ts *testscript.TestScript, _ bool, args []string) { useAccess(ts, of(ts), args[0]) }

func useAccess(ts *testscript.TestScript, c *cloud, project string) {
	var err error
	c.access, err = c.openrc(project)
	ts.Check(err)
	for k, v := range c.access {
		ts.Setenv(k, v)
	}
}

// openrc answers the OS_* variables of the admin or the demo project.
func (c *cloud) openrc(project string) (map[string]string, error) {
	out, err := c.run("openrc", "--project", project)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	access := map[string]string{}
	for line := range strings.Lines(out) {
		if kv, ok := strings.CutPrefix(strings.TrimSpace(line), "export "); ok {
			k, v, _ := strings.Cut(kv, "=")
			access[k] = v
		}
	}
	return access, nil
}

// cmdCapture: NAME command… — puts the command's output into a variable.
func cmdCapture(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Exec(args[1], args[2:]...))
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

// cmdRetry: SECONDS command… — until the command succeeds.
func cmdRetry(ts *testscript.TestScript, _ bool, args []string) {
	seconds, err := strconv.Atoi(args[0])
	ts.Check(err)
	until := time.Now().Add(time.Duration(seconds) * time.Second)
	for {
		err := ts.Exec(args[1], args[2:]...)
		if err == nil {
			return
		}
		if time.Now().After(until) {
			ts.Fatalf("%s still fails after %d s: %v", strings.Join(args[1:], " "), seconds, err)
		}
	}
}

// cmdWaitLog: TEXT — until the cloud's log says it.
func cmdWaitLog(ts *testscript.TestScript, _ bool, args []string) {
	until := time.Now().Add(10 * time.Second)
	for {
		text, err := os.ReadFile(filepath.Join(of(ts).data, "log", "altostack.log"))
		if err == nil && strings.Contains(string(text), args[0]) {
			return
		}
		if time.Now().After(until) {
			ts.Fatalf("the log never said %q (%v)", args[0], err)
		}
		<-time.After(50 * time.Millisecond)
	}
}
