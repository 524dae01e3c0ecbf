package api

import (
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"altostack/compute"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/page"
	"altostack/kernel/rest"
)

// maxPage is Nova's default osapi_max_limit.
const maxPage = 1000

func (a *API) serverRoutes() []rest.Route {
	return []rest.Route{
		rest.On("GET /v2.1/servers", "os_compute_api:servers:index", a.listServers),
		rest.On("GET /v2.1/servers/detail", "os_compute_api:servers:detail", a.listServersDetail),
		rest.On("POST /v2.1/servers", "os_compute_api:servers:create", a.createServer).Body(512 << 10),
		rest.On("GET /v2.1/servers/{id}", "os_compute_api:servers:show", a.showServer),
		rest.On("PUT /v2.1/servers/{id}", "os_compute_api:servers:update", a.updateServer),
		rest.On("DELETE /v2.1/servers/{id}", "os_compute_api:servers:delete", a.deleteServer),
	}
}

// sortKeys are the columns that servers can be sorted by, as the API names them.
var sortKeys = map[string]string{"created_at": "created_at", "updated_at": "updated_at", "display_name": "name", "name": "name", "uuid": "id", "id": "id",
	"vm_state": "vm_state", "task_state": "task_state", "power_state": "power_state", "launched_at": "launched_at", "terminated_at": "ended_at",
	"host": "host", "node": "host", "image_ref": "image_id", "instance_type_id": "flavor_id", "key_name": "key_name", "project_id": "project_id", "user_id": "user_id",
	"availability_zone": "zone", "hostname": "hostname", "launch_index": "launch_index", "progress": "progress", "root_device_name": "id",
	"config_drive": "config_drive", "access_ip_v4": "access_ip_v4", "access_ip_v6": "access_ip_v6", "auto_disk_config": "disk_config",
	"display_description": "id", "locked": "locked"}

func (a *API) listServers(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	servers, more, err := a.list(r, scope, "os_compute_api:servers:index:get_all_tenants")
	if err != nil {
		return err
	}
	views, base := make([]serverBasic, len(servers)), rest.Base(r)
	for i, s := range servers {
		views[i] = serverBasic{s.ID, s.Name, links(base, "servers", s.ID)}
	}
	return a.writeList(w, r, views, servers, more)
}

func (a *API) listServersDetail(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	servers, more, err := a.list(r, scope, "os_compute_api:servers:detail:get_all_tenants")
	if err != nil {
		return err
	}
	v, err := a.viewer(r, scope, nil)
	if err != nil {
		return err
	}
	views := make([]*serverView, len(servers))
	var parts errgroup.Group
	size := max(200, (len(servers)+runtime.GOMAXPROCS(0)-1)/runtime.GOMAXPROCS(0)) // a long page is made on all processors
	for from := 0; from < len(servers); from += size {
		to := min(from+size, len(servers))
		parts.Go(func() error {
			part := *v
			err := a.fill(r.Context(), &part, servers[from:to])
			for i := from; i < to && err == nil; i++ {
				views[i] = part.server(servers[i])
			}
			return err
		})
	}
	if err := parts.Wait(); err != nil {
		return err
	}
	return a.writeList(w, r, views, servers, more)
}

func (a *API) writeList(w http.ResponseWriter, r *http.Request, views any, servers []compute.Server, more bool) error {
	body := map[string]any{"servers": views}
	if more || fullPage(r, len(servers)) {
		body["servers_links"] = nextLink(r, servers[len(servers)-1].ID)
	}
	return rest.Write(w, http.StatusOK, body)
}

// fullPage: Nova gives a next link whenever a page is as long as was asked for.
func fullPage(r *http.Request, n int) bool {
	return n > 0 && r.URL.Query().Has("limit") && n == number(r.URL.Query().Get("limit"))
}

func (a *API) list(r *http.Request, scope auth.Scope, everywhere string) ([]compute.Server, bool, error) {
	q := r.URL.Query()
	req, err := page.Parse(q, page.Options{Keys: a.sortable(r, scope, q), Default: []page.Key{{Column: "created_at", Desc: true}}, Max: maxPage})
	if err != nil {
		return nil, false, err
	}
	f, none, err := a.filter(r, scope, q, everywhere)
	none = none || q.Get("limit") == "0" // a page of nothing, not all
	if err != nil || none {
		return nil, false, err
	}
	return a.svc.List(r.Context(), f, req)
}

// sortable drops sort keys that are ignored, as Nova does, from q.
func (a *API) sortable(r *http.Request, scope auth.Scope, q url.Values) map[string]string {
	keys, dirs := q["sort_key"], q["sort_dir"]
	var keptKeys, keptDirs []string
	for i, k := range keys {
		_, known := sortKeys[k]
		if !known || k == "locked" && !since(r, 73) || (k == "host" || k == "node") && !scope.IsAdmin() {
			continue
		}
		keptKeys = append(keptKeys, k)
		if i < len(dirs) {
			keptDirs = append(keptDirs, dirs[i])
		}
	}
	if len(keys) > 0 {
		q["sort_key"], q["sort_dir"] = keptKeys, keptDirs
	}
	return sortKeys
}

// open are the filters that anybody may use, by the version that opened them.
var open = map[string]int{"reservation_id": 1, "name": 1, "status": 1, "image": 1, "flavor": 1, "ip": 1, "changes-since": 1, "all_tenants": 1,
	"ip6": 5, "tags": 26, "tags-any": 26, "not-tags": 26, "not-tags-any": 26, "changes-before": 66, "locked": 73,
	"availability_zone": 83, "config_drive": 83, "key_name": 83, "created_at": 83, "launched_at": 83, "terminated_at": 83, "power_state": 83, "task_state": 83,
	"vm_state": 83, "progress": 83, "user_id": 83}

// filter reads the list's filters. none means that nothing can match.
func (a *API) filter(r *http.Request, scope auth.Scope, q url.Values, everywhere string) (f compute.Filter, none bool, err error) {
	all := scope.MayOwn("os_compute_api:servers:allow_all_filters")
	get := func(name string) string {
		from, listed := open[name]
		if !all && (!listed || !since(r, from)) {
			return ""
		}
		if listed && from >= 26 && from <= 73 && !since(r, from) {
			return ""
		}
		return q.Get(name)
	}
	f = compute.Filter{UserID: get("user_id"), Host: first(get("host"), get("node")), ImageID: get("image"), FlavorID: get("flavor"), ReservationID: get("reservation_id"),
		KeyName: get("key_name"), ID: get("uuid"), Hostname: get("hostname"), AccessIPv4: get("access_ip_v4"), AccessIPv6: get("access_ip_v6"), Zone: get("availability_zone"),
		Description: first(get("description"), get("display_description")), PowerState: get("power_state"), LaunchIndex: get("launch_index"), Progress: get("progress"),
		Name: first(get("name"), get("display_name")), IP: get("ip"), IP6: get("ip6")}
	if err = times(get, &f); err != nil {
		return f, false, err
	}
	f.Tags, f.TagsAny, f.NotTags, f.NotTagsAny = split(get("tags")), split(get("tags-any")), split(get("not-tags")), split(get("not-tags-any"))
	if s := get("locked"); s != "" {
		f.Locked, err = boolean("locked", s)
		if err != nil {
			return f, false, err
		}
	}
	if s := get("config_drive"); s != "" {
		f.ConfigDrive, _ = boolean("config_drive", s)
	}
	if s := get("deleted"); s != "" {
		if f.Deleted, err = boolean("deleted", s); err != nil {
			f.Deleted, err = new(bool), nil
		}
	}
	if none, err = states(r, scope, get, q, &f); err != nil || none {
		return f, none, err
	}
	return f, false, project(scope, get, q, everywhere, &f)
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func split(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

func boolean(name, s string) (*bool, error) {
	var b bool
	switch strings.ToLower(s) {
	case "1", "t", "true", "on", "y", "yes":
		b = true
	case "0", "f", "false", "off", "n", "no":
	default:
		return nil, fault.New(fault.CodeComputeBadFilter, "Unrecognized value '%s', acceptable values are: '0', '1', 'f', 'false', 'n', 'no', 'off', 'on', 't', 'true', 'y', 'yes'", s).WithField(name)
	}
	return &b, nil
}

func times(get func(string) string, f *compute.Filter) error {
	for _, one := range []struct {
		name string
		to   *time.Time
	}{{"changes-since", &f.ChangedSince}, {"changes-before", &f.ChangedBefore}} {
		s := get(one.name)
		if s == "" {
			continue
		}
		t, ok := parseTime(s)
		if !ok {
			return fault.New(fault.CodeComputeBadFilter, "Invalid filter field: %s.", one.name)
		}
		*one.to = t
	}
	if !f.ChangedBefore.IsZero() && f.ChangedBefore.Before(f.ChangedSince) {
		return fault.New(fault.CodeComputeBadFilter, "The value of changes-since must be less than or equal to changes-before.")
	}
	return nil
}

// parseTime reads ISO 8601 with and without zone and fraction; no zone is UTC.
func parseTime(s string) (time.Time, bool) {
	s = strings.ReplaceAll(s, " ", "+") // a plus sign that was not escaped
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999", "2006-01-02T15:04:05-0700", "2006-01-02T15:04:05-07", "2006-01-02+15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// states turns statuses into stable states and tasks.
func states(r *http.Request, scope auth.Scope, get func(string) string, q url.Values, f *compute.Filter) (none bool, err error) {
	if s := get("vm_state"); s != "" {
		f.States = []string{s}
	}
	if s := get("task_state"); s != "" {
		f.Tasks = []string{s}
	}
	if !q.Has("status") {
		return false, nil
	}
	var any bool
	var vm, tasks []string
	open := false
	for _, word := range q["status"] {
		s, t, known := compute.StatesOf(strings.ToUpper(word))
		any = any || known
		for _, state := range s {
			vm = append(vm, string(state))
		}
		for _, task := range t {
			tasks = append(tasks, string(task))
		}
		open = open || known && len(t) == 0
	}
	if !any {
		if since(r, 38) {
			return false, fault.New(fault.CodeComputeBadFilter, "Invalid status value")
		}
		return true, nil
	}
	if f.States = vm; vm == nil {
		return true, nil
	}
	if !open {
		f.Tasks = tasks
	}
	if len(vm) == 1 && vm[0] == string(compute.VMDeleted) {
		if !scope.IsAdmin() {
			return false, fault.New(fault.CodePolicyForbidden, "Only administrators may list deleted instances")
		}
		yes := true
		f.Deleted = &yes
	}
	return false, nil
}

// project restricts a list to the caller's project, unless all are asked for
// and may be seen.
func project(scope auth.Scope, get func(string) string, q url.Values, everywhere string, f *compute.Filter) error {
	all := false
	if s := q.Get("all_tenants"); q.Has("all_tenants") {
		all = true
		if s != "" {
			b, err := boolean("all_tenants", s)
			if err != nil {
				return err
			}
			all = *b
		}
	}
	f.ProjectID = scope.ProjectID
	if !all {
		if f.ProjectID == "" {
			f.ProjectID = "-" // a token without a project has no servers
		}
		return nil
	}
	if err := scope.Check(everywhere, auth.Target{}); err != nil {
		return err
	}
	f.ProjectID = first(get("project_id"), get("tenant_id"))
	return nil
}

func (a *API) showServer(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	s, err := a.sees(r, scope)
	if err != nil {
		return err
	}
	view, err := a.view(r, scope, s)
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"server": view})
}

// view is one server as GET shows it.
func (a *API) view(r *http.Request, scope auth.Scope, s compute.Server) (*serverView, error) {
	v, err := a.viewer(r, scope, []compute.Server{s})
	if err != nil {
		return nil, err
	}
	out := v.server(s)
	if v.at(71) {
		groups, err := a.svc.Store.GroupsOf(r.Context(), a.svc.DB, s.ID)
		if err != nil {
			return nil, err
		}
		if groups == nil {
			groups = []string{}
		}
		out.ServerGroups = &groups
	}
	return out, nil
}

type updateBody struct {
	Name        *string `json:"name"`
	AccessIPv4  *string `json:"accessIPv4"`
	AccessIPv6  *string `json:"accessIPv6"`
	DiskConfig  *string `json:"OS-DCF:diskConfig"`
	Description *string `json:"description"`
	Hostname    *string `json:"hostname"`
}

func (a *API) updateServer(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var body updateBody
	if err := rest.Decode(r, "server", &body); err != nil {
		return err
	}
	var present map[string]any
	if err := rest.Decode(r, "server", &present); err != nil {
		return err
	}
	_, described := present["description"]
	e := compute.Edit{Name: trimmed(body.Name), AccessIPv4: body.AccessIPv4, AccessIPv6: body.AccessIPv6, DiskConfig: body.DiskConfig,
		Description: body.Description, SetDescription: described && since(r, 19), Hostname: body.Hostname}
	s, err := a.svc.Update(r.Context(), scope, serverID(r), e)
	if err != nil {
		return err
	}
	v, err := a.viewer(r, scope, []compute.Server{s})
	if err != nil {
		return err
	}
	if v.at(75) {
		view, err := a.view(r, scope, s)
		if err != nil {
			return err
		}
		return rest.Write(w, http.StatusOK, map[string]any{"server": view})
	}
	v.full = false
	out := v.server(s)
	if v.at(71) {
		groups, err := a.svc.Store.GroupsOf(r.Context(), a.svc.DB, s.ID)
		if err != nil {
			return err
		}
		if groups == nil {
			groups = []string{}
		}
		out.ServerGroups = &groups
	}
	return rest.Write(w, http.StatusOK, map[string]any{"server": out})
}

func trimmed(s *string) *string {
	if s == nil {
		return nil
	}
	t := strings.TrimSpace(*s)
	return &t
}

func (a *API) deleteServer(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	if err := a.svc.Delete(r.Context(), scope, serverID(r)); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusNoContent)
}
