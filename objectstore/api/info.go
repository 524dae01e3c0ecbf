package api

import (
	"net/http"
	"strings"

	"altostack/kernel/rest"
)

// Version is the release of Swift whose API this is.
const Version = "2.38.0"

// info answers what the cluster can do.
func (c *Call) info() error {
	switch c.R.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodOptions:
		c.W.Header().Set("Allow", "GET, HEAD, OPTIONS")
		return emptyBody(c.W, http.StatusOK)
	default:
		c.W.Header().Set("Allow", "GET, HEAD, OPTIONS")
		return Refuse(http.StatusMethodNotAllowed, "")
	}
	limits := c.Service.Limits()
	var policies []map[string]any
	for _, p := range c.Service.Policies() {
		if p.Deprecated {
			continue
		}
		m := map[string]any{"name": p.Name, "aliases": strings.Join(append([]string{p.Name}, p.Aliases...), ", ")}
		if p.Default {
			m["default"] = true
		}
		policies = append(policies, m)
	}
	out := map[string]any{
		"swift": map[string]any{
			"version": Version, "max_file_size": limits.ObjectBytes, "max_meta_name_length": maxMetaName, "max_meta_value_length": maxMetaValue,
			"max_meta_count": maxMetaCount, "max_meta_overall_size": maxMetaOverall, "max_header_size": maxHeader, "max_request_line": maxHeader,
			"max_object_name_length": limits.ObjectName, "container_listing_limit": listingLimit, "account_listing_limit": listingLimit,
			"max_account_name_length": limits.AccountName, "max_container_name_length": limits.ContainerName, "valid_api_versions": []string{"v1", "v1.0"},
			"extra_header_count": 0, "auto_create_account_prefix": ".", "policies": policies, "allow_account_management": true, "account_autocreate": true,
			"strict_cors_mode": true, "allow_open_expired": false,
		},
		"keystoneauth": map[string]any{},
	}
	for _, f := range c.API.features {
		if f.Info != nil {
			out[f.Name] = f.Info
		}
	}
	return rest.Write(c.W, http.StatusOK, out)
}
