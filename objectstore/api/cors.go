package api

import (
	"net/http"
	"slices"
	"strings"

	"altostack/objectstore"
)

// Where a container's CORS stands in its metadata.
const (
	metaAllowOrigin   = "Access-Control-Allow-Origin"
	metaMaxAge        = "Access-Control-Max-Age"
	metaExposeHeaders = "Access-Control-Expose-Headers"
)

func originAllowed(con *objectstore.Container, origin string) bool {
	if con == nil {
		return false
	}
	allowed := strings.Fields(con.Meta[metaAllowOrigin])
	return slices.Contains(allowed, "*") || slices.Contains(allowed, origin)
}

// cors adds what lets a browser's script read an answer. It is called again when
// further headers are there.
func (c *Call) cors(con *objectstore.Container) {
	origin := c.R.Header.Get("Origin")
	if origin == "" || !originAllowed(con, origin) {
		return
	}
	c.shared = con
	h := c.W.Header()
	expose := []string{"cache-control", "content-language", "content-type", "etag", "expires", "last-modified", "pragma", "x-openstack-request-id", "x-timestamp", "x-trans-id"}
	for name := range h {
		if strings.HasPrefix(name, "X-Container-Meta") || strings.HasPrefix(name, "X-Object-Meta") {
			expose = append(expose, strings.ToLower(name))
		}
	}
	expose = append(expose, strings.Fields(strings.ToLower(con.Meta[metaExposeHeaders]))...)
	slices.Sort(expose)
	h.Set("Access-Control-Expose-Headers", strings.Join(slices.Compact(expose), ", "))
	c.allowOrigin(con, origin)
}

func (c *Call) allowOrigin(con *objectstore.Container, origin string) {
	h := c.W.Header()
	if strings.TrimSpace(con.Meta[metaAllowOrigin]) == "*" {
		h.Set("Access-Control-Allow-Origin", "*")
		return
	}
	if h.Get("Access-Control-Allow-Origin") == "" {
		h.Add("Vary", "Origin")
	}
	h.Set("Access-Control-Allow-Origin", origin)
}

// options answers OPTIONS: what is allowed, and to a browser whether its script may.
func (c *Call) options() error {
	_, methods := c.handlers()
	h := c.W.Header()
	h.Set("Allow", strings.Join(methods, ", "))
	origin := c.R.Header.Get("Origin")
	if origin == "" || c.Container == "" {
		return emptyBody(c.W, http.StatusOK)
	}
	var con *objectstore.Container
	if found, err := c.Service.Container(c.R.Context(), c.Account, c.Container); err == nil {
		con = &found
	}
	if !originAllowed(con, origin) || !slices.Contains(methods, c.R.Header.Get("Access-Control-Request-Method")) {
		return emptyBody(c.W, http.StatusUnauthorized)
	}
	c.allowOrigin(con, origin)
	if age := con.Meta[metaMaxAge]; age != "" {
		h.Set("Access-Control-Max-Age", age)
	}
	h.Set("Access-Control-Allow-Methods", strings.Join(methods, ", "))
	if wanted := c.R.Header.Get("Access-Control-Request-Headers"); wanted != "" {
		h.Set("Access-Control-Allow-Headers", wanted)
		h.Add("Vary", "Access-Control-Request-Headers")
	}
	return emptyBody(c.W, http.StatusOK)
}
