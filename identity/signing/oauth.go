package signing

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"net/url"
	"slices"
	"strings"
)

// OAuth is a request that is signed by OAuth 1.0a (RFC 5849) in its header
// Authorization.
type OAuth struct {
	Method string
	URL    string            // without the query
	Query  url.Values        // and the form, if the body is one
	Params map[string]string // of the header
}

// ParseOAuth reads the header; nil where it is none of OAuth.
func ParseOAuth(header string) map[string]string {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(header), " ")
	if !strings.EqualFold(scheme, "OAuth") {
		return nil
	}
	params := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, found := strings.Cut(strings.TrimSpace(part), "=")
		name, err := url.PathUnescape(name)
		if !found || err != nil {
			return nil
		}
		if value, err = url.PathUnescape(strings.Trim(value, `"`)); err != nil {
			return nil
		}
		if _, twice := params[name]; twice {
			return nil
		}
		params[name] = value
	}
	return params
}

// Holds tells whether the secrets of the program and of its token made the
// signature; before there is a token, its secret is empty.
func (r OAuth) Holds(consumerSecret, tokenSecret string) bool {
	want := r.Sign(consumerSecret, tokenSecret)
	return want != "" && same(want, r.Params["oauth_signature"])
}

// Sign makes the signature; empty where the method is none that counts: in clear,
// or by a key that nobody registered.
func (r OAuth) Sign(consumerSecret, tokenSecret string) string {
	var sum func() hash.Hash
	switch r.Params["oauth_signature_method"] {
	case "HMAC-SHA1":
		sum = sha1.New
	case "HMAC-SHA256":
		sum = sha256.New
	default:
		return ""
	}
	m := hmac.New(sum, []byte(escape(consumerSecret)+"&"+escape(tokenSecret)))
	m.Write([]byte(r.base()))
	return base64.StdEncoding.EncodeToString(m.Sum(nil))
}

// base is the text that is signed: RFC 5849, section 3.4.1.
func (r OAuth) base() string {
	var pairs []string
	for name, value := range r.Params {
		if name != "realm" && name != "oauth_signature" {
			pairs = append(pairs, escape(name)+"="+escape(value))
		}
	}
	for name, values := range r.Query {
		for _, value := range values {
			pairs = append(pairs, escape(name)+"="+escape(value))
		}
	}
	slices.Sort(pairs)
	return strings.ToUpper(r.Method) + "&" + escape(plainURL(r.URL)) + "&" + escape(strings.Join(pairs, "&"))
}

// plainURL spells scheme and host in lower case, without a port that says nothing.
func plainURL(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return text
	}
	u.Scheme, u.Host, u.RawQuery, u.Fragment = strings.ToLower(u.Scheme), strings.ToLower(u.Host), "", ""
	if u.Scheme == "http" {
		u.Host = strings.TrimSuffix(u.Host, ":80")
	}
	if u.Scheme == "https" {
		u.Host = strings.TrimSuffix(u.Host, ":443")
	}
	return u.String()
}
