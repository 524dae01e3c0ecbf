package feature

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"altostack/objectstore"
	"altostack/objectstore/api"
)

// archiveName reads the name of a container for older versions.
func archiveName(value string) (string, error) {
	name, err := url.PathUnescape(value)
	if err != nil || strings.Contains(name, "/") {
		return "", api.Refuse(http.StatusPreconditionFailed, "Container name cannot contain slashes")
	}
	return name, nil
}

// AccountQuotas are quotas of accounts, which reseller administrators set.
func (f *Features) AccountQuotas() api.Feature {
	return api.Feature{
		Name: "account_quotas", Info: map[string]any{},
		Account: f.setQuotas,
		AccountHeaders: func(_ *api.Call, a objectstore.Account, h http.Header) {
			for key, header := range f.quotaHeaders() {
				if v := a.System[key]; v != "" {
					h.Set("X-Account-"+header, v)
				}
			}
		},
	}
}

// quotaHeaders names the header, without X-Account-, of each quota that is kept.
func (f *Features) quotaHeaders() map[string]string {
	out := map[string]string{objectstore.SystemQuotaBytes: "Quota-Bytes", objectstore.SystemQuotaCount: "Quota-Count"}
	for _, p := range f.svc.Policies() {
		n := "-" + strconv.Itoa(p.Index)
		out[objectstore.SystemQuotaBytes+n], out[objectstore.SystemQuotaCount+n] = "Quota-Bytes-Policy-"+p.Name, "Quota-Count-Policy-"+p.Name
	}
	return out
}

func (f *Features) setQuotas(c *api.Call, a *objectstore.Account) error {
	changes := map[string]string{}
	for key, name := range f.quotaHeaders() {
		if v, given := quota(c.R.Header, name); given {
			changes[key] = v
		}
	}
	if _, has := changes[objectstore.SystemQuotaBytes]; !has {
		if v, given := quota(c.R.Header, "Meta-Quota-Bytes"); given { // as it was set before
			changes[objectstore.SystemQuotaBytes] = v
		}
	}
	if len(changes) == 0 {
		return nil
	}
	if !c.Grant.Reseller {
		return api.Refuse(http.StatusForbidden, "")
	}
	for _, v := range changes {
		if v != "" && !digits(v) {
			return api.Refuse(http.StatusBadRequest, "")
		}
	}
	a.System = objectstore.Merge(a.System, changes)
	return nil
}

// quota reads a header that sets or, empty or as X-Remove-, takes away a quota.
func quota(h http.Header, name string) (value string, given bool) {
	if h.Get("X-Remove-Account-"+name) != "" {
		return "", true
	}
	values := h.Values("X-Account-" + name)
	return strings.Join(values, ","), len(values) > 0
}

func digits(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}

// ContainerQuotas are quotas of containers, which their owners set. Quotas of both
// kinds are held in the store; here only what is hopeless is refused early.
func (f *Features) ContainerQuotas() api.Feature {
	return api.Feature{
		Name: "container_quotas", Info: map[string]any{},
		Container: func(c *api.Call, _ *objectstore.Container, _ bool) error {
			if !digits(c.R.Header.Get("X-Container-Meta-Quota-Bytes")) {
				return api.Refuse(http.StatusBadRequest, "Invalid bytes quota.")
			}
			if !digits(c.R.Header.Get("X-Container-Meta-Quota-Count")) {
				return api.Refuse(http.StatusBadRequest, "Invalid count quota.")
			}
			return nil
		},
		Put: func(c *api.Call, con objectstore.Container, up *api.Upload) (bool, error) {
			if c.Grant.Reseller {
				c.R = c.R.WithContext(objectstore.WithoutAccountQuota(c.R.Context()))
			}
			if up.Length <= 0 || up.Source != nil {
				return false, nil
			}
			return false, f.svc.Room(c.R.Context(), con, up.Name, up.Length)
		},
	}
}
