// Package ldap reads a domain's users and groups in a directory: OpenLDAP, Active
// Directory and their like.
//
// The one idea: a directory is asked, never written, and what comes from outside
// (a name, an id, a distinguished name) reaches it escaped or not at all. A password
// is proved by binding as the user; an empty one is refused before that, because
// directories take it for no password and let anybody in.
//
// A Directory is safe for concurrent use. Connections are kept for the next search;
// binds of users have connections of their own, so that no search ever runs with a
// user's rights. Everything ends in time: connecting, binding, searching.
//
// Options are spelled and default as Keystone's section [ldap]; what is not there
// is not supported, docs/differences.md lists it. Wire format: LDAP v3 (RFC 4511),
// paged results (RFC 2696), Active Directory's rule for chains of membership.
package ldap

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
)

// options are a domain's section [ldap], read.
type options struct {
	urls           []string
	user, password string
	scope, deref   int
	pageSize       uint32
	limit          int // entries of one search
	startTLS       bool
	tls            *tls.Config
	pool           int
	lifetime       time.Duration

	users, groups tree
	mail          string
	enabled       enabledRule
	member        string
	membersAreIDs bool
	nesting       bool
}

// tree is where one kind of entry stands.
type tree struct {
	people                bool // users, not groups
	base, class, filter   string
	id, name, description string
	more                  map[string]string // attribute of the directory → of the object
}

// enabledRule is how an entry says that its user may log in.
type enabledRule struct {
	attribute string // empty: everybody may
	mask      int64
	invert    bool
	fallback  string
	listed    string // with emulation: the entry that lists who may
	listedBy  string // and the attribute that it lists them by
}

// settings reads options by name, noting the first that cannot be.
type settings struct {
	values map[string]any
	err    error
}

func (s *settings) text(name, fallback string) string {
	v, has := s.values[name]
	if !has || v == nil {
		return fallback
	}
	return strings.TrimSpace(fmt.Sprint(v))
}

func (s *settings) flag(name string, fallback bool) bool {
	text := s.text(name, strconv.FormatBool(fallback))
	switch strings.ToLower(text) {
	case "true", "1", "yes", "on":
		return true
	case "false", "0", "no", "off", "":
		return false
	}
	s.fail("%s = %q: want true or false", name, text)
	return false
}

func (s *settings) number(name string, fallback int64) int64 {
	text := s.text(name, strconv.FormatInt(fallback, 10))
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		s.fail("%s = %q: want a number", name, text)
	}
	return int64(f)
}

func (s *settings) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf(format, args...)
	}
}

func (s *settings) pairs(name string) map[string]string {
	out := map[string]string{}
	v := s.values[name]
	var texts []string
	switch x := v.(type) {
	case []any:
		for _, e := range x {
			texts = append(texts, fmt.Sprint(e))
		}
	case string:
		texts = strings.Split(x, ",")
	}
	for _, t := range texts {
		if from, to, ok := strings.Cut(strings.TrimSpace(t), ":"); ok && from != "" && to != "" {
			out[from] = to
		}
	}
	return out
}

// read turns a domain's options into what is worked with. limit bounds a search.
func read(values map[string]any, limit int) (options, error) {
	s := &settings{values: values}
	suffix := s.text("suffix", "cn=example,cn=com")
	o := options{
		user: s.text("user", ""), password: s.text("password", ""), pageSize: uint32(max(0, s.number("page_size", 0))), limit: limit,
		startTLS: s.flag("use_tls", false), lifetime: time.Duration(s.number("pool_connection_lifetime", 600)) * time.Second,
		users: tree{people: true, base: s.text("user_tree_dn", "ou=Users,"+suffix), class: s.text("user_objectclass", "inetOrgPerson"), filter: s.text("user_filter", ""),
			id: s.text("user_id_attribute", "cn"), name: s.text("user_name_attribute", "sn"), description: s.text("user_description_attribute", "description"),
			more: s.pairs("user_additional_attribute_mapping")},
		groups: tree{base: s.text("group_tree_dn", "ou=UserGroups,"+suffix), class: s.text("group_objectclass", "groupOfNames"), filter: s.text("group_filter", ""),
			id: s.text("group_id_attribute", "cn"), name: s.text("group_name_attribute", "ou"), description: s.text("group_desc_attribute", "description"),
			more: s.pairs("group_additional_attribute_mapping")},
		mail: s.text("user_mail_attribute", "mail"), member: s.text("group_member_attribute", "member"), membersAreIDs: s.flag("group_members_are_ids", false), nesting: s.flag("group_ad_nesting", false),
	}
	o.enabled = s.enabled(o)
	if s.flag("use_pool", true) {
		o.pool = int(s.number("pool_size", 10))
	}
	switch scope := s.text("query_scope", "one"); scope {
	case "one":
		o.scope = goldap.ScopeSingleLevel
	case "sub":
		o.scope = goldap.ScopeWholeSubtree
	default:
		s.fail("query_scope = %q: want one or sub", scope)
	}
	o.deref = map[string]int{"default": goldap.NeverDerefAliases, "never": goldap.NeverDerefAliases, "searching": goldap.DerefInSearching, "finding": goldap.DerefFindingBaseObj, "always": goldap.DerefAlways}[s.text("alias_dereferencing", "default")]
	for _, u := range strings.Split(s.text("url", "ldap://localhost"), ",") {
		u = strings.TrimSpace(u)
		if !strings.HasPrefix(u, "ldap://") && !strings.HasPrefix(u, "ldaps://") && !strings.HasPrefix(u, "ldapi://") {
			s.fail("url = %q: want ldap://, ldaps:// or ldapi://", u)
		}
		o.urls = append(o.urls, u)
	}
	for _, filter := range []string{o.users.filter, o.groups.filter} {
		if _, err := goldap.CompileFilter(filter); filter != "" && err != nil {
			s.fail("filter %q: %v", filter, err)
		}
	}
	if s.err == nil {
		o.tls, s.err = s.tls()
	}
	return o, s.err
}

func (s *settings) enabled(o options) enabledRule {
	r := enabledRule{attribute: s.text("user_enabled_attribute", "enabled"), mask: s.number("user_enabled_mask", 0), invert: s.flag("user_enabled_invert", false), fallback: s.text("user_enabled_default", "True")}
	if s.flag("user_enabled_emulation", false) {
		r.listed, r.listedBy = s.text("user_enabled_emulation_dn", "cn=enabled_users,"+o.users.base), "member"
		if s.flag("user_enabled_emulation_use_group_config", false) {
			r.listedBy = o.member
		}
	}
	return r
}

func (s *settings) tls() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	switch want := s.text("tls_req_cert", "demand"); want {
	case "demand":
	case "never", "allow":
		c.InsecureSkipVerify = true //nolint:gosec // the operator said so
	default:
		return nil, fmt.Errorf("tls_req_cert = %q: want demand, allow or never", want)
	}
	var files []string
	if f := s.text("tls_cacertfile", ""); f != "" {
		files = append(files, f)
	}
	if d := s.text("tls_cacertdir", ""); d != "" {
		more, err := filepath.Glob(filepath.Join(d, "*"))
		if err != nil {
			return nil, err
		}
		files = append(files, more...)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			return nil, fmt.Errorf("tls_cacertfile: %w", err)
		}
		if c.RootCAs == nil {
			c.RootCAs = x509.NewCertPool()
		}
		if !c.RootCAs.AppendCertsFromPEM(data) && len(files) == 1 {
			return nil, errors.New("tls_cacertfile holds no certificate")
		}
	}
	return c, nil
}
