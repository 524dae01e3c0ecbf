package api

import (
	"net/http"

	"altostack/kernel/auth"
	"altostack/kernel/rest"
)

func (a *API) versionRoutes() []rest.Route {
	return []rest.Route{rest.On("GET /", "", versions).Open(), rest.On("GET /v3", "", version).Open()}
}

func v3(r *http.Request) object {
	return object{
		"id": "v3.14", "status": "stable", "updated": "2020-04-07T00:00:00Z",
		"links":       []object{{"rel": "self", "href": rest.Base(r) + "/v3/"}},
		"media-types": []object{{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}},
	}
}

func versions(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	w.Header().Set("Location", rest.Base(r)+"/v3/")
	return rest.Write(w, http.StatusMultipleChoices, object{"versions": object{"values": []object{v3(r)}}})
}

func version(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	return rest.Write(w, http.StatusOK, object{"version": v3(r)})
}
