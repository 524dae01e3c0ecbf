package api

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"altostack/compute"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/page"
	"altostack/kernel/rest"
)

// Usage are the routes of os-simple-tenant-usage: what projects' servers took,
// in hours times size.
type Usage struct{ compute *compute.Service }

// NewUsage makes them.
func NewUsage(s *compute.Service) *Usage { return &Usage{s} }

// Routes lists them.
func (a *Usage) Routes() []rest.Route {
	const all, rule = "/v2.1/os-simple-tenant-usage", "os_compute_api:os-simple-tenant-usage:"
	return []rest.Route{
		rest.On("GET "+all, rule+"list", a.list),
		rest.On("GET "+all+"/{tenant_id}", rule+"show", a.show).Inside(),
	}
}

// period reads start and end. Each is now where it is absent, and end is never
// in the future.
func period(r *http.Request) (from, to time.Time, err error) {
	now := rest.Started(r.Context()).UTC()
	q := r.URL.Query()
	if from, err = instantOf(q.Get("start"), now.Add(-time.Microsecond)); err != nil {
		return from, to, err
	}
	if to, err = instantOf(q.Get("end"), now); err != nil {
		return from, to, err
	}
	if !from.Before(to) {
		return from, to, fault.New(fault.CodeRestInvalidInput, "Invalid start time. The start time cannot occur after the end time.").WithField("start")
	}
	if to.After(now) {
		to = now
	}
	return from, to, nil
}

func instantOf(s string, otherwise time.Time) (time.Time, error) {
	if s == "" {
		return otherwise, nil
	}
	for _, form := range []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05"} { // a fraction may follow
		if t, err := time.Parse(form, s); err == nil {
			return t, nil
		}
	}
	return otherwise, fault.New(fault.CodeRestInvalidInput, "Invalid datetime string: Datetime is in invalid format").WithField("start")
}

// tally sums servers by project, in the order in which projects come.
func tally(ran []compute.Ran, from, to, now time.Time, detail bool) []map[string]any {
	out := []map[string]any{}
	var sum map[string]any
	var hours, vcpus, memory, disk float64
	servers := []map[string]any{}
	for i, s := range ran {
		h := s.Hours(from, to)
		gib := s.Flavor.DiskGiB + s.Flavor.EphemeralGiB
		hours, vcpus, memory, disk = hours+h, vcpus+h*float64(s.Flavor.VCPUs), memory+h*float64(s.Flavor.MemoryMiB), disk+h*float64(gib)
		servers = append(servers, ranView(s, h, now))
		if i+1 < len(ran) && ran[i+1].ProjectID == s.ProjectID {
			continue
		}
		sum = map[string]any{"tenant_id": s.ProjectID, "start": from.Format(instant), "stop": to.Format(instant),
			"total_hours": hours, "total_vcpus_usage": vcpus, "total_memory_mb_usage": memory, "total_local_gb_usage": disk}
		if detail {
			sum["server_usages"] = servers
		}
		out = append(out, sum)
		hours, vcpus, memory, disk, servers = 0, 0, 0, 0, []map[string]any{}
	}
	return out
}

func ranView(s compute.Ran, hours float64, now time.Time) map[string]any {
	out := map[string]any{"instance_id": s.ID, "name": s.Name, "tenant_id": s.ProjectID, "hours": hours, "flavor": s.Flavor.Name,
		"vcpus": s.Flavor.VCPUs, "memory_mb": s.Flavor.MemoryMiB, "local_gb": s.Flavor.DiskGiB + s.Flavor.EphemeralGiB,
		"started_at": s.LaunchedAt.UTC().Format(instant), "ended_at": nil, "state": string(s.State)}
	end := now
	if !s.EndedAt.IsZero() {
		end = s.EndedAt
		out["ended_at"], out["state"] = s.EndedAt.UTC().Format(instant), "terminated"
	}
	out["uptime"] = int64(end.Sub(s.LaunchedAt).Seconds())
	return out
}

// page of a report: all of it before 2.40, where there are no links.
func (a *Usage) page(r *http.Request, projectID string, from, to time.Time) (ran []compute.Ran, links []link, err error) {
	var req page.Request
	if since(r, 40) {
		q := url.Values{}
		for _, name := range []string{"limit", "marker"} {
			if v, has := r.URL.Query()[name]; has {
				q[name] = v
			}
		}
		if req, err = page.Parse(q, page.Options{Max: 1000}); err != nil {
			return nil, nil, err
		}
	}
	ran, more, err := a.compute.Ran(r.Context(), projectID, from, to, req)
	if more {
		links = nextLink(r, ran[len(ran)-1].ID)
	}
	return ran, links, err
}

func (a *Usage) list(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	if strings.HasSuffix(r.URL.Path, "/") { // a report of a project without an id, not of all
		return fault.New(fault.CodeRestNotFound, "The resource could not be found.")
	}
	from, to, err := period(r)
	if err != nil {
		return err
	}
	ran, links, err := a.page(r, "", from, to)
	if err != nil {
		return err
	}
	out := map[string]any{"tenant_usages": tally(ran, from, to, rest.Started(r.Context()), r.URL.Query().Get("detailed") == "1")}
	if links != nil {
		out["tenant_usages_links"] = links
	}
	return rest.Write(w, http.StatusOK, out)
}

func (a *Usage) show(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	project := r.PathValue("tenant_id")
	if err := scope.Check(scope.Rule, auth.Target{"project_id": project}); err != nil {
		return err
	}
	from, to, err := period(r)
	if err != nil {
		return err
	}
	ran, links, err := a.page(r, project, from, to)
	if err != nil {
		return err
	}
	out := map[string]any{"tenant_usage": map[string]any{}}
	if sums := tally(ran, from, to, rest.Started(r.Context()), true); len(sums) > 0 {
		out["tenant_usage"] = sums[0]
	}
	if links != nil {
		out["tenant_usage_links"] = links
	}
	return rest.Write(w, http.StatusOK, out)
}
