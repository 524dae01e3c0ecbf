package feature

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"altostack/kernel/fault"
	"altostack/kernel/rest"
	"altostack/objectstore"
	"altostack/objectstore/api"
	"altostack/objectstore/bulk"
	"altostack/objectstore/signed"
	"altostack/objectstore/staticweb"
)

// webPage is how many lines a page of a site has at most.
const webPage = 10000

const pathKey = "staticweb.path"

// StaticWeb serves containers as web sites to browsers, which have no token.
func (f *Features) StaticWeb() api.Feature {
	return api.Feature{
		Name: "staticweb", Info: map[string]any{},
		Serve: func(c *api.Call, path string) (bool, error) {
			if (c.R.Method == http.MethodGet || c.R.Method == http.MethodHead) && (c.Caller == nil || api.Truthy(c.R.Header.Get("X-Web-Mode"))) && c.Container != "" {
				c.Values[pathKey] = path
			}
			return false, nil
		},
		List:   f.webContainer,
		Read:   webDirectory,
		Failed: f.webFailed,
	}
}

// webContainer answers a container's root.
func (f *Features) webContainer(c *api.Call, con objectstore.Container) (bool, error) {
	path, asked := c.Values[pathKey].(string)
	if !asked {
		return false, nil
	}
	site := staticweb.SiteOf(con.Meta)
	if !site.On() {
		if api.Truthy(c.R.Header.Get("X-Web-Mode")) {
			return false, api.Refuse(http.StatusNotFound, "")
		}
		return false, nil
	}
	c.DropHeaders()
	if !strings.HasSuffix(path, "/") {
		return true, f.slash(c, path)
	}
	if site.Index != "" {
		if _, err := f.svc.Object(c.R.Context(), con, site.Index, ""); err == nil {
			return true, c.AnswerObject(site.Index)
		}
	}
	return true, f.webListing(c, con, site, path, "")
}

// slash sends the browser to the directory itself, so that relative links hold.
func (f *Features) slash(c *api.Call, path string) error {
	to := url.URL{Path: path + "/", RawQuery: c.R.URL.RawQuery}
	c.W.Header().Set("Location", rest.Base(c.R)+to.String())
	c.W.Header().Set("Content-Type", "text/html; charset=UTF-8")
	c.W.WriteHeader(http.StatusMovedPermanently)
	return nil
}

// webDirectory lets what only marks a directory be not there.
func webDirectory(c *api.Call, con objectstore.Container, o objectstore.Object, found bool) (*objectstore.Content, error) {
	if _, asked := c.Values[pathKey].(string); !asked || !found || o.Size > 1 {
		return nil, nil
	}
	site := staticweb.SiteOf(con.Meta)
	if site.On() && o.ContentType == site.DirectoryType {
		return nil, fault.New(fault.CodeObjectstoreObjectNotFound, "There is no object %s.", o.Name)
	}
	return nil, nil
}

// webFailed makes a page of what failed: an index, a listing, the site's own page.
func (f *Features) webFailed(c *api.Call, failure error) (bool, error) {
	path, asked := c.Values[pathKey].(string)
	status := api.Status(fault.From(failure))
	if !asked || status/100 != 4 || c.Object != "" && status != http.StatusNotFound {
		return false, nil
	}
	con, err := f.svc.Container(c.R.Context(), c.Account, c.Container)
	if err != nil {
		return false, nil
	}
	site := staticweb.SiteOf(con.Meta)
	if c.Object != "" && site.On() && status == http.StatusNotFound {
		if done, err := f.webObject(c, con, site, path); done || err != nil {
			if err == nil {
				return true, nil
			}
			failure, status = err, api.Status(fault.From(err))
		}
	}
	if site.Error == "" {
		return true, failure
	}
	return true, f.webError(c, con, site, status, failure)
}

// webObject answers what stands for an object that is not there.
func (f *Features) webObject(c *api.Call, con objectstore.Container, site staticweb.Site, path string) (bool, error) {
	ctx := c.R.Context()
	name := strings.TrimSuffix(c.Object, "/") + "/"
	if site.Index != "" {
		if _, err := f.svc.Object(ctx, con, name+site.Index, ""); err == nil {
			if !strings.HasSuffix(path, "/") {
				return true, f.slash(c, path)
			}
			delete(c.Values, pathKey) // the index is answered as it is, or fails as it does
			return true, c.AnswerObject(name + site.Index)
		}
	}
	if strings.HasSuffix(path, "/") {
		return true, f.webListing(c, con, site, path, name)
	}
	below, err := f.svc.Objects(ctx, con, objectstore.Listing{Prefix: name, Delimiter: "/", Limit: 1})
	if err != nil || len(below) == 0 {
		return false, err
	}
	return true, f.slash(c, path)
}

// webListing answers a listing, to who may list.
func (f *Features) webListing(c *api.Call, con objectstore.Container, site staticweb.Site, path, prefix string) error {
	page := staticweb.Page{Site: site, Path: path, Prefix: prefix}
	if !site.Listings {
		return api.Refuse(http.StatusNotFound, "%s", page.Off()).(*fault.Fault).WithExtra("content_type", "text/html; charset=UTF-8")
	}
	if err := c.Authorize(objectstore.ReadContainer, con.System[objectstore.SystemRead]); err != nil {
		return err
	}
	entries, err := f.svc.Objects(c.R.Context(), con, objectstore.Listing{Prefix: prefix, Delimiter: "/", Limit: webPage})
	if err != nil {
		return err
	}
	if prefix != "" && len(entries) == 0 {
		return api.Refuse(http.StatusNotFound, "")
	}
	above := ""
	if g, ok := c.Values[grantKey].(signed.Grant); ok && g.Prefix != nil {
		above = *g.Prefix
		page.Query = "?" + carried(c.Query)
	}
	page.Parent = len(prefix) > len(above)
	for _, e := range entries {
		i := staticweb.Item{Name: strings.TrimPrefix(e.Subdir, prefix), Directory: true}
		if e.Subdir == "" {
			i = staticweb.Item{Name: strings.TrimPrefix(e.Item.Name, prefix), ContentType: e.Item.ContentType, Size: e.Item.Size, Modified: e.Item.UpdatedAt}
		}
		page.Items = append(page.Items, i)
	}
	return rest.WriteBytes(c.W, http.StatusOK, "text/html; charset=UTF-8", page.Listing())
}

// carried is the part of a signed prefix's query that holds for its other objects.
func carried(q url.Values) string {
	var out []string
	for _, name := range []string{"temp_url_prefix", "temp_url_expires", "temp_url_sig", "temp_url_ip_range"} {
		if q.Has(name) {
			out = append(out, name+"="+bulk.Quote(q.Get(name)))
		}
	}
	if q.Has("inline") {
		out = append(out, "inline")
	}
	return strings.Join(out, "&")
}

// webError answers the site's own page for a status, if its reader may see it.
func (f *Features) webError(c *api.Call, con objectstore.Container, site staticweb.Site, status int, failure error) error {
	ctx := c.R.Context()
	o, err := f.svc.Object(ctx, con, strconv.Itoa(status)+site.Error, "")
	if err != nil || c.May(ctx, con) != nil {
		return failure
	}
	content, err := f.svc.Content(ctx, c.Reader(), con, o)
	if err != nil {
		return failure
	}
	r, err := content.Open(ctx, 0, content.Size)
	if err != nil {
		return failure
	}
	defer r.Close()
	return c.Stream(status, content, r)
}
