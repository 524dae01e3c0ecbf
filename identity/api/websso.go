package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
)

const (
	ssoPath      = "/v3/auth/OS-FEDERATION"
	ssoCookie    = "altostack_websso"
	submitScript = "document.getElementById('sso').submit();"
)

// ssoPage posts the token to the dashboard. A browser without scripts shows a button.
var ssoPage = template.Must(template.New("sso").Parse(`<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Signing in</title></head>
<body>
<form id="sso" name="sso" action="{{.Origin}}" method="post">
<p>Signing in to {{.Origin}}</p>
<input type="hidden" name="token" id="token" value="{{.Token}}">
<noscript><input type="submit" name="submit_no_javascript" id="submit_no_javascript" value="Continue"></noscript>
</form>
<script>` + submitScript + `</script>
</body>
</html>
`))

// choicePage lets the user choose where to log in.
var choicePage = template.Must(template.New("choice").Parse(`<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Sign in</title></head>
<body>
<p>Where do you want to sign in?</p>
<ul>{{range .}}<li><a href="{{.URL}}">{{.ID}}</a></li>{{end}}</ul>
</body>
</html>
`))

func (a *API) ssoRoutes() []rest.Route {
	var routes []rest.Route
	for _, method := range []string{"GET ", "POST "} {
		routes = append(routes,
			rest.On(method+ssoPath+"/websso/{protocol_id}", "", a.ssoAnywhere).Open().Stream().Proves(),
			rest.On(method+ssoPath+"/identity_providers/{idp_id}/protocols/{protocol_id}/websso", "", a.sso).Open().Stream().Proves())
	}
	return routes
}

// ssoAnywhere sends the browser to the provider that there is, or asks which.
func (a *API) ssoAnywhere(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	protocol, origin := r.PathValue("protocol_id"), r.URL.Query().Get("origin")
	ids, err := a.svc.LoginProviders(r.Context(), protocol, origin)
	if err != nil {
		return err
	}
	if len(ids) == 1 {
		return a.sendAway(w, r, ids[0], protocol, origin)
	}
	type choice struct{ ID, URL string }
	var choices []choice
	for _, id := range ids {
		choices = append(choices, choice{id, ssoURL(r, id, protocol) + "?origin=" + url.QueryEscape(origin)})
	}
	return writePage(w, choicePage, choices, "")
}

func ssoURL(r *http.Request, provider, protocol string) string {
	return rest.Base(r) + ssoPath + "/identity_providers/" + url.PathEscape(provider) + "/protocols/" + url.PathEscape(protocol) + "/websso"
}

// sso begins a login, and ends it when the browser comes back.
func (a *API) sso(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	q := r.URL.Query()
	provider, protocol := r.PathValue("idp_id"), r.PathValue("protocol_id")
	if !q.Has("state") {
		return a.sendAway(w, r, provider, protocol, q.Get("origin"))
	}
	kept := ""
	if c, err := r.Cookie(ssoCookie); err == nil {
		kept = c.Value
	}
	http.SetCookie(w, a.cookie(r, "", -1)) // one login, one try
	t, origin, err := a.svc.FinishLogin(r.Context(), provider, protocol, kept, q.Get("state"), q.Get("code"))
	if err != nil {
		return err
	}
	return writePage(w, ssoPage, map[string]string{"Origin": origin, "Token": t.ID}, origin)
}

func (a *API) sendAway(w http.ResponseWriter, r *http.Request, provider, protocol, origin string) error {
	address, kept, err := a.svc.BeginLogin(r.Context(), provider, protocol, origin, ssoURL(r, provider, protocol))
	if err != nil {
		return err
	}
	http.SetCookie(w, a.cookie(r, kept, 600))
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", address)
	return rest.WriteBytes(w, http.StatusFound, "text/plain", nil)
}

// cookie is for the way back only: no script reads it, no other path gets it.
func (a *API) cookie(r *http.Request, value string, age int) *http.Cookie {
	base, err := url.Parse(rest.Base(r))
	path := "/"
	if err == nil {
		path = base.Path + ssoPath
	}
	return &http.Cookie{Name: ssoCookie, Value: value, Path: path, MaxAge: age, HttpOnly: true, Secure: err == nil && base.Scheme == "https", SameSite: http.SameSiteLaxMode}
}

// writePage answers HTML that loads nothing and posts nowhere but to the dashboard.
func writePage(w http.ResponseWriter, t *template.Template, data any, post string) error {
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		return err
	}
	if strings.ContainsAny(post, "; ,") {
		return fault.New(fault.CodeIdentityInvalid, "A dashboard's address cannot hold %q.", post).WithField("origin")
	}
	script := sha256.Sum256([]byte(submitScript))
	rules := "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; script-src 'sha256-" + base64.StdEncoding.EncodeToString(script[:]) + "'; form-action "
	if post == "" {
		post = "'none'"
	}
	h := w.Header()
	h.Set("Content-Security-Policy", rules+post)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	return rest.WriteBytes(w, http.StatusOK, "text/html; charset=utf-8", b.Bytes())
}
