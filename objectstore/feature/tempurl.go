package feature

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"altostack/kernel/fault"
	"altostack/objectstore"
	"altostack/objectstore/api"
	"altostack/objectstore/signed"
	"altostack/objectstore/staticweb"
)

const grantKey = "tempurl"

// TempURL lets requests pass that carry a signature instead of a token. What such
// a request may do is narrowed to what was signed: of its query only the signature
// stays, and what it writes cannot point at other data.
func (f *Features) TempURL() api.Feature {
	return api.Feature{
		Name: "tempurl",
		Info: map[string]any{
			"methods": signed.Methods, "allowed_digests": signed.Digests, "deprecated_digests": signed.Deprecated,
			"incoming_remove_headers": []string{"x-timestamp", "x-open-expired"}, "incoming_allow_headers": []string{},
			"outgoing_remove_headers": []string{"x-object-meta-*"}, "outgoing_allow_headers": []string{"x-object-meta-public-*"},
		},
		Serve:         f.checkTempURL,
		ObjectHeaders: tempURLHeaders,
	}
}

func (f *Features) checkTempURL(c *api.Call, _ string) (bool, error) {
	if c.R.Method == http.MethodOptions || !signed.Present(c.Query) {
		return false, nil
	}
	keys, con, err := f.keys(c)
	if err != nil {
		return false, err
	}
	r := signed.Request{Method: c.R.Method, Account: c.Account, Container: c.Container, Object: c.Object, Query: c.Query, Client: client(c.R), Now: c.Now, Mounts: f.mounts}
	g, err := r.Check(keys)
	if err != nil || c.Object == "" && !staticweb.SiteOf(con.Meta).On() {
		return false, fault.New(fault.CodeObjectstoreBadSignature, "401 Unauthorized: Temp URL invalid\n").WithExtra("told", true)
	}
	if c.R.Method != http.MethodGet && c.R.Method != http.MethodHead {
		for _, name := range signed.Forbidden {
			if c.R.Header.Get(name) != "" {
				return false, api.Refuse(http.StatusBadRequest, "The header '%s' is not allowed in this tempurl", name)
			}
		}
	}
	for _, name := range []string{"X-Timestamp", "X-Open-Expired"} {
		c.R.Header.Del(name)
	}
	maps := url.Values{}
	for name, values := range c.Query {
		if strings.HasPrefix(name, "temp_url_") || name == "filename" || name == "inline" {
			maps[name] = values
		}
	}
	c.Query, c.Caller, c.Granted = maps, nil, true
	c.Reach = reach(c, g.Scope)
	c.Values[grantKey] = g
	return false, nil
}

// reach answers what a signature's key opens: its account, or its container.
func reach(c *api.Call, scope signed.Scope) func(objectstore.Container) bool {
	account, container := c.Account, c.Container
	return func(con objectstore.Container) bool {
		return con.Account == account && (scope == signed.ScopeAccount || con.Name == container)
	}
}

// keys reads the secrets of the call's account and container.
func (f *Features) keys(c *api.Call) (keys signed.Keys, con objectstore.Container, err error) {
	if c.Account == "" || c.Container == "" {
		return keys, con, nil
	}
	ctx := c.R.Context()
	a, err := f.svc.Account(ctx, c.Account)
	if err != nil && !fault.Has(err, fault.CodeObjectstoreAccountGone) {
		return keys, con, err
	}
	if err != nil {
		return keys, con, nil
	}
	con, err = f.svc.Container(ctx, c.Account, c.Container)
	if err != nil && !fault.Has(err, fault.CodeObjectstoreContainerNotFound) {
		return keys, con, err
	}
	return signed.Keys{Account: signed.KeysOf(a.Meta), Container: signed.KeysOf(con.Meta)}, con, nil
}

// client is the address that a request came from; invalid where it is unknown.
func client(r *http.Request) netip.Addr {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr()
}

// tempURLHeaders names the download, and keeps metadata to those with a token.
func tempURLHeaders(c *api.Call, content objectstore.Content, h http.Header) {
	g, ok := c.Values[grantKey].(signed.Grant)
	if !ok {
		return
	}
	for name := range h {
		if strings.HasPrefix(name, "X-Object-Meta-") && !strings.HasPrefix(name, "X-Object-Meta-Public-") {
			h.Del(name)
		}
	}
	h.Set("Content-Disposition", g.Disposition(h.Get("Content-Disposition"), c.Object))
	h.Set("Expires", g.Expires.Format(http.TimeFormat))
}

// FormPost takes uploads of browsers: forms that carry a signature.
func (f *Features) FormPost() api.Feature {
	return api.Feature{
		Name: "formpost", Info: map[string]any{"allowed_digests": signed.Digests, "deprecated_digests": signed.Deprecated},
		Serve: func(c *api.Call, path string) (bool, error) {
			boundary, ok := signed.FormBoundary(c.R.Header.Get("Content-Type"))
			if c.R.Method != http.MethodPost || !ok || c.Container == "" {
				return false, nil
			}
			return true, f.takeForm(c, path, boundary)
		},
	}
}

func (f *Features) takeForm(c *api.Call, path, boundary string) error {
	keys, _, err := f.keys(c)
	if err != nil {
		return err
	}
	paths := []string{path}
	for _, m := range f.mounts {
		paths = append(paths, m+path)
	}
	form := signed.NewForm(c.R.Body, boundary, paths, keys, c.Now)
	status, message := 0, ""
	for {
		file, err := form.Next()
		if err != nil && status != 0 && !errors.As(err, new(signed.FormError)) && !errors.Is(err, signed.ErrInvalid) {
			break // the form's end
		}
		if err != nil {
			status, message, err = refusedForm(err)
			if err != nil {
				return err
			}
			break
		}
		if status, err = f.storeFile(c, file); err != nil {
			return err
		}
		if status/100 != 2 {
			break
		}
	}
	return f.answerForm(c, form.Redirect(), status, message)
}

// refusedForm tells what of a form's failure goes to the redirect, and what is
// answered at once.
func refusedForm(err error) (status int, message string, other error) {
	var bad signed.FormError
	var no signed.UnauthorizedError
	switch {
	case errors.As(err, &no):
		return 0, "", fault.New(fault.CodeObjectstoreBadSignature, "FormPost: %s", title(string(no))).WithExtra("told", true)
	case errors.As(err, &bad) && bad == "max file count exceeded":
		return http.StatusBadRequest, string(bad), nil
	case errors.As(err, &bad):
		return 0, "", api.Refuse(http.StatusBadRequest, "FormPost: %s", bad)
	}
	return http.StatusBadRequest, "no files to process", nil
}

func title(s string) string {
	words := strings.Fields(s)
	for i, w := range words {
		words[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(words, " ")
}

func (f *Features) storeFile(c *api.Call, file signed.File) (int, error) {
	name := c.Object + file.Name
	r := c.Within(http.MethodPut, c.Container, name, http.Header(file.Header), file.Body, -1)
	r.Call.Granted, r.Call.Caller, r.Call.Reach = true, nil, reach(c, file.Scope)
	status, err := r.Do()
	if errors.Is(err, signed.ErrTooLarge) {
		return 0, api.Refuse(http.StatusBadRequest, "FormPost: %s", signed.ErrTooLarge)
	}
	return status, nil
}

func (f *Features) answerForm(c *api.Call, redirect string, status int, message string) error {
	if redirect == "" {
		text := statusLine(status)
		if message != "" {
			text += "\r\nFormPost: " + title(message)
		}
		return c.Text(status, text)
	}
	sep := "?"
	if strings.Contains(redirect, "?") {
		sep = "&"
	}
	redirect += sep + "status=" + url.QueryEscape(strings.Fields(statusLine(status))[0]) + "&message=" + url.PathEscape(message)
	c.W.Header().Set("Location", redirect)
	c.W.Header().Set("Content-Type", "text/html; charset=UTF-8")
	c.W.WriteHeader(http.StatusSeeOther)
	return nil
}

// Crossdomain answers the policy file that old plugins of browsers ask for.
func (f *Features) Crossdomain() api.Feature {
	return api.Feature{Name: "crossdomain", Info: map[string]any{}, Serve: func(c *api.Call, path string) (bool, error) {
		if path != "/crossdomain.xml" || !slices.Contains([]string{http.MethodGet, http.MethodHead}, c.R.Method) {
			return false, nil
		}
		c.W.Header().Set("Content-Type", "application/xml")
		_, err := c.W.Write([]byte("<?xml version=\"1.0\"?>\n<!DOCTYPE cross-domain-policy SYSTEM \"http://www.adobe.com/xml/dtds/cross-domain-policy.dtd\" >\n" +
			"<cross-domain-policy>\n<allow-access-from domain=\"*\" secure=\"false\" />\n</cross-domain-policy>"))
		return true, err
	}}
}
