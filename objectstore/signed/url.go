package signed

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Methods lists what a temporary URL may be for.
var Methods = []string{"GET", "HEAD", "PUT", "POST", "DELETE"}

// Request is what somebody wants to do with a temporary URL. Object is empty for a
// container itself, which only static web pages serve.
type Request struct {
	Method                     string
	Account, Container, Object string // decoded
	Query                      url.Values
	Client                     netip.Addr
	Now                        time.Time
	// Mounts are what may stand before /v1 in the path that was signed: clients
	// sign the path of the URL that the catalog gave them.
	Mounts []string
}

// Grant is what a temporary URL allows beyond the request it came with.
type Grant struct {
	Scope    Scope
	Expires  time.Time
	Filename string
	Inline   bool
	Prefix   *string // nil: one object
}

// Present reports whether a query asks to be let in by signature.
func Present(q url.Values) bool { return q.Has("temp_url_sig") || q.Has("temp_url_expires") }

// Check answers what the URL grants, or ErrInvalid.
func (r Request) Check(keys Keys) (Grant, error) {
	q := r.Query
	g := Grant{Filename: q.Get("filename"), Inline: q.Has("inline")}
	if q.Has("temp_url_prefix") {
		p := q.Get("temp_url_prefix")
		g.Prefix = &p
	}
	expires, ok := expiry(q.Get("temp_url_expires"))
	if !ok || expires < r.Now.Unix() || !r.reachable(g.Prefix) || !r.near(q.Get("temp_url_ip_range")) {
		return Grant{}, ErrInvalid
	}
	g.Expires = time.Unix(expires, 0).UTC()
	sig, err := parse(q.Get("temp_url_sig"))
	if err != nil {
		return Grant{}, err
	}
	g.Scope, err = sig.match(keys, r.texts(expires, g.Prefix, q.Get("temp_url_ip_range")))
	return g, err
}

// reachable tells whether the path is one that can be signed at all.
func (r Request) reachable(prefix *string) bool {
	if !slices.Contains(Methods, r.Method) || r.Account == "" || r.Container == "" {
		return false
	}
	if strings.Trim(r.Object, "/") == "" {
		return prefix != nil && *prefix == "" && (r.Method == "GET" || r.Method == "HEAD")
	}
	return prefix == nil || strings.HasPrefix(r.Object, *prefix)
}

func (r Request) near(network string) bool {
	if network == "" {
		return true
	}
	client := r.Client.Unmap()
	if p, err := netip.ParsePrefix(network); err == nil {
		return p == p.Masked() && client.IsValid() && p.Contains(client)
	}
	a, err := netip.ParseAddr(network)
	return err == nil && client.IsValid() && a == client
}

// texts lists all that may have been signed for this request.
func (r Request) texts(expires int64, prefix *string, network string) []string {
	methods := []string{r.Method}
	if r.Method == "HEAD" {
		methods = []string{"HEAD", "GET", "POST", "PUT"}
	}
	kind, rest := "", r.Object
	if prefix != nil {
		kind, rest = "prefix:", *prefix
	}
	lead := ""
	if network != "" {
		lead = "ip=" + network + "\n"
	}
	var out []string
	for _, m := range methods {
		for _, mount := range append([]string{""}, r.Mounts...) {
			out = append(out, lead+m+"\n"+strconv.FormatInt(expires, 10)+"\n"+kind+mount+"/v1/"+r.Account+"/"+r.Container+"/"+rest)
		}
	}
	return out
}

// expiry reads seconds since 1970 or a UTC time; ok is false for neither.
func expiry(s string) (int64, bool) {
	if n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64); err == nil {
		return n, n > 0
	}
	t, err := time.Parse("2006-01-02T15:04:05Z", s)
	return t.Unix(), err == nil
}

// Forbidden names the request headers that point at other data, which a
// temporary URL for writing must not be able to do.
var Forbidden = []string{"X-Object-Manifest", "X-Symlink-Target", "X-Copy-From"}

// Disposition answers Content-Disposition for a download by temporary URL. stored
// is the object's own, name its last segment.
func (g Grant) Disposition(stored, name string) string {
	switch {
	case g.Inline && g.Filename != "":
		return disposition("inline", g.Filename)
	case g.Inline:
		return "inline"
	case g.Filename != "":
		return disposition("attachment", g.Filename)
	case stored != "":
		return strings.ReplaceAll(stored, "\n", "%0A")
	}
	name = strings.TrimRight(name, "/")
	return disposition("attachment", name[strings.LastIndex(name, "/")+1:])
}

func disposition(kind, name string) string {
	return kind + `; filename="` + quote(name, " /") + `"; filename*=UTF-8''` + quote(name, "/")
}

// quote escapes all but letters, digits, _.-~ and what is given.
func quote(s, safe string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_.-~"+safe, c) >= 0 {
			b.WriteByte(c)
		} else {
			b.WriteString("%" + strings.ToUpper(string("0123456789abcdef"[c>>4])+string("0123456789abcdef"[c&15])))
		}
	}
	return b.String()
}
