// Package dbtest gives store tests their databases: a fresh SQLite file, and a
// fresh schema in a PostgreSQL that this package starts once per test process
// from the distribution's own binaries.
package dbtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"altostack/kernel/db"
	"altostack/kernel/id"
)

// Each runs test once on SQLite and once on PostgreSQL, with the tables of
// service migrated.
func Each(t *testing.T, service string, migrations fs.FS, test func(t *testing.T, d *db.DB)) {
	t.Helper()
	for name, open := range map[string]func(testing.TB) *db.DB{"sqlite": SQLite, "postgres": PostgreSQL} {
		t.Run(name, func(t *testing.T) {
			d := open(t)
			if err := d.Migrate(t.Context(), service, migrations); err != nil {
				t.Fatal(err)
			}
			test(t, d)
		})
	}
}

// SQLite opens a new file that goes with the test.
func SQLite(t testing.TB) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "test.db")+"?sync=off")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// PostgreSQL opens a new database on a server of the test's own.
func PostgreSQL(t testing.TB) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), PostgreSQLURL(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// PostgreSQLURL makes a new database on a server of the test's own, for those who
// open it themselves.
func PostgreSQLURL(t testing.TB) string {
	t.Helper()
	socket, err := server()
	if err != nil {
		t.Fatalf("PostgreSQL is needed (apt-get install postgresql): %v", err)
	}
	name := "t" + strconv.FormatInt(databases.Add(1), 10) + id.Secret(4)
	admin, err := db.Open(t.Context(), dsn(socket, "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if err := admin.CreateDatabase(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	return dsn(socket, name)
}

func dsn(socket, name string) string {
	return fmt.Sprintf("postgres://postgres@/%s?host=%s", name, socket)
}

var databases atomic.Int64

// server starts PostgreSQL on a unix socket in a folder of its own. It ends with
// the test process: the kernel kills it when its parent dies.
var server = sync.OnceValues(func() (string, error) {
	bins, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil || len(bins) == 0 {
		return "", fmt.Errorf("no /usr/lib/postgresql/*/bin")
	}
	bin := slices.Max(bins)
	dir, err := os.MkdirTemp("", "altostack-pg-")
	if err != nil {
		return "", err
	}
	var cred *syscall.Credential
	if os.Getuid() == 0 { // initdb refuses root
		if cred, err = account("postgres"); err != nil {
			return "", err
		}
		if err := os.Chown(dir, int(cred.Uid), int(cred.Gid)); err != nil {
			return "", err
		}
	}
	command := func(name string, args ...string) *exec.Cmd {
		c := exec.Command(filepath.Join(bin, name), args...)
		c.Dir = dir
		c.SysProcAttr = &syscall.SysProcAttr{Credential: cred, Pdeathsig: syscall.SIGQUIT}
		return c
	}
	data := filepath.Join(dir, "data")
	if out, err := command("initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C").CombinedOutput(); err != nil {
		return "", fmt.Errorf("initdb: %w: %s", err, out)
	}
	return dir, start(command("postgres", "-D", data, "-c", "listen_addresses=", "-c", "unix_socket_directories="+dir,
		"-c", "fsync=off", "-c", "max_connections=200"), dir)
})

// account finds a user of this machine. The C library's own look-up, which os/user
// takes under the race detector, fails where name services are large.
func account(name string) (*syscall.Credential, error) {
	text, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Split(line, ":")
		if len(f) > 3 && f[0] == name {
			uid, uerr := strconv.ParseUint(f[2], 10, 32)
			gid, gerr := strconv.ParseUint(f[3], 10, 32)
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(uerr, gerr)
		}
	}
	return nil, fmt.Errorf("no user %s", name)
}

// start waits for the server by asking it, as its socket exists before it answers.
func start(c *exec.Cmd, dir string) error {
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return err
	}
	c.Stdout, c.Stderr = log, log
	// Pdeathsig follows the thread that forked, so that thread must live on.
	started := make(chan error)
	ended := make(chan error, 1)
	go func() {
		lockThread()
		started <- c.Start()
		ended <- c.Wait()
	}()
	if err := <-started; err != nil {
		return err
	}
	for {
		d, err := db.Open(context.Background(), dsn(dir, "postgres"))
		if err == nil {
			return d.Close()
		}
		select {
		case err := <-ended:
			return fmt.Errorf("postgres ended: %w", err)
		default:
		}
	}
}
