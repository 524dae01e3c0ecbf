package api

import "altostack/kernel/contract"

// Operations are the documented calls that are served, spelled as the contract
// spells them. There is no table of routes to take them from; the API's tests walk
// them.
func Operations() []contract.RouteKey {
	var out []contract.RouteKey
	add := func(path string, methods ...string) {
		for _, m := range methods {
			out = append(out, contract.RouteKey{Method: m, Path: path})
		}
	}
	add("/v1/{account}", "GET", "HEAD", "POST", "PUT", "DELETE")
	add("/v1/{account}/{container}", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")
	add("/v1/{account}/{container}/{object}", "GET", "HEAD", "POST", "PUT", "DELETE", "COPY", "OPTIONS")
	add("/v1/{account}/{container}/{object}?version-id={id}", "GET")
	add("/info", "GET", "HEAD", "OPTIONS")
	add("/healthcheck", "GET")
	return out
}
