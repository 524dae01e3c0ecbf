package s3

import (
	"encoding/json"
	"encoding/xml"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"altostack/objectstore"
)

const corsKey = "s3.cors" // in System, JSON

// corsRule is one rule of a bucket.
type corsRule struct {
	ID             string   `xml:"ID,omitempty"`
	AllowedOrigins []string `xml:"AllowedOrigin"`
	AllowedMethods []string `xml:"AllowedMethod"`
	AllowedHeaders []string `xml:"AllowedHeader"`
	ExposeHeaders  []string `xml:"ExposeHeader"`
	MaxAgeSeconds  int      `xml:"MaxAgeSeconds,omitempty"`
}

type corsConfig struct {
	XMLName xml.Name   `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CORSConfiguration"`
	Rules   []corsRule `xml:"CORSRule"`
}

func rulesOf(con objectstore.Container) (rules []corsRule) {
	if text := con.System[corsKey]; text != "" {
		_ = json.Unmarshal([]byte(text), &rules) // putCORS made it
	}
	// Swift's own metadata say it in their way.
	if origins := strings.Fields(con.Meta["Access-Control-Allow-Origin"]); len(origins) > 0 && rules == nil {
		age, _ := strconv.Atoi(con.Meta["Access-Control-Max-Age"])
		rules = []corsRule{{AllowedOrigins: origins, AllowedMethods: []string{"GET", "HEAD", "PUT", "POST", "DELETE"}, AllowedHeaders: []string{"*"},
			ExposeHeaders: strings.Fields(con.Meta["Access-Control-Expose-Headers"]), MaxAgeSeconds: age}}
	}
	return rules
}

func (c *call) getCORS() error {
	con, err := c.con(writeBucket)
	if err != nil {
		return err
	}
	rules := rulesOf(con)
	if len(rules) == 0 {
		return refusal("NoSuchCORSConfiguration", "BucketName", c.bucket)
	}
	return c.answer(corsConfig{Rules: rules})
}

const maxRules = 100

func (c *call) putCORS() error {
	if _, err := c.con(writeBucket); err != nil {
		return err
	}
	var body struct {
		Rules []corsRule `xml:"CORSRule"`
	}
	if some, err := c.text(&body); err != nil || !some || len(body.Rules) == 0 || len(body.Rules) > maxRules {
		return orMalformed(err)
	}
	for _, r := range body.Rules {
		if len(r.AllowedOrigins) == 0 || len(r.AllowedMethods) == 0 {
			return refusal("MalformedXML")
		}
		for _, m := range r.AllowedMethods {
			if !slices.Contains([]string{"GET", "PUT", "HEAD", "POST", "DELETE"}, m) {
				return refusal("InvalidRequest", "Message", "Found unsupported HTTP method in CORS config. Unsupported method is "+m)
			}
		}
		for _, o := range append(slices.Clone(r.AllowedOrigins), r.AllowedHeaders...) {
			if strings.Count(o, "*") > 1 {
				return refusal("InvalidRequest", "Message", "AllowedOrigin \""+o+"\" can not have more than one wildcard.")
			}
		}
	}
	text, err := json.Marshal(body.Rules)
	if err != nil {
		return err
	}
	return c.saveCORS(string(text), http.StatusOK)
}

func (c *call) deleteCORS() error {
	if _, err := c.con(writeBucket); err != nil {
		return err
	}
	return c.saveCORS("", http.StatusNoContent)
}

func (c *call) saveCORS(text string, status int) error {
	_, err := c.svc.UpdateContainer(c.r.Context(), c.account, c.bucket, func(con *objectstore.Container) error {
		con.System = objectstore.Merge(con.System, map[string]string{corsKey: text})
		return nil
	})
	if err != nil {
		return err
	}
	return c.empty(status)
}

func wild(pattern, s string) bool {
	before, after, has := strings.Cut(pattern, "*")
	return !has && pattern == s || has && len(s) >= len(before)+len(after) && strings.HasPrefix(s, before) && strings.HasSuffix(s, after)
}

// rule finds the first rule for an origin, a method and headers.
func rule(rules []corsRule, origin, method string, headers []string) (corsRule, bool) {
	for _, r := range rules {
		fits := slices.ContainsFunc(r.AllowedOrigins, func(o string) bool { return wild(o, origin) }) && slices.Contains(r.AllowedMethods, method)
		for _, h := range headers {
			fits = fits && slices.ContainsFunc(r.AllowedHeaders, func(a string) bool { return wild(strings.ToLower(a), strings.ToLower(h)) })
		}
		if fits {
			return r, true
		}
	}
	return corsRule{}, false
}

func (r corsRule) write(h http.Header, origin string) {
	if slices.Contains(r.AllowedOrigins, "*") {
		h.Set("Access-Control-Allow-Origin", "*")
	} else {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	h.Add("Vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method")
	h.Set("Access-Control-Allow-Methods", strings.Join(r.AllowedMethods, ", "))
	if len(r.ExposeHeaders) > 0 {
		h.Set("Access-Control-Expose-Headers", strings.Join(r.ExposeHeaders, ", "))
	}
	if r.MaxAgeSeconds > 0 {
		h.Set("Access-Control-Max-Age", strconv.Itoa(r.MaxAgeSeconds))
	}
}

// crossOrigin lets a browser's script read the answer if a rule of the bucket does.
func (c *call) crossOrigin() error {
	origin := c.r.Header.Get("Origin")
	if origin == "" || c.bucket == "" {
		return nil
	}
	con, err := c.svc.Container(c.r.Context(), c.account, c.bucket)
	if err != nil {
		return nil //nolint:nilerr // the handler tells what is wrong with the bucket
	}
	if r, ok := rule(rulesOf(con), origin, c.r.Method, nil); ok {
		r.write(c.w.Header(), origin)
	}
	return nil
}

// options answers a preflight. A link that was signed beforehand tells the account,
// whose bucket then decides; otherwise the cloud's own list does.
func (c *call) options() error {
	origin, method := c.r.Header.Get("Origin"), c.r.Header.Get("Access-Control-Request-Method")
	if origin == "" || method == "" {
		return refusal("InvalidRequest", "Message", "Insufficient information. Origin request header needed.")
	}
	headers := strings.FieldsFunc(c.r.Header.Get("Access-Control-Request-Headers"), func(r rune) bool { return r == ',' || r == ' ' })
	rules := []corsRule{{AllowedOrigins: c.preflight, AllowedMethods: []string{"GET", "PUT", "HEAD", "POST", "DELETE"}, AllowedHeaders: []string{"*"}}}
	if access := signer(c.q); access != "" {
		_, p, err := c.keys.S3Key(c.r.Context(), access)
		if err != nil {
			return refusal("AccessDenied")
		}
		con, err := c.svc.Container(c.r.Context(), objectstore.AccountOf(p.ProjectID), c.bucket)
		if err != nil {
			return refusal("AccessDenied")
		}
		rules = append(rulesOf(con), rules...)
	}
	r, ok := rule(rules, origin, method, headers)
	if !ok {
		return refusal("AccessDenied", "Message", "CORSResponse: This CORS request is not allowed.")
	}
	r.write(c.w.Header(), origin)
	if len(headers) > 0 {
		c.w.Header().Set("Access-Control-Allow-Headers", strings.Join(headers, ", "))
	}
	return c.empty(http.StatusOK)
}

// signer is the access key of a link that was signed beforehand.
func signer(q url.Values) string {
	if access := q.Get("AWSAccessKeyId"); access != "" {
		return access
	}
	parts := strings.Split(q.Get("X-Amz-Credential"), "/")
	if len(parts) < 5 {
		return ""
	}
	return strings.Join(parts[:len(parts)-4], "/")
}
