package ldap

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"altostack/identity"
	"altostack/identity/ldap/ldaptest"
)

func open(t *testing.T, s *ldaptest.Server, more map[string]any) *Directory {
	t.Helper()
	d, err := Open(s.Options(more), 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

func names(rows []identity.DirectoryEntry) string {
	var out []string
	for _, r := range rows {
		out = append(out, r.Name)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func corp(t *testing.T) *ldaptest.Server {
	return ldaptest.Start(t,
		ldaptest.Person("u1", "ann", "ann's", "mail=ann@corp.test", "description=first", "employeeType=TRUE", "employeeNumber=512", "title=boss"),
		ldaptest.Person("u2", "bob", "bob's", "employeeType=FALSE", "employeeNumber=514"),
		ldaptest.Person("u3", `we(ird*na\me`, "x"),
		ldaptest.Entry{"uid=out,ou=other," + ldaptest.Suffix, "inetOrgPerson", "uid=out", "cn=out", "sn=out", "userPassword=out"},
		ldaptest.GroupOf("devs", "u1", "u2"), ldaptest.GroupOf("ops", "u1"),
		ldaptest.Entry{"cn=mixed,ou=groups," + ldaptest.Suffix, "groupOfNames", "cn=mixed", "member=uid=out,ou=other," + ldaptest.Suffix, "member=uid=u2,ou=people," + ldaptest.Suffix, "member=uid=none,ou=people," + ldaptest.Suffix},
		ldaptest.Entry{"cn=posix,ou=groups," + ldaptest.Suffix, "posixGroup", "cn=posix", "gidNumber=7", "memberUid=u2", "memberUid=*"},
		ldaptest.Entry{"cn=enabled,ou=other," + ldaptest.Suffix, "groupOfNames", "cn=enabled", "member=uid=u2,ou=people," + ldaptest.Suffix},
	)
}

func TestDirectory(t *testing.T) {
	s, ctx := corp(t), t.Context()
	d := open(t, s, map[string]any{"user_additional_attribute_mapping": []any{"title:rank"}})
	find := func(by identity.Find) []identity.DirectoryEntry {
		t.Helper()
		rows, complete, err := d.Users(ctx, by)
		if err != nil || !complete {
			t.Fatalf("%+v: complete %v, %v", by, complete, err)
		}
		return rows
	}
	if got := names(find(identity.Find{})); got != `ann bob we(ird*na\me` {
		t.Errorf("users %s", got)
	}
	ann := find(identity.Find{Name: "ann"})[0]
	if ann.LocalID != "u1" || ann.Email != "ann@corp.test" || ann.Description != "first" || !ann.Enabled || ann.More["rank"] != "boss" {
		t.Errorf("ann %+v", ann)
	}
	groups, err := d.GroupsOf(ctx, ann)
	if err != nil || names(groups) != "devs ops" {
		t.Errorf("groups of ann: %s %v", names(groups), err)
	}
	for group, want := range map[string]string{"devs": "ann bob", "ops": "ann", "mixed": "bob"} {
		rows, _, err := d.Groups(ctx, identity.Find{ID: group})
		if err != nil || len(rows) != 1 {
			t.Fatalf("group %s: %v %v", group, rows, err)
		}
		members, err := d.Members(ctx, rows[0])
		if err != nil || names(members) != want {
			t.Errorf("members of %s: %s %v", group, names(members), err)
		}
	}
	t.Run("what comes from outside is no filter", func(t *testing.T) {
		for _, evil := range []string{"*", "a*", "*)(uid=*", "ann)(|(uid=*", `\2a`, "ann\x00", "&", `we(ird*na\me)`, "(objectClass=*)", strings.Repeat("x", 5000)} {
			if rows := find(identity.Find{Name: evil}); len(rows) != 0 {
				t.Errorf("name %q finds %s", evil, names(rows))
			}
			if rows := find(identity.Find{ID: evil}); len(rows) != 0 {
				t.Errorf("id %q finds %s", evil, names(rows))
			}
		}
		if rows := find(identity.Find{Name: `we(ird*na\me`}); len(rows) != 1 || rows[0].LocalID != "u3" {
			t.Errorf("the name itself: %v", rows)
		}
	})
	t.Run("passwords", func(t *testing.T) {
		for password, want := range map[string]bool{"ann's": true, "bob's": false, "": false, "ann's ": false, "*": false, "\x00": false} {
			if ok, err := d.Authenticate(ctx, ann, password); ok != want || err != nil {
				t.Errorf("%q: %v %v", password, ok, err)
			}
		}
		if ok, err := d.Authenticate(ctx, identity.DirectoryEntry{}, "x"); ok || err != nil {
			t.Errorf("nobody: %v %v", ok, err)
		}
		if ok, err := d.Authenticate(ctx, identity.DirectoryEntry{DN: "uid=none,ou=people," + ldaptest.Suffix}, "x"); ok || err != nil {
			t.Errorf("unknown: %v %v", ok, err)
		}
	})
}

func TestEnabled(t *testing.T) {
	s := corp(t)
	for name, tt := range map[string]struct {
		options map[string]any
		want    string // who is enabled
	}{
		"an attribute":                     {map[string]any{"user_enabled_attribute": "employeeType"}, `ann we(ird*na\me`},
		"inverted":                         {map[string]any{"user_enabled_attribute": "employeeType", "user_enabled_invert": true, "user_enabled_default": "True"}, "bob"},
		"a mask, as of userAccountControl": {map[string]any{"user_enabled_attribute": "employeeNumber", "user_enabled_mask": float64(2), "user_enabled_default": "512"}, `ann we(ird*na\me`},
		"a mask with a default that bars":  {map[string]any{"user_enabled_attribute": "employeeNumber", "user_enabled_mask": float64(2), "user_enabled_default": "2"}, "ann"},
		"a group":                          {map[string]any{"user_enabled_emulation": true, "user_enabled_emulation_dn": "cn=enabled,ou=other," + ldaptest.Suffix}, "bob"},
		"a group that is not there":        {map[string]any{"user_enabled_emulation": true, "user_enabled_emulation_dn": "cn=none,ou=other," + ldaptest.Suffix}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			rows, _, err := open(t, s, tt.options).Users(t.Context(), identity.Find{})
			if err != nil {
				t.Fatal(err)
			}
			rows = slices.DeleteFunc(rows, func(e identity.DirectoryEntry) bool { return !e.Enabled })
			if got := names(rows); got != tt.want {
				t.Errorf("enabled: %s", got)
			}
		})
	}
}

func TestTreesAndMembers(t *testing.T) {
	s, ctx := corp(t), t.Context()
	wide := open(t, s, map[string]any{"user_tree_dn": ldaptest.Suffix, "query_scope": "sub", "page_size": float64(2)})
	if rows, complete, err := wide.Users(ctx, identity.Find{}); err != nil || !complete || names(rows) != `ann bob out we(ird*na\me` {
		t.Errorf("sub, by pages: %s %v %v", names(rows), complete, err)
	}
	filtered := open(t, s, map[string]any{"user_filter": "(mail=*)"})
	if rows, _, err := filtered.Users(ctx, identity.Find{}); err != nil || names(rows) != "ann" {
		t.Errorf("filtered: %s %v", names(rows), err)
	}
	posix := open(t, s, map[string]any{"group_objectclass": "posixGroup", "group_member_attribute": "memberUid", "group_members_are_ids": true})
	groups, _, err := posix.Groups(ctx, identity.Find{})
	if err != nil || names(groups) != "posix" {
		t.Fatalf("posix groups: %s %v", names(groups), err)
	}
	if rows, err := posix.Members(ctx, groups[0]); err != nil || names(rows) != "bob" { // and not all of them for memberUid=*
		t.Errorf("posix members: %s %v", names(rows), err)
	}
	if rows, err := posix.GroupsOf(ctx, identity.DirectoryEntry{LocalID: "u2"}); err != nil || names(rows) != "posix" {
		t.Errorf("posix groups of bob: %s %v", names(rows), err)
	}
	few, err := Open(s.Options(nil), 2)
	if err != nil {
		t.Fatal(err)
	}
	defer few.Close()
	if rows, complete, err := few.Users(ctx, identity.Find{}); err != nil || complete || len(rows) != 2 {
		t.Errorf("a limit of 2: %d rows, complete %v, %v", len(rows), complete, err)
	}
	none := open(t, s, map[string]any{"user_tree_dn": "ou=nowhere," + ldaptest.Suffix})
	if rows, _, err := none.Users(ctx, identity.Find{}); err != nil || len(rows) != 0 {
		t.Errorf("a tree that is not there: %s %v", names(rows), err)
	}
}

// TestActiveDirectory: what slapd does not have is read as texts.
func TestActiveDirectory(t *testing.T) {
	d, err := Open(map[string]any{"group_ad_nesting": true, "user_id_attribute": "objectGUID"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := d.memberFilter(identity.DirectoryEntry{DN: "cn=a (b),dc=x"}), `(member:1.2.840.113556.1.4.1941:=cn=a \28b\29,dc=x)`; got != want {
		t.Errorf("filter %s", got)
	}
	raw := []byte{0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}
	const guid = "00112233-4455-6677-8899-aabbccddeeff"
	e := &goldap.Entry{Attributes: []*goldap.EntryAttribute{{Name: "objectGUID", Values: []string{string(raw)}, ByteValues: [][]byte{raw}}}}
	if got := idOf(e, "objectGUID"); got != guid {
		t.Errorf("guid %s", got)
	}
	if got, want := d.users.find(identity.Find{ID: guid}), `(objectGUID=\33\22\11\00\55\44\77\66\88\99\aa\bb\cc\dd\ee\ff)`; got != want {
		t.Errorf("search %s", got)
	}
}

func TestADirectoryThatIsDownOrSilent(t *testing.T) {
	s := corp(t)
	d := open(t, s, nil)
	if _, _, err := d.Users(t.Context(), identity.Find{}); err != nil {
		t.Fatal(err)
	}
	s.Stop()
	if _, _, err := d.Users(t.Context(), identity.Find{}); err == nil {
		t.Error("a stopped directory answers")
	}
	if ok, err := d.Authenticate(t.Context(), identity.DirectoryEntry{DN: "uid=u1,ou=people," + ldaptest.Suffix}, "ann's"); ok || err == nil {
		t.Errorf("a stopped directory lets in: %v %v", ok, err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // takes calls and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	silent, err := Open(map[string]any{"url": "ldap://" + l.Addr().String()}, 0)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, _, err := silent.Users(ctx, identity.Find{}); err == nil || time.Since(start) > 30*time.Second {
		t.Errorf("a silent directory: %v after %s", err, time.Since(start))
	}
}

func TestBadOptions(t *testing.T) {
	for want, o := range map[string]map[string]any{
		"want ldap://":                    {"url": "http://x"},
		"want one or sub":                 {"query_scope": "all"},
		"want a number":                   {"page_size": "many"},
		"want true or false":              {"use_tls": "perhaps"},
		"want demand, allow":              {"tls_req_cert": "maybe"},
		"tls_cacertfile":                  {"tls_cacertfile": "/nowhere"},
		`filter "(cn="`:                   {"user_filter": "(cn="},
		"user_enabled_mask = \"x\": want": {"user_enabled_mask": "x"},
	} {
		if _, err := Open(o, 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", o, err)
		}
	}
}

// TestEncrypted: the directory's certificate is verified, by StartTLS and ldaps.
func TestEncrypted(t *testing.T) {
	s, other := corp(t), ldaptest.Start(t)
	for name, tt := range map[string]struct {
		options map[string]any
		works   bool
	}{
		"StartTLS":                       {map[string]any{"use_tls": true, "tls_cacertfile": s.CA}, true},
		"StartTLS, an unknown authority": {map[string]any{"use_tls": true}, false},
		"StartTLS, another authority":    {map[string]any{"use_tls": true, "tls_cacertfile": other.CA}, false},
		"StartTLS, unverified":           {map[string]any{"use_tls": true, "tls_req_cert": "never"}, true},
		"ldaps":                          {map[string]any{"url": s.TLS, "tls_cacertfile": s.CA}, true},
		"ldaps, an unknown authority":    {map[string]any{"url": s.TLS}, false},
		"ldaps, another name":            {map[string]any{"url": strings.Replace(s.TLS, "127.0.0.1", "localhost", 1), "tls_cacertfile": s.CA}, false},
		"the second of two addresses":    {map[string]any{"url": "ldap://127.0.0.1:1," + s.URL}, true},
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t, s, tt.options)
			rows, _, err := d.Users(t.Context(), identity.Find{Name: "ann"})
			if works := err == nil && len(rows) == 1; works != tt.works {
				t.Fatalf("works: %v, %v", works, err)
			}
			if ok, _ := d.Authenticate(t.Context(), identity.DirectoryEntry{DN: "uid=u1,ou=people," + ldaptest.Suffix}, "ann's"); ok != tt.works {
				t.Errorf("a password was taken: %v", ok)
			}
		})
	}
}
