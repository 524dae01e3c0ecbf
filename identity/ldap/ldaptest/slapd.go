// Package ldaptest runs a real directory server, OpenLDAP's slapd, as a child of a
// test: on a loopback port, with its files in the test's folder. A machine without
// slapd fails the test and says so.
package ldaptest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
)

// What every directory of this package has.
const (
	Suffix   = "dc=corp,dc=test"
	Root     = "cn=manager,dc=corp,dc=test"
	Password = "manager's"
)

// Server is a running slapd.
type Server struct {
	URL  string
	TLS  string // the same by ldaps
	CA   string // file with the authority that vouches for it
	dir  string
	port int
	cmd  *exec.Cmd
	// ended gets one value, when the process is gone.
	ended <-chan error
}

const configuration = `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/msuser.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile %[1]s/pid
argsfile %[1]s/args
sizelimit %[2]d
TLSCACertificateFile %[1]s/ca.pem
TLSCertificateFile %[1]s/cert.pem
TLSCertificateKeyFile %[1]s/key.pem
database mdb
suffix "dc=corp,dc=test"
rootdn "cn=manager,dc=corp,dc=test"
rootpw "manager's"
directory %[1]s/db
maxsize 16777216
access to attrs=userPassword by anonymous auth by * none
access to * by * read
`

// Start runs a server with the entries given as LDIF would have them, and three
// containers: ou=people, ou=groups, ou=other.
func Start(t testing.TB, entries ...Entry) *Server {
	t.Helper()
	program, err := exec.LookPath("slapd")
	if err != nil {
		if program = "/usr/sbin/slapd"; !exists(program) {
			t.Fatal("slapd is missing: install the packages slapd and ldap-utils")
		}
	}
	s := &Server{dir: t.TempDir()}
	if err := os.Mkdir(filepath.Join(s.dir, "db"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "slapd.conf"), fmt.Appendf(nil, configuration, s.dir, 500), 0o600); err != nil {
		t.Fatal(err)
	}
	s.port = freePort(t)
	s.URL, s.TLS = fmt.Sprintf("ldap://127.0.0.1:%d", s.port), fmt.Sprintf("ldaps://127.0.0.1:%d", freePort(t))
	s.CA = filepath.Join(s.dir, "ca.pem")
	certify(t, s.dir)
	s.run(t, program)
	t.Cleanup(s.Stop)
	base := []Entry{{Suffix, "dcObject organization", "dc=corp", "o=Corp"}}
	for _, ou := range []string{"people", "groups", "other"} {
		base = append(base, Entry{"ou=" + ou + "," + Suffix, "organizationalUnit", "ou=" + ou})
	}
	s.Add(t, append(base, entries...)...)
	return s
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// certify writes a key and a certificate for 127.0.0.1, which is its own authority.
func certify(t testing.TB, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	about := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "directory"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	cert, err := x509.CreateCertificate(rand.Reader, about, about, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"ca.pem": {Type: "CERTIFICATE", Bytes: cert}, "cert.pem": {Type: "CERTIFICATE", Bytes: cert}, "key.pem": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// run starts slapd in the foreground and waits until it takes calls.
func (s *Server) run(t testing.TB, program string) {
	t.Helper()
	s.cmd = exec.Command(program, "-d", "0", "-f", filepath.Join(s.dir, "slapd.conf"), "-h", s.URL+" "+s.TLS)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	s.ended = ended
	go func() { ended <- s.cmd.Wait() }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(30 * time.Second)
	for {
		if c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.port)); err == nil {
			_ = c.Close()
			return
		}
		select {
		case err := <-ended:
			t.Fatalf("slapd ended: %v", err)
		case <-late:
			t.Fatal("slapd did not start within 30 seconds")
		case <-tick.C:
		}
	}
}

// Stop ends the server; doing so twice is fine.
func (s *Server) Stop() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		<-s.ended
		s.cmd = nil
	}
}

// Entry is an entry of the directory: its name, its classes with spaces, and its
// attributes as name=value.
type Entry []string

// Add writes entries.
func (s *Server) Add(t testing.TB, entries ...Entry) {
	t.Helper()
	s.as(t, func(c *goldap.Conn) error {
		for _, e := range entries {
			r := goldap.NewAddRequest(e[0], nil)
			r.Attribute("objectClass", strings.Fields(e[1]))
			values := map[string][]string{}
			for _, a := range e[2:] {
				name, value, _ := strings.Cut(a, "=")
				values[name] = append(values[name], value)
			}
			for name, v := range values {
				r.Attribute(name, v)
			}
			if err := c.Add(r); err != nil {
				return fmt.Errorf("%s: %w", e[0], err)
			}
		}
		return nil
	})
}

// Set replaces an attribute; without values it goes.
func (s *Server) Set(t testing.TB, dn, attribute string, values ...string) {
	t.Helper()
	s.as(t, func(c *goldap.Conn) error {
		r := goldap.NewModifyRequest(dn, nil)
		r.Replace(attribute, values)
		return c.Modify(r)
	})
}

// Remove deletes an entry.
func (s *Server) Remove(t testing.TB, dn string) {
	t.Helper()
	s.as(t, func(c *goldap.Conn) error { return c.Del(goldap.NewDelRequest(dn, nil)) })
}

func (s *Server) as(t testing.TB, f func(*goldap.Conn) error) {
	t.Helper()
	c, err := goldap.DialURL(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := c.Bind(Root, Password); err != nil {
		t.Fatal(err)
	}
	if err := f(c); err != nil {
		t.Fatal(err)
	}
}

// Person is a user below ou=people.
func Person(id, name, password string, more ...string) Entry {
	return append(Entry{"uid=" + id + ",ou=people," + Suffix, "inetOrgPerson", "uid=" + id, "cn=" + name, "sn=" + name, "userPassword=" + password}, more...)
}

// GroupOf is a group below ou=groups with the people as members.
func GroupOf(id string, people ...string) Entry {
	e := Entry{"cn=" + id + ",ou=groups," + Suffix, "groupOfNames", "cn=" + id}
	for _, p := range people {
		e = append(e, "member=uid="+p+",ou=people,"+Suffix)
	}
	return e
}

// Options are the settings of a domain for this server.
func (s *Server) Options(more map[string]any) map[string]any {
	o := map[string]any{"url": s.URL, "suffix": Suffix, "user": Root, "password": Password, "user_tree_dn": "ou=people," + Suffix, "user_id_attribute": "uid", "user_name_attribute": "cn",
		"group_tree_dn": "ou=groups," + Suffix, "group_id_attribute": "cn", "group_name_attribute": "cn"}
	for name, value := range more {
		o[name] = value
	}
	return o
}
