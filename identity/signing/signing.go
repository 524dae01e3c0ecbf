// Package signing makes the signatures by which clients of the EC2 and S3
// protocols prove that they know a secret, so that they can be compared with what
// a client sent. It keeps nothing and is safe for concurrent use.
//
// Wire format: AWS Signature versions 0, 1, 2 and 4, as keystoneclient's
// Ec2Signer reads them from a request that a service passes on.
package signing

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net"
	"slices"
	"strings"
)

// Request is a client's request as the service that got it tells it.
type Request struct {
	Access    string
	Signature string
	Verb      string
	Host      string
	Path      string
	Params    map[string]string // of the query, or of the form
	Headers   map[string]string
	BodyHash  string // hexadecimal SHA-256; version 4 only
}

// ErrForm is a request that cannot carry a signature as it is.
var ErrForm = errors.New("not a signed request of a known version")

const algorithm4 = "AWS4-HMAC-SHA256"

// Holds tells whether the secret made the request's signature. Some clients sign
// the host without its port, hence both are tried.
func (r Request) Holds(secret string) bool {
	want, err := r.sign(secret)
	if err == nil && same(want, r.Signature) {
		return true
	}
	host, _, split := net.SplitHostPort(r.Host)
	if split != nil {
		return false
	}
	r.Host = host
	want, err = r.sign(secret)
	return err == nil && same(want, r.Signature)
}

// same compares in constant time; an empty signature holds nothing.
func same(want, got string) bool {
	return got != "" && subtle.ConstantTimeCompare([]byte(want), []byte(got)) == 1
}

func (r Request) sign(secret string) (string, error) {
	switch version := r.Params["SignatureVersion"]; {
	case version == "0":
		return keyed1(secret, r.Params["Action"]+r.Params["Timestamp"]), nil
	case version == "1":
		return keyed1(secret, r.joined()), nil
	case version == "2":
		return r.sign2(secret), nil
	case version == "" && r.version4():
		return r.sign4(secret)
	}
	return "", ErrForm
}

// joined is every parameter and its value, by name without regard to case.
func (r Request) joined() string {
	names := keys(r.Params)
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	var b strings.Builder
	for _, name := range names {
		b.WriteString(name)
		b.WriteString(r.Params[name])
	}
	return b.String()
}

func keys(m map[string]string) []string {
	out := make([]string, 0, len(m))
	for name := range m {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

func keyed1(secret, text string) string {
	m := hmac.New(sha1.New, []byte(secret))
	m.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(m.Sum(nil))
}

func keyed256(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

func (r Request) sign2(secret string) string {
	params := map[string]string{"SignatureMethod": "HmacSHA256"}
	for name, value := range r.Params {
		if name != "SignatureMethod" {
			params[name] = value
		}
	}
	text := r.Verb + "\n" + r.Host + "\n" + r.Path + "\n" + query(params)
	return base64.StdEncoding.EncodeToString(keyed256([]byte(secret), text))
}

// query is the canonical query string: sorted, with everything but the
// unreserved characters escaped.
func query(params map[string]string) string {
	pairs := make([]string, 0, len(params))
	for _, name := range keys(params) {
		pairs = append(pairs, escape(name)+"="+escape(params[name]))
	}
	return strings.Join(pairs, "&")
}

func escape(s string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.~", c) >= 0:
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}

func (r Request) version4() bool {
	return strings.HasPrefix(r.Headers["Authorization"], algorithm4) || r.Params["X-Amz-Algorithm"] == algorithm4
}

// part4 is a part of what a client says of its signature, in the header
// Authorization or else in the query.
func (r Request) part4(name string) string {
	header, has := r.Headers["Authorization"]
	if !has {
		return r.Params["X-Amz-"+name]
	}
	_, rest, _ := strings.Cut(header, name+"=")
	value, _, _ := strings.Cut(rest, ",")
	return strings.TrimSpace(value)
}

// Stamp is the time that the signature covers, as the client spelled it; empty
// where it covers none.
func (r Request) Stamp() string {
	if r.Params["SignatureVersion"] == "" && r.version4() {
		return r.date4()
	}
	return r.Params["Timestamp"]
}

func (r Request) date4() string {
	if d := r.Headers["X-Amz-Date"]; d != "" {
		return d
	}
	return r.Params["X-Amz-Date"]
}

// sign4 signs the canonical request. The date and the access key of the signature
// must be those of the request: the key derived from them is then of that day, and
// of that secret.
func (r Request) sign4(secret string) (string, error) {
	scope := strings.Split(r.part4("Credential"), "/")
	date := r.date4()
	if len(scope) != 5 || scope[0] != r.Access || scope[4] != "aws4_request" || scope[1] == "" || !strings.HasPrefix(date, scope[1]) || r.BodyHash == "" {
		return "", ErrForm
	}
	names := r.part4("SignedHeaders")
	params := ""
	if !strings.EqualFold(r.Verb, "POST") {
		params = query(unsigned(r.Params))
	}
	headers := r.headers4(names)
	canonical := strings.Join([]string{strings.ToUpper(r.Verb), r.Path, params, headers, names, r.BodyHash}, "\n")
	sum := sha256.Sum256([]byte(canonical))
	text := strings.Join([]string{algorithm4, date, strings.Join(scope[1:], "/"), hex.EncodeToString(sum[:])}, "\n")
	return hex.EncodeToString(keyed256(key4(secret, scope[1:]), text)), nil
}

// unsigned leaves out the signature, which cannot sign itself.
func unsigned(params map[string]string) map[string]string {
	out := map[string]string{}
	for name, value := range params {
		if name != "X-Amz-Signature" {
			out[name] = value
		}
	}
	return out
}

func (r Request) headers4(names string) string {
	lower := map[string]string{}
	for name, value := range r.Headers {
		lower[strings.ToLower(strings.TrimSpace(name))] = strings.TrimSpace(value)
	}
	var lines []string
	for name := range strings.SplitSeq(names, ";") {
		value, has := lower[name]
		if !has {
			continue
		}
		lines = append(lines, name+":"+value)
	}
	return strings.Join(lines, "\n") + "\n"
}

// key4 derives the key of a day, a region and a service.
func key4(secret string, scope []string) []byte {
	key := []byte("AWS4" + secret)
	for _, part := range scope[:3] {
		key = keyed256(key, part)
	}
	return keyed256(key, "aws4_request")
}

// HoldsText tells whether the secret made the signature of a text, as S3 gateways
// pass it on: of version 4 for one of the services that may ask so, or else of
// version 1.
func HoldsText(text []byte, signature, secret string) bool {
	if !bytes.HasPrefix(text, []byte("AWS4")) {
		return same(keyed1(secret, string(text)), signature)
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) != 4 || lines[0] != algorithm4 {
		return false
	}
	scope := strings.Split(lines[2], "/")
	if len(scope) != 4 || scope[3] != "aws4_request" || !slices.Contains([]string{"s3", "iam", "sts"}, scope[2]) {
		return false
	}
	return same(hex.EncodeToString(keyed256(key4(secret, scope), string(text))), signature)
}
