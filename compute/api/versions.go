package api

import (
	"net/http"
	"strings"

	"altostack/kernel/auth"
	"altostack/kernel/rest"
)

func (a *API) versionRoutes() []rest.Route {
	return []rest.Route{
		rest.On("GET /", "", a.listVersions).Open(),
		rest.On("GET /v2.1", "", a.showVersion).Open(),
	}
}

type versionLink struct {
	Rel  string `json:"rel"`
	Href string `json:"href"`
	Type string `json:"type,omitempty"`
}

type apiVersion struct {
	ID         string              `json:"id"`
	Status     string              `json:"status"`
	Version    string              `json:"version"`
	MinVersion string              `json:"min_version"`
	Updated    string              `json:"updated"`
	Links      []versionLink       `json:"links"`
	MediaTypes []map[string]string `json:"media-types,omitempty"`
}

func currentVersion(r *http.Request) apiVersion {
	return apiVersion{ID: "v2.1", Status: "CURRENT", Version: Range.Max.String(), MinVersion: Range.Min.String(), Updated: "2013-07-23T11:33:21Z",
		Links: []versionLink{{Rel: "self", Href: rest.Base(r) + "/v2.1/"}}}
}

// oldVersion is 2.1 without microversions, at the address that clients of old
// know; they expect it to be listed first.
func oldVersion(r *http.Request) apiVersion {
	return apiVersion{ID: "v2.0", Status: "SUPPORTED", Updated: "2011-01-21T11:33:21Z", Links: []versionLink{{Rel: "self", Href: rest.Base(r) + "/v2/"}}}
}

func (a *API) listVersions(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	return rest.Write(w, http.StatusOK, map[string]any{"versions": []apiVersion{oldVersion(r), currentVersion(r)}})
}

func (a *API) showVersion(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	v, media := currentVersion(r), "2.1"
	if strings.HasSuffix(strings.TrimSuffix(r.URL.Path, "/"), "/v2") {
		v, media = oldVersion(r), "2"
	}
	v.Links = append(v.Links, versionLink{"describedby", "http://docs.openstack.org/", "text/html"})
	v.MediaTypes = []map[string]string{{"base": "application/json", "type": "application/vnd.openstack.compute+json;version=" + media}}
	return rest.Write(w, http.StatusOK, map[string]any{"version": v})
}
