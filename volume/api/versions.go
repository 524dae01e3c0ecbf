package api

import (
	"net/http"

	"altostack/kernel/auth"
	"altostack/kernel/rest"
)

func (a *API) versionRoutes() []rest.Route {
	return []rest.Route{
		rest.On("GET /", "", versions(http.StatusMultipleChoices)).Open(),
		rest.On("GET /v3/", "", versions(http.StatusOK)).Open(),
	}
}

// versions answers the one version there is.
func versions(status int) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
		doc := map[string]any{
			"id": "v3.0", "status": "CURRENT", "version": Range.Max.String(), "min_version": Range.Min.String(), "updated": "2023-08-31T00:00:00Z",
			"links": []map[string]string{
				{"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"},
				{"rel": "self", "href": rest.Base(r) + "/v3/"},
			},
			"media-types": []map[string]string{{"base": "application/json", "type": "application/vnd.openstack.volume+json;version=3"}},
		}
		return rest.Write(w, status, map[string]any{"versions": []any{doc}})
	}
}
