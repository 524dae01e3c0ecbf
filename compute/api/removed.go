package api

import (
	"net/http"

	"altostack/kernel/auth"
	"altostack/kernel/contract"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
)

// removedRoutes answer 410 to every operation that Nova once had and removed, in
// all microversions; the contract's table says which.
func removedRoutes() []rest.Route {
	var out []rest.Route
	for _, o := range contract.Operations("nova") {
		if o.State == "removed" {
			route := rest.On(o.Method+" "+o.Path, "", gone).Act(o.Action)
			if o.MaxVersion != "" {
				route = route.Until(o.MaxVersion)
			}
			out = append(out, route)
		}
	}
	return out
}

func gone(http.ResponseWriter, *http.Request, auth.Scope) error {
	return fault.New(fault.CodeComputeApiRemoved, "This resource is no longer available. No forwarding address is given.")
}
