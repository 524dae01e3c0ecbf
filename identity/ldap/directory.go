package ldap

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	goldap "github.com/go-ldap/ldap/v3"

	"altostack/identity"
)

// Directory implements identity.Directory.
type Directory struct {
	options
	idle chan idle
	// downUntil is when it is tried again after it did not answer, in nanoseconds.
	downUntil atomic.Int64
	binds     chan struct{} // binds of users at once
}

// defaultLimit is how many entries a search answers where the domain's list_limit
// says nothing.
const defaultLimit = 10000

// maxBinds bounds the users who prove their passwords at once.
const maxBinds = 100

// Open makes a directory of a domain's options. Nothing is asked yet. limit is the
// most entries that a search answers.
func Open(values map[string]any, limit int) (*Directory, error) {
	o, err := read(values, limit)
	if err != nil {
		return nil, err
	}
	if o.limit <= 0 {
		o.limit = defaultLimit
	}
	return &Directory{options: o, idle: make(chan idle, o.pool), binds: make(chan struct{}, maxBinds)}, nil
}

// Users answers the users who fit; complete is false where there are more than the
// limit.
func (d *Directory) Users(ctx context.Context, by identity.Find) (found []identity.DirectoryEntry, complete bool, err error) {
	return d.listUsers(ctx, d.users.find(by))
}

// Groups answers the groups that fit.
func (d *Directory) Groups(ctx context.Context, by identity.Find) ([]identity.DirectoryEntry, bool, error) {
	return d.search(ctx, d.groups, d.scope, d.groups.find(by))
}

// GroupsOf answers the groups that a user is a member of.
func (d *Directory) GroupsOf(ctx context.Context, u identity.DirectoryEntry) ([]identity.DirectoryEntry, error) {
	rows, _, err := d.search(ctx, d.groups, d.scope, d.memberFilter(u))
	return rows, err
}

func (d *Directory) memberFilter(u identity.DirectoryEntry) string {
	who, rule := u.DN, ""
	if d.membersAreIDs {
		who = u.LocalID
	} else if d.nesting {
		rule = ":" + inChain + ":"
	}
	return fmt.Sprintf("(%s%s=%s)", d.member, rule, goldap.EscapeFilter(who))
}

// inChain is Active Directory's rule that follows groups within groups.
const inChain = "1.2.840.113556.1.4.1941"

// Members answers the users who are members of a group. Those that are not within
// the users' tree, or do not fit its filter, are none.
func (d *Directory) Members(ctx context.Context, g identity.DirectoryEntry) ([]identity.DirectoryEntry, error) {
	if d.nesting {
		rows, _, err := d.listUsers(ctx, fmt.Sprintf("(memberOf:%s:=%s)", inChain, goldap.EscapeFilter(g.DN)))
		return rows, err
	}
	var names []string
	err := d.with(ctx, func(c *goldap.Conn) error {
		res, err := c.Search(goldap.NewSearchRequest(g.DN, goldap.ScopeBaseObject, goldap.NeverDerefAliases, 1, int(replyTime.Seconds()), false, "(objectClass=*)", []string{d.member}, nil))
		if err == nil && len(res.Entries) > 0 {
			names = res.Entries[0].GetAttributeValues(d.member)
		}
		return ignoreAbsent(err)
	})
	if err != nil {
		return nil, err
	}
	if d.membersAreIDs {
		return d.membersByID(ctx, names)
	}
	var out []identity.DirectoryEntry
	for _, dn := range names {
		one, err := d.at(ctx, dn)
		if err != nil {
			return nil, err
		}
		out = append(out, one...)
	}
	return out, nil
}

func ignoreAbsent(err error) error {
	if goldap.IsErrorWithCode(err, goldap.LDAPResultNoSuchObject) {
		return nil
	}
	return err
}

// membersByID reads members in handfuls, so that a filter stays short.
func (d *Directory) membersByID(ctx context.Context, ids []string) (out []identity.DirectoryEntry, err error) {
	for handful := range slices.Chunk(ids, 50) {
		var b strings.Builder
		for _, id := range handful {
			b.WriteString(d.users.equals(d.users.id, id))
		}
		rows, _, err := d.listUsers(ctx, "(|"+b.String()+")")
		if err != nil {
			return nil, err
		}
		out = append(out, rows...)
	}
	return out, nil
}

// at answers the user whose entry has a name, if it is one of the domain's.
func (d *Directory) at(ctx context.Context, dn string) ([]identity.DirectoryEntry, error) {
	base, err := goldap.ParseDN(d.users.base)
	if err != nil {
		return nil, err
	}
	name, err := goldap.ParseDN(dn)
	if err != nil || !base.AncestorOfFold(name) {
		return nil, nil // not a user of this tree
	}
	one := d.users
	one.base = dn
	rows, _, err := d.search(ctx, one, goldap.ScopeBaseObject, "")
	return rows, err
}

// Authenticate proves a password by binding as the user. An error says that the
// directory could not be asked.
func (d *Directory) Authenticate(ctx context.Context, u identity.DirectoryEntry, password string) (bool, error) {
	if password == "" || u.DN == "" {
		return false, nil
	}
	select {
	case d.binds <- struct{}{}:
		defer func() { <-d.binds }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	c, err := d.dial(ctx)
	if err != nil {
		return false, err
	}
	defer func() { _ = c.Close() }()
	err = c.Bind(u.DN, password)
	switch {
	case err == nil:
		return true, nil
	case broken(err):
		return false, err
	}
	return false, nil // whatever the directory has against it
}

func (t tree) equals(attribute, value string) string {
	if raw, ok := guidBytes(attribute, value); ok {
		var b strings.Builder
		for _, c := range raw {
			fmt.Fprintf(&b, `\%02x`, c)
		}
		return "(" + attribute + "=" + b.String() + ")"
	}
	return "(" + attribute + "=" + goldap.EscapeFilter(value) + ")"
}

func (t tree) find(by identity.Find) string {
	switch {
	case by.ID != "":
		return t.equals(t.id, by.ID)
	case by.Name != "":
		return t.equals(t.name, by.Name)
	}
	return ""
}

func (d *Directory) listUsers(ctx context.Context, condition string) ([]identity.DirectoryEntry, bool, error) {
	return d.search(ctx, d.users, d.scope, condition)
}

// search answers the entries of a tree that fit; those without an id or a name are
// left out.
func (d *Directory) search(ctx context.Context, t tree, scope int, condition string) (out []identity.DirectoryEntry, complete bool, err error) {
	filter := "(objectClass=" + goldap.EscapeFilter(t.class) + ")"
	if t.filter != "" {
		filter += t.filter
	}
	filter = "(&" + filter + condition + ")"
	attributes := []string{t.id, t.name, t.description, d.mail, d.enabled.attribute}
	for from := range t.more {
		attributes = append(attributes, from)
	}
	complete = true
	err = d.with(ctx, func(c *goldap.Conn) error {
		r := goldap.NewSearchRequest(t.base, scope, d.deref, d.limit+1, int(replyTime.Seconds()), false, filter, slices.DeleteFunc(attributes, func(s string) bool { return s == "" }), nil)
		var res *goldap.SearchResult
		var err error
		if d.pageSize > 0 && scope != goldap.ScopeBaseObject {
			r.SizeLimit = 0
			res, err = c.SearchWithPaging(r, d.pageSize)
		} else {
			res, err = c.Search(r)
		}
		if goldap.IsErrorWithCode(err, goldap.LDAPResultSizeLimitExceeded) {
			complete, err = false, nil
		}
		if err = ignoreAbsent(err); err != nil || res == nil {
			return err
		}
		out = nil
		for _, e := range res.Entries {
			if one, ok := d.entry(t, e); ok {
				out = append(out, one)
			}
		}
		return nil
	})
	if len(out) > d.limit {
		out, complete = out[:d.limit], false
	}
	if err == nil && d.enabled.listed != "" && t.people {
		err = d.emulate(ctx, out)
	}
	return out, complete, err
}

// emulate enables those whom the entry lists that stands for an attribute.
func (d *Directory) emulate(ctx context.Context, rows []identity.DirectoryEntry) error {
	listed := map[string]bool{}
	err := d.with(ctx, func(c *goldap.Conn) error {
		res, err := c.Search(goldap.NewSearchRequest(d.enabled.listed, goldap.ScopeBaseObject, goldap.NeverDerefAliases, 1, int(replyTime.Seconds()), false, "(objectClass=*)", []string{d.enabled.listedBy}, nil))
		if err == nil && len(res.Entries) > 0 {
			for _, dn := range res.Entries[0].GetAttributeValues(d.enabled.listedBy) {
				listed[strings.ToLower(dn)] = true
			}
		}
		return ignoreAbsent(err)
	})
	for i := range rows {
		rows[i].Enabled = listed[strings.ToLower(rows[i].DN)]
	}
	return err
}

func (d *Directory) entry(t tree, e *goldap.Entry) (identity.DirectoryEntry, bool) {
	out := identity.DirectoryEntry{DN: e.DN, LocalID: idOf(e, t.id), Name: e.GetEqualFoldAttributeValue(t.name), Description: e.GetEqualFoldAttributeValue(t.description), More: map[string]string{}}
	if t.people {
		out.Email = e.GetEqualFoldAttributeValue(d.mail)
	}
	out.Enabled = d.enabled.of(e)
	for from, to := range t.more {
		if v := e.GetEqualFoldAttributeValue(from); v != "" && utf8.ValidString(v) {
			out.More[to] = v
		}
	}
	return out, plain(out.LocalID) && plain(out.Name)
}

// plain tells whether a text can be an id or a name here.
func plain(s string) bool {
	return s != "" && len(s) <= 255 && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// of tells whether an entry's user may log in.
func (r enabledRule) of(e *goldap.Entry) bool {
	text := r.fallback
	if v := e.GetEqualFoldAttributeValue(r.attribute); r.attribute != "" && v != "" {
		text = v
	}
	if r.mask != 0 {
		n, err := strconv.ParseInt(text, 10, 64)
		return err == nil && n&r.mask != r.mask
	}
	return strings.EqualFold(text, "true") != r.invert
}

const guidAttribute = "objectguid"

// idOf reads an id; Active Directory's GUID is spelled as people do.
func idOf(e *goldap.Entry, attribute string) string {
	if !strings.EqualFold(attribute, guidAttribute) {
		return e.GetEqualFoldAttributeValue(attribute)
	}
	for _, a := range e.Attributes {
		if strings.EqualFold(a.Name, attribute) && len(a.ByteValues) > 0 && len(a.ByteValues[0]) == 16 {
			h := hex.EncodeToString(swapped(a.ByteValues[0]))
			return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
		}
	}
	return ""
}

// swapped turns a GUID's first three numbers, which are stored little end first.
func swapped(b []byte) []byte {
	return []byte{b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]}
}

func guidBytes(attribute, value string) ([]byte, bool) {
	if !strings.EqualFold(attribute, guidAttribute) {
		return nil, false
	}
	raw, err := hex.DecodeString(strings.ReplaceAll(value, "-", ""))
	if err != nil || len(raw) != 16 {
		return nil, false
	}
	return swapped(raw), true
}
