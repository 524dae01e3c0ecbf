package api

import (
	_ "embed"
	"net/http"
	"strings"
	"sync"

	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
)

// extensionsTSV lists what older clients look for: alias and name. The list has
// not changed since microversions replaced extensions.
//
//go:embed extensions.tsv
var extensionsTSV string

type extension struct {
	Alias       string   `json:"alias"`
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Namespace   string   `json:"namespace"`
	Updated     string   `json:"updated"`
	Links       []string `json:"links"`
}

var extensions = sync.OnceValue(func() []extension {
	var out []extension
	for _, line := range strings.Split(strings.TrimSpace(extensionsTSV), "\n")[1:] {
		alias, name, _ := strings.Cut(line, "\t")
		out = append(out, extension{alias, name, name, "http://docs.openstack.org/compute/ext/fake_xml", "2014-12-03T00:00:00Z", []string{}})
	}
	return out
})

func extensionRoutes() []rest.Route {
	return []rest.Route{
		rest.On("GET /v2.1/extensions", "os_compute_api:extensions", func(w http.ResponseWriter, _ *http.Request, _ auth.Scope) error {
			return rest.Write(w, http.StatusOK, map[string]any{"extensions": extensions()})
		}),
		rest.On("GET /v2.1/extensions/{alias}", "os_compute_api:extensions", showExtension),
	}
}

func showExtension(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	for _, e := range extensions() {
		if e.Alias == r.PathValue("alias") {
			return rest.Write(w, http.StatusOK, map[string]any{"extension": e})
		}
	}
	return fault.New(fault.CodeRestNotFound, "The resource could not be found.")
}
