// Package api is the face of the block storage service: routes, views and the
// differences between microversions 3.0 and 3.71. Handlers decode, call the
// service and answer; paths are without the project id, which kernel/rest
// checks and takes out.
//
// Wire format: OpenStack Block Storage API v3 with Cinder's views as the model.
package api

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/microversion"
	"altostack/kernel/rest"
	"altostack/volume"
)

// Range is what the service speaks.
var Range = microversion.Range{Service: "volume", Min: microversion.V(3, 0), Max: microversion.V(3, 71)}

// API answers for one service.
type API struct{ svc *volume.Service }

// New makes the API.
func New(svc *volume.Service) *API { return &API{svc} }

// Routes are all operations there are.
func (a *API) Routes() []rest.Route {
	var all []rest.Route
	for _, part := range [][]rest.Route{a.versionRoutes(), a.volumeRoutes(), a.actionRoutes(), a.metadataRoutes(), a.snapshotRoutes(), a.backupRoutes(),
		a.attachmentRoutes(), a.typeRoutes(), a.quotaRoutes(), a.transferRoutes(), a.qosRoutes(), a.operatorRoutes(), a.messageRoutes()} {
		all = append(all, part...)
	}
	return all
}

type link struct {
	Href string `json:"href"`
	Rel  string `json:"rel"`
}

// linksTo are a resource's own links.
func linksTo(r *http.Request, scope auth.Scope, collection, id string) []link {
	base := rest.Base(r)
	rest := "/" + scope.ProjectID + "/" + collection + "/" + id
	return []link{{base + "/v3" + rest, "self"}, {base + rest, "bookmark"}}
}

// nextLink is the link to the page after last.
func nextLink(r *http.Request, scope auth.Scope, collection, last string) []link {
	q := url.Values{}
	for k, v := range r.URL.Query() {
		if k != "offset" {
			q[k] = v
		}
	}
	q.Set("marker", last)
	return []link{{rest.Base(r) + "/v3/" + scope.ProjectID + "/" + collection + "?" + q.Encode(), "next"}}
}

// null is a member that is there without a value; a nil one is not there.
var null = json.RawMessage("null")

// text is a string, or null where empty.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// stamp spells an instant as Cinder does.
func stamp(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := t.UTC().Format("2006-01-02T15:04:05.000000")
	return &s
}

// changed is the last change, or null where there was none.
func changed(created, updated time.Time) *string {
	if !updated.After(created) {
		return nil
	}
	return stamp(updated)
}

// truth reads what clients write for yes and no.
func truth(s string) (value, ok bool) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "1", "t", "true", "on", "y", "yes":
		return true, true
	case "0", "f", "false", "off", "n", "no", "":
		return false, true
	}
	return false, false
}

// flag is a boolean that may come as text.
type flag bool

// UnmarshalJSON reads true, "true", 1 and null.
func (f *flag) UnmarshalJSON(data []byte) error {
	s := strings.Trim(string(data), `"`)
	if s == "null" {
		return nil
	}
	v, ok := truth(s)
	if !ok {
		return fault.New(fault.CodeVolumeInvalidInput, "Unrecognized value '%s', acceptable values are: '0', '1', 'f', 'false', 'n', 'no', 'off', 'on', 't', 'true', 'y', 'yes'", s)
	}
	*f = flag(v)
	return nil
}

// number is a whole number that may come as text.
type number int64

// UnmarshalJSON reads 1, "1" and null.
func (n *number) UnmarshalJSON(data []byte) error {
	s := strings.Trim(string(data), `"`)
	if s == "null" || s == "" {
		return nil
	}
	var v json.Number
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		return err
	}
	i, err := v.Int64()
	*n = number(i)
	return err
}

// service reports whether a service calls on behalf of the user.
func service(scope auth.Scope) bool {
	return scope.Principal != nil && (scope.HasRole("service") || scope.Principal.Service != nil && scope.Principal.Service.HasRole("service"))
}

func version(r *http.Request) microversion.Version { return microversion.From(r.Context()) }

// since reports whether a request's version is 3.minor or newer.
func since(r *http.Request, minor int) bool { return version(r).AtLeast(microversion.V(3, minor)) }
