package s3

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // signatures of version 2 are HMAC-SHA1
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"altostack/objectstore"
)

// The ways of signing.
type signing int

const (
	unsigned signing = iota
	v4Header
	v4Query
	v2Header
	v2Query
)

// how tells from the outside how a request is signed.
func how(r *http.Request) signing {
	switch a := r.Header.Get("Authorization"); {
	case strings.HasPrefix(a, algorithm):
		return v4Header
	case strings.HasPrefix(a, "AWS "):
		return v2Header
	}
	raw := r.URL.RawQuery
	if !strings.Contains(raw, "X-Amz-") && !strings.Contains(raw, "AWSAccessKeyId") {
		return unsigned
	}
	switch q := r.URL.Query(); {
	case q.Has("X-Amz-Algorithm") || q.Has("X-Amz-Signature"):
		return v4Query
	case q.Has("AWSAccessKeyId"):
		return v2Query
	}
	return unsigned
}

const (
	algorithm = "AWS4-HMAC-SHA256"
	dateForm  = "20060102T150405Z"
	maxSkew   = 15 * time.Minute
	maxLife   = 7 * 24 * time.Hour // of a link signed beforehand
)

// What x-amz-content-sha256 says besides a hash.
const (
	payloadUnsigned         = "UNSIGNED-PAYLOAD"
	payloadSigned           = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	payloadSignedTrailer    = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	payloadUnsignedTrailers = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
)

// signature is what a request says of its signing.
type signature struct {
	by              signing
	access, given   string
	scope, date     string // version 4
	signedHeaders   []string
	payload         string
	secret          string
	at              time.Time
	expires         time.Time // zero: with the skew
	region, service string
}

// authenticate checks the signature and finds the caller.
func (c *call) authenticate() (err error) {
	switch by := how(c.r); by {
	case v4Header, v4Query:
		c.sig, err = parseV4(c.r, c.q, by)
	case v2Header, v2Query:
		c.sig, err = parseV2(c.r, c.q, by)
	default:
		return refusal("AccessDenied")
	}
	if err != nil {
		return err
	}
	if err := c.inTime(); err != nil {
		return err
	}
	if c.sig.secret, c.caller, err = c.keys.S3Key(c.r.Context(), c.sig.access); err != nil {
		return err
	}
	if c.caller.ProjectID == "" {
		return refusal("AccessDenied")
	}
	c.account = objectstore.AccountOf(c.caller.ProjectID)
	if !c.signed() {
		return refusal("SignatureDoesNotMatch", "AWSAccessKeyId", c.sig.access)
	}
	return nil
}

// signed reports whether the signature is the one that the request should have.
func (c *call) signed() bool {
	if c.sig.by == v4Header || c.sig.by == v4Query {
		return equalText(c.sig.v4(c.r, c.q), c.sig.given)
	}
	path := c.r.URL.EscapedPath()
	if inHost, _ := c.hostBucket(c.r); inHost != "" {
		path = "/" + inHost + path
	}
	// Some clients sign a bucket with a slash that they do not send.
	return equalText(c.sig.v2(c.r, c.q, path), c.sig.given) || c.key == "" && equalText(c.sig.v2(c.r, c.q, path+"/"), c.sig.given)
}

func (c *call) inTime() error {
	now := c.clock.Now()
	if !c.sig.expires.IsZero() {
		if now.After(c.sig.expires) {
			return refusal("AccessDenied", "Message", "Request has expired", "Expires", c.sig.expires.UTC().Format(time.RFC3339))
		}
		if c.sig.at.Sub(now) > maxSkew {
			return refusal("AccessDenied", "Message", "Request is not yet valid")
		}
		return nil
	}
	if age := now.Sub(c.sig.at); age > maxSkew || age < -maxSkew {
		return refusal("RequestTimeTooSkewed", "ServerTime", now.UTC().Format(time.RFC3339))
	}
	return nil
}

func parseV4(r *http.Request, q url.Values, by signing) (signature, error) {
	s, malformed := signature{by: by}, "AuthorizationHeaderMalformed"
	var credential, headers string
	if by == v4Header {
		_, rest, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		for part := range strings.SplitSeq(rest, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
			switch name {
			case "Credential":
				credential = value
			case "SignedHeaders":
				headers = value
			case "Signature":
				s.given = value
			}
		}
		if s.payload = r.Header.Get("X-Amz-Content-Sha256"); s.payload == "" {
			return s, refusal("InvalidRequest", "Message", "Missing required header for this request: x-amz-content-sha256")
		}
	} else {
		malformed = "AuthorizationQueryParametersError"
		if q.Get("X-Amz-Algorithm") != algorithm {
			return s, refusal(malformed, "Message", "X-Amz-Algorithm only supports \""+algorithm+"\"")
		}
		credential, headers, s.given = q.Get("X-Amz-Credential"), q.Get("X-Amz-SignedHeaders"), q.Get("X-Amz-Signature")
		if s.payload = r.Header.Get("X-Amz-Content-Sha256"); s.payload == "" {
			s.payload = payloadUnsigned
		}
	}
	parts := strings.Split(credential, "/")
	if len(parts) < 5 || headers == "" || s.given == "" {
		return s, refusal(malformed)
	}
	scope := parts[len(parts)-4:]
	s.access, s.scope = strings.Join(parts[:len(parts)-4], "/"), strings.Join(scope, "/")
	s.signedHeaders, s.region, s.service = strings.Split(headers, ";"), scope[1], scope[2]
	if s.service != "s3" || scope[3] != "aws4_request" || !slices.Contains(s.signedHeaders, "host") {
		return s, refusal(malformed)
	}
	for name := range r.Header {
		if n := strings.ToLower(name); by == v4Header && strings.HasPrefix(n, "x-amz-") && !slices.Contains(s.signedHeaders, n) {
			return s, refusal("AccessDenied", "Message", "There were headers present in the request which were not signed", "HeadersNotSigned", n)
		}
	}
	return s, s.timeV4(r, q, scope[0], malformed)
}

func (s *signature) timeV4(r *http.Request, q url.Values, day, malformed string) (err error) {
	switch {
	case s.by == v4Query:
		s.date = q.Get("X-Amz-Date")
		s.at, err = time.Parse(dateForm, s.date)
	case r.Header.Get("X-Amz-Date") != "":
		s.date = r.Header.Get("X-Amz-Date")
		s.at, err = time.Parse(dateForm, s.date)
	default:
		s.at, err = http.ParseTime(r.Header.Get("Date"))
		s.date = s.at.UTC().Format(dateForm)
	}
	if err != nil {
		return refusal("AccessDenied", "Message", "AWS authentication requires a valid Date or x-amz-date header")
	}
	if day != s.date[:8] {
		return refusal(malformed)
	}
	if s.by == v4Query {
		life, err := strconv.Atoi(q.Get("X-Amz-Expires"))
		if err != nil || life < 0 || time.Duration(life)*time.Second > maxLife {
			return refusal(malformed, "Message", "X-Amz-Expires must be a number from 0 to 604800")
		}
		s.expires = s.at.Add(time.Duration(life) * time.Second)
	}
	return nil
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// key is the key of a day, region and service.
func (s *signature) key() []byte {
	key := []byte("AWS4" + s.secret)
	for part := range strings.SplitSeq(s.scope, "/") {
		key = mac(key, part)
	}
	return key
}

// v4 is the signature that the request should have.
func (s *signature) v4(r *http.Request, q url.Values) string {
	sum := sha256.Sum256([]byte(s.canonical(r, q)))
	return hex.EncodeToString(mac(s.key(), strings.Join([]string{algorithm, s.date, s.scope, hex.EncodeToString(sum[:])}, "\n")))
}

func (s *signature) canonical(r *http.Request, q url.Values) string {
	path, err := url.PathUnescape(r.URL.EscapedPath())
	if err != nil {
		path = r.URL.Path
	}
	var b strings.Builder
	b.WriteString(r.Method + "\n" + escape(path, true) + "\n" + canonicalQuery(q, "X-Amz-Signature") + "\n")
	for _, name := range s.signedHeaders {
		b.WriteString(name + ":" + headerOf(r, name) + "\n")
	}
	b.WriteString("\n" + strings.Join(s.signedHeaders, ";") + "\n" + s.payload)
	return b.String()
}

// headerOf is a header's value as it is signed. What Go takes out of the headers
// is put back.
func headerOf(r *http.Request, name string) string {
	switch name {
	case "host":
		return r.Host
	case "content-length":
		return strconv.FormatInt(r.ContentLength, 10)
	case "transfer-encoding":
		return strings.Join(r.TransferEncoding, ",")
	}
	values := slices.Clone(r.Header.Values(name))
	for i, v := range values {
		values[i] = strings.Join(strings.Fields(v), " ")
	}
	return strings.Join(values, ",")
}

func canonicalQuery(q url.Values, without string) string {
	var pairs []string
	for name, values := range q {
		if name == without {
			continue
		}
		for _, v := range values {
			pairs = append(pairs, escape(name, false)+"="+escape(v, false))
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

// escape quotes all but letters, digits and -._~, and slashes where a path is.
func escape(s string, path bool) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		ch := s[i]
		if ch >= 'a' && ch <= 'z' || ch >= 'A' && ch <= 'Z' || ch >= '0' && ch <= '9' || strings.IndexByte("-._~", ch) >= 0 || path && ch == '/' {
			b.WriteByte(ch)
			continue
		}
		b.Write([]byte{'%', hexDigits[ch>>4], hexDigits[ch&15]})
	}
	return b.String()
}

func parseV2(r *http.Request, q url.Values, by signing) (s signature, err error) {
	s = signature{by: by, payload: payloadUnsigned}
	if by == v2Query {
		s.access, s.given = q.Get("AWSAccessKeyId"), q.Get("Signature")
		until, err := strconv.ParseInt(q.Get("Expires"), 10, 64)
		if err != nil || s.given == "" {
			return s, refusal("AccessDenied", "Message", "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters")
		}
		s.date, s.expires = q.Get("Expires"), time.Unix(until, 0)
		return s, nil
	}
	_, rest, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	at := strings.LastIndex(rest, ":")
	if at <= 0 {
		return s, argument("Authorization", r.Header.Get("Authorization"), "AWS authorization header is invalid. Expected AwsAccessKeyId:signature")
	}
	s.access, s.given = rest[:at], rest[at+1:]
	text := r.Header.Get("X-Amz-Date")
	if text == "" {
		text = r.Header.Get("Date")
		s.date = text
	}
	for _, form := range []string{time.RFC1123, time.RFC1123Z, "Mon, _2 Jan 2006 15:04:05 -0700", dateForm, time.RFC3339} {
		if s.at, err = time.Parse(form, text); err == nil {
			return s, nil
		}
	}
	return s, refusal("AccessDenied", "Message", "AWS authentication requires a valid Date or x-amz-date header")
}

// signedV2 are the parameters that signatures of version 2 cover.
var signedV2 = []string{"accelerate", "acl", "analytics", "cors", "defaultObjectAcl", "delete", "inventory", "lifecycle", "location", "logging", "metrics",
	"notification", "partNumber", "policy", "replication", "requestPayment", "response-cache-control", "response-content-disposition", "response-content-encoding",
	"response-content-language", "response-content-type", "response-expires", "restore", "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning", "versions", "website"}

// v2 is the signature that the request should have.
func (s *signature) v2(r *http.Request, q url.Values, path string) string {
	var b strings.Builder
	b.WriteString(strings.Join([]string{r.Method, r.Header.Get("Content-Md5"), r.Header.Get("Content-Type"), s.date}, "\n") + "\n")
	var names []string
	for name := range r.Header {
		if n := strings.ToLower(name); strings.HasPrefix(n, "x-amz-") {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	for _, n := range names {
		b.WriteString(n + ":" + headerOf(r, n) + "\n")
	}
	b.WriteString(path)
	sep := "?"
	for _, name := range signedV2 {
		if !q.Has(name) {
			continue
		}
		b.WriteString(sep + name)
		if v := q.Get(name); v != "" {
			b.WriteString("=" + v)
		}
		sep = "&"
	}
	h := hmac.New(sha1.New, []byte(s.secret))
	h.Write([]byte(b.String()))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}
